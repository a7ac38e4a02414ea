//! The directory: where each block of a segment is, and with which id it begins.

use crate::bytes::Fields;
use crate::envelope::{PREAMBLE_LEN, TAG_LEN};
use crate::id::ChunkId;
use crate::index::block::{BLOCK_ITEMS_MAX, Section, raw_block_len};
use crate::{Error, Result};

/// The longest directory, in bytes: for about 650 million records.
pub const DIRECTORY_MAX: usize = 64 << 20;

const VERSION: u32 = 1;
const WHAT: &str = "index directory";
const HEADER_LEN: usize = 24;
const ENTRY_LEN: usize = 49;
const BLOCK_HEAD_LEN: u64 = 8;

/// A block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// Its section.
    pub section: Section,
    /// Where it begins in the object, in bytes.
    pub offset: u64,
    /// Its length there, with its tag, in bytes.
    pub sealed_len: u32,
    /// How many items it has; for a filter, how many records its block has.
    pub count: u32,
    /// The id of its first record; zero for blocks without records.
    pub first: ChunkId,
}

/// The table of a segment's blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The blocks in the order in which they lie: records, filters, packs.
    pub blocks: Vec<BlockEntry>,
}

impl Directory {
    /// The plaintext of the directory.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + ENTRY_LEN * self.blocks.len());
        let blocks = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        let packs = u32::try_from(self.items(Section::Packs)).unwrap_or(u32::MAX);
        out.extend(VERSION.to_le_bytes());
        out.extend(blocks.to_le_bytes());
        out.extend(self.record_count().to_le_bytes());
        out.extend(packs.to_le_bytes());
        out.extend([0; 4]);
        for block in &self.blocks {
            out.push(block.section as u8);
            out.extend(block.offset.to_le_bytes());
            out.extend(block.sealed_len.to_le_bytes());
            out.extend(block.count.to_le_bytes());
            out.extend(block.first.0);
        }
        out
    }

    /// The directory that `plaintext` is, of a segment whose sealed directory begins at `directory_offset`.
    ///
    /// # Errors
    /// `Unsupported` for a newer version or an unknown section; `Corrupt` when blocks are out of order, do not lie end to
    /// end or do not belong together.
    pub fn decode(plaintext: &[u8], directory_offset: u64) -> Result<Self> {
        let mut fields = Fields::new(WHAT, plaintext);
        fields.version(VERSION)?;
        let count = fields.u32()?;
        let (records, packs) = (fields.u64()?, fields.u32()?);
        fields.zeros(4)?;
        let len = HEADER_LEN as u64 + ENTRY_LEN as u64 * u64::from(count);
        if plaintext.len() as u64 != len || plaintext.len() > DIRECTORY_MAX {
            let expected = format!("{count} blocks in {len} bytes");
            return Err(Error::expected(WHAT, 4, expected, format!("{} bytes", plaintext.len())));
        }
        let mut blocks = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let section = Section::from_number(fields.u8()?).map_err(|error| error.within(WHAT))?;
            let (offset, sealed_len, count) = (fields.u64()?, fields.u32()?, fields.u32()?);
            let first = ChunkId(fields.array()?);
            blocks.push(BlockEntry { section, offset, sealed_len, count, first });
        }
        fields.finish()?;
        let directory = Self { blocks };
        directory.check(directory_offset)?;
        let found = (directory.record_count(), directory.items(Section::Packs));
        if found != (records, u64::from(packs)) {
            let expected = format!("{records} records in {packs} packs");
            let found = format!("{} in {}", found.0, found.1);
            return Err(Error::expected(WHAT, 8, expected, found));
        }
        Ok(directory)
    }

    /// The blocks of one section, in order; a block's position here gives its number.
    #[must_use]
    pub fn section(&self, section: Section) -> &[BlockEntry] {
        let start = self.blocks.partition_point(|block| block.section < section);
        let end = self.blocks.partition_point(|block| block.section <= section);
        &self.blocks[start..end]
    }

    /// How many records the segment has.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.items(Section::Records)
    }

    /// How many packs the segment has.
    #[must_use]
    pub fn pack_count(&self) -> u32 {
        u32::try_from(self.items(Section::Packs)).unwrap_or(u32::MAX)
    }

    /// The position, among the blocks of records, of the only one that can have `id`; `None` before the first.
    #[must_use]
    pub fn find(&self, id: &ChunkId) -> Option<usize> {
        self.section(Section::Records).partition_point(|block| block.first <= *id).checked_sub(1)
    }

    fn items(&self, section: Section) -> u64 {
        self.blocks
            .iter()
            .filter(|block| block.section == section)
            .map(|block| u64::from(block.count))
            .sum()
    }

    fn check(&self, directory_offset: u64) -> Result<()> {
        let mut end = PREAMBLE_LEN as u64;
        let mut before: Option<&BlockEntry> = None;
        for (place, block) in self.blocks.iter().enumerate() {
            let fault = |reason: &str| Error::corrupt(WHAT, format!("block {place} {reason}"));
            if block.offset != end {
                return Err(fault("does not begin where the one before it ends"));
            }
            end = end.saturating_add(u64::from(block.sealed_len));
            if !(1..=BLOCK_ITEMS_MAX).contains(&block.count) {
                return Err(fault("has no items or more than 1024"));
            }
            let longest =
                BLOCK_HEAD_LEN + raw_block_len(block.section, block.count) + TAG_LEN as u64;
            let shortest = BLOCK_HEAD_LEN + TAG_LEN as u64;
            if !(shortest..=longest).contains(&u64::from(block.sealed_len)) {
                return Err(fault("has a length that its items can't have"));
            }
            if block.section != Section::Records && block.first != ChunkId([0; 32]) {
                return Err(fault("has an id and no records"));
            }
            if let Some(before) = before {
                let ascends = block.section != Section::Records || before.first < block.first;
                if before.section > block.section || !ascends {
                    return Err(fault("is out of order"));
                }
            }
            before = Some(block);
        }
        if end != directory_offset {
            let expected = format!("blocks up to {directory_offset}");
            return Err(Error::expected(WHAT, HEADER_LEN, expected, format!("up to {end}")));
        }
        let counts =
            |section| self.section(section).iter().map(|block| block.count).collect::<Vec<_>>();
        if counts(Section::Records) != counts(Section::Filters) {
            return Err(Error::corrupt(WHAT, "filters that are not those of the records"));
        }
        if self.record_count() == 0 || self.items(Section::Packs) == 0 {
            return Err(Error::corrupt(WHAT, "no records or no packs"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
