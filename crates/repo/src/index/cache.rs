//! A cache of opened index blocks, bounded in bytes.
//!
//! Knows blocks by segment, section and position; not what they answer. Threads share it.

use std::sync::Arc;

use lifeboat_format::index::{Filter, IndexRecord, PackRecord, RECORD_LEN, Section};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::error::Result;

/// What a pack's record takes in memory.
const PACK_BYTES: usize = size_of::<PackRecord>();

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockKey {
    pub(super) segment: usize,
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

/// Opened blocks, the least useful of which are dropped when there are too many bytes.
#[derive(Debug)]
pub(super) struct BlockCache {
    blocks: Cache<BlockKey, Block, ByBytes>,
}

impl BlockCache {
    pub(super) fn new(bytes_max: u64) -> Self {
        let typical = (RECORD_LEN * 256) as u64;
        let items = usize::try_from(bytes_max / typical).unwrap_or(usize::MAX).max(16);
        Self { blocks: Cache::with_weighter(items, bytes_max, ByBytes) }
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

    /// The bytes that it holds.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.blocks.weight()
    }
}
