//! Framer: one worker's begun frame, with the contexts to compress and to check it.
//!
//! Gathers new chunks until a frame is worth sealing. A framer that is dropped gives its begun frame
//! back to the packer, and the next worker goes on with it, so that small units share frames.
//!
//! Invariant: a chunk that was claimed as new is in a framer's buffer, idle or busy, until it is in a
//! pack; the ticket taken before the claim lets a flush wait for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use lifeboat_codec::compress::{Compressor, Decompressor, Level};
use lifeboat_codec::seal::{NO_EXTRA, ObjectSealer, TAG_BYTES};
use lifeboat_format::Codec;
use lifeboat_format::envelope::Role;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::PackKind;

use super::state::{ChunkSpan, SealedFrame};
use super::{Packer, Shared};
use crate::claim::Claim;
use crate::error::{Error, Kind, Result};
use crate::tree::NodeSink;

/// What of a framer outlives a unit of work.
pub(super) struct FramerParts {
    kind: PackKind,
    raw: Vec<u8>,
    chunks: Vec<ChunkSpan>,
    ticket: Option<u64>,
    epoch: u64,
    compressor: Compressor,
    decompressor: Decompressor,
    sealed: Vec<u8>,
    opened: Vec<u8>,
}

impl FramerParts {
    pub(super) fn kind(&self) -> PackKind {
        self.kind
    }

    pub(super) fn ticket(&self) -> Option<u64> {
        self.ticket
    }
}

/// A frame of another pack, of which every byte is of one of its chunks, each verified by its id.
#[derive(Debug)]
pub(crate) struct WholeFrame<'a> {
    /// What compressed it.
    pub(crate) codec: Codec,
    /// What it is compressed to.
    pub(crate) packed: &'a [u8],
    /// Its plaintext.
    pub(crate) raw: &'a [u8],
    /// All its chunks, in their order.
    pub(crate) chunks: &'a [ChunkSpan],
}

/// Takes chunks, keeps the new ones, and makes frames of them.
pub struct Framer {
    packer: Packer,
    // None only while it is dropped.
    parts: Option<FramerParts>,
}

impl Framer {
    pub(super) fn begin(packer: Packer, kind: PackKind, level: Level) -> Result<Self> {
        let compressor = Compressor::new(level)
            .map_err(|cause| Error::codec("set up the compressor for", "a frame", cause))?;
        let parts = FramerParts {
            kind,
            raw: Vec::new(),
            chunks: Vec::new(),
            ticket: None,
            epoch: 0,
            compressor,
            decompressor: Decompressor::new(),
            sealed: Vec::new(),
            opened: Vec::new(),
        };
        Ok(Self { packer, parts: Some(parts) })
    }

    pub(super) fn resume(packer: Packer, parts: FramerParts) -> Self {
        Self { packer, parts: Some(parts) }
    }

    /// Makes sure that the repository will have the chunk: stores it if nobody has.
    ///
    /// # Errors
    /// Why the index could not be asked, or why the run failed.
    pub fn offer(&mut self, id: ChunkId, data: &[u8]) -> Result<Claim> {
        let shared = Arc::clone(&self.packer.shared);
        self.take_ticket()?;
        let claim = shared.claim(&id)?;
        if claim == Claim::New {
            self.take_in(id, data)?;
        } else if self.parts().raw.is_empty() {
            self.release();
        }
        Ok(claim)
    }

    /// As [`offer`](Self::offer), of all chunks of a frame. If nobody has any of them, it is stored as it is compressed,
    /// which saves most of the work; else the new ones go into the begun frame.
    ///
    /// # Errors
    /// As [`offer`](Self::offer).
    pub(crate) fn offer_frame(&mut self, frame: &WholeFrame<'_>) -> Result<()> {
        let shared = Arc::clone(&self.packer.shared);
        self.take_ticket()?;
        let mut new = Vec::with_capacity(frame.chunks.len());
        for span in frame.chunks {
            match shared.claim(&span.id) {
                Ok(Claim::New) => new.push(*span),
                Ok(_) => {}
                // Others may count on those that were claimed before.
                error => return shared.or_fail(error.map(drop)),
            }
        }
        if new.len() == frame.chunks.len() {
            new.iter().for_each(|span| self.count(u64::from(span.length)));
            let added = self.add_frame(frame, new);
            shared.or_fail(added)?;
        } else {
            for span in new {
                let start = span.offset as usize;
                self.take_in(span.id, &frame.raw[start..start + span.length as usize])?;
            }
        }
        if self.parts().raw.is_empty() {
            self.release();
        }
        Ok(())
    }

