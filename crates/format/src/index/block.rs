//! Blocks: the parts of a segment, their numbers and their plaintext.

use crate::compression::{Codec, Packed};
use crate::index::{Filter, packs, records};
use crate::{Error, Result};

/// The most items of a block.
pub const BLOCK_ITEMS_MAX: u32 = 1024;

const WHAT: &str = "index block";

/// A section of a segment, in the order in which they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Section {
    /// Where chunks are.
    Records = 1,
    /// For each block of records a filter of its ids.
    Filters = 2,
    /// The packs that records point into.
    Packs = 3,
}

impl Section {
    pub(super) fn from_number(number: u8) -> Result<Self> {
        Ok(match number {
            1 => Self::Records,
            2 => Self::Filters,
            3 => Self::Packs,
            0 => return Err(Error::corrupt(WHAT, "section 0 does not exist")),
            _ => {
                let detail = format!("section {number} comes from a newer version");
                return Err(Error::unsupported(WHAT, detail));
            }
        })
    }
}

/// The number under which the block at `position` of its section is sealed.
#[must_use]
pub fn block_number(section: Section, position: u32) -> u64 {
    u64::from(section as u8) << 32 | u64::from(position)
}

/// The length of a block of `count` items before compression, in bytes.
#[must_use]
pub fn raw_block_len(section: Section, count: u32) -> u64 {
    match section {
        Section::Records => records::RECORD_LEN as u64 * u64::from(count),
        Section::Filters => Filter::len_for(count) as u64,
        Section::Packs => packs::PACK_LEN as u64 * u64::from(count),
    }
}

/// The plaintext of a block, given its items as `codec` made them of `raw_len` bytes.
#[must_use]
pub fn encode_block(codec: Codec, raw_len: u32, rest: &[u8]) -> Vec<u8> {
    Packed { codec, raw_len, rest }.encode()
}

/// Reads the plaintext of a block that the directory says has `count` items.
///
/// # Errors
/// `Unsupported` for an unknown codec, `Corrupt` when the lengths do not agree.
pub fn decode_block(plaintext: &[u8], section: Section, count: u32) -> Result<Packed<'_>> {
    Packed::decode(WHAT, plaintext, raw_block_len(section, count))
}

#[cfg(test)]
mod tests;
