//! Caches of opened index blocks and of opened segments, bounded in bytes.
//!
//! Knows blocks by segment, section and position; not what they answer. Threads share them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lifeboat_format::index::{Filter, IndexRecord, PackRecord, RECORD_LEN, Section};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::segment::Segment;
use crate::error::Result;

/// What a pack's record takes in memory.
const PACK_BYTES: usize = size_of::<PackRecord>();

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockKey {
    pub(super) segment: u32,
    pub(super) section: Section,
    pub(super) position: u32,
}

/// An opened block.
#[derive(Clone, Debug)]
pub(super) enum Block {
    Records(Arc<Vec<IndexRecord>>),
    Filter(Arc<Filter>),
    Packs(Arc<Vec<PackRecord>>),
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<BlockKey, Block> for ByBytes {
    fn weight(&self, _key: &BlockKey, block: &Block) -> u64 {
        let bytes = match block {
            Block::Records(records) => records.len() * size_of::<IndexRecord>(),
            Block::Filter(filter) => filter.as_bytes().len(),
            Block::Packs(packs) => packs.len() * PACK_BYTES,
        };
        // An entry of the cache itself takes some room, too.
        bytes as u64 + 128
    }
}

#[derive(Clone, Debug)]
struct ByMemory;

impl Weighter<u32, Arc<Segment>> for ByMemory {
    fn weight(&self, _serial: &u32, segment: &Arc<Segment>) -> u64 {
        segment.memory_bytes() + 128
    }
}

/// Open segments by their serial numbers, the least useful of which are dropped.
#[derive(Debug)]
pub(super) struct SegmentCache(Cache<u32, Arc<Segment>, ByMemory>);

impl SegmentCache {
    pub(super) fn new(bytes_max: u64) -> Self {
        // A directory of 128 blocks, their filters and as many packs.
        let typical = 384 * 56;
        let items = usize::try_from(bytes_max / typical).unwrap_or(usize::MAX).max(16);
        Self(Cache::with_weighter(items, bytes_max, ByMemory))
    }

    /// The segment, opened by `open` if it is not.
    pub(super) fn get(
        &self,
        serial: u32,
        open: impl FnOnce() -> Result<Segment>,
    ) -> Result<Arc<Segment>> {
        self.0.get_or_insert_with(&serial, || open().map(Arc::new))
    }
}

/// Opened blocks, the least useful of which are dropped when there are too many bytes.
#[derive(Debug)]
pub(super) struct BlockCache {
    blocks: Cache<BlockKey, Block, ByBytes>,
    /// Of the index in the store, in bytes.
    index_bytes: AtomicU64,
}

impl BlockCache {
    pub(super) fn new(bytes_max: u64) -> Self {
        let typical = (RECORD_LEN * 256) as u64;
        let items = usize::try_from(bytes_max / typical).unwrap_or(usize::MAX).max(16);
        let blocks = Cache::with_weighter(items, bytes_max, ByBytes);
        Self { blocks, index_bytes: AtomicU64::new(0) }
    }

    /// The block, opened by `open` if it is not there. Who asks for one that another thread is about
    /// to open waits for that.
    pub(super) fn get(&self, key: BlockKey, open: impl FnOnce() -> Result<Block>) -> Result<Block> {
        self.blocks.get_or_insert_with(&key, open)
    }

    /// Keeps a block that came along with another.
    pub(super) fn put(&self, key: BlockKey, block: Block) {
        self.blocks.insert(key, block);
    }

    /// Says how large the index is in the store, in bytes.
    pub(super) fn index_is(&self, bytes: u64) {
        self.index_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether most of the index would fit. Opened, a record takes about a fifth more than in the store.
    pub(super) fn has_room_for_all(&self) -> bool {
        self.index_bytes.load(Ordering::Relaxed) <= self.blocks.capacity() / 5 * 4
    }

    /// The bytes that it holds.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.blocks.weight()
    }
}
