//! Records: one for each chunk, saying all that is needed to fetch and open it.

use crate::bytes::column;
use crate::compression::Codec;
use crate::envelope::PREAMBLE_LEN;
use crate::id::ChunkId;
use crate::index::BLOCK_ITEMS_MAX;
use crate::pack::{ChunkRecord, FrameRecord, frame_fault};
use crate::{Error, Result};

/// The length of a record in a block before compression.
pub const RECORD_LEN: usize = 62;
/// The dedup generation that is written: there has been no other.
pub const GENERATION: u8 = 1;

const WHAT: &str = "index records";
const NUMBERS: usize = 7;

/// Where a chunk is. Places and lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexRecord {
    /// The chunk.
    pub id: ChunkId,
    /// Its pack, as the position in the segment's pack table.
    pub pack: u32,
    /// The number under which its frame was sealed.
    pub frame: u32,
    /// Where the frame begins in the pack.
    pub frame_offset: u32,
    /// The frame's length there, with its tag.
    pub frame_sealed_len: u32,
    /// The frame's length when it is opened and decompressed.
    pub frame_raw_len: u32,
    /// Where the chunk begins in the decompressed frame.
    pub offset: u32,
    /// The chunk's length.
    pub length: u32,
    /// How the frame is compressed.
    pub frame_codec: Codec,
    /// The dedup generation of the id, [`GENERATION`]; a reader passes over others.
    pub generation: u8,
}

/// The records of a block, column by column, as they are given to the compressor.
#[must_use]
pub fn encode_records(records: &[IndexRecord]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_LEN * records.len());
    out.extend(records.iter().flat_map(|record| record.id.0));
    let columns: [fn(&IndexRecord) -> u32; NUMBERS] = [
        |record| record.pack,
        |record| record.frame,
        |record| record.frame_offset,
        |record| record.frame_sealed_len,
        |record| record.frame_raw_len,
        |record| record.offset,
        |record| record.length,
    ];
    for column in columns {
        out.extend(records.iter().flat_map(|record| column(record).to_le_bytes()));
    }
    out.extend(records.iter().map(|record| record.frame_codec as u8));
    out.extend(records.iter().map(|record| record.generation));
    out
}

/// The `count` records of a decompressed block, of a segment with `packs` packs.
///
/// # Errors
/// `Corrupt` when ids do not ascend strictly or a record points beyond what it points into; `Unsupported` for an
/// unknown codec.
pub fn decode_records(raw: &[u8], count: u32, packs: u32) -> Result<Vec<IndexRecord>> {
    let len = count as usize;
    if count > BLOCK_ITEMS_MAX || raw.len() != RECORD_LEN * len {
        let expected = format!("{count} records of {RECORD_LEN} bytes");
        return Err(Error::expected(WHAT, 0, expected, format!("{} bytes", raw.len())));
    }
    let (ids, rest) = raw.split_at(32 * len);
    let part = |number: usize| column(&rest[4 * len * number..], len);
    let (codecs, generations) = rest[4 * NUMBERS * len..].split_at(len);
    let frames = part(0).zip(part(1)).zip(part(2).zip(part(3)));
    let places = part(4).zip(part(5)).zip(part(6));
    let bytes = codecs.iter().zip(generations);
    let mut records: Vec<IndexRecord> = Vec::with_capacity(len);
    for (place, (((id, frame), chunk), (codec, generation))) in
        ids.as_chunks().0.iter().zip(frames).zip(places).zip(bytes).enumerate()
    {
        let ((pack, frame), (frame_offset, frame_sealed_len)) = frame;
        let ((frame_raw_len, offset), length) = chunk;
        let record = IndexRecord {
            id: ChunkId(*id),
            pack,
            frame,
            frame_offset,
            frame_sealed_len,
            frame_raw_len,
            offset,
            length,
            frame_codec: Codec::from_number(WHAT, *codec)?,
            generation: *generation,
        };
        if records.last().is_some_and(|before| before.id >= record.id) {
            return Err(fault(place, "does not follow the one before it"));
        }
        record.check(packs).map_err(|reason| fault(place, reason))?;
        records.push(record);
    }
    Ok(records)
}

impl IndexRecord {
    /// The record of a chunk in a frame, as a pack's own table has them, of the pack at this position.
    #[must_use]
    pub fn of(chunk: &ChunkRecord, frame: &FrameRecord, pack: u32) -> Self {
        Self {
            id: chunk.id,
            pack,
            frame: frame.number,
            frame_offset: frame.offset,
            frame_sealed_len: frame.sealed_len,
            frame_raw_len: frame.raw_len,
            offset: chunk.offset,
            length: chunk.length,
            frame_codec: frame.codec,
            generation: GENERATION,
        }
    }

    fn check(&self, packs: u32) -> std::result::Result<(), &'static str> {
        if self.pack >= packs {
            return Err("is in a pack that does not exist");
        }
        if (self.frame_offset as usize) < PREAMBLE_LEN
            || self.frame_offset.checked_add(self.frame_sealed_len).is_none()
        {
            return Err("is in a frame beyond the pack");
        }
        if let Some(reason) =
            frame_fault(self.frame_codec, self.frame_sealed_len, self.frame_raw_len)
        {
            return Err(reason);
        }
        let end = u64::from(self.offset) + u64::from(self.length);
        if self.length == 0 || end > u64::from(self.frame_raw_len) {
            return Err("is empty or ends beyond its frame");
        }
        if self.generation == 0 {
            return Err("has no generation");
        }
        Ok(())
    }
}

fn fault(place: usize, reason: &str) -> Error {
    Error::corrupt(WHAT, format!("record {place} {reason}"))
}

#[cfg(test)]
pub(super) mod tests;
