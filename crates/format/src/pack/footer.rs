//! The footer: fixed bytes at the very end, twice, from which everything else is found.

use crate::bytes::Fields;
use crate::envelope::{PREAMBLE_LEN, TAG_LEN};
use crate::pack::parity::stripe_bytes;
use crate::pack::{PACK_MAX, STRIPE_SIZE};
use crate::{Error, Result};

/// The length of one footer.
pub const FOOTER_LEN: usize = 64;
/// How much to read of a pack's end to have both footers.
pub const TAIL_LEN: usize = 2 * FOOTER_LEN;

const MAGIC: &[u8; 8] = b"LBFOOTER";
const WHAT: &str = "pack footer";

/// Where the parts of a pack are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Where the sealed trailer begins.
    pub trailer_offset: u64,
    /// Its length with its tag.
    pub trailer_len: u64,
    /// The length of all before parity.
    pub body_len: u64,
    /// The length of parity; 0 in a pack that has none.
    pub parity_len: u64,
    /// The CRC-32 of one stripe table.
    pub stripes_crc: u32,
}

impl Footer {
    /// The length of a stripe in bytes; the last one of the body may be shorter.
    #[must_use]
    pub fn stripe_size(&self) -> u32 {
        if self.parity_len == 0 { STRIPE_SIZE } else { stripe_bytes(self.body_len) }
    }

    /// How many stripes the body has.
    #[must_use]
    pub fn body_stripes(&self) -> u64 {
        self.body_len.div_ceil(u64::from(self.stripe_size()))
    }

    /// How many stripes of parity there are, and so how many damaged ones can be made again.
    #[must_use]
    pub fn parity_stripes(&self) -> u64 {
        self.parity_len / u64::from(self.stripe_size())
    }

    /// How many stripes there are, those of parity behind those of the body.
    #[must_use]
    pub fn stripe_count(&self) -> u64 {
        self.body_stripes() + self.parity_stripes()
    }

    /// Where a stripe lies; empty beyond the last one.
    #[must_use]
    pub fn stripe_range(&self, stripe: u64) -> std::ops::Range<u64> {
        let size = u64::from(self.stripe_size());
        let (start, end) = match stripe.checked_sub(self.body_stripes()) {
            None => (0, self.body_len),
            Some(_) => (self.body_len, self.body_len + self.parity_len),
        };
        let place = if start == 0 { stripe } else { stripe - self.body_stripes() };
        let begin = start.saturating_add(place.saturating_mul(size)).min(end);
        begin..begin.saturating_add(size).min(end)
    }

    /// Where all stripes lie: body and parity.
    #[must_use]
    pub fn content_range(&self) -> std::ops::Range<u64> {
        0..self.body_len + self.parity_len
    }

    /// Where both stripe tables lie.
    #[must_use]
    pub fn stripes_range(&self) -> std::ops::Range<u64> {
        let start = self.content_range().end;
        start..start + 8 * self.stripe_count()
    }

    /// Where the sealed trailer lies.
    #[must_use]
    pub fn trailer_range(&self) -> std::ops::Range<u64> {
        self.trailer_offset..self.trailer_offset + self.trailer_len
    }

    /// The length of the whole pack.
    #[must_use]
    pub fn pack_len(&self) -> u64 {
        self.stripes_range().end + TAIL_LEN as u64
    }

    /// The bytes of one footer.
    #[must_use]
    pub fn encode(&self) -> [u8; FOOTER_LEN] {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        out.extend(MAGIC);
        let Self { trailer_offset, trailer_len, body_len, parity_len, .. } = *self;
        for number in [trailer_offset, trailer_len, body_len, parity_len, body_len + parity_len] {
            out.extend(number.to_le_bytes());
        }
        let stripes = u32::try_from(self.stripe_count()).unwrap_or(u32::MAX);
        for number in [stripes, self.stripe_size(), self.stripes_crc] {
            out.extend(number.to_le_bytes());
        }
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.try_into().expect("8 + 5 * 8 + 4 * 4 bytes")
    }

