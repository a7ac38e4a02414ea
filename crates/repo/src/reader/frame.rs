//! One frame: its pack's key, then opened, inflated and kept.
//!
//! Knows preambles and codecs, not chunks.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join;
use lifeboat_codec::compress::Decompressor;
use lifeboat_codec::seal::ObjectOpener;
use lifeboat_format::Codec;
use lifeboat_format::envelope::{NO_EXTRA, ObjectType, PREAMBLE_LEN, Preamble, Role, TAG_LEN};
use lifeboat_format::key::ObjectKey;
use tokio::sync::{OnceCell, watch};

use super::fetch::{GAP_MAX, Group};
use super::location::FrameRef;
use super::{Reader, lock};
use crate::error::{Error, Kind, Result};

/// The largest buffer in bytes that is kept between frames: twice a frame of the usual size.
const SCRATCH_MAX: usize = 2 << 20;

/// A frame that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its plaintext.
    pub(crate) raw: Bytes,
    /// What that is compressed to in the pack; `None` where it did not come from there.
    pub(crate) packed: Option<Bytes>,
}

/// What a thread needs to open and inflate one frame; kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    opened: Vec<u8>,
    zstd: Decompressor,
}

/// What opens the frames of one pack; filled by the first who has read the pack's preamble.
pub(super) type OpenerCell = Arc<OnceCell<Arc<ObjectOpener>>>;

impl Reader {
    /// The bytes of a group, and what opens its frames. Where `leader` is given, somebody is about to
    /// read the pack's beginning, and drops the other end when that is done.
    pub(super) async fn fetch_range(
        &self,
        group: &Group,
        leader: Option<watch::Receiver<()>>,
    ) -> Result<(Arc<ObjectOpener>, Bytes)> {
        let (pack, range) = (&group.pack, group.start..group.end);
        let cell = self.opener_cell(pack);
        if let Some(opener) = cell.get() {
            return Ok((Arc::clone(opener), self.range(pack, range).await?));
        }
        let preamble_len = PREAMBLE_LEN as u64;
        let is_near = range.start <= preamble_len + GAP_MAX && range.end >= preamble_len;
        if is_near && leader.is_none() {
            let bytes = self.range(pack, 0..range.end).await?;
            let opener = self.opener(pack, &bytes)?;
            // If somebody else is about to fill it, that will be the same.
            drop(cell.set(Arc::clone(&opener)));
            let start = usize::try_from(range.start).expect("below the gap's limit");
            return Ok((opener, bytes.slice(start..)));
        }
        let opener = async {
            if let Some(mut leader) = leader {
                // Nothing is ever sent: this is the end of the leader's work, whatever came of it.
                let _end: Result<(), _> = leader.changed().await;
            }
            cell.get_or_try_init(|| async {
                self.opener(pack, &self.range(pack, 0..preamble_len).await?)
            })
            .await
        };
        let (opener, bytes) = try_join(opener, self.range(pack, range)).await?;
        Ok((Arc::clone(opener), bytes))
    }

    async fn range(&self, pack: &ObjectKey, range: Range<u64>) -> Result<Bytes> {
        let read = self.shared.io.store().get_range(&pack.to_string(), range).await;
        read.map_err(|cause| Error::store("read", cause))
    }

    fn opener_cell(&self, pack: &ObjectKey) -> OpenerCell {
        let mut openers = lock(&self.shared.openers);
        if let Some(cell) = openers.get(pack) {
            return cell;
        }
        let cell = OpenerCell::default();
        openers.insert(*pack, Arc::clone(&cell), 1);
        cell
    }

