//! Packs as JSON: preamble, footer, frames and chunks.

use lifeboat_format::hex;
use lifeboat_format::key::ObjectKey;
use serde_json::{Value, json};

use crate::check::pack::read_contents;
use crate::error::Result;
use crate::inspect::{SHOWN_MAX, codec};
use crate::open::Repository;

pub(super) fn pack(repository: &Repository, key: ObjectKey, size: u64) -> Result<Value> {
    let read = |range| repository.io().get_range(&key, range);
    let (preamble, footer, trailer) = read_contents(repository.keyring(), key, size, read)?;
    let frames: Vec<Value> = trailer
        .frames
        .iter()
        .take(SHOWN_MAX)
        .map(|frame| {
            json!({
                "number": frame.number,
                "offset": frame.offset,
                "sealed_len": frame.sealed_len,
                "raw_len": frame.raw_len,
                "codec": codec(frame.codec),
            })
        })
        .collect();
    let chunks: Vec<Value> = trailer
        .chunks
        .iter()
        .take(SHOWN_MAX)
        .map(|chunk| {
            json!({
                "id": chunk.id,
                "frame": trailer.frames[chunk.frame as usize].number,
                "offset": chunk.offset,
                "length": chunk.length,
            })
        })
        .collect();
    Ok(json!({
        "repository": preamble.repository,
        "epoch": preamble.epoch,
        "salt": hex::encode(&preamble.salt),
        "trailer_offset": footer.trailer_offset,
        "trailer_len": footer.trailer_len,
        "body_len": footer.body_len,
        "parity_len": footer.parity_len,
        "stripes": footer.stripe_count(),
        "parity_stripes": footer.parity_stripes(),
        "stripe_bytes": footer.stripe_size(),
        "frame_count": trailer.frames.len(),
        "chunk_count": trailer.chunks.len(),
        "frames": frames,
        "chunks": chunks,
    }))
}
