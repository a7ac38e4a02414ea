//! Fetching: many frames with few requests.
//!
//! Knows ranges of packs. Frames that lie close together come with one request, the bytes between
//! them thrown away; what one damaged or truncated place spoils is that frame alone.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_format::key::ObjectKey;

use super::location::FrameRef;
use super::{Reader, lock};
use crate::error::{Error, Kind, Result};

/// Two frames with at most so many bytes between them come with one request: it takes a store longer
/// to answer another one than to send these.
pub(super) const GAP_MAX: u64 = 64 << 10;

/// Some frames of one pack, in the order in which they lie, that come with one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) pack: ObjectKey,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) frames: Vec<FrameRef>,
}

impl Reader {
    /// Calls `each` once for every different frame of `frames`, inflated, or with the reason why it
    /// can't be read. Frames that are kept come first, the others in the order in which they lie.
    ///
    /// # Errors
    /// What `each` returns, which ends the work.
    pub fn fetch_frames(
        &self,
        frames: &[FrameRef],
        mut each: impl FnMut(&FrameRef, Result<Bytes>) -> Result<()>,
    ) -> Result<()> {
        let mut wanted = frames.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let mut missing = Vec::with_capacity(wanted.len());
        for frame in wanted {
            let kept = lock(&self.shared.frames).get(&(frame.pack, frame.number));
            match (kept, frame.check()) {
                (Some(bytes), _) => each(&frame, Ok(bytes))?,
                (None, Err(error)) => each(&frame, Err(error))?,
                (None, Ok(())) => missing.push(frame),
            }
        }
        for group in groups(missing, self.shared.range_max) {
            self.fetch_group(&group, &mut each)?;
        }
        Ok(())
    }

    fn fetch_group(
        &self,
        group: &Group,
        each: &mut impl FnMut(&FrameRef, Result<Bytes>) -> Result<()>,
    ) -> Result<()> {
        match self.fetch_range(group) {
            Ok((opener, bytes)) => {
                for frame in &group.frames {
                    each(frame, self.inflate(&opener, frame, &bytes, group.start))?;
                }
                Ok(())
            }
            // A pack that was cut off still has the frames before the cut.
            Err(error) if error.kind() == Kind::Corrupt && group.frames.len() > 1 => {
                group.frames.iter().try_for_each(|frame| self.fetch_group(&Group::of(*frame), each))
            }
            Err(error) => {
                let error = Arc::new(error);
                group.frames.iter().try_for_each(|frame| {
                    let cause = Arc::clone(&error);
                    each(frame, Err(Error::new(error.kind(), "read", frame).because(cause)))
                })
            }
        }
    }
}

impl Group {
    fn of(frame: FrameRef) -> Self {
        let (start, end) = (u64::from(frame.offset), frame.end());
        Self { pack: frame.pack, start, end, frames: vec![frame] }
    }
}

/// Puts together what comes with one request of at most `range_max` bytes, or of one larger frame.
/// The frames are sorted by pack and offset.
pub(super) fn groups(frames: Vec<FrameRef>, range_max: u64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for frame in frames {
        let (start, end) = (u64::from(frame.offset), frame.end());
        match groups.last_mut() {
            Some(group)
                if group.pack == frame.pack
                    && start <= group.end + GAP_MAX
                    && end.max(group.end) - group.start <= range_max =>
            {
                group.end = group.end.max(end);
                group.frames.push(frame);
            }
            _ => groups.push(Group::of(frame)),
        }
    }
    groups
}
