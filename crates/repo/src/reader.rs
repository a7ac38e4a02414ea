//! The reader: chunks back from their packs, opened, inflated and verified.
//!
//! Follows what an index says ([`Locate`]): fetches the frame, opens it with the key of its pack,
//! inflates it, and compares the chunk's id with its bytes. Knows packs, frames and chunks; not what
//! the chunks are for. Threads share a reader.
//!
//! A store may be far away: what is wanted is asked for many requests at once ([`Fetch`]) or before it
//! is needed ([`ChunkSource::expect`]), bounded in bytes.
//!
//! Invariants: no chunk is given out whose id was not computed again; what is kept between calls
//! stays below the budget; each error names the chunk, the frame and the pack. Where a frame is bad, its
//! pack's own parity makes it again; else the next copy of the chunk is tried. Threads that want one frame at
//! once fetch it once.

mod ahead;
mod cache;
mod count;
mod fetch;
mod flight;
mod frame;
pub mod location;
mod mended;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use lifeboat_codec::hash::IdKeys;
use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use self::ahead::Ahead;
use self::cache::Lru;
use self::flight::Flights;
use self::frame::{OpenerCell, Scratch};
use self::mended::Patches;
use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::tree::ChunkSource;

pub use self::count::RequestCount;
pub use self::fetch::Fetch;
pub(crate) use self::frame::Opened;
pub use self::location::{FrameRef, Locate, Location};

/// How many packs' keys are kept: some hundred bytes each.
const OPENERS_MAX: u64 = 4096;
/// The part of the budget that one request may take, so that several threads can have one each.
const RANGE_PART: u64 = 4;
/// What one request is never less and never more than, in bytes, however large the budget: a request
/// of 8 MiB hides the latency of any store.
const RANGE_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=8 << 20;

/// What a chunk is, and so which key its id was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// A piece of a file's content.
    Data,
    /// A node of a tree.
    Node,
    /// Any other metadata: a piece of a content map, a large attribute.
    Meta,
}

impl ChunkKind {
    /// The id that `chunk` has as a chunk of this kind.
    #[must_use]
    pub fn id(self, keys: &IdKeys, chunk: &[u8]) -> ChunkId {
        match self {
            Self::Data => keys.data(chunk),
            Self::Node => keys.node(chunk),
            Self::Meta => keys.meta(chunk),
        }
    }
}

/// Reads chunks; clones share everything.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

struct Shared {
    io: Io,
    keyring: Arc<Keyring>,
    locate: Arc<dyn Locate>,
    // Inflated frames by pack and number, weighed in bytes.
    frames: Mutex<Lru<(ObjectKey, u32), Bytes>>,
    flights: Flights,
    openers: Mutex<Lru<ObjectKey, OpenerCell>>,
    scratch: Mutex<Vec<Scratch>>,
    range_max: u64,
    ahead: Ahead,
    /// What own parity has made again of damaged packs.
    patches: Patches,
    /// Reads what can't be had here.
    spare: OnceLock<Reader>,
    healed: AtomicU64,
}

