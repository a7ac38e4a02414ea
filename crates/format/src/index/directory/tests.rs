use proptest::prelude::*;

use super::*;
use crate::Kind;

fn block(section: Section, offset: u64, count: u32, first: u8) -> BlockEntry {
    let raw = raw_block_len(section, count);
    let sealed_len = u32::try_from(raw).unwrap() + 24;
    BlockEntry { section, offset, sealed_len, count, first: ChunkId([first; 32]) }
}

fn directory() -> (Directory, u64) {
    let mut offset = 104;
    let mut blocks = Vec::new();
    for (section, count, first) in [
        (Section::Records, 1024, 1),
        (Section::Records, 5, 9),
        (Section::Filters, 1024, 0),
        (Section::Filters, 5, 0),
        (Section::Packs, 3, 0),
    ] {
        blocks.push(block(section, offset, count, first));
        offset += u64::from(blocks.last().unwrap().sealed_len);
    }
    (Directory { blocks }, offset)
}

#[test]
fn directories_come_back() {
    let (directory, end) = directory();
    let plaintext = directory.encode();
    assert_eq!(plaintext.len(), 24 + 5 * 49);
    assert_eq!(Directory::decode(&plaintext, end), Ok(directory.clone()));
    assert_eq!((directory.record_count(), directory.pack_count()), (1029, 3));
    assert_eq!(directory.section(Section::Filters), &directory.blocks[2..4]);
}

#[test]
fn an_id_is_in_one_block_at_most() {
    let (directory, _) = directory();
    for (first, found) in [(0, None), (1, Some(0)), (8, Some(0)), (9, Some(1)), (255, Some(1))] {
        assert_eq!(directory.find(&ChunkId([first; 32])), found);
    }
}

#[test]
fn refusals() {
    let refused = |change: fn(&mut Directory), reason: &str| {
        let (mut directory, end) = directory();
        change(&mut directory);
        let error = Directory::decode(&directory.encode(), end).unwrap_err();
        assert_eq!(error.to_string(), format!("index directory: {reason}"));
        assert_eq!(error.kind(), Kind::Corrupt);
    };
    let gap = "does not begin where the one before it ends";
    refused(|d| d.blocks[0].offset = 103, &format!("block 0 {gap}"));
    refused(|d| d.blocks[3].offset += 1, &format!("block 3 {gap}"));
    refused(|d| d.blocks.swap(0, 1), &format!("block 0 {gap}"));
    refused(|d| d.blocks[0].count = 0, "block 0 has no items or more than 1024");
    refused(|d| d.blocks[0].count = 1025, "block 0 has no items or more than 1024");
    refused(|d| d.blocks[4].sealed_len = 23, "block 4 has a length that its items can't have");
    refused(|d| d.blocks[4].sealed_len += 1, "block 4 has a length that its items can't have");
    refused(|d| d.blocks[1].first = ChunkId([1; 32]), "block 1 is out of order");
    refused(|d| d.blocks[4].first = ChunkId([1; 32]), "block 4 has an id and no records");
    refused(
        |d| {
            d.blocks[4].section = Section::Filters;
            d.blocks[4].count = 118;
        },
        "filters that are not those of the records",
    );
    refused(
        |d| {
            d.blocks[4].section = Section::Records;
            d.blocks[4].first = ChunkId([77; 32]);
        },
        "block 4 is out of order",
    );
    refused(|d| d.blocks.truncate(3), "at byte 24: expected blocks up to 65457, found up to 65254");
}

#[test]
fn headers_are_refused() {
    let (directory, end) = directory();
    let plaintext = directory.encode();
    for (place, byte, kind) in [
        (0, 0, Kind::Corrupt),
        (0, 2, Kind::Unsupported),
        (4, 4, Kind::Corrupt),
        (7, 255, Kind::Corrupt),
        (8, 1, Kind::Corrupt),
        (16, 4, Kind::Corrupt),
        (20, 1, Kind::Corrupt),
        (24, 0, Kind::Corrupt),
        (24, 4, Kind::Unsupported),
    ] {
        let mut bytes = plaintext.clone();
        bytes[place] = byte;
        assert_eq!(Directory::decode(&bytes, end).unwrap_err().kind(), kind, "{place}");
    }
    assert!(Directory::decode(&plaintext[..plaintext.len() - 1], end).is_err());
    let none = Directory { blocks: Vec::new() };
    assert!(Directory::decode(&none.encode(), 104).is_err());
}

proptest! {
    #[test]
    fn damaged_directories_are_answered(place in 0..269_usize, bits: u8) {
        let (directory, end) = directory();
        let mut bytes = directory.encode();
        bytes[place] ^= bits;
        if let Ok(decoded) = Directory::decode(&bytes, end) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, end: u64) {
        drop(Directory::decode(&bytes, end));
    }
}
