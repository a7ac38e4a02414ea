//! Tests of both sources of randomness.

use super::Entropy;

#[test]
fn two_draws_differ() {
    let entropy = Entropy::os();
    let first: [u8; 32] = entropy.bytes().unwrap();
    let second: [u8; 32] = entropy.bytes().unwrap();
    assert_ne!(first, second);
}

#[cfg(feature = "seeded")]
#[test]
fn a_seed_repeats_and_clones_share_the_stream() {
    let entropy = Entropy::seeded([7; 32]);
    let first: [u8; 16] = entropy.bytes().unwrap();
    let second: [u8; 16] = entropy.clone().bytes().unwrap();
    let whole: [u8; 32] = Entropy::seeded([7; 32]).bytes().unwrap();
    assert_eq!([first, second].concat(), whole);
}
