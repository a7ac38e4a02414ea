//! One opened index segment: its directory in memory, its blocks on demand.
//!
//! Knows one object. A look-up asks the filter of the only block that can have the id, then that block.

use std::sync::Arc;

use lifeboat_codec::compress::Decompressor;
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener};
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble, Role, block_extra};
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{
    BLOCK_ITEMS_MAX, BlockEntry, DIRECTORY_MAX, Directory, Filter, GENERATION, INDEX_TAIL_LEN,
    IndexFooter, IndexRecord, PackRecord, Section, block_number, decode_block, decode_packs,
    decode_records,
};
use lifeboat_format::key::ObjectKey;

use super::cache::{Block, BlockCache, BlockKey};
use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::Repository;
use crate::reader::Location;

/// The end of a segment is read with at least this many bytes at once: most directories are in it.
const TAIL_READ: u64 = 64 << 10;

/// A segment that can be asked.
#[derive(Debug)]
pub(super) struct Segment {
    key: ObjectKey,
    io: Io,
    opener: ObjectOpener,
    directory: Directory,
}

impl Segment {
    /// Reads preamble, footer and directory.
    pub(super) fn open(repository: &Repository, key: ObjectKey, size: u64) -> Result<Self> {
        const OPERATION: &str = "open index segment";
        let io = repository.io().clone();
        let corrupt = |cause| Error::format(OPERATION, key, cause);
        let tail_start = size.saturating_sub(TAIL_READ);
        let tail = io.get_range(&key, tail_start..size)?;
        let footer_at = tail.len().saturating_sub(INDEX_TAIL_LEN);
        let footer = IndexFooter::parse(&tail[footer_at..], size).map_err(corrupt)?;
        let head = match tail_start {
            0 => tail.slice(..tail.len().min(PREAMBLE_LEN)),
            _ => io.get_range(&key, 0..PREAMBLE_LEN as u64)?,
        };
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
        Ok(Self { key, io, opener, directory })
    }

    pub(super) fn record_count(&self) -> u64 {
        self.directory.record_count()
    }

    /// The record of `id` and its position, if it is of the present generation.
    pub(super) fn find(
        &self,
        place: usize,
        cache: &BlockCache,
        id: &ChunkId,
    ) -> Result<Option<(u64, IndexRecord)>> {
        let Some(position) = self.directory.find(id) else { return Ok(None) };
        if !self.filter(place, cache, position)?.may_have(id) {
            return Ok(None);
        }
        let records = self.records(place, cache, position)?;
        let Ok(at) = records.binary_search_by(|record| record.id.cmp(id)) else { return Ok(None) };
        if records[at].generation != GENERATION {
            return Ok(None);
        }
        // All blocks but the last are full only by habit, so what lies before is added up.
        let before: u64 =
            self.directory.section(Section::Records)[..position].iter().map(count_of).sum();
        Ok(Some((before + at as u64, records[at])))
    }

    pub(super) fn location(
        &self,
        place: usize,
        cache: &BlockCache,
        record: &IndexRecord,
    ) -> Result<Location> {
        Ok(super::location(record, &self.pack(place, cache, record.pack)?))
    }

    pub(super) fn for_each(
        &self,
        place: usize,
        cache: &BlockCache,
        mut each: impl FnMut(u64, &IndexRecord, &PackRecord) -> Result<()>,
    ) -> Result<()> {
        let mut ordinal = 0;
        for position in 0..self.directory.section(Section::Records).len() {
            for record in self.records(place, cache, position)?.iter() {
                each(ordinal, record, &self.pack(place, cache, record.pack)?)?;
                ordinal += 1;
            }
        }
        Ok(())
    }

    pub(super) fn packs(&self, place: usize, cache: &BlockCache) -> Result<Vec<PackRecord>> {
        let mut packs = Vec::new();
        for position in 0..self.directory.section(Section::Packs).len() {
            packs.extend_from_slice(&self.pack_block(place, cache, position)?);
        }
        Ok(packs)
    }

