use proptest::prelude::*;

use super::*;
use crate::Kind;

fn footer() -> IndexFooter {
    IndexFooter { directory_offset: 5000, directory_len: 300, record_count: 77 }
}

#[test]
fn either_copy_is_enough() {
    let good = footer().encode().repeat(2);
    for place in 0..INDEX_TAIL_LEN {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        assert_eq!(IndexFooter::parse(&bytes, 5396), Ok(footer()), "{place}");
        bytes[(place + INDEX_FOOTER_LEN) % INDEX_TAIL_LEN] ^= 1;
        assert_eq!(IndexFooter::parse(&bytes, 5396).unwrap_err().kind(), Kind::Corrupt);
    }
    assert_eq!(footer().directory_range(), 5000..5300);
}

#[test]
fn refusals() {
    let parse = |footer: IndexFooter, len| IndexFooter::parse(&footer.encode().repeat(2), len);
    for len in [0, 5395, 5397, u64::MAX] {
        assert_eq!(parse(footer(), len).unwrap_err().offset(), Some(8));
    }
    for (directory_offset, directory_len) in [(103, 5197), (5300, 0), (u64::MAX, 301), (5285, 15)] {
        let footer = IndexFooter { directory_offset, directory_len, record_count: 1 };
        assert!(parse(footer, 5396).is_err());
    }
    let huge = (DIRECTORY_MAX + TAG_LEN + 1) as u64;
    let footer = IndexFooter { directory_offset: 104, directory_len: huge, record_count: 1 };
    assert!(parse(footer, 104 + huge + 96).is_err());
    assert!(IndexFooter::parse(b"short", 5).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..120), len: u64) {
        drop(IndexFooter::parse(&bytes, len));
        bytes.splice(0..0, *MAGIC);
        bytes.resize(44, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        drop(IndexFooter::parse(&bytes, len));
    }
}
