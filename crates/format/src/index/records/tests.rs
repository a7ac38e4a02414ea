use proptest::prelude::*;

use super::*;
use crate::Kind;

pub(in crate::index) fn record(first: u8) -> IndexRecord {
    IndexRecord {
        id: ChunkId([first; 32]),
        pack: 1,
        frame: 4,
        frame_offset: 104,
        frame_sealed_len: 116,
        frame_raw_len: 100,
        offset: 10,
        length: 90,
        frame_codec: Codec::Stored,
        generation: GENERATION,
    }
}

#[test]
fn records_come_back() {
    let records = [record(1), record(2), record(255)];
    let raw = encode_records(&records);
    assert_eq!(raw.len(), 3 * RECORD_LEN);
    assert_eq!(decode_records(&raw, 3, 2), Ok(records.to_vec()));
    assert_eq!(decode_records(&[], 0, 2), Ok(Vec::new()));
}

#[test]
fn refusals() {
    let refused = |change: fn(&mut IndexRecord), reason: &str| {
        let mut records = [record(1), record(2)];
        change(&mut records[1]);
        let error = decode_records(&encode_records(&records), 2, 2).unwrap_err();
        assert_eq!(error.to_string(), format!("index records: record 1 {reason}"));
        assert_eq!(error.kind(), Kind::Corrupt);
    };
    refused(|r| r.id = ChunkId([1; 32]), "does not follow the one before it");
    refused(|r| r.id = ChunkId([0; 32]), "does not follow the one before it");
    refused(|r| r.pack = 2, "is in a pack that does not exist");
    refused(|r| r.frame_offset = 103, "is in a frame beyond the pack");
    refused(|r| r.frame_offset = u32::MAX, "is in a frame beyond the pack");
    refused(|r| r.frame_sealed_len = 16, "is too short for a tag");
    refused(|r| r.frame_raw_len = 101, "is stored with another length");
    refused(|r| r.length = 91, "is empty or ends beyond its frame");
    refused(|r| r.length = 0, "is empty or ends beyond its frame");
    refused(|r| r.offset = u32::MAX, "is empty or ends beyond its frame");
    refused(|r| r.generation = 0, "has no generation");
}

#[test]
fn other_lengths_and_codecs_are_refused() {
    let mut raw = encode_records(&[record(1)]);
    assert!(decode_records(&raw[1..], 1, 2).is_err());
    assert!(decode_records(&raw, 2, 2).is_err());
    assert!(decode_records(&vec![0; RECORD_LEN * 1025], 1025, 2).is_err());
    raw[60] = 2;
    assert_eq!(decode_records(&raw, 1, 2).unwrap_err().kind(), Kind::Unsupported);
    // Another generation is not this version's affair, and no damage.
    let other = IndexRecord { generation: 2, ..record(1) };
    assert_eq!(decode_records(&encode_records(&[other]), 1, 2), Ok(vec![other]));
}

proptest! {
    #[test]
    fn random_records_come_back(
        ids in prop::collection::btree_set(any::<[u8; 32]>(), 0..40),
        seed in (0..9_u32, any::<u32>(), 104..1_u32 << 30, 1..16_u32 << 20, any::<bool>()),
    ) {
        let (pack, frame, frame_offset, len, stored) = seed;
        let records: Vec<IndexRecord> = ids.into_iter().map(|id| IndexRecord {
            id: ChunkId(id),
            pack,
            frame,
            frame_offset,
            frame_sealed_len: if stored { len } else { len.div_ceil(2) } + 16,
            frame_raw_len: if stored { len } else { len + 1 },
            offset: len / 3,
            length: len - len / 3,
            frame_codec: if stored { Codec::Stored } else { Codec::Zstd },
            generation: 1,
        }).filter(|record| record.frame_raw_len <= 16 << 20).collect();
        let count = u32::try_from(records.len()).unwrap();
        prop_assert_eq!(decode_records(&encode_records(&records), count, 9), Ok(records));
    }

    #[test]
    fn damaged_blocks_are_answered(place in 0..3 * RECORD_LEN, bits: u8) {
        let mut raw = encode_records(&[record(1), record(2), record(3)]);
        raw[place] ^= bits;
        drop(decode_records(&raw, 3, 2));
    }
}
