//! From frames to a stored pack: places, trailer, padding, parity, checksums, name, put.
//!
//! The worker that delivers a pack's last frame does the work on bytes; the runtime puts the pack, and
//! its records are gathered when the store has acknowledged it.

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use lifeboat_codec::compress::Compressor;
use lifeboat_codec::hash::object_hash_of_parts;
use lifeboat_codec::seal::{NO_EXTRA, ObjectSealer, Subject, TAG_BYTES};
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Role};
use lifeboat_format::index::{IndexRecord, PackKind, PackRecord};
use lifeboat_format::key::ObjectName;
use lifeboat_format::pack::{
    ChunkRecord, FRAME_RAW_MAX, FrameRecord, PACK_MAX, PARITY_MAX, STRIPE_SIZE, Stripes, Trailer,
    build_tail, padding, stripe_bytes,
};
use lifeboat_store::Payload;

use super::Shared;
use super::framer::Place;
use super::parity::parity_of;
use super::state::{OpenPack, SealedFrame};
use crate::error::{Error, Kind, Result};

/// No pack takes more frames than this, so that its trailer stays readable in one piece.
const FRAMES_MAX: u32 = 1 << 16;
/// The part of the memory for packs that a data pack may take, and a tree pack.
const DATA_PART: u64 = 3;
const TREE_PART: u64 = 12;
/// So many packs in the memory for them are many.
const MANY_PACKS: u64 = 16;

/// A pack as it goes to the store.
struct BuiltPack {
    record: PackRecord,
    parts: Vec<Bytes>,
    trailer: Trailer,
}

impl Shared {
    /// Promises a number in an open pack to a frame of this sealed length; waits while too many bytes
    /// are under way.
    pub(super) fn promise(self: &Arc<Self>, kind: PackKind, sealed_len: u64) -> Result<Place> {
        self.write_segment(self.options.records_max)?;
        // One lock from the room to its use: several workers may want the same room.
        let held = self.with_parity(kind, sealed_len);
        // It may be the first of its pack.
        let mut state = self.make_room(self.with_parity(kind, sealed_len + PREAMBLE_LEN as u64))?;
        state.bytes += held;
        let at = self.choose_pack(&mut state, kind)?;
        let target = self.pack_bytes(kind);
        let pack = &mut state.open[at];
        let place =
            Place { pack: pack.number, frame: pack.next_frame, sealer: Arc::clone(&pack.sealer) };
        pack.next_frame += 1;
        pack.promised += 1;
        pack.bytes += sealed_len;
        pack.held += held;
        if pack.bytes >= target || pack.next_frame >= FRAMES_MAX {
            let complete = state.close(at);
            debug_assert!(complete.is_none(), "the frame just promised has not come yet");
        }
        Ok(place)
    }

    /// Adds a sealed frame to the pack that it was promised to.
    pub(super) fn deliver(self: &Arc<Self>, pack: u64, frame: SealedFrame) -> Result<()> {
        let complete = self.lock().deliver(pack, frame);
        self.changed.notify_all();
        match complete {
            Some(pack) => self.finish_pack(pack),
            None => Ok(()),
        }
    }

    /// Closes every pack and waits until all that there are now are stored.
    pub(super) fn close_and_wait(self: &Arc<Self>) -> Result<()> {
        let (complete, begun_before) = {
            let mut state = self.lock();
            (state.close_all(), state.next_pack)
        };
        for pack in complete {
            self.finish_pack(pack)?;
        }
        let mut state = self.lock();
        loop {
            state.check()?;
            // Packs opened since hold frames that nobody waits for here; a worker with a large file
            // may go on opening them for hours.
            let open = state.open.iter().map(|pack| &pack.number);
            if open.chain(&state.travelling).all(|number| *number >= begun_before) {
                return Ok(());
            }
            state = self.wait(state);
        }
    }

