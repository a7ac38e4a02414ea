use proptest::prelude::*;

use super::*;
use crate::pack::PACK_MAX;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn stripes_of_every_length_of_body() {
    for (body, wanted) in [
        (0, 64),
        (140, 192),
        (4095, 4096),
        (4096, 4096),
        (MIB - 1, 4096),
        (MIB, 8192),
        (32 * MIB, 256 << 10),
        (128 * MIB - 1, 512 << 10),
        (128 * MIB, 1 << 20),
        (PACK_MAX, 1 << 20),
        (u64::MAX, 1 << 20),
    ] {
        assert_eq!(stripe_bytes(body), wanted, "{body}");
    }
}

#[test]
fn parity_is_the_share_in_whole_stripes() {
    for (body, share, wanted) in [
        (32 * MIB, 0, 0),
        (32 * MIB, 30, MIB),
        (33 * MIB, 30, MIB),
        (34 * MIB, 30, MIB + 256 * KIB),
        (512 * MIB, 30, 16 * MIB),
        (32 * MIB, 1, 256 * KIB),
        (32 * MIB, 1000, 32 * MIB),
        (300 * KIB, 30, 12 * KIB),
        (10 * KIB, 30, 4 * KIB),
        (200, 30, 256),
    ] {
        assert_eq!(parity_len(body, share), wanted, "{body} {share}");
    }
}

proptest! {
    #[test]
    fn it_costs_the_share_and_less_than_a_stripe_more(body in 1..PACK_MAX, share in 1..=PARITY_MAX) {
        let len = parity_len(body, share);
        let size = u64::from(stripe_bytes(body));
        prop_assert!(len.is_multiple_of(size) && size.is_multiple_of(UNIT));
        prop_assert!(len / size <= body.div_ceil(size));
        let wanted = body * u64::from(share) / 1000;
        prop_assert!(len >= wanted);
        prop_assert!(len <= wanted + 2 * size);
        prop_assert!(size <= SECTOR || size <= body / 128);
        // A code of 16 bits has numbers for all of them.
        prop_assert!(body.div_ceil(size) + (len / size).next_power_of_two() <= 1 << 16);
    }
}
