use super::*;
use crate::Kind;

#[test]
fn numbers_are_unique_within_an_object() {
    assert_eq!(block_number(Section::Records, 0), 1 << 32);
    assert_eq!(block_number(Section::Filters, 7), (2 << 32) + 7);
    assert_eq!(block_number(Section::Packs, u32::MAX), (4 << 32) - 1);
}

#[test]
fn blocks_come_back() {
    let raw = vec![7; 2 * records::RECORD_LEN];
    let plaintext = encode_block(Codec::Stored, 124, &raw);
    let packed = decode_block(&plaintext, Section::Records, 2).unwrap();
    assert_eq!((packed.codec, packed.rest), (Codec::Stored, &raw[..]));
    assert_eq!(decode_block(&plaintext, Section::Records, 3).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(decode_block(&plaintext, Section::Packs, 2).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(Section::from_number(4).unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(Section::from_number(0).unwrap_err().kind(), Kind::Corrupt);
}
