//! Frames of damaged packs, from the packs' own parity.
//!
//! Knows packs and what was made again of them ([`crate::mend`]); each damaged pack is worked on once, by the first who
//! meets it, and all of it that is kept are the stripes that were damaged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::key::ObjectKey;

use super::location::FrameRef;
use super::{Reader, lock};
use crate::error::{Error, Kind, Result};
use crate::mend::{self, Patch};

/// What working on a damaged pack may take of the budget, and at least, in bytes.
const MEMORY_PART: u64 = 2;
const MEMORY_MIN: u64 = 8 << 20;
/// So many packs' stripes are kept; a repository of which more are damaged is read slowly.
const PATCHES_MAX: usize = 64;

/// A damaged pack's stripes, or nothing where its parity does not help.
type PatchCell = Arc<OnceLock<Option<Patch>>>;

/// What was made again of damaged packs.
#[derive(Debug)]
pub(super) struct Patches {
    memory: u64,
    cells: Mutex<HashMap<ObjectKey, PatchCell>>,
    /// One pack is worked on at a time: each takes memory.
    working: Mutex<()>,
}

impl Patches {
    /// For a reader with this budget in bytes.
    pub(super) fn new(budget: u64) -> Self {
        let memory = (budget / MEMORY_PART).max(MEMORY_MIN);
        Self { memory, cells: Mutex::default(), working: Mutex::default() }
    }

    fn cell(&self, pack: ObjectKey) -> PatchCell {
        let mut cells = lock(&self.cells);
        if cells.len() >= PATCHES_MAX && !cells.contains_key(&pack) {
            cells.clear();
        }
        Arc::clone(cells.entry(pack).or_default())
    }
}

impl Reader {
    /// The frame, which `error` keeps from being read, with its pack's damaged stripes made again.
    ///
    /// # Errors
    /// `error`, if the pack's parity does not help.
    pub(super) fn by_parity(&self, frame: &FrameRef, error: Error) -> Result<Bytes> {
        if !is_damage(&error) {
            return Err(error);
        }
        let cell = self.shared.patches.cell(frame.pack);
        match cell.get_or_init(|| self.mend(frame, &error)) {
            Some(patch) => self.patched(frame, patch).or(Err(error)),
            None => Err(error),
        }
    }

    fn mend(&self, frame: &FrameRef, error: &Error) -> Option<Patch> {
        let patches = &self.shared.patches;
        let _one_at_a_time = lock(&patches.working);
        match mend::mend(&self.shared.io, frame.pack, frame.pack_size, patches.memory) {
            Ok(patch) => {
                let stripes = mend::named(patch.stripes());
                tracing::warn!(
                    %error,
                    "{} is damaged: its own parity made {stripes} again", frame.pack
                );
                Some(patch)
            }
            Err(also) => {
                tracing::debug!(error = %also, "parity does not help");
                None
            }
        }
    }

    fn patched(&self, frame: &FrameRef, patch: &Patch) -> Result<Bytes> {
        let start = u64::from(frame.offset);
        let read = |range| patch.read(range, |range| self.shared.io.get_range(&frame.pack, range));
        let opener = self.opener(&frame.pack, &read(0..PREAMBLE_LEN as u64)?)?;
        self.inflate(&opener, frame, &read(start..frame.end())?, start)
    }
}

/// Whether an error says that bytes are not what they were, or can't be read any more.
pub(super) fn is_damage(error: &Error) -> bool {
    error.kind() == Kind::Corrupt || error.is_unreadable()
}
