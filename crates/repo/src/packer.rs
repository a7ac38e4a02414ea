//! Packer: frames become packs, packs go up, and their records gather into index segments.
//!
//! Workers offer chunks to a [`Framer`]; what is new is put into frames, compressed, sealed and added
//! to one of several open packs at random (so that the order of packs says less about files). A pack
//! that is large enough is hashed by the worker that completed it and put by the runtime. Knows
//! chunks, frames and packs; knows no paths, no entries and no log.
//!
//! Invariants: a frame number is sealed at most once. The bytes of open and travelling packs stay
//! below the limit given. What [`Packer::flush`] returns is durable, and everything that was claimed
//! before the call is located by it: packs are durable before the segment that names them is put, and
//! that is before the caller's log entry. Once anything that was claimed could not be stored, every call fails,
//! so that nobody commits what refers to it.

mod balance;
mod finish;
mod framer;
mod parity;
mod state;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifeboat_codec::compress::Compression;
use lifeboat_format::entry::ListedObject;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::PackKind;
use lifeboat_store::Payload;

use self::balance::Balance;
use self::state::{State, open_packs_max};
use crate::claim::{Claim, Claims};
use crate::error::Result;
use crate::index::Index;
use crate::index::write::SegmentDraft;
use crate::open::Repository;

pub use self::framer::Framer;
pub(crate) use self::framer::WholeFrame;
pub(crate) use self::state::ChunkSpan;

/// How long a run that has failed waits for packs that are on their way. A disk needs less; a store that
/// has gone away is not waited for.
const SETTLE_MAX: Duration = Duration::from_secs(3);

/// How a run packs.
#[derive(Clone, Debug)]
pub struct PackerOptions {
    /// How frames are compressed.
    pub compression: Compression,
    /// Opens every compressed frame again before it is sealed, and compares.
    pub verify_encode: bool,
    /// Counts what would be stored, and stores nothing.
    pub dry_run: bool,
    /// How many workers have framers at once.
    pub workers: usize,
    /// How many bytes open and travelling packs may hold together.
    pub bytes_max: u64,
    /// How many records are gathered before they are written as an index segment.
    pub records_max: usize,
}

/// What a run has stored so far; sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackerStats {
    /// New data chunks.
    pub new_chunks: u64,
    /// Their length before compression.
    pub new_bytes: u64,
    /// The length of new tree nodes and other metadata before compression.
    pub new_metadata_bytes: u64,
    /// The sealed length of data frames.
    pub frame_bytes: u64,
    /// The length of all objects put.
    pub stored_bytes: u64,
    /// How many objects were put.
    pub stored_objects: u64,
}

/// Puts a run's new chunks into packs, packs into the store, and records into index segments.
#[derive(Clone)]
pub struct Packer {
    shared: Arc<Shared>,
}

struct Shared {
    repository: Repository,
    index: Arc<Index>,
    claims: Claims,
    options: PackerOptions,
    balance: Balance,
    state: Mutex<State>,
    changed: Condvar,
    counters: Counters,
    // Segments are written one at a time, outside the state's lock.
    segment: Mutex<()>,
}

#[derive(Default)]
struct Counters {
    new_chunks: AtomicU64,
    new_bytes: AtomicU64,
    new_metadata_bytes: AtomicU64,
    frame_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    stored_objects: AtomicU64,
}

