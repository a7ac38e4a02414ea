use proptest::prelude::*;

use super::*;
use crate::Kind;

fn footer() -> Footer {
    Footer {
        trailer_offset: 2_000_000,
        trailer_len: 100,
        body_len: 2_000_100,
        parity_len: 0,
        stripes_crc: 7,
    }
}

/// The same with four stripes of parity, of 8 KiB each.
fn with_parity() -> Footer {
    Footer { parity_len: 4 * 8192, ..footer() }
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
    for (place, value, at) in [(32, 1, 8), (32, u64::MAX, 40)] {
        let error = number(place, value);
        assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(at)), "{error}");
    }
    assert_eq!(number(0, 0).offset(), Some(0));
    let mut bytes = tail(&footer());
    bytes[60] ^= 1;
    bytes[124] ^= 1;
    assert!(Footer::parse(&bytes, len).unwrap_err().to_string().contains("CRC-32"));
}

#[test]
fn stripes_of_body_and_parity() {
    let footer = footer();
    assert_eq!((footer.body_stripes(), footer.parity_stripes()), (2, 0));
    assert_eq!(footer.stripe_range(1), 1 << 20..2_000_100);
    assert_eq!(footer.stripe_range(2), 2_000_100..2_000_100);
    assert_eq!(footer.stripes_range(), 2_000_100..2_000_116);

    let footer = with_parity();
    assert_eq!((footer.stripe_size(), footer.body_stripes()), (8192, 245));
    assert_eq!((footer.parity_stripes(), footer.stripe_count()), (4, 249));
    assert_eq!(footer.stripe_range(0), 0..8192);
    assert_eq!(footer.stripe_range(244), 244 * 8192..2_000_100);
    assert_eq!(footer.stripe_range(245), 2_000_100..2_008_292);
    assert_eq!(footer.stripe_range(248).end, footer.content_range().end);
    assert!(footer.stripe_range(249).is_empty() && footer.stripe_range(u64::MAX).is_empty());
    let end = 2_000_100 + 4 * 8192;
    assert_eq!(footer.stripes_range(), end..end + 8 * 249);
    assert_eq!(footer.pack_len(), end + 8 * 249 + 128);
    assert_eq!(Footer::parse(&tail(&footer), footer.pack_len()), Ok(footer));
}

#[test]
fn parity_that_nobody_writes() {
    let footer = with_parity();
    let parse = |footer: Footer| Footer::parse(&tail(&footer), footer.pack_len()).unwrap_err();
    for parity_len in [1, 8191, 8193, 246 * 8192] {
        let error = parse(Footer { parity_len, ..footer });
        assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(32)), "{error}");
    }
    let as_many = Footer { parity_len: 245 * 8192, ..footer };
    assert_eq!(Footer::parse(&tail(&as_many), as_many.pack_len()), Ok(as_many));
    let number = |place: usize, bytes: &[u8]| {
        let mut tail = tail(&footer);
        for start in [0, FOOTER_LEN] {
            tail[start + place..start + place + bytes.len()].copy_from_slice(bytes);
        }
        Footer::parse(&with_crc(tail), footer.pack_len()).unwrap_err()
    };
    let count = number(48, &250_u32.to_le_bytes());
    assert_eq!((count.kind(), count.offset()), (Kind::Corrupt, Some(48)));
    // A newer version may cut otherwise.
    assert_eq!(number(52, &4096_u32.to_le_bytes()).kind(), Kind::Unsupported);
    // Body and tables move against each other.
    assert_eq!(number(24, &2_000_099_u64.to_le_bytes()).offset(), Some(8));
    assert_eq!(number(40, &2_032_869_u64.to_le_bytes()).offset(), Some(8));
    assert_eq!(number(40, &5_u64.to_le_bytes()).offset(), Some(40));
}

proptest! {
    #[test]
    fn footers_come_back(
        frames in 104..PACK_MAX / 2,
        trailer_len in 36..1_u64 << 20,
        parity in 0..=crate::pack::PARITY_MAX,
        stripes_crc: u32,
    ) {
        let body_len = frames + trailer_len;
        let parity_len = crate::pack::parity_len(body_len, parity);
        let footer = Footer { trailer_offset: frames, trailer_len, body_len, parity_len, stripes_crc };
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
