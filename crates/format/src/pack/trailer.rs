//! The trailer: which frames a pack has, and which chunks are in them.
//!
//! Invariants: frames ascend without overlapping, each number once; chunks ascend within their frames.

use crate::bytes::{Fields, column};
use crate::compression::{Codec, Packed};
use crate::envelope::{PREAMBLE_LEN, TAG_LEN};
use crate::id::ChunkId;
use crate::pack::FRAME_RAW_MAX;
use crate::{Error, Result};

/// The length of a trailer's plaintext before its table.
pub const TRAILER_HEADER_LEN: usize = 20;
/// The most bytes of a trailer's table before compression: 64 MiB, about a million and a half chunks.
pub const TRAILER_RAW_MAX: u32 = 64 << 20;

const VERSION: u32 = 1;
const WHAT: &str = "pack trailer";
const FRAME_LEN: usize = 17;
const CHUNK_LEN: usize = 44;

/// A frame of a pack. Places and lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRecord {
    /// The number under which it was sealed.
    pub number: u32,
    /// Where it begins in the pack.
    pub offset: u32,
    /// Its length there, with its tag.
    pub sealed_len: u32,
    /// Its length when it is opened and decompressed.
    pub raw_len: u32,
    /// How it is compressed.
    pub codec: Codec,
}

/// A chunk in a pack. Places and lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Its id.
    pub id: ChunkId,
    /// Its frame, as the position in the table of frames.
    pub frame: u32,
    /// Where it begins in the decompressed frame.
    pub offset: u32,
    /// Its length.
    pub length: u32,
}

/// A pack's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailer {
    /// The frames, by where they lie.
    pub frames: Vec<FrameRecord>,
    /// The chunks, by frame and place in it.
    pub chunks: Vec<ChunkRecord>,
}

/// The beginning of a trailer's plaintext: how large the table is and how it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrailerHeader {
    /// How many frames there are.
    pub frames: u32,
    /// How many chunks there are.
    pub chunks: u32,
}

impl TrailerHeader {
    /// Reads the plaintext of a trailer up to its table, and the table as it is compressed.
    ///
    /// # Errors
    /// `Unsupported` for a newer version or codec, `Corrupt` when the bytes are no trailer.
    pub fn decode(plaintext: &[u8]) -> Result<(Self, Packed<'_>)> {
        let mut fields = Fields::new(WHAT, plaintext);
        fields.version(VERSION)?;
        let header = Self { frames: fields.u32()?, chunks: fields.u32()? };
        let raw_len = header.raw_len();
        if raw_len > u64::from(TRAILER_RAW_MAX) {
            let Self { frames, chunks } = header;
            let detail = format!("{frames} frames and {chunks} chunks are more than a pack has");
            return Err(fields.corrupt(4, detail));
        }
        let packed = Packed::decode(WHAT, &plaintext[fields.position()..], raw_len)?;
        Ok((header, packed))
    }

    /// The length of the table before compression, in bytes.
    #[must_use]
    pub fn raw_len(&self) -> u64 {
        FRAME_LEN as u64 * u64::from(self.frames) + CHUNK_LEN as u64 * u64::from(self.chunks)
    }
}

impl Trailer {
    /// Counts of the table.
    ///
    /// # Errors
    /// `Invalid` when the table is longer than [`TRAILER_RAW_MAX`].
    pub fn header(&self) -> Result<TrailerHeader> {
        let too_many = || Error::invalid(WHAT, "more frames and chunks than a pack may have");
        let header = TrailerHeader {
            frames: u32::try_from(self.frames.len()).ok().ok_or_else(too_many)?,
            chunks: u32::try_from(self.chunks.len()).ok().ok_or_else(too_many)?,
        };
        if header.raw_len() > u64::from(TRAILER_RAW_MAX) {
            return Err(too_many());
        }
        Ok(header)
    }

    /// The table, column by column, as it is given to the compressor.
    #[must_use]
    pub fn encode_table(&self) -> Vec<u8> {
        let len = FRAME_LEN * self.frames.len() + CHUNK_LEN * self.chunks.len();
        let mut out = Vec::with_capacity(len);
        let columns: [fn(&FrameRecord) -> u32; 4] = [
            |frame| frame.number,
            |frame| frame.offset,
            |frame| frame.sealed_len,
            |frame| frame.raw_len,
        ];
        for column in columns {
            out.extend(self.frames.iter().flat_map(|frame| column(frame).to_le_bytes()));
        }
        out.extend(self.frames.iter().map(|frame| frame.codec as u8));
        out.extend(self.chunks.iter().flat_map(|chunk| chunk.id.0));
        let columns: [fn(&ChunkRecord) -> u32; 3] =
            [|chunk| chunk.frame, |chunk| chunk.offset, |chunk| chunk.length];
        for column in columns {
            out.extend(self.chunks.iter().flat_map(|chunk| column(chunk).to_le_bytes()));
        }
        out
    }

