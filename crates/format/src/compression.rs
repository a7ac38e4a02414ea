//! Which compression bytes have, and the short head that says so. Compresses nothing itself.

use crate::bytes::Fields;
use crate::{Error, Result};

/// How bytes were compressed before they were sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    Stored = 0,
    /// As one zstd frame.
    Zstd = 1,
}

impl Codec {
    /// The codec of a number.
    ///
    /// # Errors
    /// `Unsupported` for an unknown one, with `what` it stood in.
    pub fn from_number(what: &str, number: u8) -> Result<Self> {
        match number {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Zstd),
            _ => {
                let detail = format!("codec {number} comes from a newer version");
                Err(Error::unsupported(what, detail))
            }
        }
    }
}

/// Bytes that may be compressed, with what is needed to undo that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed<'a> {
    /// How they are compressed.
    pub codec: Codec,
    /// Their length when they are not.
    pub raw_len: u32,
    /// The bytes.
    pub rest: &'a [u8],
}

impl<'a> Packed<'a> {
    /// The length of the head: codec, three zero bytes, raw length.
    pub const HEAD_LEN: usize = 8;

    /// The head and the bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEAD_LEN + self.rest.len());
        self.encode_to(&mut out);
        out
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend([self.codec as u8, 0, 0, 0]);
        out.extend(self.raw_len.to_le_bytes());
        out.extend_from_slice(self.rest);
    }

    /// Reads the head; the bytes are all that follow. Refuses another raw length than `raw_len`, so that nobody
    /// decompresses more than the structure can have.
    pub(crate) fn decode(what: &'static str, input: &'a [u8], raw_len: u64) -> Result<Self> {
        let mut fields = Fields::new(what, input);
        let codec = Codec::from_number(what, fields.u8()?)?;
        fields.zeros(3)?;
        let at = fields.position();
        let found = fields.u32()?;
        if u64::from(found) != raw_len {
            return Err(Error::expected(what, at, format!("a raw length of {raw_len}"), found));
        }
        let at = fields.position();
        let rest = fields.take(input.len() - at)?;
        // What compression made larger would have been stored.
        let fits = match codec {
            Codec::Stored => rest.len() as u64 == raw_len,
            Codec::Zstd => (rest.len() as u64) < raw_len,
        };
        if !fits {
            let found = format!("{} bytes as {codec:?}", rest.len());
            return Err(Error::expected(what, at, format!("{raw_len} raw bytes"), found));
        }
        Ok(Self { codec, raw_len: found, rest })
    }
}

#[cfg(test)]
mod tests;
