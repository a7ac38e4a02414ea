//! Where a chunk lies: its frame in a pack, and its place in the frame.
//!
//! Knows numbers only; an index answers with them and the reader follows them. They come from sealed
//! records, which a writer may have made wrongly, so a frame is checked before anything is fetched.

use std::fmt;

use lifeboat_format::Codec;
use lifeboat_format::envelope::TAG_LEN;
use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::FRAME_RAW_MAX;

use crate::error::{Error, Kind, Result};

/// One frame of one pack; lengths and places in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef {
    /// The pack's key: [`ObjectKey::Pack`] or [`ObjectKey::Tree`].
    pub pack: ObjectKey,
    /// Where the sealed frame begins in the pack.
    pub offset: u32,
    /// The number under which it was sealed.
    pub number: u32,
    /// Its length as it lies in the pack, tag included.
    pub sealed_len: u32,
    /// Its length opened and inflated.
    pub raw_len: u32,
    /// How it is compressed.
    pub codec: Codec,
    /// The length of the whole pack.
    pub pack_size: u64,
}

/// One copy of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The frame that it is in.
    pub frame: FrameRef,
    /// Where it begins in the frame's plaintext, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

/// Finds chunks: an index.
pub trait Locate: Send + Sync {
    /// The copy of the chunk that counts; `None` when the repository does not have it.
    ///
    /// # Errors
    /// When the index can't be read.
    fn locate(&self, id: &ChunkId) -> Result<Option<Location>>;

    /// Every copy of the chunk, the one that counts first.
    ///
    /// # Errors
    /// As [`Locate::locate`].
    fn copies(&self, id: &ChunkId) -> Result<Vec<Location>> {
        Ok(self.locate(id)?.into_iter().collect())
    }
}

impl FrameRef {
    /// Where the sealed frame ends in the pack.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.sealed_len)
    }

    /// Refuses what no frame can be, before anything is allocated or fetched for it.
    pub(super) fn check(&self) -> Result<()> {
        let reason = if !matches!(self.pack, ObjectKey::Pack(_) | ObjectKey::Tree(_)) {
            "not a pack"
        } else if self.end() > self.pack_size {
            "its record says that it ends beyond the pack"
        } else if self.raw_len > FRAME_RAW_MAX {
            "its record says that it is larger than any frame"
        } else if self.sealed_len as usize > self.raw_len as usize + TAG_LEN {
            "its record says that it is longer sealed than opened"
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::Corrupt, "read", self).because(reason))
    }
}

impl Location {
    /// The chunk's bytes within its frame's plaintext; `None` when it does not end within it.
    #[must_use]
    pub fn slice<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.offset as usize;
        frame.get(start..start.checked_add(self.length as usize)?)
    }
}

impl fmt::Display for FrameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} of {}", self.number, self.pack)
    }
}
