//! What the benchmarks of single stages are given: bytes that follow from one seed.
//!
//! Knows nothing of stages. A stage's time depends on what its bytes are like, so each kind says it.

use crate::corpus::Random;

/// Everything that the stages are given follows from this.
pub const SEED: u64 = 1;

/// Bytes that nothing compresses.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    Random::new(SEED, "noise").fill(&mut bytes, length);
    bytes
}

/// Lines of the kind that exports are made of: zstd makes them smaller than half.
#[must_use]
pub fn text(length: usize) -> Vec<u8> {
    let mut random = Random::new(SEED, "text");
    let mut bytes = Vec::with_capacity(length + 100);
    while bytes.len() < length {
        let (id, count) = (random.draw(), random.below(1000));
        bytes.extend(format!("{{\"id\":\"{id:016x}\",\"count\":{count},\"ok\":true}}\n").bytes());
    }
    bytes.truncate(length);
    bytes
}
