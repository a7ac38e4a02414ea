//! The stripe table: a CRC-32 of each stripe of body and parity, in the clear, so that damage is found without a key and
//! without showing where a chunk begins.

use crate::pack::Footer;
use crate::{Error, Result};

/// The length of a stripe in bytes where there is no parity; the last one may be shorter.
pub const STRIPE_SIZE: u32 = 1 << 20;

const WHAT: &str = "stripe table";

/// Takes the checksums of a body that comes in parts, and of its parity.
#[derive(Debug, Clone)]
pub struct Stripes {
    stripe_bytes: u32,
    done: Vec<u32>,
    open: crc32fast::Hasher,
    open_len: u32,
    len: u64,
    /// The length of the body, once it is complete.
    body_len: Option<u64>,
}

impl Stripes {
    /// An empty body that is cut into stripes of so many bytes, at least one.
    #[must_use]
    pub fn new(stripe_bytes: u32) -> Self {
        Self {
            stripe_bytes: stripe_bytes.max(1),
            done: Vec::new(),
            open: crc32fast::Hasher::new(),
            open_len: 0,
            len: 0,
            body_len: None,
        }
    }

    /// Adds the next bytes of the body, or of parity.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = (self.stripe_bytes - self.open_len) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.open.update(now);
            self.open_len += u32::try_from(now.len()).unwrap_or(self.stripe_bytes);
            bytes = later;
            if self.open_len >= self.stripe_bytes {
                self.close();
            }
        }
    }

    /// Ends the body; what comes now is its parity. Where it has ended already, nothing changes.
    pub fn end_body(&mut self) {
        if self.body_len.is_none() && self.open_len > 0 {
            self.close();
        }
        self.body_len.get_or_insert(self.len);
    }

    /// How many bytes the body has.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.body_len.unwrap_or(self.len)
    }

    /// How many bytes of parity there were.
    #[must_use]
    pub fn parity_len(&self) -> u64 {
        self.len - self.body_len()
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

/// All that follows body and parity: the stripe table twice and the footer twice. `stripes` has taken the whole body, of
/// which the last `trailer_len` bytes are the sealed trailer, and its parity, if it has any.
///
/// # Errors
/// `Invalid` when the trailer is longer than the body.
pub fn build_tail(stripes: Stripes, trailer_len: u64) -> Result<Vec<u8>> {
    let (body_len, parity_len) = (stripes.body_len(), stripes.parity_len());
    let Some(trailer_offset) = body_len.checked_sub(trailer_len) else {
        return Err(Error::invalid(WHAT, "a trailer that is longer than the body"));
    };
    let table: Vec<u8> = stripes.finish().iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let stripes_crc = crc32fast::hash(&table);
    let footer = Footer { trailer_offset, trailer_len, body_len, parity_len, stripes_crc }.encode();
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

/// The checksum of one stripe.
#[must_use]
pub fn stripe_checksum(stripe: &[u8]) -> u32 {
    crc32fast::hash(stripe)
}

/// The numbers of the stripes that do not have the checksum they should, or are missing from `content`: the bytes of
/// [`Footer::content_range`], or as many of them as there are.
#[must_use]
pub fn damaged_stripes(content: &[u8], footer: &Footer, checksums: &[u32]) -> Vec<u64> {
    let is_good = |(stripe, wanted): &(u64, &u32)| {
        let range = footer.stripe_range(*stripe);
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = content.get(place(range.start)..place(range.end));
        bytes.is_some_and(|bytes| stripe_checksum(bytes) == **wanted)
    };
    (0..).zip(checksums).filter(|stripe| !is_good(stripe)).map(|(stripe, _)| stripe).collect()
}

#[cfg(test)]
mod tests;
