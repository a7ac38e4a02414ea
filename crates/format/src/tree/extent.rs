//! Extents: what a stretch of a file consists of, and lists of them as bytes.
//!
//! Invariants: no extent is empty, and none ends beyond what 64 bits can count.

use crate::cbor::{self, Item, Reader};
use crate::id::ChunkId;
use crate::{Error, Result};

/// Files of at most this many bytes lie in their entry itself.
pub const INLINE_MAX: usize = 64;
/// The most bytes that the encoded extents of one entry may take; a longer list is moved out of it.
pub const CONTENT_MAX: usize = 4096;
/// The most bytes that a piece of a moved-out extent list has before it must end; see [`ends_piece`].
pub const PIECE_MAX: usize = 32 << 10;
/// The most bytes that one inline extent may hold, wherever it stands.
pub const INLINE_EXTENT_MAX: usize = 4096;
/// How often an extent list may be moved out of the entry and described by extents again.
pub const CONTENT_DEPTH_MAX: u8 = 8;

const WHAT: &str = "extent";

/// A stretch of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Extent {
    /// So many bytes of a hole: they read as zero and have no place on the disk.
    Hole(u64),
    /// So many zero bytes that have a place on the disk.
    Zeros(u64),
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// A range of a chunk.
    Chunk {
        /// The chunk.
        id: ChunkId,
        /// Where the range begins in the chunk's plaintext, in bytes.
        offset: u32,
        /// Its length in bytes.
        length: u32,
    },
}

impl Extent {
    /// How many bytes of the file it describes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Hole(len) | Self::Zeros(len) => *len,
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Chunk { length, .. } => u64::from(*length),
        }
    }

    /// Whether it describes nothing, which an encoded extent never does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hole(len) => cbor::uint(out, *len),
            Self::Zeros(len) => {
                cbor::array(out, 1);
                cbor::uint(out, *len);
            }
            Self::Inline(bytes) => cbor::bytes(out, bytes),
            Self::Chunk { id, offset, length } => {
                cbor::array(out, if *offset == 0 { 2 } else { 3 });
                cbor::bytes(out, &id.0);
                cbor::uint(out, *length);
                if *offset != 0 {
                    cbor::uint(out, *offset);
                }
            }
        }
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Result<Self> {
        let at = from.position();
        let extent = match from.peek()? {
            Item::Uint => Self::Hole(from.uint()?),
            Item::Bytes => {
                let bytes = from.bytes()?;
                if bytes.len() > INLINE_EXTENT_MAX {
                    let found = bytes.len();
                    let detail = format!("{found} inline bytes, more than {INLINE_EXTENT_MAX}");
                    return Err(from.corrupt(at, detail));
                }
                Self::Inline(bytes.to_vec())
            }
            Item::Array => match from.array()? {
                1 => Self::Zeros(from.uint()?),
                len @ (2 | 3) => {
                    let id = ChunkId(from.array_of()?);
                    let length = from.small()?;
                    let offset = if len == 3 { from.small()? } else { 0 };
                    if len == 3 && offset == 0 {
                        return Err(from.corrupt(at, "an offset of zero must be left out"));
                    }
                    Self::Chunk { id, offset, length }
                }
                len => return Err(from.corrupt(at, format!("an extent of {len} items"))),
            },
            other => return Err(from.corrupt(at, format!("expected an extent, found {other}"))),
        };
        if extent.is_empty() {
            return Err(from.corrupt(at, "an empty extent"));
        }
        if let Self::Chunk { offset, length, .. } = &extent
            && offset.checked_add(*length).is_none()
        {
            return Err(from.corrupt(at, "a range that ends beyond 4 GiB"));
        }
        Ok(extent)
    }
}

/// The bytes that all `extents` describe; `None` beyond 64 bits.
pub(super) fn total(extents: &[Extent]) -> Option<u64> {
    extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.len()))
}

/// Appends the encoded `extents` to `out`, one after another without a count: the form in which a list is moved out.
pub fn encode_extents(extents: &[Extent], out: &mut Vec<u8>) {
    for extent in extents {
        extent.encode(out);
    }
}

/// The extents of a moved-out list, or of one piece of it.
///
/// # Errors
/// `Corrupt` when the bytes are not whole extents or their lengths do not add up within 64 bits.
pub fn decode_extents(bytes: &[u8]) -> Result<Vec<Extent>> {
    let mut reader = Reader::new(WHAT, bytes);
    let mut extents = Vec::new();
    while !reader.is_at_end() {
        extents.push(Extent::decode(&mut reader)?);
    }
    match total(&extents) {
        Some(_) => Ok(extents),
        None => Err(Error::corrupt(WHAT, "the lengths add up to more than 64 bits")),
    }
}

/// Whether a piece of a moved-out list ends after `extent`, when it has grown to `piece_len` bytes with it.
///
/// A piece ends where the content says so, so that an insertion changes the pieces around it only: after a chunk whose
/// id begins with a zero byte, else at [`PIECE_MAX`] bytes or more.
#[must_use]
pub fn ends_piece(extent: &Extent, piece_len: usize) -> bool {
    piece_len >= PIECE_MAX || matches!(extent, Extent::Chunk { id, .. } if id.0[0] == 0)
}

#[cfg(test)]
mod tests;