    /// The footer of a pack of `pack_len` bytes, of which `tail` are the last, [`TAIL_LEN`] or more: the last copy, or
    /// the one before it where that is damaged.
    ///
    /// # Errors
    /// That of the last copy when both are damaged.
    pub fn parse(tail: &[u8], pack_len: u64) -> Result<Self> {
        let [first, last] = Self::parse_both(tail, pack_len);
        last.or_else(|error| first.or(Err(error)))
    }

    /// Both copies, each as it is read.
    pub fn parse_both(tail: &[u8], pack_len: u64) -> [Result<Self>; 2] {
        [TAIL_LEN, FOOTER_LEN].map(|back| {
            let Some(start) = tail.len().checked_sub(back) else {
                let found = format!("{} bytes", tail.len());
                return Err(Error::expected(WHAT, 0, format!("{TAIL_LEN} bytes"), found));
            };
            Self::decode(&tail[start..start + FOOTER_LEN], pack_len)
        })
    }

    fn decode(bytes: &[u8], pack_len: u64) -> Result<Self> {
        let mut fields = Fields::new(WHAT, bytes);
        fields.magic(MAGIC)?;
        let (trailer_offset, trailer_len) = (fields.u64()?, fields.u64()?);
        let (parity_offset, parity_len) = (fields.u64()?, fields.u64()?);
        let tables_offset = fields.u64()?;
        let (stripe_count, stripe_size) = (fields.u32()?, fields.u32()?);
        let stripes_crc = fields.u32()?;
        let at = fields.position();
        let (found, computed) = (fields.u32()?, crc32fast::hash(&bytes[..at]));
        if found != computed {
            let (expected, found) = (format!("CRC-32 {computed:08x}"), format!("{found:08x}"));
            return Err(Error::expected(WHAT, at, expected, found));
        }
        fields.finish()?;
        let body_len = tables_offset.checked_sub(parity_len).filter(|len| *len <= PACK_MAX);
        let Some(body_len) = body_len else {
            let expected = format!("{parity_len} of parity behind at most {PACK_MAX}");
            return Err(Error::expected(WHAT, 40, expected, tables_offset));
        };
        let footer = Self { trailer_offset, trailer_len, body_len, parity_len, stripes_crc };
        if trailer_offset < PREAMBLE_LEN as u64
            || trailer_len < (super::TRAILER_HEADER_LEN + TAG_LEN) as u64
            || trailer_len > trailer_len_max()
            || trailer_offset.checked_add(trailer_len) != Some(body_len)
            || parity_offset != body_len
        {
            let found = format!("{trailer_len} bytes from {trailer_offset}");
            let expected = format!("a trailer that ends at {body_len}");
            return Err(Error::expected(WHAT, 8, expected, found));
        }
        footer.check_stripes(stripe_count, stripe_size)?;
        if footer.pack_len() != pack_len {
            let expected = format!("a pack of {} bytes", footer.pack_len());
            return Err(Error::expected(WHAT, 40, expected, format!("one of {pack_len}")));
        }
        Ok(footer)
    }

    fn check_stripes(&self, stripe_count: u32, stripe_size: u32) -> Result<()> {
        let size = self.stripe_size();
        if self.parity_len != 0 && stripe_size != size {
            let detail = format!("parity of stripes of {stripe_size} bytes needs a newer version");
            return Err(Error::unsupported(WHAT, detail));
        }
        let is_whole = self.parity_len.is_multiple_of(u64::from(size));
        if !is_whole || self.parity_stripes() > self.body_stripes() {
            let expected = format!("at most as many stripes of {size} bytes as the body has");
            return Err(Error::expected(WHAT, 32, expected, self.parity_len));
        }
        if stripe_size != size || u64::from(stripe_count) != self.stripe_count() {
            let expected = format!("{} stripes of {size}", self.stripe_count());
            let found = format!("{stripe_count} of {stripe_size}");
            return Err(Error::expected(WHAT, 48, expected, found));
        }
        Ok(())
    }
}

/// The longest trailer, sealed: its table is compressed only where that makes it shorter.
fn trailer_len_max() -> u64 {
    (super::TRAILER_HEADER_LEN + TAG_LEN) as u64 + u64::from(super::TRAILER_RAW_MAX)
}

#[cfg(test)]
mod tests;
