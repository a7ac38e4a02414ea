//! Randomness that comes out the same for the same seed.

use lifeboat_codec::Entropy;

/// The stream of random bytes of `seed`.
pub fn entropy(seed: u64) -> Entropy {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    Entropy::seeded(key)
}
