//! One opened index segment: its directory in memory, its blocks on demand.
//!
//! Knows one object. A look-up asks the filter of the only block that can have the id, then that block.
//! The end of the object, with filters and pack table, stays as it was read where there is room. Blocks
//! of records come alone at first, and more and more neighbours with them when many are asked for: ids
//! are uniform, so whoever looks up thousands of chunks will want every block.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use lifeboat_codec::compress::Decompressor;
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener};
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble, Role, block_extra};
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{
    BLOCK_ITEMS_MAX, BlockEntry, DIRECTORY_MAX, Directory, Filter, GENERATION, INDEX_TAIL_LEN,
    IdPrefix, IndexFooter, IndexRecord, PackRecord, Section, block_number, decode_block,
    decode_packs, decode_records,
};
use lifeboat_format::key::ObjectKey;

use super::cache::{Block, BlockCache, BlockKey};
use super::table::Slot;
use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::Repository;
use crate::reader::Location;

/// The end of a segment is read with at least this many bytes at once, and so most small segments whole.
const TAIL_MIN: u64 = 64 << 10;
/// The part of a segment behind its records, generously: filters take 10 bits where a record takes some
/// 60 bytes.
const TAIL_PART: u64 = 32;
/// The most that is read of the end at once, in bytes.
const TAIL_MAX: u64 = 4 << 20;
/// Neighbours that come with a block of records at most, and after how many misses there is one more.
const NEIGHBOURS_MAX: usize = 15;
const MISSES_PER_NEIGHBOUR: usize = 4;
/// How much of a segment's records is read at once by who wants all of them, in bytes.
const SPAN_BYTES: u64 = 1 << 20;

thread_local! {
    /// Whoever looks chunks up opens thousands of blocks in a second, and a new one for each would take as long as
    /// the rest of that.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

/// How many bytes more the ends may take that are kept of segments which stay open.
#[derive(Debug)]
pub(super) struct EndsRoom(AtomicU64);

impl EndsRoom {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self(AtomicU64::new(bytes_max))
    }

    /// Takes the room for `bytes`; whether there was.
    fn take(self: &Arc<Self>, bytes: u64) -> Option<EndsTaken> {
        let less = |room: u64| room.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok()?;
        Some(EndsTaken { room: Arc::clone(self), bytes })
    }
}

/// Room that was taken, and is given back.
#[derive(Debug)]
struct EndsTaken {
    room: Arc<EndsRoom>,
    bytes: u64,
}

