use proptest::prelude::*;

use super::*;

#[test]
fn known_lengths() {
    for (len, padded) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (8, 8),
        (9, 10),
        (100, 104),
        (1000, 1024),
        (1_000_000, 1_015_808),
        (33_554_433, 34_603_008),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(padme(len), padded, "{len}");
    }
}

#[test]
fn a_pack_does_not_grow_beyond_its_limit() {
    assert_eq!(padding(1000, 1, 0), 23);
    assert_eq!(padding((1 << 32) - 40_000, 100, 0), 0);
    assert_eq!(padding(u64::MAX, u64::MAX, 0), 0);
    let len = 4_100_000_001;
    assert_eq!(padding(len, 0, 0), padme(len) - len);
    assert_eq!(padding(len, 0, 100), 0);
}

proptest! {
    #[test]
    fn never_shorter_and_little_longer(len in 2..1_u64 << 40) {
        let padded = padme(len);
        prop_assert!(padded >= len && (padded - len) * 100 <= len * 12);
        prop_assert_eq!(padme(padded), padded);
    }
}
