//! Open files: bytes from any offset, and what comes next announced to the reader.
//!
//! Knows content maps and chunks. Whoever reads on from where somebody read before has the chunks to come
//! fetched ahead; whoever jumps about has not. Threads share an open file.
//!
//! Invariants: no byte is given out that was not verified; a read asks for no more of the map than it
//! needs; what an open file keeps does not grow with the file.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::{Entry, Extent};
use lifeboat_repo::error::{Error, Kind, Result};
use lifeboat_repo::reader::{ChunkKind, Reader};
use lifeboat_repo::tree::ChunkSource as _;
use lifeboat_repo::tree::map::MapFinder;

/// Chunks that were verified last, so that a chunk that several reads share is verified once. Each may
/// keep its frame in memory.
const RECENT_MAX: usize = 8;
/// A kernel asks for neighbouring stretches from several threads, in any order: what lies so near is read
/// on, in bytes.
const NEAR_BYTES: u64 = 1 << 20;
/// So much has to be read on before anything is fetched ahead, in bytes.
const STEADY_BYTES: u64 = 256 << 10;
/// So far ahead at most, in bytes; more would be dropped before it is read, and hide no more latency.
const AHEAD_BYTES: u64 = 8 << 20;

/// The reader, and the chunks that it verified last.
pub(super) struct Chunks {
    reader: RwLock<Reader>,
    recent: Mutex<VecDeque<(ChunkId, Bytes)>>,
}

/// The content of one file, which all who have it open share.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) size: u64,
    map: MapFinder,
}

/// A file that somebody has open.
#[derive(Debug)]
pub struct OpenFile {
    pub(super) content: Arc<Content>,
    /// Its path, for messages.
    pub(super) path: Vec<u8>,
    ahead: Mutex<Ahead>,
}

/// How somebody reads.
#[derive(Debug, Default)]
struct Ahead {
    /// The end of what was read so far, without a jump.
    end: u64,
    /// How much that was.
    steady: u64,
    /// Up to where chunks were announced.
    announced: u64,
}

/// What to look for in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Bytes that are no hole.
    Data,
    /// A hole; there is one at the end of each file.
    Hole,
}

impl Chunks {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader: RwLock::new(reader), recent: Mutex::default() }
    }

    pub(super) fn reader(&self) -> Reader {
        self.reader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, reader: Reader) {
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    fn chunk(&self, reader: &Reader, id: ChunkId) -> Result<Bytes> {
        if let Some((_, chunk)) = lock(&self.recent).iter().find(|(known, _)| *known == id) {
            return Ok(chunk.clone());
        }
        let chunk = reader.read_chunk(ChunkKind::Data, id)?;
        let mut recent = lock(&self.recent);
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back((id, chunk.clone()));
        Ok(chunk)
    }
}

impl Content {
    pub(super) fn new(entry: &Entry) -> Self {
        Self { size: entry.size, map: MapFinder::new(entry) }
    }

    /// The bytes from `start` on, as many as there are and at most up to `end`.
    fn read(&self, chunks: &Chunks, reader: &Reader, start: u64, end: u64) -> Result<Vec<u8>> {
        let end = end.min(self.size);
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(start)).unwrap_or(0));
        let mut at = start;
        while at < end {
            let stretch = self.map.find(reader, at)?.ok_or_else(|| corrupt("it ends too soon"))?;
            for (begin, extent) in stretch.since(at) {
                if at >= end {
                    break;
                }
                let skip = at - begin;
                let take = (extent.len() - skip).min(end - at);
                append(chunks, reader, extent, skip, take, &mut bytes)?;
                at += take;
            }
        }
        Ok(bytes)
    }

    /// The first offset from `offset` on where there is what is looked for; `None` when there is no more.
    fn seek(&self, reader: &Reader, offset: u64, what: Seek) -> Result<Option<u64>> {
        if offset >= self.size {
            return Ok(None);
        }
        let mut at = offset;
        while let Some(stretch) = self.map.find(reader, at)? {
            for (begin, extent) in stretch.since(at) {
                let is_hole = matches!(extent, Extent::Hole(_));
                if is_hole == (what == Seek::Hole) {
                    return Ok(Some(begin.max(at)));
                }
            }
            at = stretch.end();
        }
        Ok((what == Seek::Hole).then_some(self.size))
    }
}

