//! The stripe table: a CRC-32 of each MiB of the body, in the clear, so that damage is found without a key and without
//! showing where a chunk begins.

use crate::pack::Footer;
use crate::{Error, Result};

/// The length of a stripe in bytes; the last one may be shorter.
pub const STRIPE_SIZE: u32 = 1 << 20;

const WHAT: &str = "stripe table";

/// Takes the checksums of a body that comes in parts.
#[derive(Debug, Clone, Default)]
pub struct Stripes {
    done: Vec<u32>,
    open: crc32fast::Hasher,
    open_len: usize,
    len: u64,
}

impl Stripes {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the body.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) =
                bytes.split_at(bytes.len().min(STRIPE_SIZE as usize - self.open_len));
            self.open.update(now);
            self.open_len += now.len();
            bytes = later;
            if self.open_len == STRIPE_SIZE as usize {
                self.close();
            }
        }
    }

    /// How many bytes there were.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.len
    }

    /// The checksums of all stripes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u32> {
        if self.open_len > 0 {
            self.close();
        }
        self.done
    }

    fn close(&mut self) {
        let full = std::mem::replace(&mut self.open, crc32fast::Hasher::new());
        self.done.push(full.finalize());
        self.open_len = 0;
    }
}

/// All that follows a body: the stripe table twice and the footer twice. `stripes` has taken the whole body, of which
/// the last `trailer_len` bytes are the sealed trailer.
///
/// # Errors
/// `Invalid` when the trailer is longer than the body.
pub fn build_tail(stripes: Stripes, trailer_len: u64) -> Result<Vec<u8>> {
    let body_len = stripes.body_len();
    let Some(trailer_offset) = body_len.checked_sub(trailer_len) else {
        return Err(Error::invalid(WHAT, "a trailer that is longer than the body"));
    };
    let table: Vec<u8> = stripes.finish().iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let stripes_crc = crc32fast::hash(&table);
    let footer = Footer { trailer_offset, trailer_len, body_len, stripes_crc }.encode();
    Ok([&table[..], &table, &footer, &footer].concat())
}

/// The checksums from `tables`, the bytes of [`Footer::stripes_range`]: of the first copy, or of the second where that is
/// damaged.
///
/// # Errors
/// `Corrupt` when the length is another, or both copies are damaged.
pub fn parse_stripes(tables: &[u8], footer: &Footer) -> Result<Vec<u32>> {
    let range = footer.stripes_range();
    if tables.len() as u64 != range.end - range.start {
        let expected = format!("{} bytes", range.end - range.start);
        return Err(Error::expected(WHAT, 0, expected, tables.len()));
    }
    let (first, second) = tables.split_at(tables.len() / 2);
    let table =
        [first, second].into_iter().find(|copy| crc32fast::hash(copy) == footer.stripes_crc);
    match table {
        Some(table) => {
            Ok(table.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
        }
        None => Err(Error::corrupt(WHAT, "both copies are damaged")),
    }
}

/// The numbers of the stripes of `body` that do not have the checksum they should; all beyond the shorter of the two.
#[must_use]
pub fn damaged_stripes(body: &[u8], checksums: &[u32]) -> Vec<usize> {
    let mut stripes = Stripes::new();
    stripes.update(body);
    let found = stripes.finish();
    let len = found.len().max(checksums.len());
    (0..len).filter(|place| found.get(*place) != checksums.get(*place)).collect()
}

#[cfg(test)]
mod tests;