    /// The plaintext of the trailer, given its table as `codec` made it.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn encode(&self, codec: Codec, table: &[u8]) -> Result<Vec<u8>> {
        let TrailerHeader { frames, chunks } = self.header()?;
        let raw_len = u32::try_from(self.header()?.raw_len()).expect("at most TRAILER_RAW_MAX");
        let mut out = Vec::with_capacity(TRAILER_HEADER_LEN + table.len());
        for number in [VERSION, frames, chunks] {
            out.extend(number.to_le_bytes());
        }
        Packed { codec, raw_len, rest: table }.encode_to(&mut out);
        Ok(out)
    }

    /// The trailer from its decompressed table, of a pack whose sealed trailer begins at `trailer_offset`.
    ///
    /// # Errors
    /// `Corrupt` when frames overlap, lie elsewhere, or chunks are out of order or beyond their frames.
    pub fn decode_table(header: TrailerHeader, table: &[u8], trailer_offset: u64) -> Result<Self> {
        if table.len() as u64 != header.raw_len() || table.len() > TRAILER_RAW_MAX as usize {
            let expected = format!("a table of {} bytes", header.raw_len());
            return Err(Error::expected(WHAT, 0, expected, table.len()));
        }
        let (frames, chunks) = (header.frames as usize, header.chunks as usize);
        let (frame_table, chunk_table) = table.split_at(FRAME_LEN * frames);
        let part = |number: usize| column(&frame_table[4 * frames * number..], frames);
        let codecs = &frame_table[16 * frames..];
        let numbers = part(0).zip(part(1)).zip(part(2).zip(part(3))).zip(codecs);
        let frames = numbers
            .map(|(((number, offset), (sealed_len, raw_len)), codec)| {
                let codec = Codec::from_number(WHAT, *codec)?;
                Ok(FrameRecord { number, offset, sealed_len, raw_len, codec })
            })
            .collect::<Result<Vec<_>>>()?;
        let (ids, rest) = chunk_table.split_at(32 * chunks);
        let part = |number: usize| column(&rest[4 * chunks * number..], chunks);
        let chunks = ids
            .as_chunks()
            .0
            .iter()
            .zip(part(0).zip(part(1)).zip(part(2)))
            .map(|(id, ((frame, offset), length))| ChunkRecord {
                id: ChunkId(*id),
                frame,
                offset,
                length,
            })
            .collect();
        let trailer = Self { frames, chunks };
        trailer.check(trailer_offset)?;
        Ok(trailer)
    }

    fn check(&self, trailer_offset: u64) -> Result<()> {
        let refuse = |what: &str, place: usize, detail: &str| {
            Err(Error::corrupt(WHAT, format!("{what} {place} {detail}")))
        };
        let mut end = PREAMBLE_LEN as u64;
        for (place, frame) in self.frames.iter().enumerate() {
            if u64::from(frame.offset) < end {
                return refuse("frame", place, "begins before the one before it ends");
            }
            end = u64::from(frame.offset) + u64::from(frame.sealed_len);
            if let Some(reason) = frame_fault(frame.codec, frame.sealed_len, frame.raw_len) {
                return refuse("frame", place, reason);
            }
        }
        if end > trailer_offset {
            return refuse("frame", self.frames.len(), "would begin within the trailer");
        }
        let mut numbers: Vec<u32> = self.frames.iter().map(|frame| frame.number).collect();
        numbers.sort_unstable();
        if let Some(twice) = numbers.windows(2).position(|pair| pair[0] == pair[1]) {
            return Err(Error::corrupt(WHAT, format!("frame number {} twice", numbers[twice])));
        }
        let mut before = (0, 0);
        for (place, chunk) in self.chunks.iter().enumerate() {
            let Some(frame) = self.frames.get(chunk.frame as usize) else {
                return refuse("chunk", place, "is in a frame that does not exist");
            };
            let end = u64::from(chunk.offset) + u64::from(chunk.length);
            if chunk.length == 0 || end > u64::from(frame.raw_len) {
                return refuse("chunk", place, "is empty or ends beyond its frame");
            }
            if (chunk.frame, u64::from(chunk.offset)) < before {
                return refuse("chunk", place, "begins before the one before it ends");
            }
            before = (chunk.frame, end);
        }
        Ok(())
    }
}

/// What is wrong with the lengths of a frame, if anything is.
pub(crate) fn frame_fault(codec: Codec, sealed_len: u32, raw_len: u32) -> Option<&'static str> {
    let packed = u64::from(sealed_len).checked_sub(TAG_LEN as u64).filter(|len| *len > 0);
    if raw_len == 0 || raw_len > FRAME_RAW_MAX {
        return Some("has a raw length of 0 or of more than 16 MiB");
    }
    match (packed, codec) {
        (None, _) => Some("is too short for a tag"),
        (Some(len), Codec::Stored) if len != u64::from(raw_len) => {
            Some("is stored with another length")
        }
        (Some(len), Codec::Zstd) if len >= u64::from(raw_len) => {
            Some("is compressed and not shorter")
        }
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests;