    /// Before anything is claimed: from here on a flush waits for this framer.
    fn take_ticket(&mut self) -> Result<()> {
        if self.parts().ticket.is_none() {
            let mut state = self.packer.shared.lock();
            state.check()?;
            let (ticket, epoch) = (state.ticket(), state.epoch);
            drop(state);
            let parts = self.parts();
            (parts.ticket, parts.epoch) = (Some(ticket), epoch);
        }
        Ok(())
    }

    /// Puts a chunk that was claimed into the begun frame.
    fn take_in(&mut self, id: ChunkId, data: &[u8]) -> Result<()> {
        let shared = Arc::clone(&self.packer.shared);
        let target = match self.parts().kind {
            PackKind::Data => shared.repository.config().frame_bytes,
            PackKind::Tree => shared.repository.config().tree_frame_bytes,
        };
        let parts = self.parts();
        if !parts.raw.is_empty() && parts.raw.len() + data.len() > target as usize {
            // The ticket stays: it is older than the claim just made, so that a flush which
            // begins now waits for the next frame, too.
            self.seal()?;
        }
        let pushed = self.push(id, data);
        shared.or_fail(pushed)?;
        if self.parts().raw.len() >= target as usize {
            self.flush()?;
        }
        Ok(())
    }

    /// Seals what was gathered, however little.
    ///
    /// # Errors
    /// Why the run failed.
    pub fn flush(&mut self) -> Result<()> {
        self.seal()?;
        self.release();
        Ok(())
    }

    /// At a convenient place in a long unit: seals what was gathered if a flush waits for it.
    ///
    /// # Errors
    /// Why the run failed.
    pub fn yield_to_flush(&mut self) -> Result<()> {
        let epoch = self.packer.shared.lock().epoch;
        if self.parts().ticket.is_some() && self.parts().epoch != epoch {
            self.flush()?;
        }
        Ok(())
    }

    fn parts(&mut self) -> &mut FramerParts {
        self.parts.as_mut().expect("parts are taken by drop alone")
    }

    fn push(&mut self, id: ChunkId, data: &[u8]) -> Result<()> {
        let too_long = || Error::new(Kind::Internal, "frame", "a chunk of more than 4 GiB");
        let parts = self.parts();
        let offset = u32::try_from(parts.raw.len()).ok().ok_or_else(too_long)?;
        let length = u32::try_from(data.len()).ok().ok_or_else(too_long)?;
        parts.raw.extend_from_slice(data);
        parts.chunks.push(ChunkSpan { id, offset, length });
        self.count(u64::from(length));
        Ok(())
    }

    /// Counts a new chunk.
    fn count(&mut self, length: u64) {
        let kind = self.parts().kind;
        let counters = &self.packer.shared.counters;
        match kind {
            PackKind::Data => {
                counters.new_chunks.fetch_add(1, Ordering::Relaxed);
                counters.new_bytes.fetch_add(length, Ordering::Relaxed);
            }
            PackKind::Tree => {
                counters.new_metadata_bytes.fetch_add(length, Ordering::Relaxed);
            }
        }
    }

    /// Compresses, checks and seals the begun frame and adds it to a pack.
    fn seal(&mut self) -> Result<()> {
        if self.parts().raw.is_empty() {
            return Ok(());
        }
        let stored = self.store();
        // Others may count on these chunks already.
        self.packer.shared.or_fail(stored)?;
        let parts = self.parts();
        parts.raw.clear();
        parts.chunks.clear();
        Ok(())
    }