    fn pack(&self, place: usize, cache: &BlockCache, pack: u32) -> Result<PackRecord> {
        // Unlike records, packs fill their blocks: a block's position follows from the number.
        let block = (pack / BLOCK_ITEMS_MAX) as usize;
        let packs = self.pack_block(place, cache, block)?;
        packs.get((pack % BLOCK_ITEMS_MAX) as usize).copied().ok_or_else(|| {
            Error::new(Kind::Corrupt, "look up a pack in", self.key)
                .because("a record points beyond the pack table")
        })
    }

    fn filter(&self, place: usize, cache: &BlockCache, position: usize) -> Result<Arc<Filter>> {
        let block = self.block(place, cache, Section::Filters, position, |raw, count| {
            Ok(Block::Filter(Arc::new(Filter::decode(raw, count)?)))
        })?;
        match block {
            Block::Filter(filter) => Ok(filter),
            _ => Err(self.mixed_up()),
        }
    }

    fn records(
        &self,
        place: usize,
        cache: &BlockCache,
        position: usize,
    ) -> Result<Arc<Vec<IndexRecord>>> {
        let packs = self.directory.pack_count();
        let block = self.block(place, cache, Section::Records, position, |raw, count| {
            Ok(Block::Records(Arc::new(decode_records(raw, count, packs)?)))
        })?;
        match block {
            Block::Records(records) => Ok(records),
            _ => Err(self.mixed_up()),
        }
    }

    fn pack_block(
        &self,
        place: usize,
        cache: &BlockCache,
        position: usize,
    ) -> Result<Arc<Vec<PackRecord>>> {
        let block = self.block(place, cache, Section::Packs, position, |raw, count| {
            Ok(Block::Packs(Arc::new(decode_packs(raw, count)?)))
        })?;
        match block {
            Block::Packs(packs) => Ok(packs),
            _ => Err(self.mixed_up()),
        }
    }

    fn block(
        &self,
        place: usize,
        cache: &BlockCache,
        section: Section,
        position: usize,
        decode: impl FnOnce(&[u8], u32) -> lifeboat_format::Result<Block>,
    ) -> Result<Block> {
        let entry = self.directory.section(section).get(position).ok_or_else(|| self.mixed_up())?;
        let number = u32::try_from(position).map_err(|cause| self.mixed_up().because(cause))?;
        cache.get(BlockKey { segment: place, section, position: number }, || {
            self.fetch(entry, section, number, decode)
        })
    }

    fn fetch(
        &self,
        entry: &BlockEntry,
        section: Section,
        position: u32,
        decode: impl FnOnce(&[u8], u32) -> lifeboat_format::Result<Block>,
    ) -> Result<Block> {
        const OPERATION: &str = "read a block of";
        let corrupt = |cause| Error::format(OPERATION, self.key, cause);
        let sealed = |cause| Error::codec(OPERATION, self.key, cause);
        let end = entry.offset + u64::from(entry.sealed_len);
        let bytes = self.io.get_range(&self.key, entry.offset..end)?;
        let extra = block_extra(section as u8, entry.count);
        let number = block_number(section, position);
        let plain = self.opener.open(Role::Block, number, &extra, &bytes).map_err(sealed)?;
        let packed = decode_block(&plain, section, entry.count).map_err(corrupt)?;
        let mut raw = Vec::new();
        Decompressor::new()
            .decompress(packed.codec, packed.rest, packed.raw_len as usize, &mut raw)
            .map_err(sealed)?;
        decode(&raw, entry.count).map_err(corrupt)
    }

    fn mixed_up(&self) -> Error {
        Error::new(Kind::Internal, "read a block of", self.key)
    }
}

fn count_of(entry: &BlockEntry) -> u64 {
    u64::from(entry.count)
}

fn offset_of(place: u64) -> usize {
    usize::try_from(place).expect("a place within the bytes that were read")
}
