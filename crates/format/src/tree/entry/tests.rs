use proptest::prelude::*;

use super::strategies::entry;
use super::*;
use crate::{Kind, hex};

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    entry.encode(&mut out);
    out
}

#[test]
fn defaults_cost_one_byte() {
    assert_eq!(encoded(&Entry::default()), [0xa0]);
    assert_eq!(Entry::decode(&[0xa0]), Ok(Entry::default()));
}

#[test]
fn unknown_fields_are_passed_over() {
    // {1: 0o644, 20: [h'01', {2: "x"}], 21: 1, 99: null}
    let bytes = hex::decode("a4011901a41482 4101a10261781501 1863f6".replace(' ', "").as_str());
    let entry = Entry::decode(&bytes.unwrap()).unwrap();
    let wanted = Entry { mode: 0o644, notes: NOTE_CHANGED_WHILE_READ, ..Entry::default() };
    assert_eq!(entry, wanted);
}

#[test]
fn an_unknown_kind_is_of_a_newer_version() {
    let error = Entry::decode(&[0xa1, 0, 7]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(error.to_string(), "entry: entries of kind 7 come from a newer version");
}

#[test]
fn other_encodings_are_refused() {
    for (hex, reason) in [
        ("a00000", "entry: at byte 1: expected the end, found 2 more bytes"),
        ("a101190000", "entry: at byte 2: the number 0 is not written in its shortest form"),
        ("a10100", "entry: at byte 2: field 1 has its default, to be left out"),
        ("a10a01", "entry: at byte 2: field 10 has its default, to be left out"),
        ("a202010101", "entry: at byte 3: field 1 is out of order"),
        ("a201010101", "entry: at byte 3: field 1 is out of order"),
        ("a101191000", "entry: the mode 10000 has bits beyond 7777"),
        ("a10682001a3b9aca00", "entry: a time has a second or more of nanoseconds"),
        ("a10002", "entry: Symlink with a target of 0 bytes"),
        ("a10c4161", "entry: File with a target of 1 bytes"),
        ("a10006", "entry: Block and its device number do not agree"),
        ("a10b820101", "entry: File and its device number do not agree"),
        ("a200011001", "entry: Dir with content"),
        ("a11005", "entry: size 5 but extents of 0"),
        ("a2100511820101", "entry: size 5 but extents of 2"),
        ("a21181011209", "entry: an extent list of depth 9"),
        ("a11201", "entry: an extent list without bytes"),
        ("a10da2416140416140", "entry: at byte 6: names of attributes must be there and ascend"),
        ("a10da14040", "entry: at byte 3: names of attributes must be there and ascend"),
    ] {
        let error = Entry::decode(&hex::decode(hex).unwrap()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (reason, Kind::Corrupt));
    }
}

#[test]
fn lists_that_should_have_been_moved_out_are_refused() {
    let chunk = Extent::Chunk { id: ChunkId([1; 32]), offset: 0, length: 1 };
    let mut entry = Entry { size: 200, content: vec![chunk; 200], ..Entry::default() };
    let error = Entry::decode(&encoded(&entry)).unwrap_err();
    assert!(error.to_string().ends_with("extents of more than 4096 bytes that were not moved out"));
    entry = Entry { xattrs: [(vec![1], vec![0; ENTRY_MAX])].into(), ..Entry::default() };
    let error = Entry::decode(&encoded(&entry)).unwrap_err();
    assert!(error.to_string().ends_with("more than 1048576"), "{error}");
}

proptest! {
    #[test]
    fn entries_come_back(entry in entry()) {
        prop_assert_eq!(Entry::decode(&encoded(&entry)), Ok(entry));
    }

    #[test]
    fn damaged_entries_are_answered(entry in entry(), place: prop::sample::Index, bits: u8) {
        let mut bytes = encoded(&entry);
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        drop(Entry::decode(&bytes));
        drop(Entry::decode(&bytes[..place]));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        drop(Entry::decode(&bytes));
    }
}
