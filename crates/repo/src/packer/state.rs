//! What the packer's threads share under one lock: open packs, bytes in use, begun frames.
//!
//! Plain data and its transitions; sealing, hashing and store traffic happen outside the lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_codec::seal::ObjectSealer;
use lifeboat_format::Codec;
use lifeboat_format::entry::ListedObject;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{IndexRecord, PackKind, PackRecord};

use super::framer::FramerParts;
use crate::error::{Error, Kind, Result};

/// How many packs of a kind are filled at the same time.
pub(super) fn open_packs_max(kind: PackKind) -> usize {
    match kind {
        PackKind::Data => 2,
        // Tree packs are read in path order; spreading them would cost requests.
        PackKind::Tree => 1,
    }
}

/// A frame, sealed, on its way into its pack.
pub(super) struct SealedFrame {
    pub(super) number: u32,
    pub(super) bytes: Bytes,
    pub(super) raw_len: u32,
    pub(super) codec: Codec,
    pub(super) chunks: Vec<ChunkSpan>,
}

/// Where a chunk lies in its frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkSpan {
    /// Which one.
    pub(crate) id: ChunkId,
    /// Where it begins in the frame's plaintext, in bytes.
    pub(crate) offset: u32,
    /// Its length in bytes.
    pub(crate) length: u32,
}

/// A pack that still takes frames, or waits for those that were promised to it.
pub(super) struct OpenPack {
    pub(super) number: u64,
    pub(super) kind: PackKind,
    pub(super) sealer: Arc<ObjectSealer>,
    pub(super) frames: Vec<SealedFrame>,
    pub(super) next_frame: u32,
    /// Frame numbers given out whose frames have not come yet.
    pub(super) promised: usize,
    /// The bytes of its frames, promised ones included.
    pub(super) bytes: u64,
    /// What it counts for in [`State::bytes`]: these, and what parity will add to them.
    pub(super) held: u64,
    pub(super) closed: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) open: Vec<OpenPack>,
    pub(super) next_pack: u64,
    /// Sealed bytes in open, closed and travelling packs, with their share of parity.
    pub(super) bytes: u64,
    /// Packs that are complete and not yet acknowledged by the store.
    pub(super) travelling: BTreeSet<u64>,
    /// Frames begun and not yet in a pack, by the order of their beginning.
    pub(super) tickets: BTreeSet<u64>,
    pub(super) next_ticket: u64,
    /// Counts flushes; a framer that sees a new one flushes at the end of its unit.
    pub(super) epoch: u64,
    pub(super) idle: Vec<FramerParts>,
    /// Packs that are stored and not yet in a segment, and their records.
    pub(super) packs: Vec<PackRecord>,
    pub(super) records: Vec<IndexRecord>,
    /// The same packs as the log will list them.
    pub(super) uploaded: Vec<ListedObject>,
    /// Packs with a segment that has their records, and those segments, not yet handed to a commit.
    pub(super) indexed: Vec<ListedObject>,
    failure: Option<Error>,
    failed: bool,
}

impl State {
    /// Fails with the run's failure: its first caller gets the reason, later ones that there was one.
    pub(super) fn check(&mut self) -> Result<()> {
        match (self.failure.take(), self.failed) {
            (Some(error), _) => Err(error),
            (None, true) => Err(Error::new(
                Kind::Cancelled,
                "go on with",
                "a run of which another part has failed",
            )),
            (None, false) => Ok(()),
        }
    }

    /// Keeps the first failure.
    pub(super) fn fail(&mut self, error: Error) {
        if !self.failed {
            self.failed = true;
            self.failure = Some(error);
        }
    }

    /// Lets everybody fail from now on; the reason is told by the caller.
    pub(super) fn fail_told(&mut self) {
        self.failed = true;
    }

    /// Begins a frame.
    pub(super) fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket);
        ticket
    }

    /// Takes the idle framers that began a frame before that ticket.
    pub(super) fn take_idle_before(&mut self, ticket: u64) -> Vec<FramerParts> {
        let is_older = |parts: &mut FramerParts| parts.ticket().is_some_and(|own| own < ticket);
        self.idle.extract_if(.., is_older).collect()
    }

    /// The place of the pack that takes the next frame, as `dice` falls; `None` for a new one.
    ///
    /// Where memory has no room for many packs, the fuller of two is led ahead by about half a pack of
    /// `target` bytes, so that they are complete one after the other: while one is on its way the next
    /// is not far. Which frame goes where stays open.
    pub(super) fn draw(&self, kind: PackKind, target: Option<u64>, dice: u8) -> Option<usize> {
        let takes = |pack: &OpenPack| pack.kind == kind && !pack.closed;
        let open: Vec<usize> = (0..self.open.len()).filter(|at| takes(&self.open[*at])).collect();
        if let (&[one, other], Some(target)) = (open.as_slice(), target) {
            let bytes = |at: usize| self.open[at].bytes;
            let (least, most) = if bytes(one) < bytes(other) { (one, other) } else { (other, one) };
            let is_near = bytes(most) - bytes(least) < target / 2;
            let (often, seldom) = if is_near { (most, least) } else { (least, most) };
            return Some(if dice.is_multiple_of(4) { seldom } else { often });
        }
        open.get(usize::from(dice) % open_packs_max(kind)).copied()
    }

    /// Takes the fullest pack that still takes frames out of that state; if nothing is promised to it,
    /// it is complete and returned.
    pub(super) fn close_fullest(&mut self) -> Option<OpenPack> {
        let open = self.open.iter().enumerate().filter(|(_, pack)| !pack.closed);
        let (place, _) = open.max_by_key(|(_, pack)| pack.bytes)?;
        self.close(place)
    }

    /// Closes the pack at `place`; if nothing is promised to it, it is complete and returned.
    pub(super) fn close(&mut self, place: usize) -> Option<OpenPack> {
        self.open[place].closed = true;
        (self.open[place].promised == 0).then(|| self.take(place))
    }

    /// Closes every pack; those that are complete are returned.
    pub(super) fn close_all(&mut self) -> Vec<OpenPack> {
        let mut complete = Vec::new();
        for place in (0..self.open.len()).rev() {
            complete.extend(self.close(place));
        }
        complete
    }

    /// Adds a promised frame to its pack; if that completes it, it is returned.
    pub(super) fn deliver(&mut self, pack: u64, frame: SealedFrame) -> Option<OpenPack> {
        let place = self.open.iter().position(|open| open.number == pack)?;
        let open = &mut self.open[place];
        open.frames.push(frame);
        open.promised -= 1;
        (open.closed && open.promised == 0).then(|| self.take(place))
    }

    fn take(&mut self, place: usize) -> OpenPack {
        let pack = self.open.swap_remove(place);
        self.travelling.insert(pack.number);
        pack
    }
}
