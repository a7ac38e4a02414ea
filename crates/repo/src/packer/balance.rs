//! The level that frames are compressed with, where that is left to the run: what waits decides.
//!
//! While packs are made faster than the store takes them, workers wait for room, and their time is better
//! spent on making packs smaller: the level rises. When the store has nothing to do because the workers are
//! still making the next pack, it falls again. Knows waits and packs; no clock, no rates, no stores.
//!
//! Invariants: never below [`Level::DEFAULT`], since a level lower makes repositories larger than others'
//! are. One step for every [`PACKS`] packs at most: those that travel together arrive together, and make
//! room for as many that wait for nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lifeboat_codec::compress::{Compression, Level};

/// The steps, lowest first. A database and programs of 1.1 GiB took 6.4 s of CPU at level 3 and gave 319 MiB; then
/// 10.9 s and 306, 13.2 and 302, 15.1 and 300, 19.2 and 298. Levels 10 and 11 gave nothing more for 24.4
/// and 29.6 s, and take more memory than a worker has.
const STEPS: [i32; 5] = [3, 5, 6, 7, 9];
/// So many of them take no more memory than the first; the others some 10 MiB more for each worker.
const FRUGAL_STEPS: usize = 3;
/// From this budget for each worker on, in bytes, there is memory for all.
const AMPLE_BYTES: u64 = 64 << 20;

/// How many packs are looked at together.
const PACKS: u32 = 3;

/// How a run compresses now.
#[derive(Debug)]
pub(super) struct Balance {
    compression: Compression,
    steps: &'static [i32],
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    step: usize,
    /// How many packs are complete since the last step was thought of, how often the store idled then,
    /// and whether a worker has waited for it.
    packs: u32,
    idled: u32,
    waited: bool,
}

impl Balance {
    /// Within a budget of so many bytes for the whole process, in which so many workers compress.
    pub(super) fn new(compression: Compression, memory_bytes: u64, workers: usize) -> Self {
        let needed = AMPLE_BYTES.saturating_mul(workers as u64);
        let count = if memory_bytes < needed { FRUGAL_STEPS } else { STEPS.len() };
        Self { compression, steps: &STEPS[..count], seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The level for the next frame.
    pub(super) fn level(&self) -> Level {
        match self.compression {
            Compression::Fixed(level) => level,
            Compression::Auto => self
                .steps
                .get(self.seen().step)
                .and_then(|level| Level::zstd(*level).ok())
                .unwrap_or_default(),
        }
    }

    /// A worker waits until the store has taken a pack.
    pub(super) fn waits(&self) {
        self.seen().waited = true;
    }

    /// A pack is complete; `store_idles` is whether no other was on its way until now.
    pub(super) fn pack_complete(&self, store_idles: bool) {
        let mut seen = self.seen();
        seen.packs += 1;
        seen.idled += u32::from(store_idles);
        if seen.packs < PACKS {
            return;
        }
        let step = match (seen.waited, seen.idled) {
            (false, PACKS) => seen.step.saturating_sub(1),
            // Who waits for a store that has nothing to do waits for memory.
            (true, PACKS) | (false, _) => seen.step,
            (true, _) => (seen.step + 1).min(self.steps.len() - 1),
        };
        if step != seen.step {
            tracing::debug!(level = self.steps[step], "frames are compressed at another level");
        }
        *seen = Seen { step, ..Seen::default() };
    }
}

#[cfg(test)]
mod tests;
