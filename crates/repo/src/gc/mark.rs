//! Marking: what of each pack is used, given the snapshots that live.
//!
//! Knows records and marks. Each chunk that is reached is marked once, in the pack that is to keep it: the first that counts
//! and is not condemned. A further copy of it, elsewhere, is as good as unused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lifeboat_format::key::ObjectKey;

use super::kept::{Begun, Kept, require_found};
use super::living::Living;
use super::{Run, Tally};
use crate::error::{Kind, Result};
use crate::heal;
use crate::index::marks::Marks;
use crate::index::{Found, Index};
use crate::log::Fold;
use crate::reach::{Met, Reach};

/// What of one pack is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OfPack {
    /// Its length in bytes.
    pub(super) size: u64,
    /// The length of all chunks in it, and of those that are used, in bytes before compression.
    pub(super) raw: u64,
    pub(super) raw_used: u64,
    /// How many chunks of it are used.
    pub(super) chunks_used: u64,
}

impl OfPack {
    /// About how many of its bytes are used.
    pub(super) fn used(&self) -> u64 {
        let share = u128::from(self.size) * u128::from(self.raw_used);
        u64::try_from(share / u128::from(self.raw.max(1))).unwrap_or(self.size)
    }

    pub(super) fn unused(&self) -> u64 {
        self.size.saturating_sub(self.used())
    }
}

/// What of all packs is used that count and are not condemned.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) packs: HashMap<ObjectKey, OfPack>,
    /// The records that are to stay.
    pub(super) marks: Marks,
    /// What segments say.
    pub(super) segments: HashMap<ObjectKey, OfSegment>,
}

/// The records of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OfSegment {
    pub(super) records: u64,
    /// Those that speak of packs that are there.
    pub(super) believed: u64,
}

impl OfSegment {
    /// Whether it is worth to be written anew without the others: they are more than a tenth.
    fn is_wasteful(&self) -> bool {
        self.believed > 0 && (self.records - self.believed.min(self.records)) * 10 > self.records
    }
}

impl Usage {
    /// Of nothing yet, with the packs of this fold.
    pub(super) fn of(fold: &Fold) -> Self {
        let is_pack = |key: &ObjectKey| matches!(key, ObjectKey::Pack(_) | ObjectKey::Tree(_));
        let packs = fold
            .objects()
            .iter()
            .filter(|(key, _)| is_pack(key) && !fold.is_condemned(key))
            .map(|(key, live)| (*key, OfPack { size: live.size, ..OfPack::default() }));
        Self { packs: packs.collect(), marks: Marks::new(), segments: HashMap::new() }
    }

    /// Takes in that a chunk is used, of which this copy is to stay.
    pub(super) fn reached(&mut self, found: &Found) {
        if self.marks.set(found.at)
            && let Some(pack) = self.packs.get_mut(&found.pack)
        {
            pack.raw_used += u64::from(found.length);
            pack.chunks_used += 1;
        }
    }

    pub(super) fn packs(&self) -> Tally {
        let bytes = self.packs.values().map(|pack| pack.size).sum();
        Tally { objects: self.packs.len() as u64, bytes }
    }

    /// Adds up all records, whether they are used or not.
    fn count(&mut self, index: &Index) -> Result<()> {
        let of = |(key, records)| (key, OfSegment { records, believed: 0 });
        let mut segments: Vec<_> = index.record_counts()?.into_iter().map(of).collect();
        index.for_each(|at, record, pack| {
            if let Some((_, segment)) = segments.get_mut(at.segment) {
                segment.believed += 1;
            }
            let pack = index.standing(&pack.key());
            if let Some(pack) = self.packs.get_mut(&pack) {
                pack.raw += u64::from(record.length);
            }
            Ok(())
        })?;
        self.segments = segments.into_iter().collect();
        Ok(())
    }

    /// Leaves packs alone that were healed, as the log has it, by something that has not their bytes: whoever writes can
    /// name anything.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn spare_originals(&mut self, run: &Run<'_>) -> Result<()> {
        for (original, twin) in run.fold.twins() {
            let is_unused = self.packs.get(&original).is_some_and(|pack| pack.chunks_used == 0);
            let Some(name) = twin.name().filter(|_| is_unused) else { continue };
            match heal::read_whole(run.repository, &twin, &name) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::NotFound) => {
                    tracing::warn!(%error, "{original} is not let go for it");
                    self.packs.remove(&original);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Segments of which much is said in vain.
    pub(super) fn wasteful(&self) -> HashSet<ObjectKey> {
        let wasteful = self.segments.iter().filter(|(_, records)| records.is_wasteful());
        wasteful.map(|(key, _)| *key).collect()
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.packs.values().map(OfPack::used).sum()
    }
}

/// What segments say; nothing of packs.
pub(super) fn segments(index: &Index) -> Result<Usage> {
    let mut usage = Usage { packs: HashMap::new(), marks: Marks::new(), segments: HashMap::new() };
    usage.count(index)?;
    Ok(usage)
}

/// What a mark has found.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) usage: Usage,
    /// Nodes that were gone through, by this mark or an earlier one.
    pub(super) nodes: Marks,
    /// How many were read for it.
    pub(super) nodes_read: u64,
    /// Whether it stands on an earlier mark.
    pub(super) by_differences: bool,
}

/// Goes through the trees of all that lives, as far as `kept` does not know them, and adds up what they use.
pub(super) fn mark(
    run: &Run<'_>,
    index: &Arc<Index>,
    living: &Living,
    kept: Option<Kept>,
) -> Result<Marked> {
    let Begun { mut usage, nodes, is_counted, by_differences } =
        Begun::of(run, index, living, kept)?;
    let mut visit = |id: &_, found: &[Found]| {
        require_found(id, found)?;
        found.iter().for_each(|found| usage.reached(found));
        Ok(())
    };
    let mut reach = Reach::new(run.repository, index, &run.options.cancel, &mut visit);
    reach = reach.having_met(nodes);
    for (_, snapshot) in &living.live {
        reach.snapshot(snapshot)?;
    }
    let Met { nodes, nodes_read } = reach.finish()?;
    if !is_counted {
        usage.count(index)?;
    }
    let marked = Marked { usage, nodes, nodes_read, by_differences };
    #[cfg(any(test, feature = "planted"))]
    if by_differences {
        super::kept::require_alike(run, index, living, &marked)?;
    }
    Ok(marked)
}
