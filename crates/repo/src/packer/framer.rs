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

use super::Packer;
use super::state::{ChunkSpan, SealedFrame};
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
        let target = match self.parts().kind {
            PackKind::Data => shared.repository.config().frame_bytes,
            PackKind::Tree => shared.repository.config().tree_frame_bytes,
        };
        if self.parts().ticket.is_none() {
            let mut state = shared.lock();
            state.check()?;
            let (ticket, epoch) = (state.ticket(), state.epoch);
            drop(state);
            let parts = self.parts();
            (parts.ticket, parts.epoch) = (Some(ticket), epoch);
        }
        let claim = shared.claim(&id)?;
        if claim == Claim::New {
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
        } else if self.parts().raw.is_empty() {
            self.release();
        }
        Ok(claim)
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
        let counters = &Arc::clone(&self.packer.shared).counters;
        let parts = self.parts();
        let offset = u32::try_from(parts.raw.len()).ok().ok_or_else(too_long)?;
        let length = u32::try_from(data.len()).ok().ok_or_else(too_long)?;
        parts.raw.extend_from_slice(data);
        parts.chunks.push(ChunkSpan { id, offset, length });
        match parts.kind {
            PackKind::Data => {
                counters.new_chunks.fetch_add(1, Ordering::Relaxed);
                counters.new_bytes.fetch_add(u64::from(length), Ordering::Relaxed);
            }
            PackKind::Tree => {
                counters.new_metadata_bytes.fetch_add(u64::from(length), Ordering::Relaxed);
            }
        }
        Ok(())
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
        if self.packer.shared.options.dry_run { Ok(()) } else { self.add_to_pack(codec) }
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
        if parts.kind == PackKind::Data {
            let counters = &self.packer.shared.counters;
            counters.frame_bytes.fetch_add(length, Ordering::Relaxed);
        }
        Ok(codec)
    }

    fn add_to_pack(&mut self, codec: Codec) -> Result<()> {
        let shared = Arc::clone(&self.packer.shared);
        let parts = self.parts();
        let place = shared.promise(parts.kind, (parts.sealed.len() + TAG_BYTES) as u64)?;
        // A copy of exactly the right size: the scratch buffer stays with the framer.
        let mut body = Vec::with_capacity(parts.sealed.len() + TAG_BYTES);
        body.extend_from_slice(&parts.sealed);
        place
            .sealer
            .seal(Role::Frame, u64::from(place.frame), &NO_EXTRA, &mut body)
            .map_err(|cause| Error::codec("seal", "a frame", cause))?;
        let raw_len = u32::try_from(parts.raw.len())
            .ok()
            .ok_or_else(|| Error::new(Kind::Internal, "frame", "more than 4 GiB"))?;
        let frame = SealedFrame {
            number: place.frame,
            bytes: Bytes::from(body),
            raw_len,
            codec,
            chunks: std::mem::take(&mut parts.chunks),
        };
        shared.deliver(place.pack, frame)
    }

    fn release(&mut self) {
        if let Some(ticket) = self.parts().ticket.take() {
            self.packer.shared.lock().tickets.remove(&ticket);
            self.packer.shared.changed.notify_all();
        }
    }
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