    /// Opens and inflates `frame`, which lies in `bytes`; these begin at `start` in the pack.
    pub(super) fn inflate(
        &self,
        opener: &ObjectOpener,
        frame: &FrameRef,
        bytes: &Bytes,
        start: u64,
    ) -> Result<Bytes> {
        let sealed = sealed_of(frame, bytes, start)?;
        let mut scratch = lock(&self.shared.scratch).pop().unwrap_or_default();
        let inflated = scratch.inflate(opener, frame, sealed);
        lock(&self.shared.scratch).push(scratch);
        let inflated = Bytes::from(inflated?);
        let weight = inflated.len() as u64;
        lock(&self.shared.frames).insert((frame.pack, frame.number), inflated.clone(), weight);
        Ok(inflated)
    }

    /// As [`inflate`](Self::inflate), with what it was inflated from; nothing is kept, since who wants this has no need
    /// of it a second time.
    pub(super) fn open_as_it_is(
        &self,
        opener: &ObjectOpener,
        frame: &FrameRef,
        bytes: &Bytes,
        start: u64,
    ) -> Result<Opened> {
        let sealed = sealed_of(frame, bytes, start)?;
        let mut scratch = lock(&self.shared.scratch).pop().unwrap_or_default();
        let opened = scratch.inflate(opener, frame, sealed).map(|raw| {
            let raw = Bytes::from(raw);
            let is_stored = frame.codec == Codec::Stored;
            let packed =
                if is_stored { raw.clone() } else { Bytes::copy_from_slice(&scratch.opened) };
            Opened { raw, packed: Some(packed) }
        });
        lock(&self.shared.scratch).push(scratch);
        opened
    }

    /// What opens the frames of a pack that begins with `bytes`.
    pub(super) fn opener(&self, pack: &ObjectKey, bytes: &[u8]) -> Result<Arc<ObjectOpener>> {
        const OPEN: &str = "open pack";
        let object_type = match pack {
            ObjectKey::Tree(_) => ObjectType::TreePack,
            _ => ObjectType::DataPack,
        };
        let keyring = &self.shared.keyring;
        let preamble = Preamble::decode(bytes).map_err(|cause| Error::format(OPEN, pack, cause))?;
        let key = keyring
            .role_key(object_type, preamble.epoch)
            .map_err(|cause| Error::new(cause.kind(), OPEN, pack).because(cause))?;
        // The key is right, since it opened the repository: what does not fit is the pack.
        let opener = ObjectOpener::new(key, object_type, keyring.repository(), &preamble)
            .map_err(|cause| Error::new(Kind::Corrupt, OPEN, pack).because(cause))?;
        Ok(Arc::new(opener))
    }
}

/// The sealed bytes of a frame, which lie in `bytes`; these begin at `start` in the pack.
fn sealed_of<'b>(frame: &FrameRef, bytes: &'b Bytes, start: u64) -> Result<&'b [u8]> {
    usize::try_from(u64::from(frame.offset) - start)
        .ok()
        .and_then(|begin| bytes.get(begin..begin + frame.sealed_len as usize))
        .ok_or_else(|| {
            Error::new(Kind::Corrupt, "read", frame).because("the pack ends before it does")
        })
}

impl Scratch {
    fn inflate(
        &mut self,
        opener: &ObjectOpener,
        frame: &FrameRef,
        sealed: &[u8],
    ) -> Result<Vec<u8>> {
        let of_frame = |cause| Error::codec("open", frame, cause);
        let open = |buffer: &mut Vec<u8>| {
            opener
                .open_into(Role::Frame, u64::from(frame.number), &NO_EXTRA, sealed, buffer)
                .map_err(of_frame)
        };
        let raw_len = frame.raw_len as usize;
        let mut raw = Vec::new();
        if frame.codec == Codec::Stored && sealed.len() == raw_len + TAG_LEN {
            open(&mut raw)?;
        } else {
            open(&mut self.opened)?;
            self.zstd.decompress(frame.codec, &self.opened, raw_len, &mut raw).map_err(of_frame)?;
            if self.opened.capacity() > SCRATCH_MAX {
                self.opened = Vec::new();
            }
        }
        Ok(raw)
    }
}