impl Reader {
    /// A reader that keeps at most `budget` bytes of inflated frames. While it works, each thread
    /// holds one request (at most 8 MiB, or one larger frame) and one frame besides; what is fetched
    /// ahead is within the budget.
    pub fn new(io: Io, keyring: Arc<Keyring>, locate: Arc<dyn Locate>, budget: u64) -> Self {
        let shared = Shared {
            io,
            keyring,
            locate,
            frames: Mutex::new(Lru::new(budget)),
            flights: Flights::default(),
            openers: Mutex::new(Lru::new(OPENERS_MAX)),
            scratch: Mutex::default(),
            range_max: (budget / RANGE_PART).clamp(*RANGE_BYTES.start(), *RANGE_BYTES.end()),
            ahead: Ahead::new(budget),
            patches: Patches::new(budget),
            spare: OnceLock::new(),
            healed: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes what can't be had here from `spare` from now on, a reader of a copy of this repository; the first one
    /// that is given stays.
    pub fn heal_from(&self, spare: Self) {
        if self.shared.spare.set(spare).is_err() {
            tracing::debug!("there is a reader of a copy already");
        }
    }

    /// Whether there is a copy of the repository to turn to.
    pub fn can_heal(&self) -> bool {
        self.shared.spare.get().is_some()
    }

    /// How many chunks had to be read from the copy.
    pub fn healed(&self) -> u64 {
        self.shared.healed.load(Ordering::Relaxed)
    }

    /// The verified plaintext of a chunk, from whichever copy is good. It shares the memory of its
    /// whole frame.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when the index does not have the chunk or its packs are gone,
    /// [`Kind::Corrupt`] when no copy is good, or the store's own.
    pub fn read_chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        let error = match self.read_here(kind, id) {
            Ok(chunk) => return Ok(chunk),
            Err(error) => error,
        };
        // What the copy says of it matters less than what is wrong here.
        let healed = self.shared.spare.get().and_then(|spare| spare.read_here(kind, id).ok());
        match healed {
            Some(chunk) => {
                if self.shared.healed.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%error, "took a chunk, and perhaps others, from the copy");
                }
                Ok(chunk)
            }
            None => Err(error),
        }
    }

    fn read_here(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        let locate = &self.shared.locate;
        let first = locate.locate(&id)?.ok_or_else(|| not_found(id))?;
        let error = match self.read_copy(kind, id, &first) {
            Ok(chunk) => return Ok(chunk),
            Err(error) => error,
        };
        for copy in locate.copies(&id)?.iter().filter(|copy| **copy != first) {
            match self.read_copy(kind, id, copy) {
                Ok(chunk) => {
                    tracing::warn!(%error, "took another copy of a chunk");
                    return Ok(chunk);
                }
                Err(also) => tracing::debug!(error = %also, "another copy of a chunk is no better"),
            }
        }
        Err(error)
    }

    /// The verified plaintext of this copy of a chunk.
    ///
    /// # Errors
    /// [`Kind::Corrupt`], [`Kind::NotFound`] when the pack is gone, or the store's own.
    pub fn read_copy(&self, kind: ChunkKind, id: ChunkId, at: &Location) -> Result<Bytes> {
        let frame = self.read_frame(&at.frame).map_err(|cause| of_chunk(id, at, cause))?;
        self.chunk_of_frame(kind, id, at, &frame)
    }

    /// The verified plaintext of a chunk from its frame, which a [`Fetch`] gave.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when the frame holds something else there.
    pub fn chunk_of_frame(
        &self,
        kind: ChunkKind,
        id: ChunkId,
        at: &Location,
        frame: &Bytes,
    ) -> Result<Bytes> {
        let refuse =
            |reason| of_chunk(id, at, Error::new(Kind::Corrupt, "verify", id).because(reason));
        let chunk = at.slice(frame).ok_or_else(|| refuse("its record points beyond the frame"))?;
        if !self.is_chunk(kind, id, chunk) {
            return Err(refuse("its bytes have another id"));
        }
        Ok(frame.slice_ref(chunk))
    }

    /// Whether the index, or that of a copy, has the chunk; nothing is fetched but blocks of the index.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it has not, or when a block can't be had.
    pub fn find(&self, id: &ChunkId) -> Result<()> {
        let error = match self.shared.locate.locate(id) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => not_found(*id),
            Err(error) => error,
        };
        match self.shared.spare.get() {
            Some(spare) if matches!(spare.shared.locate.locate(id), Ok(Some(_))) => Ok(()),
            _ => Err(error),
        }
    }

    /// Whether these bytes are the chunk.
    pub fn is_chunk(&self, kind: ChunkKind, id: ChunkId, bytes: &[u8]) -> bool {
        kind.id(self.shared.keyring.ids(), bytes) == id
    }

    /// The inflated frame, kept or fetched.
    ///
    /// # Errors
    /// As [`Reader::read_copy`].
    pub fn read_frame(&self, frame: &FrameRef) -> Result<Bytes> {
        if let Some(kept) = self.kept(frame) {
            return Ok(kept);
        }
        frame.check()?;
        self.shared.flights.fly(frame, || match self.kept(frame) {
            // It landed a moment ago.
            Some(kept) => Ok(kept),
            None => self.fetch_one(frame),
        })
    }

    /// Keeps an inflated frame for whoever asks next, if there is room: for who has not used all of it.
    pub fn keep(&self, frame: &FrameRef, bytes: &Bytes) {
        let len = bytes.len() as u64;
        lock(&self.shared.frames).insert((frame.pack, frame.number), bytes.clone(), len);
    }

    fn kept(&self, frame: &FrameRef) -> Option<Bytes> {
        lock(&self.shared.frames).get(&(frame.pack, frame.number))
    }
}

fn not_found(id: ChunkId) -> Error {
    Error::new(Kind::NotFound, "find chunk", id)
        .because("the index does not have it")
        .hint("`check` says what else is missing")
}

impl ChunkSource for Reader {
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        self.read_chunk(kind, id)
    }

    fn expect_max(&self) -> usize {
        self.shared.ahead.most()
    }

    fn expect(&self, ids: &mut dyn Iterator<Item = ChunkId>) {
        self.fetch_ahead(ids);
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("io", &self.shared.io).finish_non_exhaustive()
    }
}

fn of_chunk(id: ChunkId, at: &Location, cause: Error) -> Error {
    Error::new(cause.kind(), "read chunk", format!("{id} in {}", at.frame)).because(cause)
}

/// The lock is held for a look-up or an insertion only, and neither leaves anything half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
