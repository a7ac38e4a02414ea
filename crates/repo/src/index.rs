//! The index: which chunks the repository has, and where they lie.
//!
//! A set of segments, those that the log counts and those that this run has written since. Those that
//! have records of all ids are opened at first, many at once, by their end: directory, pack table and
//! filters, which are kept as they came while there is room, so that a look-up asks the store for one
//! block of records at most. Those for some ids only, of which there are the more the larger the
//! repository is, are opened when one of these ids is looked up, and let go for others. What is not kept
//! is fetched block by block into a cache of bounded size. Knows ids and places; not what the chunks mean.
//!
//! Invariants: memory is bounded by the caches and by the segments that have records of all ids, which
//! merging keeps few; not by the number of chunks. The segment of the earliest entry answers first; where a pack
//! was healed, its place is the new object's, and the damaged one's a further copy.

mod believed;
mod by_segment;
mod cache;
pub mod marks;
pub mod merge;
mod segment;
mod table;
pub mod write;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{IndexRecord, PackRecord};
use lifeboat_format::key::{INDEX, ObjectKey};

use self::believed::Believed;
use self::cache::{BlockCache, SegmentCache};
use self::segment::{EndsRoom, Segment};
use self::table::{Slot, Table};
use crate::error::{Error, Kind, Result};
use crate::log::{Fold, LiveSegment, Merges};
use crate::open::Repository;
use crate::planted::{Planted, is_planted};
use crate::reader::{FrameRef, Locate, Location};

/// So many segments are opened between two looks at which failed.
const OPENED_AT_ONCE: usize = 256;

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

/// Where a chunk was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The place of its record.
    pub(crate) at: Ordinal,
    /// The segment that the record is in.
    pub(crate) segment: ObjectKey,
    /// The pack that has it.
    pub(crate) pack: ObjectKey,
    /// Its length in bytes.
    pub(crate) length: u32,
}

/// Finds chunks.
pub struct Index {
    table: RwLock<Arc<Table>>,
    /// Segments that have records of some ids only.
    opened: SegmentCache,
    cache: BlockCache,
    ends: Arc<EndsRoom>,
    next_serial: AtomicU32,
    /// Whether damage was logged: once is enough.
    damage_told: AtomicBool,
    repository: Repository,
    spares: Mutex<Spares>,
    /// What the log says of packs.
    believed: RwLock<Arc<Believed>>,
    /// Segments that a merge found to be unfit for one.
    unfit: Mutex<HashSet<ObjectKey>>,
}

/// What serves where a segment turns out to be damaged.
#[derive(Debug, Default)]
struct Spares {
    merges: Arc<Merges>,
    /// Segments whose parts are in use.
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

