use proptest::prelude::*;

use super::*;
use crate::Kind;

fn footer() -> Footer {
    Footer { trailer_offset: 2_000_000, trailer_len: 100, body_len: 2_000_100, stripes_crc: 7 }
}

fn tail(footer: &Footer) -> Vec<u8> {
    footer.encode().repeat(2)
}

fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    for start in [0, FOOTER_LEN] {
        let crc = crc32fast::hash(&bytes[start..start + 60]).to_le_bytes();
        bytes[start + 60..start + 64].copy_from_slice(&crc);
    }
    bytes
}

#[test]
fn either_copy_is_enough() {
    let footer = footer();
    assert_eq!(footer.pack_len(), 2_000_100 + 2 * 4 * 2 + 128);
    let good = tail(&footer);
    assert_eq!(Footer::parse(&good, footer.pack_len()), Ok(footer));
    for place in [3, 30, 62, 67, 94, 126] {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        assert_eq!(Footer::parse(&bytes, footer.pack_len()), Ok(footer));
        let both = Footer::parse_both(&bytes, footer.pack_len());
        assert_eq!(both.map(|copy| copy.is_ok()), [place >= 64, place < 64]);
    }
    let mut longer = vec![9; 50];
    longer.extend(&good);
    assert_eq!(Footer::parse(&longer, footer.pack_len()), Ok(footer));
}

#[test]
fn a_pack_of_another_length_is_refused() {
    let footer = footer();
    for len in [0, footer.pack_len() - 1, footer.pack_len() + 1, u64::MAX] {
        let error = Footer::parse(&tail(&footer), len).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(40)));
    }
    assert!(Footer::parse(&tail(&footer)[1..], footer.pack_len()).is_ok());
    assert!(Footer::parse(&tail(&footer)[..63], footer.pack_len()).is_err());
}

#[test]
fn refusals() {
    let len = footer().pack_len();
    let number = |place: usize, value: u64| {
        let mut bytes = tail(&footer());
        for start in [0, FOOTER_LEN] {
            bytes[start + place..start + place + 8].copy_from_slice(&value.to_le_bytes());
        }
        Footer::parse(&with_crc(bytes), len).unwrap_err()
    };
    for (place, value, at) in [
        (8, 103, 8),
        (8, u64::MAX, 8),
        (16, 99, 8),
        (16, u64::MAX, 8),
        (24, 2_000_099, 8),
        (40, 2_000_101, 8),
        (40, u64::MAX, 40),
        (48, (1 << 52) | 3, 48),
        (48, (1 << 53) | 2, 48),
    ] {
        let error = number(place, value);
        assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(at)), "{error}");
    }
    assert_eq!(number(32, 1).kind(), Kind::Unsupported);
    assert_eq!(number(0, 0).offset(), Some(0));
    let mut bytes = tail(&footer());
    bytes[60] ^= 1;
    bytes[124] ^= 1;
    assert!(Footer::parse(&bytes, len).unwrap_err().to_string().contains("CRC-32"));
}

proptest! {
    #[test]
    fn footers_come_back(frames in 104..PACK_MAX / 2, trailer_len in 36..1_u64 << 20, stripes_crc: u32) {
        let body_len = frames + trailer_len;
        let footer = Footer { trailer_offset: frames, trailer_len, body_len, stripes_crc };
        prop_assert_eq!(Footer::parse(&tail(&footer), footer.pack_len()), Ok(footer));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), len: u64) {
        drop(Footer::parse(&bytes, len));
        let mut bytes = bytes;
        bytes.resize(TAIL_LEN, 0);
        bytes[..8].copy_from_slice(MAGIC);
        bytes[64..72].copy_from_slice(MAGIC);
        drop(Footer::parse(&with_crc(bytes), len));
    }
}
