//! Padmé against the paper's promises and a few lengths worked out by hand.

use proptest::prelude::*;

use super::padme;

proptest! {
    #[test]
    fn never_shorter_hardly_longer_and_stable(length in any::<u64>()) {
        let padded = padme(length);
        prop_assert!(padded >= length);
        prop_assert!(u128::from(padded - length) * 100 <= u128::from(length) * 12);
        prop_assert!(padme(padded) == padded);
    }

    #[test]
    fn keeps_the_order(one in any::<u32>(), other in any::<u32>()) {
        let (small, large) = (one.min(other).into(), one.max(other).into());
        prop_assert!(padme(small) <= padme(large));
    }
}

#[test]
fn by_hand() {
    for (length, padded) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (8, 8),
        (9, 10),
        (100, 104),
        (1000, 1024),
        (1_000_000, 1_015_808),
        (33_554_432, 33_554_432),
        (33_554_433, 34_603_008),
    ] {
        assert_eq!(padme(length), padded, "{length}");
    }
}

#[test]
fn vectors_of_another_implementation() {
    for pair in crate::vectors::section("padme").as_array().unwrap() {
        assert_eq!(padme(pair[0].as_u64().unwrap()), pair[1].as_u64().unwrap(), "{pair}");
    }
}
