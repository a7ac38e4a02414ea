//! The records of several segments put together: what becomes of each chunk's first record, of its
//! second, and so on.
//!
//! Knows records and packs, all in memory; not where they came from.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{GENERATION, IndexRecord, PackRecord};
use lifeboat_format::key::ObjectName;

use crate::error::{Error, Kind, Result};
use crate::index::write::SegmentDraft;

/// What becomes of the parts of a merge.
#[derive(Default)]
pub(crate) struct Drafts {
    drafts: Vec<SegmentDraft>,
    /// In how many drafts there is a record of a chunk.
    copies: HashMap<ChunkId, usize>,
    /// What was said of a pack first.
    packs: HashMap<ObjectName, PackRecord>,
    /// Where a pack is in a draft.
    places: HashMap<(usize, ObjectName), u32>,
}

/// Whether records can be merged.
///
/// # Errors
/// [`Kind::Invalid`] for one of another generation, whose meaning is not known here.
pub(super) fn check(records: &[IndexRecord]) -> Result<()> {
    if records.iter().all(|record| record.generation == GENERATION) {
        return Ok(());
    }
    Err(unfit("it has records of another generation"))
}

/// What was said of packs, as numbers: they are many more than one segment has.
#[derive(Default)]
pub(super) struct Packs {
    key: RandomState,
    said: HashMap<u64, u64>,
}

impl Packs {
    /// Whether nothing else was said of the pack before.
    pub(super) fn agree(&mut self, pack: &PackRecord) -> bool {
        let said = self.key.hash_one((pack.size, pack.kind));
        *self.said.entry(self.key.hash_one(pack.name)).or_insert(said) == said
    }
}

/// That a part says of a pack what those before it do not.
pub(super) fn disagreement() -> Error {
    unfit("it says other things of a pack than those before it")
}

impl Drafts {
    /// From here on come other ids than before: what was copied of those need not be remembered.
    pub(super) fn begin_other_ids(&mut self) {
        self.copies.clear();
    }

    /// Adds all records of a part that are of the present ids.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when it does not fit to those before it; then nothing here is of use any more.
    pub(crate) fn add(&mut self, records: &[(IndexRecord, PackRecord)]) -> Result<()> {
        for (record, pack) in records {
            check(std::slice::from_ref(record))?;
            if *self.packs.entry(pack.name).or_insert(*pack) != *pack {
                return Err(disagreement());
            }
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
    pub(crate) fn finish(self) -> Vec<SegmentDraft> {
        self.drafts
    }
}

fn unfit(reason: &'static str) -> Error {
    Error::new(Kind::Invalid, "merge", "index segments").because(reason)
}