    /// As [`Index::load`], but that what a lost segment was merged from is no help: for who is about to take such
    /// segments away.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub(crate) fn load_strictly(repository: &Repository, fold: &Fold) -> Result<Self> {
        let mut failure = None;
        let mut keep = |lost: LostSegment| {
            failure.get_or_insert(lost.error);
        };
        let index = Self::load_what_is_there(repository, fold, &mut keep);
        index.look_for_pieces(&mut keep)?;
        failure.map_or(Ok(index), Err)
    }

    /// Refuses if a segment turned out to be damaged since it was loaded, so that what it was merged from is in use.
    ///
    /// # Errors
    /// [`Corrupt`](crate::Kind::Corrupt) with the segment's key.
    pub(crate) fn require_whole(&self) -> Result<()> {
        let spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        match spares.replaced.iter().min() {
            None => Ok(()),
            Some(segment) => Err(Error::new(Kind::Corrupt, "read index segment", segment)
                .because("a part of it is damaged, and what it was merged from serves in its place")
                .hint("nothing is collected meanwhile: put it back from a copy of the store")),
        }
    }

    /// Opens what can be opened of the segments that count; each that can't be is told to `lost`, and
    /// what it was merged from serves in its place. Those for some ids only are opened when they are
    /// needed.
    pub fn load_what_is_there(
        repository: &Repository,
        fold: &Fold,
        lost: impl FnMut(LostSegment),
    ) -> Self {
        Self::load_within(repository, fold, blocks_share(repository), lost)
    }

    /// As [`load_what_is_there`](Self::load_what_is_there), with so many bytes for blocks: for who looks up
    /// every chunk that there is.
    pub(crate) fn load_within(
        repository: &Repository,
        fold: &Fold,
        blocks_bytes: u64,
        lost: impl FnMut(LostSegment),
    ) -> Self {
        let index = Self::empty_within(repository, blocks_bytes);
        index.begin(fold);
        index.open_slots(Slot::is_pinned, lost);
        index
    }

    /// As [`load_what_is_there`](Self::load_what_is_there), of these segments only and with nothing in the place of any.
    pub(crate) fn of_segments(
        repository: &Repository,
        fold: &Fold,
        segments: &[LiveSegment],
        lost: impl FnMut(LostSegment),
    ) -> Self {
        let index = Self::empty(repository);
        let slots: Vec<Arc<Slot>> = segments.iter().map(|segment| index.slot(segment)).collect();
        index.replace(fold, |table| table.next(slots));
        index.spares.lock().unwrap_or_else(PoisonError::into_inner).merges = Arc::default();
        index.open_slots(Slot::is_pinned, lost);
        index
    }

    /// Opens all segments, or tells which can't be, as
    /// [`load_what_is_there`](Self::load_what_is_there).
    pub fn open_all(&self, lost: impl FnMut(LostSegment)) {
        self.open_slots(|_| true, lost);
    }

    /// Takes the segments that count, none of them open.
    fn begin(&self, fold: &Fold) {
        let slots = fold.segments().into_iter().map(|segment| self.slot(&segment));
        self.replace(fold, |table| table.next(slots));
    }

    /// Answers from what a merge made, in the place of its parts. Whatever else others have added since is not
    /// looked at: it might be of a kind that this version can't open, and a run does not need it.
    pub(crate) fn put_in_place(
        &self,
        fold: &Fold,
        parts: &[LiveSegment],
        made: impl IntoIterator<Item = LiveSegment>,
    ) {
        let parts: HashSet<ObjectKey> = parts.iter().map(|part| part.key).collect();
        let made: Vec<Arc<Slot>> = made.into_iter().map(|segment| self.slot(&segment)).collect();
        self.replace(fold, |table| {
            let is_part = |slot: &&Arc<Slot>| parts.contains(&slot.key);
            let place = table.slots().iter().position(|slot| is_part(&slot));
            let (before, behind) = table.slots().split_at(place.unwrap_or(table.slots().len()));
            let left = behind.iter().filter(|slot| !is_part(slot));
            table.next(before.iter().chain(&made).chain(left).cloned())
        });
    }

    fn replace(&self, fold: &Fold, next: impl FnOnce(&Table) -> Table) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        spares.merges = Arc::clone(fold.merges());
        *self.believed.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Believed::of(fold));
        let next = next(&table);
        self.cache.index_is(next.size());
        *table = Arc::new(next);
    }

    /// Segments that can't be merged, as far as is known.
    fn unfit(&self) -> HashSet<ObjectKey> {
        let table = self.table();
        let lost = table.slots().iter().filter(|slot| slot.lost.get().is_some());
        let mut unfit = self.unfit.lock().unwrap_or_else(PoisonError::into_inner).clone();
        unfit.extend(lost.map(|slot| slot.key));
        unfit
    }

    /// Remembers that these can't be merged.
    fn add_unfit(&self, segments: impl IntoIterator<Item = ObjectKey>) {
        self.unfit.lock().unwrap_or_else(PoisonError::into_inner).extend(segments);
    }

    /// Tells of segments for some ids only that are not in the store, as
    /// [`load_what_is_there`](Self::load_what_is_there) does of others: by a list, so that none is opened. One is
    /// replaced if all that it was merged from is there, or what that was merged from.
    ///
    /// # Errors
    /// The store's.
    pub fn look_for_pieces(&self, mut lost: impl FnMut(LostSegment)) -> Result<()> {
        let table = self.table();
        let pieces: Vec<&Arc<Slot>> =
            table.slots().iter().filter(|slot| !slot.is_pinned()).collect();
        if pieces.is_empty() {
            return Ok(());
        }
        let io = self.repository.io();
        let mut listed: HashMap<ObjectKey, u64> = HashMap::new();
        io.list(INDEX, |object| {
            listed.extend(object.key.parse::<ObjectKey>().ok().map(|key| (key, object.size)));
            Ok(())
        })?;
        // A list may be late; only a look at the object itself says that it is gone.
        let is_there = |key: &ObjectKey, size: u64| match listed.get(key) {
            Some(found) => Ok(*found == size),
            None => match io.head(key) {
                Ok(info) => Ok(info.size == size),
                Err(error) if error.kind() == Kind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        };
        let merges = {
            let spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&spares.merges)
        };
        for piece in pieces {
            if is_there(&piece.key, piece.size)? {
                continue;
            }
            let mut left = merges.parts(&piece.key);
            let mut is_replaced = merges.are_parts_left(&piece.key);
            while let Some(part) = left.pop().filter(|_| is_replaced) {
                if !is_there(&part.key, part.object.size)? {
                    let parts = merges.parts(&part.key);
                    is_replaced = merges.are_parts_left(&part.key);
                    left.extend(parts);
                }
            }
            let error = Error::new(Kind::NotFound, "find", piece.key);
            lost(LostSegment { key: piece.key, error, is_replaced });
        }
        Ok(())
    }

    /// Opens those that are `wanted`. What a damaged one was merged from is opened, too, and itself let go.
    fn open_slots(&self, wanted: impl Fn(&Slot) -> bool, mut lost: impl FnMut(LostSegment)) {
        let (mut next, mut gone) = (0, HashSet::new());
        loop {
            let table = self.table();
            let Some(some) = table.slots().get(next..).filter(|some| !some.is_empty()) else {
                break;
            };
            let some = &some[..some.len().min(OPENED_AT_ONCE)];
            next += some.len();
            let some: Vec<Arc<Slot>> = some.iter().filter(|slot| wanted(slot)).cloned().collect();
            let opened = self.repository.io().each_of(&some, |slot| self.segment(slot).map(drop));
            for (slot, outcome) in some.iter().zip(opened) {
                let Err(error) = outcome else { continue };
                let is_replaced = is_damage(&error) && self.use_parts(slot.key).is_some();
                gone.insert(slot.serial);
                lost(LostSegment { key: slot.key, error, is_replaced });
            }
        }
        if !gone.is_empty() {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            let left = table.slots().iter().filter(|slot| !gone.contains(&slot.serial));
            let next = table.next(left.cloned());
            *table = Arc::new(next);
        }
    }

    /// Takes what a damaged segment was merged from into use, behind all others, and says whether that is new;
    /// `None` if it was not merged from anything.
    fn use_parts(&self, segment: ObjectKey) -> Option<bool> {
        // Others that meet the same damage wait here.
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = spares.merges.parts(&segment);
        let are_left = spares.merges.are_parts_left(&segment);
        if parts.is_empty() || !spares.replaced.insert(segment) {
            return are_left.then_some(false);
        }
        let there: HashSet<ObjectKey> = self.table().slots().iter().map(|slot| slot.key).collect();
        // Others of the same merge may have brought them here before.
        for part in parts.iter().filter(|part| !there.contains(&part.key)) {
            self.push(self.slot(part));
        }
        are_left.then_some(true)
    }

    fn slot(&self, segment: &LiveSegment) -> Arc<Slot> {
        Arc::new(Slot {
            key: segment.key,
            size: segment.object.size,
            prefix: segment.prefix,
            serial: self.next_serial.fetch_add(1, Ordering::Relaxed),
            pinned: OnceLock::new(),
            lost: OnceLock::new(),
        })
    }

    fn push(&self, slot: Arc<Slot>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut table).push(slot);
        self.cache.index_is(table.size());
    }

    /// Opens all blocks of a segment that counts, and finds the pack of each record.
    pub(crate) fn read_through(&self, segment: &LiveSegment) -> Result<()> {
        let segment = Segment::open(&self.repository, &self.slot(segment), &self.ends)?;
        segment.for_each(&self.cache, |_, _, _| Ok(()))
    }

    /// A segment that counts and that this index perhaps has not got.
    fn open_for_merge(&self, part: &LiveSegment) -> Result<Arc<Segment>> {
        let table = self.table();
        let is_it = |slot: &&Arc<Slot>| slot.key == part.key && slot.prefix == part.prefix;
        match table.slots().iter().find(is_it) {
            Some(slot) => self.segment(slot),
            None => self.segment(&self.slot(part)),
        }
    }

    /// The segment, opened if it is not.
    fn segment(&self, slot: &Slot) -> Result<Arc<Segment>> {
        let open = || {
            if let Some((kind, why)) = slot.lost.get() {
                return Err(Error::new(*kind, "open index segment", slot.key).because(why.clone()));
            }
            Segment::open(&self.repository, slot, &self.ends).inspect_err(|error| {
                if is_damage(error) {
                    let _known = slot.lost.set((error.kind(), error.to_string()));
                }
            })
        };
        if !slot.is_pinned() {
            return self.opened.get(slot.serial, open);
        }
        match slot.pinned.get() {
            Some(segment) => Ok(Arc::clone(segment)),
            // Two threads may open it; one of them keeps it.
            None => {
                let opened = Arc::new(open()?);
                Ok(Arc::clone(slot.pinned.get_or_init(|| opened)))
            }
        }
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
        let opened = repository.io().each_of(&unnamed, |(key, size)| {
            let slot = self.slot(&LiveSegment::whole(*key, *size));
            self.segment(&slot).map(|_| slot)
        });
        for opened in opened {
            match opened {
                Ok(slot) => {
                    self.push(slot);
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
        index.add(key, size)?;
        Ok(index)
    }

    fn empty(repository: &Repository) -> Self {
        Self::empty_within(repository, blocks_share(repository))
    }

    fn empty_within(repository: &Repository, blocks_bytes: u64) -> Self {
        let memory = repository.memory_bytes();
        Self {
            table: RwLock::default(),
            opened: SegmentCache::new(memory / 16),
            cache: BlockCache::new(blocks_bytes),
            ends: Arc::new(EndsRoom::new(memory / 32)),
            next_serial: AtomicU32::new(0),
            damage_told: AtomicBool::new(false),
            repository: repository.clone(),
            spares: Mutex::default(),
            believed: RwLock::default(),
            unfit: Mutex::default(),
        }
    }

    /// Opens one more segment, of `size` bytes.
    ///
    /// # Errors
    /// As [`Index::load`].
    pub fn add(&self, key: ObjectKey, size: u64) -> Result<()> {
        let slot = self.slot(&LiveSegment::whole(key, size));
        self.segment(&slot)?;
        self.push(slot);
        Ok(())
    }

    /// Whether the repository has the chunk.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub fn contains(&self, id: &ChunkId) -> Result<bool> {
        Ok(self.ordinal(id)?.is_some())
    }

    /// Whether the chunk can be found, record and pack, and may be relied on from now on. What is damaged of these
    /// counts as nothing: who asks this stores the chunk again.
    ///
    /// # Errors
    /// When a block can't be fetched.
    pub fn knows(&self, id: &ChunkId) -> Result<bool> {
        let believed = self.believed();
        let reliable = self.first(id, |_, segment| {
            let Some((_, record)) = self.find(segment, id)? else { return Ok(None) };
            let location = segment.location(&self.cache, &record)?;
            let standing = believed.standing(&location.frame.pack);
            let is_reliable = believed.may_rely_on(&standing)
                && !believed.is_damaged(&standing)
                && believed.may_rely_on(&segment.key())
                && believed.knows(&segment.key(), &location.frame.pack);
            let is_relied_on = is_reliable || is_planted(Planted::WriterReliesOnCondemned);
            Ok(is_relied_on.then_some(location))
        });
        match reliable {
            Err(error) if is_damage(&error) => {
                if !self.damage_told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "what damaged parts of the index said is stored again");
                }
                Ok(false)
            }
            answer => Ok(answer?.is_some()),
        }
    }

    /// Where a chunk is: in the first pack that may be relied on, and if there is none in all those that are condemned or
    /// damaged. Behind a damaged one only what a scrub has verified stands for all.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub(crate) fn find_best(&self, id: &ChunkId) -> Result<Vec<Found>> {
        let believed = self.believed();
        let (mut doubtful, mut is_damaged) = (Vec::new(), false);
        let best = self.first(id, |place, segment| {
            let Some((record, found)) = self.find(segment, id)? else { return Ok(None) };
            let pack = segment.location(&self.cache, &found)?.frame.pack;
            let pack = believed.standing(&pack);
            let at = Ordinal { segment: place, record };
            let found = Found { at, segment: segment.key(), pack, length: found.length };
            is_damaged |= believed.is_damaged(&pack);
            let is_good = !is_damaged || believed.is_verified(&pack);
            if is_good && believed.may_rely_on(&pack) && believed.may_rely_on(&found.segment) {
                return Ok(Some(found));
            }
            doubtful.push(found);
            Ok(None)
        })?;
        Ok(best.map_or(doubtful, |best| vec![best]))
    }

    /// From now on nothing in these packs is [known](Self::knows).
    pub(crate) fn avoid(&self, packs: &HashSet<ObjectKey>) {
        let mut believed = self.believed.write().unwrap_or_else(PoisonError::into_inner);
        *believed = Arc::new(believed.avoiding(packs));
    }

    /// The pack that stands for this one: itself, but for one that was healed.
    pub(crate) fn standing(&self, pack: &ObjectKey) -> ObjectKey {
        self.believed().standing(pack)
    }

    /// How many records each segment has, those of packs that are gone among them.
    ///
    /// # Errors
    /// When one can't be opened.
    pub(crate) fn record_counts(&self) -> Result<Vec<(ObjectKey, u64)>> {
        let count = |slot: &Arc<Slot>| Ok((slot.key, self.segment(slot)?.record_count()));
        self.table().slots().iter().map(count).collect()
    }

    /// The place of the record that counts.
    ///
    /// # Errors
    /// When a block can't be fetched or opened.
    pub fn ordinal(&self, id: &ChunkId) -> Result<Option<Ordinal>> {
        Ok(self.record(id)?.map(|(ordinal, _)| ordinal))
    }

    /// The place of the record that counts, and the length in bytes that it says the chunk has.
    pub(crate) fn record(&self, id: &ChunkId) -> Result<Option<(Ordinal, u32)>> {
        self.first(id, |place, segment| {
            let found = self.find(segment, id)?;
            Ok(found.map(|(at, record)| (Ordinal { segment: place, record: at }, record.length)))
        })
    }

    /// Calls `each` for every record of every segment, with its pack, but for those of packs that are gone.
    ///
    /// # Errors
    /// What `each` returns, or when a segment can't be opened or a block of one be fetched or opened.
    pub fn for_each(
        &self,
        mut each: impl FnMut(Ordinal, &IndexRecord, &PackRecord) -> Result<()>,
    ) -> Result<()> {
        let believed = self.believed();
        for (place, slot) in self.table().slots().iter().enumerate() {
            self.segment(slot)?.for_each(&self.cache, |record, found, pack| {
                if !believed.believes(&slot.key, &pack.key()) {
                    return Ok(());
                }
                each(Ordinal { segment: place, record }, found, pack)
            })?;
        }
        Ok(())
    }

    /// Calls `each` for every pack that a segment's records point into, but for those that are gone: for some more
    /// than once.
    ///
    /// # Errors
    /// As [`Index::for_each`].
    pub fn for_each_pack(&self, mut each: impl FnMut(&PackRecord)) -> Result<()> {
        let (table, believed) = (self.table(), self.believed());
        table.slots().iter().try_for_each(|slot| {
            self.segment(slot)?.for_each_pack(&self.cache, |pack| {
                if believed.believes(&slot.key, &pack.key()) {
                    each(pack);
                }
            })
        })
    }

    /// What a segment says of a chunk, if that is in a pack that is there.
    fn find(&self, segment: &Segment, id: &ChunkId) -> Result<Option<(u64, IndexRecord)>> {
        let Some((at, record)) = segment.find(&self.cache, id)? else { return Ok(None) };
        let believed = self.believed();
        if believed.is_needed() {
            let location = segment.location(&self.cache, &record)?;
            if !believed.believes(&segment.key(), &location.frame.pack) {
                return Ok(None);
            }
        }
        Ok(Some((at, record)))
    }

    fn believed(&self) -> Arc<Believed> {
        Arc::clone(&self.believed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the first segment answers that knows something of `id`. A damaged one does not keep the others
    /// from answering, what it was merged from among them; its error is told when none does.
    fn first<T>(
        &self,
        id: &ChunkId,
        mut ask: impl FnMut(usize, &Segment) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let (mut damage, mut generation, mut asked) = (None, 0, 0);
        loop {
            let table = self.table();
            if table.generation() != generation {
                (generation, asked) = (table.generation(), 0);
            }
            let mut damaged = Vec::new();
            for place in table.places_of(id, asked) {
                let slot = &table.slots()[place];
                match self.segment(slot).and_then(|segment| ask(place, &segment)) {
                    Ok(None) => {}
                    Err(error) if is_damage(&error) => damaged.push((slot.key, error)),
                    answer => return answer,
                }
            }
            asked = table.slots().len();
            for (segment, error) in damaged {
                match self.use_parts(segment) {
                    Some(true) => {
                        tracing::warn!(%error, "{segment} is damaged; what it was merged from is used");
                    }
                    Some(false) => {}
                    None => drop(damage.get_or_insert(error)),
                }
            }
            let now = self.table();
            if now.generation() == generation && now.slots().len() == asked {
                return damage.map_or(Ok(None), Err);
            }
        }
    }

    /// The same place in the pack that took the place of a damaged one; `None` for most.
    fn healed(&self, place: &Location) -> Option<Location> {
        let pack = self.believed().standing(&place.frame.pack);
        let is_other = pack != place.frame.pack;
        is_other.then_some(Location { frame: FrameRef { pack, ..place.frame }, ..*place })
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Locate for Index {
    fn locate(&self, id: &ChunkId) -> Result<Option<Location>> {
        self.first(id, |_, segment| match self.find(segment, id)? {
            Some((_, record)) => segment.location(&self.cache, &record).map(Some),
            None => Ok(None),
        })
        .map(|place| place.map(|place| self.healed(&place).unwrap_or(place)))
    }

    fn copies(&self, id: &ChunkId) -> Result<Vec<Location>> {
        let mut copies = Vec::new();
        let outcome = self.first(id, |_, segment| {
            if let Some((_, record)) = self.find(segment, id)? {
                let place = segment.location(&self.cache, &record)?;
                copies.extend(self.healed(&place));
                copies.push(place);
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

/// What blocks may take: with open segments some fifth of the budget; the rest belongs to packs, frames and the
/// program.
fn blocks_share(repository: &Repository) -> u64 {
    repository.memory_bytes() / 32 * 3
}

/// Whether an error says that a segment is bad, so that others may still answer.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::NotFound)
}

pub(crate) fn location(record: &IndexRecord, pack: &PackRecord) -> Location {
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
        f.debug_struct("Index")
            .field("segments", &self.table().slots().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
