//! Claims: which chunks a run must store, decided once for each.
//!
//! A chunk is *known* (in a pack that counts, found by the index), *mine* (stored or being stored by
//! this run) or *new*; who hears *new* has promised to store it. Knows ids only, no bytes and no packs.
//!
//! Invariant: of all threads that claim an id at the same time, at most one hears *new*, but for one
//! harmless race with [`Claims::forget`]: then it is stored twice. Memory: only what the run has
//! claimed since its last index segment is kept here; the segment answers for the rest.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lifeboat_format::id::ChunkId;

use crate::error::Result;

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A pack that counts has it.
    Known,
    /// This run has it, or somebody in it is about to store it.
    Mine,
    /// Nobody has it: the caller stores it.
    New,
}

/// Few enough to iterate, enough that threads seldom meet.
const SHARDS: usize = 64;

/// The claims of one run.
#[derive(Debug)]
pub struct Claims {
    shards: [Mutex<HashSet<ChunkId, RandomState>>; SHARDS],
}

impl Claims {
    /// No claims.
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Claims `id`; `known` asks the index and is called without a lock held.
    ///
    /// # Errors
    /// Those of `known`; then nothing is claimed.
    pub fn claim(
        &self,
        id: &ChunkId,
        known: impl FnOnce(&ChunkId) -> Result<bool>,
    ) -> Result<Claim> {
        if self.shard(id).contains(id) {
            return Ok(Claim::Mine);
        }
        if known(id)? {
            return Ok(Claim::Known);
        }
        Ok(if self.shard(id).insert(*id) { Claim::New } else { Claim::Mine })
    }

    /// Drops the claims of ids that the index answers for from now on.
    pub fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a ChunkId>) {
        for id in ids {
            self.shard(id).remove(id);
        }
    }

    fn shard(&self, id: &ChunkId) -> MutexGuard<'_, HashSet<ChunkId>> {
        // Ids are uniform, so their first byte spreads them evenly.
        let shard = &self.shards[usize::from(id.as_bytes()[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
