use lifeboat_codec::hash::proof;
use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectName;

use super::*;
use crate::io::Io;
use crate::open::testing::{init_options, new};
use crate::open::{InitOptions, Repository, init};

fn name(number: u8) -> ObjectName {
    ObjectName { hash: ObjectHash([number; 32]), upload: [number; 8] }
}

fn kept() -> Kept {
    let bits =
        |marked: &[u64], nodes: &[u64]| Bits { marked: marked.to_vec(), nodes: nodes.to_vec() };
    let pack = OfPack { size: 0, raw: 9 << 40, raw_used: 7, chunks_used: 3 };
    Kept {
        head: Head { number: 300, hash: ObjectHash([4; 32]) },
        trees: BTreeSet::from([ChunkId([1; 32]), ChunkId([2; 32])]),
        bits: BTreeMap::from([
            (ObjectKey::Index(name(5)), bits(&[u64::MAX, 1 << 63], &[1])),
            (ObjectKey::Index(name(6)), bits(&[], &[])),
        ]),
        sums: Some(Sums {
            has_deleted: true,
            packs: vec![(ObjectKey::Pack(name(7)), pack), (ObjectKey::Tree(name(8)), pack)],
            segments: vec![
                (ObjectKey::Index(name(5)), OfSegment { records: 128, believed: 120 }),
                (ObjectKey::Index(name(6)), OfSegment { records: 1, believed: 1 }),
            ],
        }),
    }
}

/// The bytes with another proof, as one who may collect would have made it.
fn proven(repository: &Repository, mut bytes: Vec<u8>) -> Vec<u8> {
    let said = bytes.len() - 32;
    let key = repository.keyring().kept_marks_key().unwrap();
    let proof = proof(&key, &bytes[..said]);
    bytes[said..].copy_from_slice(&proof);
    bytes
}

#[test]
fn what_was_kept_comes_back() {
    let (_, repository) = new(1);
    for kept in [kept(), Kept { sums: None, ..kept() }] {
        let bytes = file::encode(&repository, &kept).unwrap();
        assert_eq!(file::decode(&repository, &bytes).as_ref(), Ok(&kept));
    }
    // Words of no marks are not written.
    let mut longer = kept();
    longer.bits.get_mut(&ObjectKey::Index(name(6))).unwrap().marked = vec![0; 1000];
    assert_eq!(file::encode(&repository, &longer), file::encode(&repository, &kept()));
}

#[test]
fn damaged_and_cut_off_bytes_say_nothing() {
    let (_, repository) = new(1);
    let bytes = file::encode(&repository, &kept()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(file::decode(&repository, &flipped).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(file::decode(&repository, &bytes[..len]).is_err(), "{len} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(file::decode(&repository, &longer).is_err());
}

/// What has a good proof is decoded without a panic, and without believing counts, whatever it says.
#[test]
fn decoding_is_bounded() {
    let (_, repository) = new(1);
    let bytes = file::encode(&repository, &kept()).unwrap();
    for len in 32..bytes.len() {
        let cut = proven(&repository, bytes[..len].to_vec());
        assert!(file::decode(&repository, &cut).is_err(), "{len} bytes");
    }
    let mut accepted = 0;
    for at in 0..bytes.len() - 32 {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut other = bytes.clone();
            other[at] = byte;
            if let Ok(kept) = file::decode(&repository, &proven(&repository, other)) {
                assert!(kept.trees.len() <= 2 && kept.bits.len() <= 2);
                accepted += 1;
            }
        }
    }
    // Most bytes are of names, hashes and sums.
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn what_others_have_kept_says_nothing() {
    let (_, repository) = new(1);
    let bytes = file::encode(&repository, &kept()).unwrap();
    let (_, other) = new(2);
    assert!(file::decode(&other, &bytes).is_err());
    assert!(file::decode(&other, &proven(&other, bytes.clone())).is_err());
    // The repository's id, and another log.
    let options = InitOptions { repository: repository.id(), ..init_options(3) };
    let twin = init(Io::new(lifeboat_store::mem()).unwrap(), &options).unwrap();
    assert!(file::decode(&twin, &proven(&twin, bytes.clone())).is_err());
    let mut newer = bytes;
    newer[7] = 2;
    let why = file::decode(&repository, &proven(&repository, newer)).unwrap_err();
    assert!(why.contains("version"), "{why}");
}

/// Marks of a hundred million chunks, all used and every tenth a node, in as many segments as they are merged to and in packs of
/// 32 MiB: what a collector holds of that at once. The fold and the index have budgets of their own.
#[test]
fn marks_of_a_hundred_million_chunks_fit() {
    const RECORDS: usize = 140_000;
    const SEGMENTS: usize = 100_000_000_usize.div_ceil(RECORDS);
    const PACKS: usize = 400_000;
    let (_, repository) = new(1);
    let numbered = |number: usize| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
        ObjectName { hash: ObjectHash(hash), upload: [0; 8] }
    };
    // What a mark holds: two bits for each record, and the sums of each pack.
    let (mut marks, mut nodes) =
        (crate::index::marks::Marks::new(), crate::index::marks::Marks::new());
    for segment in 0..SEGMENTS {
        for record in 0..RECORDS as u64 {
            let at = Ordinal { segment, record };
            marks.set(at);
            if record % 10 == 0 {
                nodes.set(at);
            }
        }
    }
    let pack = OfPack { size: 32 << 20, raw: 33 << 20, raw_used: 33 << 20, chunks_used: 250 };
    let packs: std::collections::HashMap<_, _> =
        (0..PACKS).map(|number| (ObjectKey::Pack(numbered(number)), pack)).collect();
    let words = |marks: &crate::index::marks::Marks| -> usize {
        (0..SEGMENTS).map(|segment| size_of_val(marks.words(segment))).sum()
    };
    // A table has an eighth more places than it is said to hold, and a byte for each.
    let entry = size_of::<(ObjectKey, OfPack)>() + 1;
    let table = packs.capacity() / 7 * 8 * entry;
    // What is kept of it besides, while it is written, and the bytes.
    let bits = |segment| Bits {
        marked: marks.words(segment).to_vec(),
        nodes: nodes.words(segment).to_vec(),
    };
    let segment_key = |segment| ObjectKey::Index(numbered(segment));
    let of = OfSegment { records: RECORDS as u64, believed: RECORDS as u64 };
    let kept = Kept {
        bits: (0..SEGMENTS).map(|segment| (segment_key(segment), bits(segment))).collect(),
        sums: Some(Sums {
            has_deleted: false,
            packs: packs.iter().map(|(key, pack)| (*key, *pack)).collect(),
            segments: (0..SEGMENTS).map(|segment| (segment_key(segment), of)).collect(),
        }),
        ..kept()
    };
    let bytes = file::encode(&repository, &kept).unwrap();
    let sums = PACKS * size_of::<(ObjectKey, OfPack)>();
    let held = 2 * (words(&marks) + words(&nodes)) + table + sums + bytes.capacity();
    assert!(held < 200 << 20, "{held} bytes");
    assert!(bytes.len() < 56 << 20, "{} bytes", bytes.len());
    assert_eq!(file::decode(&repository, &bytes).unwrap().bits.len(), SEGMENTS);
}
