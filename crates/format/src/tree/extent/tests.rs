use proptest::prelude::*;

use super::*;
use crate::tree::entry::strategies::extents;

#[test]
fn encodings() {
    let id = ChunkId([0xcc; 32]);
    let cc = "cc".repeat(32);
    for (extent, hex) in [
        (Extent::Hole(4096), "191000".to_owned()),
        (Extent::Zeros(1), "8101".to_owned()),
        (Extent::Inline(b"hi".to_vec()), "426869".to_owned()),
        (Extent::Chunk { id, offset: 0, length: 10 }, format!("825820{cc}0a")),
        (Extent::Chunk { id, offset: 7, length: 10 }, format!("835820{cc}0a07")),
    ] {
        let mut out = Vec::new();
        encode_extents(std::slice::from_ref(&extent), &mut out);
        assert_eq!(crate::hex::encode(&out), hex);
        assert_eq!(decode_extents(&out), Ok(vec![extent]));
    }
}

#[test]
fn refusals() {
    let cc = "cc".repeat(32);
    for (hex, reason) in [
        ("00".to_owned(), "extent: at byte 0: an empty extent"),
        ("40".to_owned(), "extent: at byte 0: an empty extent"),
        ("8100".to_owned(), "extent: at byte 0: an empty extent"),
        (format!("825820{cc}00"), "extent: at byte 0: an empty extent"),
        (format!("835820{cc}0a00"), "extent: at byte 0: an offset of zero must be left out"),
        ("80".to_owned(), "extent: at byte 0: an extent of 0 items"),
        ("20".to_owned(), "extent: at byte 0: expected an extent, found a negative integer"),
        (format!("835820{cc}1affffffff01"), "extent: at byte 0: a range that ends beyond 4 GiB"),
        ("1bffffffffffffffff01".to_owned(), "extent: the lengths add up to more than 64 bits"),
    ] {
        let bytes = crate::hex::decode(&hex).unwrap();
        assert_eq!(decode_extents(&bytes).unwrap_err().to_string(), reason);
    }
}

#[test]
fn pieces_end_by_content_or_by_length() {
    let chunk = |first| {
        let mut id = [9; 32];
        id[0] = first;
        Extent::Chunk { id: ChunkId(id), offset: 0, length: 1 }
    };
    assert!(ends_piece(&chunk(0), 40));
    assert!(!ends_piece(&chunk(1), PIECE_MAX - 1));
    assert!(ends_piece(&chunk(1), PIECE_MAX));
    assert!(!ends_piece(&Extent::Hole(1), 40));
}

proptest! {
    #[test]
    fn lists_come_back(extents in extents()) {
        let mut out = Vec::new();
        encode_extents(&extents, &mut out);
        prop_assert_eq!(decode_extents(&out), Ok(extents));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        if let Ok(extents) = decode_extents(&bytes) {
            let mut out = Vec::new();
            encode_extents(&extents, &mut out);
            prop_assert_eq!(out, bytes);
        }
    }
}