    /// Waits until so many more bytes may be under way. If nothing travels that could make room, the
    /// fullest pack is closed early.
    fn make_room(self: &Arc<Self>, wanted: u64) -> Result<MutexGuard<'_, super::State>> {
        let mut state = self.lock();
        loop {
            state.check()?;
            if state.bytes == 0 || state.bytes + wanted <= self.options.bytes_max {
                return Ok(state);
            }
            let early = if state.travelling.is_empty() { state.close_fullest() } else { None };
            match early {
                Some(pack) => {
                    drop(state);
                    self.finish_pack(pack)?;
                    state = self.lock();
                }
                None => {
                    if !state.travelling.is_empty() {
                        self.balance.waits();
                    }
                    state = self.wait(state);
                }
            }
        }
    }

    /// A pack that takes frames, one of several at random, or a new one.
    fn choose_pack(&self, state: &mut super::State, kind: PackKind) -> Result<usize> {
        let [dice] = self.repository.random()?;
        let target = self.pack_bytes(kind);
        let is_tight = self.options.bytes_max / target < MANY_PACKS;
        if let Some(at) = state.draw(kind, is_tight.then_some(target), dice) {
            return Ok(at);
        }
        let sealer = self.new_sealer(kind)?;
        let number = state.next_pack;
        state.next_pack += 1;
        let held = self.with_parity(kind, PREAMBLE_LEN as u64);
        state.bytes += held;
        state.open.push(OpenPack {
            number,
            kind,
            sealer: Arc::new(sealer),
            frames: Vec::new(),
            next_frame: 0,
            promised: 0,
            bytes: PREAMBLE_LEN as u64,
            held,
            closed: false,
        });
        Ok(state.open.len() - 1)
    }

    fn new_sealer(&self, kind: PackKind) -> Result<ObjectSealer> {
        let object_type = match kind {
            PackKind::Data => ObjectType::DataPack,
            PackKind::Tree => ObjectType::TreePack,
        };
        let keyring = self.repository.keyring();
        let epoch = keyring.newest_epoch();
        let subject = Subject { object_type, epoch, repository: self.repository.id() };
        let key = keyring.role_key(object_type, epoch)?;
        ObjectSealer::new(key, &subject, self.repository.entropy())
            .map_err(|cause| Error::codec("begin", "a pack", cause))
    }

    /// How large packs become: what the repository says, if several fit into the memory. Tree packs are
    /// few and fill slowly: smaller ones leave the memory to data on its way.
    pub(super) fn pack_bytes(&self, kind: PackKind) -> u64 {
        let most = match kind {
            PackKind::Data => self.options.bytes_max / DATA_PART,
            PackKind::Tree => self.options.bytes_max / TREE_PART,
        };
        // A body whose parity comes on top, with a last frame that is larger than usual.
        let room = PACK_MAX / self.with_parity(kind, u64::from(PARITY_MAX)) * u64::from(PARITY_MAX);
        let room = room - 2 * u64::from(FRAME_RAW_MAX);
        self.repository.config().pack_bytes.min(most).min(room)
    }

    /// How much parity packs of this kind have, in thousandths.
    fn parity(&self, kind: PackKind) -> u16 {
        let parity = self.repository.config().parity;
        match kind {
            PackKind::Data => parity.data_permille,
            PackKind::Tree => parity.tree_permille,
        }
    }

    /// So many bytes of a pack and their share of its parity.
    fn with_parity(&self, kind: PackKind, bytes: u64) -> u64 {
        let share = u64::from(self.parity(kind));
        bytes + bytes.saturating_mul(share).div_ceil(u64::from(PARITY_MAX))
    }

    /// Builds the pack and hands it to the runtime.
    fn finish_pack(self: &Arc<Self>, pack: OpenPack) -> Result<()> {
        let (number, held) = (pack.number, pack.held);
        // It counts as travelling itself.
        self.balance.pack_complete(self.lock().travelling.len() <= 1);
        // It counts as travelling already: whoever waits for it must hear that it never will.
        let built = self.or_fail(self.build(pack)).inspect_err(|_| {
            self.lock().travelling.remove(&number);
            self.changed.notify_all();
        })?;
        let shared = Arc::clone(self);
        self.repository.io().spawn(async move {
            let key = built.record.key().to_string();
            let payload = Payload::from_iter(built.parts.iter().cloned());
            let put = shared.repository.io().store().put_soon(&key, payload).await;
            let mut state = shared.lock();
            state.bytes -= held;
            state.travelling.remove(&number);
            match put {
                Ok(()) => {
                    shared.count_put(built.record.size);
                    state.keep(&built);
                }
                Err(cause) => state.fail(Error::store("put", cause)),
            }
            drop(state);
            shared.changed.notify_all();
        });
        Ok(())
    }

    fn build(&self, pack: OpenPack) -> Result<BuiltPack> {
        let failed = |cause| Error::format("build", "a pack", cause);
        let trailer = lay_out(&pack.frames)?;
        let sealed_trailer = self.seal_trailer(&trailer, &pack.sealer)?;
        let (used, share) = (pack.bytes, self.parity(pack.kind));
        let mut pad = vec![0; usize_of(padding(used, sealed_trailer.len() as u64, share))?];
        self.repository
            .entropy()
            .fill(&mut pad)
            .map_err(|cause| Error::codec("pad", "a pack", cause))?;
        let mut parts = Vec::with_capacity(pack.frames.len() + 5);
        parts.push(Bytes::copy_from_slice(&pack.sealer.preamble()));
        parts.extend(pack.frames.into_iter().map(|frame| frame.bytes));
        parts.push(Bytes::from(pad));
        let trailer_len = sealed_trailer.len() as u64;
        parts.push(Bytes::from(sealed_trailer));
        let parity = parity_of(&parts, share)?;
        let body_len = parts.iter().map(|part| part.len() as u64).sum();
        let mut stripes =
            Stripes::new(if parity.is_empty() { STRIPE_SIZE } else { stripe_bytes(body_len) });
        for part in &parts {
            stripes.update(part);
        }
        stripes.end_body();
        stripes.update(&parity);
        parts.push(Bytes::from(parity));
        parts.push(Bytes::from(build_tail(stripes, trailer_len).map_err(failed)?));
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let name = ObjectName {
            hash: object_hash_of_parts(parts.iter().map(AsRef::as_ref)),
            upload: self.repository.random()?,
        };
        Ok(BuiltPack { record: PackRecord { name, size, kind: pack.kind }, parts, trailer })
    }

    fn seal_trailer(&self, trailer: &Trailer, sealer: &ObjectSealer) -> Result<Vec<u8>> {
        let failed = |cause| Error::codec("seal", "the trailer of a pack", cause);
        let table = trailer.encode_table();
        let mut compressed = Vec::new();
        let codec = Compressor::new(self.options.compression.level())
            .and_then(|mut compressor| compressor.compress(&table, &mut compressed))
            .map_err(failed)?;
        let mut sealed = trailer
            .encode(codec, &compressed)
            .map_err(|cause| Error::format("build", "the trailer of a pack", cause))?;
        sealer
            // Number 0: who opens a pack by itself does not know the count of frames before.
            .seal(Role::Trailer, 0, &NO_EXTRA, &mut sealed)
            .map_err(failed)?;
        Ok(sealed)
    }
}

