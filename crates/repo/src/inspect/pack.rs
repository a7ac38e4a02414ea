//! Packs as JSON: preamble, footer, frames and chunks.

use lifeboat_codec::compress::Decompressor;
use lifeboat_format::envelope::{PREAMBLE_LEN, Preamble};
use lifeboat_format::hex;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{Footer, TAIL_LEN};
use serde_json::{Value, json};

use crate::check::pack::{open_pack, read_trailer};
use crate::error::{Error, Kind, Result};
use crate::inspect::{SHOWN_MAX, codec};
use crate::open::Repository;

const OPERATION: &str = "read";

pub(super) fn pack(repository: &Repository, key: ObjectKey, size: u64) -> Result<Value> {
    let io = repository.io();
    let Some(tail_start) = size.checked_sub((TAIL_LEN + PREAMBLE_LEN) as u64) else {
        let reason = format!("its {size} bytes are too few for a pack");
        return Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason));
    };
    let tail = io.get_range(&key, tail_start..size)?;
    let of_format = |cause| Error::format(OPERATION, key, cause);
    let footer = Footer::parse(&tail, size).map_err(of_format)?;
    let head = io.get_range(&key, 0..PREAMBLE_LEN as u64)?;
    let preamble = Preamble::decode(&head).map_err(of_format)?;
    let opener = open_pack(repository.keyring(), key, &head)?;
    let sealed = io.get_range(&key, footer.trailer_range())?;
    let trailer =
        read_trailer(key, &opener, &sealed, footer.trailer_offset, &mut Decompressor::new())?;
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