    fn store(&mut self) -> Result<()> {
        let codec = self.compress()?;
        let shared = Arc::clone(&self.packer.shared);
        if shared.options.dry_run {
            return Ok(());
        }
        let parts = self.parts();
        let chunks = std::mem::take(&mut parts.chunks);
        add_to_pack(&shared, parts.kind, codec, &parts.sealed, parts.raw.len(), chunks)
    }

    /// Adds a frame of which all chunks were claimed as it is.
    fn add_frame(&mut self, frame: &WholeFrame<'_>, chunks: Vec<ChunkSpan>) -> Result<()> {
        let (shared, kind) = (Arc::clone(&self.packer.shared), self.parts().kind);
        if shared.options.dry_run {
            return Ok(());
        }
        self.count_frame(frame.packed.len() as u64);
        add_to_pack(&shared, kind, frame.codec, frame.packed, frame.raw.len(), chunks)
    }

    fn count_frame(&mut self, length: u64) {
        if self.parts().kind == PackKind::Data {
            let counters = &self.packer.shared.counters;
            counters.frame_bytes.fetch_add(length, Ordering::Relaxed);
        }
    }

    fn compress(&mut self) -> Result<Codec> {
        let verify = self.packer.shared.options.verify_encode;
        let level = self.packer.shared.balance.level();
        let parts = self.parts();
        let failed = |cause| Error::codec("compress", "a frame", cause);
        parts.compressor.set_level(level).map_err(failed)?;
        let codec = parts.compressor.compress(&parts.raw, &mut parts.sealed).map_err(failed)?;
        #[cfg(test)]
        super::tests::spoil(&mut parts.sealed);
        let length = parts.sealed.len() as u64;
        if verify && codec != Codec::Stored {
            let unlike = || {
                Error::new(Kind::Corrupt, "verify", "a frame that was just compressed")
                    .hint("memory or processor of this machine is faulty: test it, then run again")
            };
            parts
                .decompressor
                .decompress(codec, &parts.sealed, parts.raw.len(), &mut parts.opened)
                .map_err(|cause| unlike().because(cause))?;
            if parts.opened != parts.raw {
                return Err(unlike());
            }
        }
        self.count_frame(length);
        Ok(codec)
    }

    fn release(&mut self) {
        if let Some(ticket) = self.parts().ticket.take() {
            self.packer.shared.lock().tickets.remove(&ticket);
            self.packer.shared.changed.notify_all();
        }
    }
}

/// Seals a frame, which is compressed to `packed`, and adds it to a pack.
fn add_to_pack(
    shared: &Arc<Shared>,
    kind: PackKind,
    codec: Codec,
    packed: &[u8],
    raw_len: usize,
    chunks: Vec<ChunkSpan>,
) -> Result<()> {
    let raw_len = u32::try_from(raw_len)
        .ok()
        .ok_or_else(|| Error::new(Kind::Internal, "frame", "more than 4 GiB"))?;
    let place = shared.promise(kind, (packed.len() + TAG_BYTES) as u64)?;
    // A copy of exactly the right size: the scratch buffer stays with the framer.
    let mut body = Vec::with_capacity(packed.len() + TAG_BYTES);
    body.extend_from_slice(packed);
    place
        .sealer
        .seal(Role::Frame, u64::from(place.frame), &NO_EXTRA, &mut body)
        .map_err(|cause| Error::codec("seal", "a frame", cause))?;
    let (number, bytes) = (place.frame, Bytes::from(body));
    shared.deliver(place.pack, SealedFrame { number, bytes, raw_len, codec, chunks })
}

/// A number reserved in an open pack, with what seals it.
pub(super) struct Place {
    pub(super) pack: u64,
    pub(super) frame: u32,
    pub(super) sealer: Arc<ObjectSealer>,
}

impl Drop for Framer {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            self.packer.shared.lock().idle.push(parts);
            // A flush may be waiting for just this frame.
            self.packer.shared.changed.notify_all();
        }
    }
}

impl NodeSink for Framer {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()> {
        self.offer(id, &bytes).map(drop)
    }
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").finish_non_exhaustive()
    }
}