impl Drop for EndsTaken {
    fn drop(&mut self) {
        self.room.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// The end of a segment as it lies in the store.
#[derive(Debug)]
struct End {
    start: u64,
    bytes: Bytes,
    /// None where it counts as the segment's own.
    taken: Option<EndsTaken>,
}

impl End {
    fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let place = |at: u64| at.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let range = place(range.start)?..place(range.end)?;
        self.bytes.get(range.clone()).map(|_| self.bytes.slice(range))
    }
}

/// A segment that can be asked.
#[derive(Debug)]
pub(super) struct Segment {
    key: ObjectKey,
    serial: u32,
    prefix: IdPrefix,
    io: Io,
    opener: ObjectOpener,
    directory: Directory,
    /// How many records there are before each block of them.
    starts: Vec<u64>,
    end: Option<End>,
    /// Blocks of records that had to be fetched.
    misses: AtomicUsize,
}

impl Segment {
    /// Reads preamble, footer and directory. What came with them is kept of one that stays open if `ends`
    /// has room, and else of one that came whole.
    pub(super) fn open(repository: &Repository, slot: &Slot, ends: &Arc<EndsRoom>) -> Result<Self> {
        const OPERATION: &str = "open index segment";
        let (key, size) = (slot.key, slot.size);
        let io = repository.io().clone();
        let corrupt = |cause| Error::format(OPERATION, key, cause);
        let tail_start = size.saturating_sub((size / TAIL_PART).clamp(TAIL_MIN, TAIL_MAX));
        let (head, tail) = match tail_start {
            0 => {
                let whole = io.get_range(&key, 0..size)?;
                (whole.slice(..whole.len().min(PREAMBLE_LEN)), whole)
            }
            _ => io.block_on(io.two_ranges(&key, 0..PREAMBLE_LEN as u64, tail_start..size))?,
        };
        let footer_at = tail.len().saturating_sub(INDEX_TAIL_LEN);
        let footer = IndexFooter::parse(&tail[footer_at..], size).map_err(corrupt)?;
        let preamble = Preamble::decode(&head).map_err(corrupt)?;
        let role_key = repository
            .keyring()
            .role_key(ObjectType::IndexSegment, preamble.epoch)
            .map_err(|cause| Error::new(cause.kind(), OPERATION, key).because(cause))?;
        let opener =
            ObjectOpener::new(role_key, ObjectType::IndexSegment, repository.id(), &preamble)
                // The key opened the repository, so what does not fit is the segment.
                .map_err(|cause| Error::new(Kind::Corrupt, OPERATION, key).because(cause))?;
        let range = footer.directory_range();
        if range.end - range.start > DIRECTORY_MAX as u64 {
            return Err(
                Error::new(Kind::Corrupt, OPERATION, key).because("its directory is too long")
            );
        }
        let sealed = match range.start.checked_sub(tail_start) {
            Some(start) => {
                let (start, end) = (offset_of(start), offset_of(range.end - tail_start));
                tail.slice(start..end)
            }
            None => io.get_range(&key, range.clone())?,
        };
        let plain = opener
            .open(Role::Directory, 0, &NO_EXTRA, &sealed)
            .map_err(|cause| Error::codec(OPERATION, key, cause))?;
        let directory = Directory::decode(&plain, range.start).map_err(corrupt)?;
        if directory.record_count() != footer.record_count {
            let reason = "footer and directory disagree about the number of records";
            return Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason));
        }
        if !is_within(&directory, slot.prefix) {
            return Err(strange_ids(key));
        }
        let (keep, taken) = match slot.is_pinned() {
            true => {
                let taken = ends.take(tail.len() as u64);
                (taken.is_some(), taken)
            }
            false => (tail_start == 0, None),
        };
        let end = keep.then_some(End { start: tail_start, bytes: tail, taken });
        // All blocks but the last are full only by habit, so what lies before is added up.
        let mut before = 0;
        let starts = directory.section(Section::Records).iter().map(|block| {
            let start = before;
            before += count_of(block);
            start
        });
        Ok(Self {
            key,
            serial: slot.serial,
            prefix: slot.prefix,
            io,
            opener,
            starts: starts.collect(),
            directory,
            end,
            misses: AtomicUsize::new(0),
        })
    }

    pub(super) fn key(&self) -> ObjectKey {
        self.key
    }

    pub(super) fn record_count(&self) -> u64 {
        self.directory.record_count()
    }

    /// The ids that it has records of.
    pub(super) fn prefix(&self) -> IdPrefix {
        self.prefix
    }

    /// About how much memory it takes, in bytes, but for what it took of the room for ends.
    pub(super) fn memory_bytes(&self) -> u64 {
        let end = self.end.as_ref().filter(|end| end.taken.is_none());
        let end = end.map_or(0, |end| end.bytes.len());
        (size_of::<Self>()
            + self.directory.blocks.len() * size_of::<BlockEntry>()
            + self.starts.len() * size_of::<u64>()
            + end) as u64
    }

    /// About how many records there are of these ids: exact but for the blocks at the ends, of which it is taken
    /// that their ids are uniform.
    pub(super) fn count_within(&self, prefix: IdPrefix) -> u64 {
        let blocks = self.directory.section(Section::Records);
        let head = |id: &ChunkId| u128::from(head(id));
        let bounds = |prefix: IdPrefix| {
            let (first, last) = prefix.bounds();
            head(&first)..head(&last) + 1
        };
        let (wanted, end) = (bounds(prefix), bounds(self.prefix).end);
        let count = |place: usize| {
            let start = head(&blocks[place].first);
            let end = blocks.get(place + 1).map_or(end, |next| head(&next.first)).max(start + 1);
            let common = wanted.end.min(end).saturating_sub(wanted.start.max(start));
            u128::from(blocks[place].count) * common / (end - start)
        };
        u64::try_from(self.blocks_within(prefix).map(count).sum::<u128>()).unwrap_or(u64::MAX)
    }

    /// The blocks that may have records of these ids.
    fn blocks_within(&self, prefix: IdPrefix) -> Range<usize> {
        let (first, last) = prefix.bounds();
        let begin = self.directory.find(&first).unwrap_or(0);
        let end = self.directory.find(&last).map_or(0, |place| place + 1);
        begin..end.max(begin)
    }

    /// All records of these ids, each with its pack.
    pub(super) fn records_within(
        &self,
        cache: &BlockCache,
        prefix: IdPrefix,
    ) -> Result<Vec<(IndexRecord, PackRecord)>> {
        let mut records = Vec::new();
        self.for_each_span(self.blocks_within(prefix), |of_block| {
            records.extend(of_block.iter().filter(|record| prefix.has(&record.id)).copied());
            Ok(())
        })?;
        // In the order of packs, so that each block of these is opened once: there may be more than the cache holds.
        records.sort_unstable_by_key(|record| record.pack);
        let with_pack = |record: IndexRecord| Ok((record, self.pack(cache, record.pack)?));
        records.into_iter().map(with_pack).collect()
    }

    /// Calls `each` with the records of every block.
    pub(super) fn for_each_block(
        &self,
        each: impl FnMut(&[IndexRecord]) -> Result<()>,
    ) -> Result<()> {
        let all = 0..self.directory.section(Section::Records).len();
        self.for_each_span(all, each)
    }

    /// The record of `id` and its position, if it is of the present generation.
    pub(super) fn find(
        &self,
        cache: &BlockCache,
        id: &ChunkId,
    ) -> Result<Option<(u64, IndexRecord)>> {
        let Some(position) = self.directory.find(id) else { return Ok(None) };
        if !self.filter(cache, position)?.may_have(id) {
            return Ok(None);
        }
        let records = self.records(cache, position)?;
        let wanted = (head(id), id);
        let found = records.binary_search_by(|record| (head(&record.id), &record.id).cmp(&wanted));
        let Ok(at) = found else { return Ok(None) };
        if records[at].generation != GENERATION {
            return Ok(None);
        }
        Ok(Some((self.starts[position] + at as u64, records[at])))
    }

    pub(super) fn location(&self, cache: &BlockCache, record: &IndexRecord) -> Result<Location> {
        Ok(super::location(record, &self.pack(cache, record.pack)?))
    }

    pub(super) fn for_each(
        &self,
        cache: &BlockCache,
        mut each: impl FnMut(u64, &IndexRecord, &PackRecord) -> Result<()>,
    ) -> Result<()> {
        let mut ordinal = 0;
        self.for_each_block(|records| {
            for record in records {
                each(ordinal, record, &self.pack(cache, record.pack)?)?;
                ordinal += 1;
            }
            Ok(())
        })
    }

    /// Calls `each` with the records of each of these blocks.
    fn for_each_span(
        &self,
        blocks: Range<usize>,
        mut each: impl FnMut(&[IndexRecord]) -> Result<()>,
    ) -> Result<()> {
        let mut take = |span: Range<usize>, bytes: &[u8]| {
            let start = self.range_of(&span).start;
            span.map(|position| self.open_records(position, bytes, start))
                .try_for_each(|records| each(&records?))
        };
        if let Some(kept) = self.end.as_ref().and_then(|end| end.get(&self.range_of(&blocks))) {
            return take(blocks, &kept);
        }
        let spans = self.spans(blocks);
        let ranges = spans.iter().map(|blocks| self.range_of(blocks));
        let mut read = spans.iter();
        self.io.each_range(&self.key, ranges, |bytes| {
            take(read.next().cloned().unwrap_or_default(), &bytes)
        })
    }

    pub(super) fn for_each_pack(
        &self,
        cache: &BlockCache,
        mut each: impl FnMut(&PackRecord),
    ) -> Result<()> {
        for position in 0..self.directory.section(Section::Packs).len() {
            self.pack_block(cache, position)?.iter().for_each(&mut each);
        }
        Ok(())
    }

    fn pack(&self, cache: &BlockCache, pack: u32) -> Result<PackRecord> {
        // Unlike records, packs fill their blocks: a block's position follows from the number.
        let block = (pack / BLOCK_ITEMS_MAX) as usize;
        let packs = self.pack_block(cache, block)?;
        packs.get((pack % BLOCK_ITEMS_MAX) as usize).copied().ok_or_else(|| {
            Error::new(Kind::Corrupt, "look up a pack in", self.key)
                .because("a record points beyond the pack table")
        })
    }

    fn filter(&self, cache: &BlockCache, position: usize) -> Result<Arc<Filter>> {
        let block = self.block(cache, Section::Filters, position, |raw, count| {
            Ok(Block::Filter(Arc::new(Filter::decode(raw, count)?)))
        })?;
        match block {
            Block::Filter(filter) => Ok(filter),
            _ => Err(self.mixed_up()),
        }
    }

    fn records(&self, cache: &BlockCache, position: usize) -> Result<Arc<Vec<IndexRecord>>> {
        let block = cache.get(self.records_key(position)?, || {
            let span = self.neighbours(cache, position);
            let range = self.range_of(&span);
            let bytes = self.sealed(&range)?;
            let mut wanted = None;
            for at in span {
                let opened = self.open_records(at, &bytes, range.start);
                if at == position {
                    wanted = Some(opened?);
                } else if let Ok(opened) = opened {
                    // Whoever wants a damaged neighbour is told when that is asked for.
                    cache.put(self.records_key(at)?, Block::Records(opened));
                }
            }
            wanted.map(Block::Records).ok_or_else(|| self.mixed_up())
        })?;
        match block {
            Block::Records(records) => Ok(records),
            _ => Err(self.mixed_up()),
        }
    }

    /// The block of records at `position` with as many of those behind it as are worth one request.
    fn neighbours(&self, cache: &BlockCache, position: usize) -> Range<usize> {
        let blocks = self.directory.section(Section::Records).len();
        let alone = position..position + 1;
        if !cache.has_room_for_all() {
            return alone;
        }
        if self.end.as_ref().is_some_and(|end| end.get(&self.range_of(&alone)).is_some()) {
            return alone;
        }
        let misses = self.misses.fetch_add(1, Ordering::Relaxed);
        let more = (misses / MISSES_PER_NEIGHBOUR).min(NEIGHBOURS_MAX);
        position..(position + 1 + more).min(blocks)
    }

    /// These blocks of records in stretches that are worth a request each.
    fn spans(&self, blocks: Range<usize>) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = Vec::new();
        for position in blocks {
            match spans.last_mut() {
                Some(span) => {
                    let longer = self.range_of(&(span.start..position + 1));
                    if longer.end - longer.start <= SPAN_BYTES {
                        span.end = position + 1;
                    } else {
                        spans.push(position..position + 1);
                    }
                }
                None => spans.push(position..position + 1),
            }
        }
        spans
    }

    /// Where these blocks of records, of which there is at least one, lie.
    fn range_of(&self, blocks: &Range<usize>) -> Range<u64> {
        let entries = &self.directory.section(Section::Records)[blocks.clone()];
        let start = entries.first().map_or(0, |entry| entry.offset);
        start..entries.last().map_or(start, |entry| entry.offset + u64::from(entry.sealed_len))
    }

    /// One block of records from its sealed bytes, which lie in `bytes`; these begin at `start`.
    fn open_records(
        &self,
        position: usize,
        bytes: &[u8],
        start: u64,
    ) -> Result<Arc<Vec<IndexRecord>>> {
        let entry = &self.directory.section(Section::Records)[position];
        let begin = offset_of(entry.offset - start);
        let sealed =
            bytes.get(begin..begin + entry.sealed_len as usize).ok_or_else(|| self.mixed_up())?;
        let packs = self.directory.pack_count();
        let records =
            self.open_block(entry, Section::Records, position, sealed, |raw, count| {
                decode_records(raw, count, packs)
            })?;
        // A look-up goes by what the directory says; whoever reads all of them must find the same.
        let next = self.directory.section(Section::Records).get(position + 1);
        let is_behind = |last: &IndexRecord| next.is_some_and(|next| last.id >= next.first);
        if records.first().is_none_or(|first| first.id != entry.first)
            || records.last().is_some_and(is_behind)
        {
            let reason = "a block has other ids than its directory says";
            return Err(Error::new(Kind::Corrupt, "read a block of", self.key).because(reason));
        }
        if records.last().is_some_and(|last| !self.prefix.has(&last.id)) {
            return Err(strange_ids(self.key));
        }
        Ok(Arc::new(records))
    }

    fn records_key(&self, position: usize) -> Result<BlockKey> {
        let position = u32::try_from(position).map_err(|cause| self.mixed_up().because(cause))?;
        Ok(BlockKey { segment: self.serial, section: Section::Records, position })
    }

    /// Sealed bytes: kept, or fetched.
    fn sealed(&self, range: &Range<u64>) -> Result<Bytes> {
        match self.end.as_ref().and_then(|end| end.get(range)) {
            Some(kept) => Ok(kept),
            None => self.io.get_range(&self.key, range.clone()),
        }
    }

    fn pack_block(&self, cache: &BlockCache, position: usize) -> Result<Arc<Vec<PackRecord>>> {
        let block = self.block(cache, Section::Packs, position, |raw, count| {
            Ok(Block::Packs(Arc::new(decode_packs(raw, count)?)))
        })?;
        match block {
            Block::Packs(packs) => Ok(packs),
            _ => Err(self.mixed_up()),
        }
    }

    fn block(
        &self,
        cache: &BlockCache,
        section: Section,
        position: usize,
        decode: impl FnOnce(&[u8], u32) -> lifeboat_format::Result<Block>,
    ) -> Result<Block> {
        let entry = self.directory.section(section).get(position).ok_or_else(|| self.mixed_up())?;
        let number = u32::try_from(position).map_err(|cause| self.mixed_up().because(cause))?;
        cache.get(BlockKey { segment: self.serial, section, position: number }, || {
            let sealed =
                self.sealed(&(entry.offset..entry.offset + u64::from(entry.sealed_len)))?;
            self.open_block(entry, section, position, &sealed, decode)
        })
    }

    fn open_block<T>(
        &self,
        entry: &BlockEntry,
        section: Section,
        position: usize,
        sealed: &[u8],
        decode: impl FnOnce(&[u8], u32) -> lifeboat_format::Result<T>,
    ) -> Result<T> {
        const OPERATION: &str = "read a block of";
        let corrupt = |cause| Error::format(OPERATION, self.key, cause);
        let failed = |cause| Error::codec(OPERATION, self.key, cause);
        let position = u32::try_from(position).map_err(|cause| self.mixed_up().because(cause))?;
        let extra = block_extra(section as u8, entry.count);
        let number = block_number(section, position);
        let plain = self.opener.open(Role::Block, number, &extra, sealed).map_err(failed)?;
        let packed = decode_block(&plain, section, entry.count).map_err(corrupt)?;
        let mut raw = Vec::new();
        DECOMPRESSOR
            .with_borrow_mut(|decompressor| {
                decompressor.decompress(
                    packed.codec,
                    packed.rest,
                    packed.raw_len as usize,
                    &mut raw,
                )
            })
            .map_err(failed)?;
        decode(&raw, entry.count).map_err(corrupt)
    }

    fn mixed_up(&self) -> Error {
        Error::new(Kind::Internal, "read a block of", self.key)
    }
}

/// Whether all blocks of records begin with ids of this prefix.
fn is_within(directory: &Directory, prefix: IdPrefix) -> bool {
    let blocks = directory.section(Section::Records);
    let ends = [blocks.first(), blocks.last()];
    ends.into_iter().flatten().all(|block| prefix.has(&block.first))
}

fn strange_ids(key: ObjectKey) -> Error {
    Error::new(Kind::Corrupt, "read a block of", key)
        .because("it has records of other ids than the entry of the log says that named it")
}

/// An id's first bytes as a number, which decides nearly every comparison.
#[expect(clippy::big_endian_bytes, reason = "the first bytes are the highest")]
fn head(id: &ChunkId) -> u64 {
    u64::from_be_bytes(id.0.first_chunk().copied().expect("an id has 32 bytes"))
}

fn count_of(entry: &BlockEntry) -> u64 {
    u64::from(entry.count)
}

fn offset_of(place: u64) -> usize {
    usize::try_from(place).expect("a place within the bytes that were read")
}
