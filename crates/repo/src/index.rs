//! The index: which chunks the repository has, and where they lie.
//!
//! A set of segments, those that the log counts and those that this run has written since. Segments
//! are opened, many at once, by their end: directory, pack table and filters, which are kept as they
//! came while there is room, so that a look-up asks the store for one block of records at most. What
//! is not kept is fetched block by block into a cache of bounded size. Knows ids and places; not what
//! the chunks mean.
//!
//! Invariants: memory is bounded by the cache and the directories, not by the number of chunks. The
//! segment of the earliest entry answers first.

mod cache;
pub mod marks;
pub mod merge;
mod segment;
pub mod write;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{IndexRecord, PackRecord};
use lifeboat_format::key::{INDEX, ObjectKey};

use self::cache::BlockCache;
use self::segment::{EndsRoom, Segment};
use crate::error::{Error, Kind, Result};
use crate::log::{Fold, LiveObject};
use crate::open::Repository;
use crate::reader::{FrameRef, Locate, Location};

/// The place of a record: its segment, and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal {
    /// The segment, in the order of the log.
    pub segment: usize,
    /// The record, in the order of ids.
    pub record: u64,
}

/// A segment that counts and can't be opened.
#[derive(Debug)]
pub struct LostSegment {
    /// Its key.
    pub key: ObjectKey,
    /// Why.
    pub error: Error,
    /// Whether the segments that it was merged from are used in its place, so that nothing is missing
    /// but by their own loss.
    pub is_replaced: bool,
}

/// Finds chunks.
pub struct Index {
    segments: RwLock<Vec<Arc<Segment>>>,
    cache: BlockCache,
    ends: EndsRoom,
    /// Whether damage was logged: once is enough.
    damage_told: AtomicBool,
    repository: Repository,
    spares: Mutex<Spares>,
}

/// What serves where a segment turns out to be damaged.
#[derive(Debug, Default)]
struct Spares {
    /// The parts of merged segments, with their sizes.
    parts: HashMap<ObjectKey, Vec<(ObjectKey, u64)>>,
    /// Segments whose parts are open, all of them.
    replaced: HashSet<ObjectKey>,
}

impl Index {
    /// Opens the segments that count.
    ///
    /// # Errors
    /// The store's, or [`Corrupt`](crate::Kind::Corrupt) with the segment's key.
    pub fn load(repository: &Repository, fold: &Fold) -> Result<Self> {
        let mut failure = None;
        let index = Self::load_what_is_there(repository, fold, |lost| {
            if !lost.is_replaced {
                failure.get_or_insert(lost.error);
            }
        });
        failure.map_or(Ok(index), Err)
    }

    /// Opens what can be opened of the segments that count; each that can't be is told to `lost`, and
    /// what it was merged from serves in its place.
    pub fn load_what_is_there(
        repository: &Repository,
        fold: &Fold,
        mut lost: impl FnMut(LostSegment),
    ) -> Self {
        let index = Self::empty(repository);
        index.load_all(repository, fold, fold.segments(), &mut lost);
        index
    }

    fn load_all(
        &self,
        repository: &Repository,
        fold: &Fold,
        segments: Vec<(ObjectKey, LiveObject)>,
        lost: &mut impl FnMut(LostSegment),
    ) {
        let segments: Vec<_> =
            segments.into_iter().map(|(key, object)| (key, object.size)).collect();
        for (key, opened) in self.open_all(repository, &segments) {
            let error = match opened {
                Ok(segment) => {
                    self.push(segment);
                    self.remember_parts(fold, key);
                    continue;
                }
                Err(error) => error,
            };
            let parts = if is_damage(&error) { fold.parts(&key) } else { Vec::new() };
            lost(LostSegment { key, error, is_replaced: !parts.is_empty() });
            self.load_all(repository, fold, parts, lost);
        }
    }

