//! Filters: whether a block of records may have an id, without opening it.
//!
//! A Bloom filter of seven bits an id in ten bits an id of room: about one in a hundred absent ids passes. The positions
//! are taken from the id itself, which is a keyed hash and so random enough.

use crate::id::ChunkId;
use crate::index::BLOCK_ITEMS_MAX;
use crate::{Error, Result};

const BITS_PER_ID: u64 = 10;
const HASHES: u64 = 7;
const WHAT: &str = "index filter";

/// The filter of one block of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    bits: Vec<u8>,
}

impl Filter {
    /// The filter of these ids.
    #[must_use]
    pub fn build<'a>(ids: impl ExactSizeIterator<Item = &'a ChunkId>) -> Self {
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let mut bits = vec![0; Self::len_for(count)];
        for id in ids {
            for (byte, bit) in positions(id, bits.len()) {
                bits[byte] |= bit;
            }
        }
        Self { bits }
    }

    /// The filter from the decompressed block, of a block of `count` records.
    ///
    /// # Errors
    /// `Corrupt` when its length is not the one that `count` records give.
    pub fn decode(raw: &[u8], count: u32) -> Result<Self> {
        if count > BLOCK_ITEMS_MAX || raw.len() != Self::len_for(count) {
            let expected = format!("a filter for {count} records");
            return Err(Error::expected(WHAT, 0, expected, format!("{} bytes", raw.len())));
        }
        Ok(Self { bits: raw.to_vec() })
    }

    /// Its bytes, as they are given to the compressor.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Whether the block may have `id`; if not, it has not.
    #[must_use]
    pub fn may_have(&self, id: &ChunkId) -> bool {
        !self.bits.is_empty()
            && positions(id, self.bits.len()).all(|(byte, bit)| self.bits[byte] & bit != 0)
    }

    /// The length of a filter of `count` ids, in bytes: ten bits an id, rounded up to eight bytes.
    #[must_use]
    pub fn len_for(count: u32) -> usize {
        let words = (u64::from(count) * BITS_PER_ID).div_ceil(64);
        usize::try_from(words * 8).unwrap_or(usize::MAX)
    }
}

/// Bytes of a filter of `len` bytes and the bits in them that stand for `id`.
fn positions(id: &ChunkId, len: usize) -> impl Iterator<Item = (usize, u8)> {
    let word = |start: usize| {
        let bytes = id.0[start..].first_chunk().copied().expect("an id has 32 bytes");
        u64::from_le_bytes(bytes)
    };
    let (start, step) = (word(8), word(16) | 1);
    let len = len as u64 * 8;
    (0..HASHES).map(move |number| {
        let place = start.wrapping_add(number.wrapping_mul(step)) % len;
        let byte = usize::try_from(place / 8).expect("below the filter's length");
        (byte, 1 << (place % 8))
    })
}

#[cfg(test)]
mod tests;