impl super::State {
    /// Takes a stored pack into the lists for the next segment and the next commit.
    fn keep(&mut self, built: &BuiltPack) {
        let BuiltPack { record, trailer, .. } = built;
        let kind = match record.kind {
            PackKind::Data => ObjectKind::Pack,
            PackKind::Tree => ObjectKind::Tree,
        };
        self.uploaded.push(ListedObject { kind, name: record.name, size: record.size });
        let pack = u32::try_from(self.packs.len()).expect("a segment is written long before that");
        self.packs.push(*record);
        self.records.extend(
            trailer
                .chunks
                .iter()
                .map(|chunk| IndexRecord::of(chunk, &trailer.frames[chunk.frame as usize], pack)),
        );
    }
}

/// The table of contents of frames that lie one after another behind the preamble.
fn lay_out(frames: &[SealedFrame]) -> Result<Trailer> {
    let mut trailer = Trailer { frames: Vec::with_capacity(frames.len()), chunks: Vec::new() };
    let mut offset = PREAMBLE_LEN as u64;
    for (at, frame) in frames.iter().enumerate() {
        debug_assert!(frame.bytes.len() >= TAG_BYTES, "a sealed frame ends with its tag");
        trailer.frames.push(FrameRecord {
            number: frame.number,
            offset: u32_of(offset)?,
            sealed_len: u32_of(frame.bytes.len() as u64)?,
            raw_len: frame.raw_len,
            codec: frame.codec,
        });
        offset += frame.bytes.len() as u64;
        let position = u32_of(at as u64)?;
        trailer.chunks.extend(frame.chunks.iter().map(|span| ChunkRecord {
            id: span.id,
            frame: position,
            offset: span.offset,
            length: span.length,
        }));
    }
    Ok(trailer)
}

fn u32_of(value: u64) -> Result<u32> {
    u32::try_from(value).map_err(|cause| {
        Error::new(Kind::Internal, "build", "a pack of more than 4 GiB").because(cause)
    })
}

pub(super) fn usize_of(value: u64) -> Result<usize> {
    usize::try_from(value).map_err(|cause| {
        Error::new(Kind::Internal, "build", "a pack that memory can't address").because(cause)
    })
}