/// Appends `take` bytes of the extent, from `skip` on.
fn append(
    chunks: &Chunks,
    reader: &Reader,
    extent: &Extent,
    skip: u64,
    take: u64,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let range = |from: u64| number(from)..number(from.saturating_add(take));
    match extent {
        Extent::Hole(_) | Extent::Zeros(_) => bytes.resize(bytes.len() + number(take), 0),
        Extent::Inline(inline) => {
            let part = inline.get(range(skip));
            bytes.extend_from_slice(part.ok_or_else(|| corrupt("its map is not its own"))?);
        }
        Extent::Chunk { id, offset, .. } => {
            let chunk = chunks.chunk(reader, *id)?;
            let part = chunk.get(range(u64::from(*offset).saturating_add(skip)));
            bytes.extend_from_slice(part.ok_or_else(|| corrupt("its map points beyond a chunk"))?);
        }
    }
    Ok(())
}

impl OpenFile {
    pub(super) fn new(content: Arc<Content>, path: Vec<u8>) -> Self {
        Self { content, path, ahead: Mutex::default() }
    }

    /// `length` bytes from `offset` on, or as many as there are before the end.
    pub(super) fn read(&self, chunks: &Chunks, offset: u64, length: u32) -> Result<Vec<u8>> {
        let reader = chunks.reader();
        let end = offset.saturating_add(u64::from(length)).min(self.content.size);
        if let Some(from) = self.announce_from(offset, end)
            && let Err(error) = self.announce(&reader, from)
        {
            // Whoever comes there will hear of it.
            tracing::debug!(%error, "what comes next is not fetched ahead");
        }
        self.content.read(chunks, &reader, offset, end)
    }

    pub(super) fn seek(&self, chunks: &Chunks, offset: u64, what: Seek) -> Result<Option<u64>> {
        self.content.seek(&chunks.reader(), offset, what)
    }

    /// Takes note of a read, and says from where on chunks should be announced, if it is time to.
    fn announce_from(&self, start: u64, end: u64) -> Option<u64> {
        let mut ahead = lock(&self.ahead);
        if start.abs_diff(ahead.end) > NEAR_BYTES {
            *ahead = Ahead { end, steady: 0, announced: end };
            return None;
        }
        ahead.steady = ahead.steady.saturating_add(end.saturating_sub(start));
        ahead.end = ahead.end.max(end);
        ahead.announced = ahead.announced.max(ahead.end);
        // Some at a time, and while there are still some on their way: a reader that waits for the last
        // that was announced waits for the next, too.
        let is_time =
            ahead.announced - ahead.end < NEAR_BYTES && ahead.announced < self.content.size;
        (is_time && ahead.steady >= STEADY_BYTES).then_some(ahead.announced)
    }

    /// Announces the chunks from this offset on, as many as the reader wants to hear of.
    fn announce(&self, reader: &Reader, from: u64) -> Result<()> {
        let most = reader.expect_max();
        let mut ids: Vec<ChunkId> = Vec::with_capacity(most);
        let mut at = from;
        let until = from.saturating_add(AHEAD_BYTES).min(self.content.size);
        while ids.len() < most
            && at < until
            && let Some(stretch) = self.content.map.find(reader, at)?
        {
            for (begin, extent) in stretch.since(at) {
                if ids.len() == most || at >= until {
                    break;
                }
                at = begin + extent.len();
                if let Extent::Chunk { id, .. } = extent {
                    ids.push(*id);
                }
            }
        }
        reader.expect(&mut ids.into_iter());
        let mut ahead = lock(&self.ahead);
        ahead.announced = ahead.announced.max(at);
        Ok(())
    }
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}

fn corrupt(reason: &'static str) -> Error {
    Error::new(Kind::Corrupt, "read", "a file's content").because(reason)
}

/// The lock is held for a look or a change of a few words only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
