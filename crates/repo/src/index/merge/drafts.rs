//! The records of several segments put together: what becomes of each chunk's first record, of its
//! second, and so on.
//!
//! Knows records and packs, all in memory; not where they came from.

use std::collections::HashMap;

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{GENERATION, IndexRecord, PackRecord};
use lifeboat_format::key::ObjectName;

use crate::error::{Error, Kind, Result};
use crate::index::write::SegmentDraft;

/// What becomes of the parts of a merge.
#[derive(Default)]
pub(super) struct Drafts {
    drafts: Vec<SegmentDraft>,
    /// In how many drafts there is a record of a chunk.
    copies: HashMap<ChunkId, usize>,
    /// What was said of a pack first.
    packs: HashMap<ObjectName, PackRecord>,
    /// Where a pack is in a draft.
    places: HashMap<(usize, ObjectName), u32>,
}

impl Drafts {
    /// Adds all records of a part.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when it does not fit to those before it; then nothing was added.
    pub(super) fn add(
        &mut self,
        repository: impl Fn() -> String,
        records: &[(IndexRecord, PackRecord)],
    ) -> Result<()> {
        let refuse = |reason: &str| {
            Err(Error::new(Kind::Invalid, "merge segments of", repository())
                .because(reason.to_owned()))
        };
        for (record, pack) in records {
            if record.generation != GENERATION {
                return refuse("it has records of another generation");
            }
            if *self.packs.entry(pack.name).or_insert(*pack) != *pack {
                return refuse("it says other things of a pack than those before it");
            }
        }
        for (record, pack) in records {
            let copies = self.copies.entry(record.id).or_default();
            let number = std::mem::replace(copies, *copies + 1);
            if number == self.drafts.len() {
                self.drafts.push(SegmentDraft { packs: Vec::new(), records: Vec::new() });
            }
            let draft = &mut self.drafts[number];
            let place = *self.places.entry((number, pack.name)).or_insert_with(|| {
                draft.packs.push(*pack);
                u32::try_from(draft.packs.len() - 1).expect("no more packs than records")
            });
            draft.records.push(IndexRecord { pack: place, ..*record });
        }
        Ok(())
    }

    /// One segment for the first records, one for the second, and so on.
    pub(super) fn finish(self) -> Vec<SegmentDraft> {
        self.drafts
    }
}