    /// Notes what a segment was merged from, and what that was.
    fn remember_parts(&self, fold: &Fold, segment: ObjectKey) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = vec![segment];
        while let Some(segment) = left.pop() {
            let parts = fold.parts(&segment);
            if parts.is_empty() || spares.parts.contains_key(&segment) {
                continue;
            }
            left.extend(parts.iter().map(|(part, _)| *part));
            let parts = parts.into_iter().map(|(part, object)| (part, object.size)).collect();
            spares.parts.insert(segment, parts);
        }
    }

    /// Opens what a damaged segment was merged from, behind all others; whether that has all its records.
    fn open_parts(&self, segment: ObjectKey) -> bool {
        // Others that meet the same damage wait here.
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.replaced.contains(&segment) {
            return true;
        }
        let Some(parts) = spares.parts.remove(&segment) else { return false };
        tracing::warn!("{segment} is damaged; the segments that it was merged from are used");
        let mut is_whole = true;
        for (_, opened) in self.open_all(&self.repository, &parts) {
            match opened {
                Ok(part) => self.push(part),
                Err(_) => is_whole = false,
            }
        }
        if is_whole {
            spares.replaced.insert(segment);
        }
        is_whole
    }

    /// Opens many at once; they come back in the order given.
    fn open_all(
        &self,
        repository: &Repository,
        segments: &[(ObjectKey, u64)],
    ) -> Vec<(ObjectKey, Result<Segment>)> {
        let open = |(key, size): &(ObjectKey, u64)| {
            (*key, Segment::open(repository, *key, *size, &self.ends))
        };
        repository.io().each_of(segments, open)
    }

    fn push(&self, segment: Segment) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        segments.push(Arc::new(segment));
    }

    /// Opens the segments that no entry names, too: for reading only, where an entry of the log is
    /// damaged or missing that named some. What they say is as safe to follow as what others say,
    /// since every chunk is compared with its id; but nobody may deduplicate against it. How many
    /// there are.
    ///
    /// # Errors
    /// The store's. A segment that can't be opened is passed over.
    pub fn add_unnamed(&self, repository: &Repository, fold: &Fold) -> Result<usize> {
        let mut unnamed = Vec::new();
        repository.io().list(INDEX, |listed| {
            if let Ok(key @ ObjectKey::Index(_)) = listed.key.parse()
                && fold.object(&key).is_none()
            {
                unnamed.push((key, listed.size));
            }
            Ok(())
        })?;
        let mut added = 0;
        for (_, opened) in self.open_all(repository, &unnamed) {
            match opened {
                Ok(segment) => {
                    self.push(segment);
                    added += 1;
                }
                Err(error) if is_damage(&error) => {
                    tracing::debug!(%error, "a segment that no entry names is passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(added)
    }

    /// One segment alone, whether it counts or not.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub(crate) fn of_segment(repository: &Repository, key: ObjectKey, size: u64) -> Result<Self> {
        let index = Self::empty(repository);
        index.add(repository, key, size)?;
        Ok(index)
    }

    fn empty(repository: &Repository) -> Self {
        // An eighth of the budget; the rest belongs to packs, frames and the program.
        let memory = repository.memory_bytes();
        let cache = BlockCache::new(memory / 8);
        let ends = EndsRoom::new(memory / 32);
        Self {
            segments: RwLock::default(),
            cache,
            ends,
            damage_told: AtomicBool::new(false),
            repository: repository.clone(),
            spares: Mutex::default(),
        }
    }

    /// Opens one more segment, of `size` bytes.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub fn add(&self, repository: &Repository, key: ObjectKey, size: u64) -> Result<()> {
        self.push(Segment::open(repository, key, size, &self.ends)?);
        Ok(())
    }

    /// Whether the repository has the chunk.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub fn contains(&self, id: &ChunkId) -> Result<bool> {
        Ok(self.ordinal(id)?.is_some())
    }

    /// Whether the chunk can be found, record and pack. What is damaged of these counts as nothing: who
    /// asks this stores the chunk again.
    ///
    /// # Errors
    /// When a block can't be fetched.
    pub fn knows(&self, id: &ChunkId) -> Result<bool> {
        match self.locate(id) {
            Err(error) if is_damage(&error) => {
                if !self.damage_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "what damaged parts of the index said is stored again");
                }
                Ok(false)
            }
            answer => Ok(answer?.is_some()),
        }
    }

    /// The place of the record that counts.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub fn ordinal(&self, id: &ChunkId) -> Result<Option<Ordinal>> {
        self.first(|place, segment| {
            let found = segment.find(place, &self.cache, id)?;
            Ok(found.map(|(record, _)| Ordinal { segment: place, record }))
        })
    }

    /// How many records each segment has, in the order of [`Ordinal::segment`].
    pub fn record_counts(&self) -> Vec<u64> {
        self.segments().iter().map(|segment| segment.record_count()).collect()
    }

    /// The open segments by their keys: each one's place and how many records it has.
    fn by_key(&self) -> HashMap<ObjectKey, (usize, u64)> {
        let segments = self.segments();
        let places = segments.iter().enumerate();
        places.map(|(place, segment)| (segment.key(), (place, segment.record_count()))).collect()
    }

    /// All records of the segment at `place`, each with its pack.
    fn records_of(&self, place: usize) -> Result<Vec<(IndexRecord, PackRecord)>> {
        let mut records = Vec::new();
        self.segments()[place].for_each(place, &self.cache, |_, record, pack| {
            records.push((*record, *pack));
            Ok(())
        })?;
        Ok(records)
    }

    /// Calls `each` for every record of every segment, with its pack.
    ///
    /// # Errors
    /// What `each` returns, or when a block can't be fetched or opened.
    pub fn for_each(
        &self,
        mut each: impl FnMut(Ordinal, &IndexRecord, &PackRecord) -> Result<()>,
    ) -> Result<()> {
        for (place, segment) in self.segments().iter().enumerate() {
            segment.for_each(place, &self.cache, |record, found, pack| {
                each(Ordinal { segment: place, record }, found, pack)
            })?;
        }
        Ok(())
    }

    /// The packs that each segment's records point into.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub fn packs(&self) -> Result<Vec<Vec<PackRecord>>> {
        let segments = self.segments();
        segments.iter().enumerate().map(|(at, segment)| segment.packs(at, &self.cache)).collect()
    }

    /// What the first segment answers that knows something. A damaged one does not keep the others
    /// from answering, what it was merged from among them; its error is told when none does.
    fn first<T>(
        &self,
        mut ask: impl FnMut(usize, &Segment) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let (mut damage, mut asked) = (None, 0);
        loop {
            let segments = self.segments();
            let mut damaged = Vec::new();
            for (place, segment) in segments.iter().enumerate().skip(asked) {
                match ask(place, segment) {
                    Ok(None) => {}
                    Err(error) if is_damage(&error) => damaged.push((segment.key(), error)),
                    answer => return answer,
                }
            }
            asked = segments.len();
            for (segment, error) in damaged {
                if !self.open_parts(segment) {
                    damage.get_or_insert(error);
                }
            }
            if self.segments().len() == asked {
                return damage.map_or(Ok(None), Err);
            }
        }
    }

    fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Locate for Index {
    fn locate(&self, id: &ChunkId) -> Result<Option<Location>> {
        self.first(|place, segment| match segment.find(place, &self.cache, id)? {
            Some((_, record)) => segment.location(place, &self.cache, &record).map(Some),
            None => Ok(None),
        })
    }

    fn copies(&self, id: &ChunkId) -> Result<Vec<Location>> {
        let mut copies = Vec::new();
        let outcome = self.first(|place, segment| {
            if let Some((_, record)) = segment.find(place, &self.cache, id)? {
                copies.push(segment.location(place, &self.cache, &record)?);
            }
            // On to the next one, whatever was found.
            Ok(None::<()>)
        });
        match outcome {
            Err(error) if copies.is_empty() || !is_damage(&error) => Err(error),
            _ => Ok(copies),
        }
    }
}

/// Whether an error says that a segment is bad, so that others may still answer.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::NotFound)
}

fn location(record: &IndexRecord, pack: &PackRecord) -> Location {
    Location {
        frame: FrameRef {
            pack: pack.key(),
            offset: record.frame_offset,
            number: record.frame,
            sealed_len: record.frame_sealed_len,
            raw_len: record.frame_raw_len,
            codec: record.frame_codec,
            pack_size: pack.size,
        },
        offset: record.offset,
        length: record.length,
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("segments", &self.segments().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
