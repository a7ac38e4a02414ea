//! The plan: what to condemn, and out of which packs to copy first.
//!
//! Decides from what is used; touches nothing. Packs of which nothing is used go. Of the others those with the largest
//! unused share are emptied, until no more is unused than may be, and small ones where there are many.

use std::collections::HashSet;

use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::key::ObjectKey;

use super::mark::{OfPack, Usage};
use super::{Run, Tally};

/// A pack of less than this part of the usual size is small.
const SMALL_PART: u64 = 8;
/// So many small packs of a kind become few.
const SMALL_MIN: usize = 32;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What goes, orphans and packs that are emptied first among it.
    pub(super) objects: Vec<ListedObject>,
    /// Packs whose used chunks are copied first.
    pub(super) repack: HashSet<ObjectKey>,
    /// Of the objects, those that no entry names.
    pub(super) orphans: Tally,
}

impl Plan {
    pub(super) fn new(run: &Run<'_>, usage: &Usage) -> Self {
        let mut plan = Self::default();
        for (key, pack) in &usage.packs {
            if pack.chunks_used == 0 {
                plan.add(*key, pack.size);
            }
        }
        plan.choose(run, usage);
        for key in plan.repack.clone() {
            plan.add(key, usage.packs[&key].size);
        }
        plan
    }

    /// Everything that goes.
    pub(super) fn tally(&self) -> Tally {
        let bytes = self.objects.iter().map(|object| object.size).sum();
        Tally { objects: self.objects.len() as u64, bytes }
    }

    /// The packs that are emptied.
    pub(super) fn repacked(&self, usage: &Usage) -> Tally {
        let bytes = self.repack.iter().map(|key| usage.packs[key].size).sum();
        Tally { objects: self.repack.len() as u64, bytes }
    }

    /// How many bytes that takes to be copied, before compression.
    pub(super) fn to_copy(&self, usage: &Usage) -> u64 {
        self.repack.iter().map(|key| usage.packs[key].raw_used).sum()
    }

    pub(super) fn add(&mut self, key: ObjectKey, size: u64) {
        let (kind, name) = match key {
            ObjectKey::Pack(name) => (ObjectKind::Pack, name),
            ObjectKey::Tree(name) => (ObjectKind::Tree, name),
            ObjectKey::Index(name) => (ObjectKind::Index, name),
            _ => return,
        };
        self.objects.push(ListedObject { kind, name, size });
    }

    /// Chooses the packs to be emptied.
    fn choose(&mut self, run: &Run<'_>, usage: &Usage) {
        let mut partly: Vec<(&ObjectKey, &OfPack)> =
            usage.packs.iter().filter(|(_, pack)| pack.chunks_used > 0).collect();
        // The largest unused share first; by name where that is the same, so that all collectors choose alike.
        let share =
            |pack: &OfPack| u128::from(pack.unused()) * 1_000_000 / u128::from(pack.size.max(1));
        partly.sort_unstable_by_key(|(key, pack)| (std::cmp::Reverse(share(pack)), **key));
        let stored = partly.iter().map(|(_, pack)| pack.size).sum();
        let mut unused: u64 = partly.iter().map(|(_, pack)| pack.unused()).sum();
        let limit = run.options.max_unused.of(stored);
        let mut room = run.options.max_repack.unwrap_or(u64::MAX);
        for (key, pack) in &partly {
            if unused <= limit || pack.unused() == 0 {
                break;
            }
            let Some(left) = room.checked_sub(pack.used()) else { continue };
            room = left;
            unused = unused.saturating_sub(pack.unused());
            self.repack.insert(**key);
        }
        let small = run.repository.config().pack_bytes / SMALL_PART;
        for is_tree in [false, true] {
            let is_small = |(key, pack): &(&ObjectKey, &OfPack)| {
                matches!(key, ObjectKey::Tree(_)) == is_tree
                    && pack.size < small
                    && !self.repack.contains(*key)
            };
            let found: Vec<_> = partly.iter().copied().filter(is_small).collect();
            if found.len() < SMALL_MIN {
                continue;
            }
            for (key, pack) in found {
                let Some(left) = room.checked_sub(pack.used()) else { break };
                room = left;
                self.repack.insert(*key);
            }
        }
    }

    /// Segments go when others have their records, or when every pack that they speak of is gone.
    pub(super) fn add_segments(&mut self, run: &Run<'_>, usage: &Usage) {
        let fold = &run.fold;
        let is_new = |key: &ObjectKey| !fold.is_condemned(key);
        let merged = fold.merged_segments().map(|segment| (segment.key, segment.object.size));
        let says_nothing = usage
            .segments
            .iter()
            .filter(|(key, records)| records.believed == 0 && !fold.is_merged(key))
            .filter_map(|(key, _)| Some((*key, fold.object(key)?.size)));
        let going: Vec<_> = merged.chain(says_nothing).filter(|(key, _)| is_new(key)).collect();
        for (key, size) in going {
            self.add(key, size);
        }
        self.objects.sort_unstable();
    }
}

#[cfg(test)]
mod tests;