impl Packer {
    /// A packer for one run, which deduplicates against `index`.
    pub fn new(repository: &Repository, index: Arc<Index>, options: PackerOptions) -> Self {
        let shared = Shared {
            repository: repository.clone(),
            index,
            claims: Claims::new(),
            balance: Balance::new(options.compression, repository.memory_bytes(), options.workers),
            options,
            state: Mutex::default(),
            changed: Condvar::new(),
            counters: Counters::default(),
            segment: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A framer for chunks of this kind; it may carry a begun frame of an earlier unit of work.
    ///
    /// # Errors
    /// Why the run failed, if it did.
    pub fn framer(&self, kind: PackKind) -> Result<Framer> {
        let mut state = self.shared.lock();
        state.check()?;
        Ok(match state.idle.iter().rposition(|framer| framer.kind() == kind) {
            Some(place) => Framer::resume(self.clone(), state.idle.swap_remove(place)),
            None => Framer::begin(self.clone(), kind, self.shared.balance.level())?,
        })
    }

    /// Makes durable all that was claimed before the call, and returns the objects put since the last
    /// one: the list for the log entry that makes them count.
    ///
    /// # Errors
    /// Why the run failed.
    pub fn flush(&self) -> Result<Vec<ListedObject>> {
        self.flush_framers()?;
        self.shared.close_and_wait()?;
        self.shared.write_segment(0)?;
        let indexed = {
            let mut state = self.shared.lock();
            state.check()?;
            std::mem::take(&mut state.indexed)
        };
        // Taken first: what another worker puts meanwhile is of the next call.
        if !indexed.is_empty() {
            self.shared.or_fail(self.repository().io().sync())?;
        }
        Ok(indexed)
    }

    /// Fails with the reason if something could not be stored for good: then nothing that is still done
    /// will count.
    ///
    /// # Errors
    /// Why the run failed.
    pub fn check(&self) -> Result<()> {
        self.shared.lock().check()
    }

    /// After a failure: waits a moment until no pack travels, so that the store can tidy away what it
    /// has begun to write before the process ends.
    pub fn settle(&self) {
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, SETTLE_MAX, |state| !state.travelling.is_empty());
        if waited.is_ok_and(|(_, limit)| limit.timed_out()) {
            tracing::debug!("packs are still on their way, and are left alone");
        }
    }

    /// What was stored so far.
    pub fn stats(&self) -> PackerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        PackerStats {
            new_chunks: read(&counters.new_chunks),
            new_bytes: read(&counters.new_bytes),
            new_metadata_bytes: read(&counters.new_metadata_bytes),
            frame_bytes: read(&counters.frame_bytes),
            stored_bytes: read(&counters.stored_bytes),
            stored_objects: read(&counters.stored_objects),
        }
    }

    /// About how many packs of this kind so many bytes of frames make: those that are full, and those that are open at the end.
    pub(crate) fn packs_for(&self, kind: PackKind, bytes: u64) -> u64 {
        let full = self.shared.pack_bytes(kind);
        bytes / full + bytes.div_ceil(full).min(open_packs_max(kind) as u64)
    }

    /// What new chunks are looked up in: the segments that counted when the run began, and its own.
    pub fn index(&self) -> &Index {
        &self.shared.index
    }

    /// The repository that is written to.
    pub fn repository(&self) -> &Repository {
        &self.shared.repository
    }

    /// Waits until every frame begun before the call is in a pack: idle framers are flushed here, busy
    /// ones by their owners when they see the new epoch, or here once they are idle.
    fn flush_framers(&self) -> Result<()> {
        let mut state = self.shared.lock();
        state.epoch += 1;
        let begun_before = state.next_ticket;
        loop {
            state.check()?;
            let idle = state.take_idle_before(begun_before);
            if !idle.is_empty() {
                drop(state);
                for parts in idle {
                    Framer::resume(self.clone(), parts).flush()?;
                }
                state = self.shared.lock();
            } else if state.tickets.first().is_some_and(|ticket| *ticket < begun_before) {
                state = self.shared.wait(state);
            } else {
                return Ok(());
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, id: &ChunkId) -> Result<Claim> {
        self.claims.claim(id, |id| self.index.knows(id))
    }

    /// Writes the gathered records as a segment if there are more than `above`.
    fn write_segment(&self, above: usize) -> Result<()> {
        let _one_at_a_time = self.segment.lock().unwrap_or_else(PoisonError::into_inner);
        let (draft, objects) = {
            let mut state = self.lock();
            state.check()?;
            if state.records.len() <= above {
                return Ok(());
            }
            let packs = std::mem::take(&mut state.packs);
            let records = std::mem::take(&mut state.records);
            (SegmentDraft { packs, records }, std::mem::take(&mut state.uploaded))
        };
        // The records are in nobody's hands but ours: if they are lost, so is the run.
        self.or_fail(self.put_segment(draft, objects))
    }

    fn put_segment(&self, draft: SegmentDraft, mut objects: Vec<ListedObject>) -> Result<()> {
        let segment = draft.seal(&self.repository, self.options.compression.level())?;
        let size = segment.bytes.len() as u64;
        // All packs of the draft are put, but perhaps not durable.
        self.repository.io().sync()?;
        self.repository.io().put_soon(&segment.key, Payload::from(segment.bytes))?;
        self.count_put(size);
        // First the index answers for the ids, then the claims stop doing so.
        self.index.add(segment.key, size)?;
        self.claims.forget(&segment.ids);
        // They come in the order in which the store was done with them, which nobody should see.
        objects.sort_unstable();
        objects.push(segment.object);
        self.lock().indexed.append(&mut objects);
        Ok(())
    }

    /// Passes a result on; with an error, which the caller tells, the whole run fails.
    fn or_fail<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.lock().fail_told();
            self.changed.notify_all();
        }
        result
    }

    fn count_put(&self, size: u64) {
        self.counters.stored_bytes.fetch_add(size, Ordering::Relaxed);
        self.counters.stored_objects.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
