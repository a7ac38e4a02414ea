//! Buffers of packs that were read, kept for the next ones.
//!
//! A buffer of many MiB is a mapping of its own, whose pages the kernel clears when they are first written
//! to: a fifth of what reading a pack from the page cache costs. Knows buffers, not what is in them.
//!
//! Invariant: what lies here unused is at most [`SPARE_BYTES_MAX`], about one pack.

use std::collections::TryReserveError;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// A pack of the usual size and what padding adds.
const SPARE_BYTES_MAX: usize = 40 << 20;
/// From this size on a buffer is a mapping of its own; smaller ones come from the allocator's lists.
pub(super) const KEPT_MIN: usize = 1 << 20;

/// Buffers that nobody uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that comes back when nobody looks at it any more.
struct Lent {
    bytes: Vec<u8>,
    spares: Spares,
}

impl Spares {
    /// A buffer of `wanted` bytes, whatever they are: the smallest that there is, unless it has twice the
    /// room.
    ///
    /// # Errors
    /// That there is no memory.
    pub(super) fn take(&self, wanted: usize) -> Result<Vec<u8>, TryReserveError> {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = wanted..wanted.saturating_mul(2);
        let found = (0..spares.len())
            .filter(|&place| fitting.contains(&spares[place].capacity()))
            .min_by_key(|&place| spares[place].capacity());
        let mut bytes = found.map(|place| spares.swap_remove(place)).unwrap_or_default();
        drop(spares);
        bytes.try_reserve_exact(wanted.saturating_sub(bytes.len()))?;
        // What was written before is not cleared again.
        bytes.resize(wanted, 0);
        Ok(bytes)
    }

    /// The bytes as others share them; their buffer comes back.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, spares: self.clone() })
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spares.push(bytes);
        let mut held: usize = spares.iter().map(Vec::capacity).sum();
        // The oldest go first: what is read now is of other sizes.
        while held > SPARE_BYTES_MAX {
            held -= spares.remove(0).capacity();
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spares.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests;
