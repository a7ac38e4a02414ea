//! The footer of a segment: fixed bytes at the very end, twice, that say where the directory is.

use crate::bytes::Fields;
use crate::envelope::{PREAMBLE_LEN, TAG_LEN};
use crate::index::DIRECTORY_MAX;
use crate::{Error, Result};

/// The length of one footer.
pub const INDEX_FOOTER_LEN: usize = 48;
/// How much to read of a segment's end to have both footers.
pub const INDEX_TAIL_LEN: usize = 2 * INDEX_FOOTER_LEN;

const MAGIC: &[u8; 8] = b"LBINDEX1";
const WHAT: &str = "index footer";

/// Where the directory of a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexFooter {
    /// Where the sealed directory begins, in bytes.
    pub directory_offset: u64,
    /// Its length with its tag, in bytes.
    pub directory_len: u64,
    /// How many records the segment has.
    pub record_count: u64,
}

impl IndexFooter {
    /// The bytes of one footer; it is written twice.
    #[must_use]
    pub fn encode(&self) -> [u8; INDEX_FOOTER_LEN] {
        let mut out = Vec::with_capacity(INDEX_FOOTER_LEN);
        out.extend(MAGIC);
        for number in [self.directory_offset, self.directory_len, self.record_count] {
            out.extend(number.to_le_bytes());
        }
        out.extend([0; 12]);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.try_into().expect("8 + 3 * 8 + 12 + 4 bytes")
    }

    /// Where the sealed directory lies.
    #[must_use]
    pub fn directory_range(&self) -> std::ops::Range<u64> {
        self.directory_offset..self.directory_offset + self.directory_len
    }

    /// The footer of a segment of `object_len` bytes, of which `tail` are the last, [`INDEX_TAIL_LEN`] or more: the last
    /// copy, or the one before it where that is damaged.
    ///
    /// # Errors
    /// That of the last copy when both are damaged.
    pub fn parse(tail: &[u8], object_len: u64) -> Result<Self> {
        let copy = |back: usize| {
            let Some(start) = tail.len().checked_sub(back) else {
                let found = format!("{} bytes", tail.len());
                return Err(Error::expected(WHAT, 0, format!("{INDEX_TAIL_LEN} bytes"), found));
            };
            Self::decode(&tail[start..start + INDEX_FOOTER_LEN], object_len)
        };
        copy(INDEX_FOOTER_LEN).or_else(|error| copy(INDEX_TAIL_LEN).or(Err(error)))
    }

    fn decode(bytes: &[u8], object_len: u64) -> Result<Self> {
        let mut fields = Fields::new(WHAT, bytes);
        fields.magic(MAGIC)?;
        let (directory_offset, directory_len) = (fields.u64()?, fields.u64()?);
        let record_count = fields.u64()?;
        fields.zeros(12)?;
        let at = fields.position();
        let (found, computed) = (fields.u32()?, crc32fast::hash(&bytes[..at]));
        if found != computed {
            let (expected, found) = (format!("CRC-32 {computed:08x}"), format!("{found:08x}"));
            return Err(Error::expected(WHAT, at, expected, found));
        }
        let end = directory_offset.checked_add(directory_len);
        if directory_offset < PREAMBLE_LEN as u64
            || directory_len < TAG_LEN as u64
            || directory_len > (DIRECTORY_MAX + TAG_LEN) as u64
            || end.and_then(|end| end.checked_add(INDEX_TAIL_LEN as u64)) != Some(object_len)
        {
            let expected = format!("a directory that ends {INDEX_TAIL_LEN} before {object_len}");
            let found = format!("{directory_len} bytes from {directory_offset}");
            return Err(Error::expected(WHAT, 8, expected, found));
        }
        Ok(Self { directory_offset, directory_len, record_count })
    }
}

#[cfg(test)]
mod tests;
