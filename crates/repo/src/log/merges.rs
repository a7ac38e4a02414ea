//! Merges: which index segments need not be opened, since others have all their records.
//!
//! Knows names of segments and the entries that made them count; not what a segment says. A merge
//! removes nothing: what was merged goes on counting until a collector takes it away, and serves where a
//! segment that holds its records is damaged or lost.
//!
//! Invariants: a segment is in one merge at most, and counted before those that hold its records, so
//! that merges are trees. A merge answers where the first of its parts did: of several records of one
//! chunk the earliest still counts.

use std::collections::{HashMap, HashSet};

use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::ObjectKey;

use crate::log::fold::LiveObject;

type Objects = HashMap<ObjectKey, LiveObject>;

/// An index segment that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSegment {
    /// Its key.
    pub key: ObjectKey,
    /// Its size, and the entry that made it count.
    pub object: LiveObject,
    /// The ids that it has records of.
    pub prefix: IdPrefix,
}

impl LiveSegment {
    /// One of all ids that does not count yet.
    pub(crate) fn whole(key: ObjectKey, size: u64) -> Self {
        Self { key, object: LiveObject { size, entry: u64::MAX }, prefix: IdPrefix::WHOLE }
    }
}

/// One merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merge {
    /// The entry that says so.
    pub(super) entry: u64,
    /// What holds the records, in the order in which it answers, and which ids each is for.
    pub(super) into: Vec<(ObjectKey, IdPrefix)>,
    /// What was merged, in the order in which it answered.
    pub(super) parts: Vec<ObjectKey>,
}

/// When a segment answers: the earlier of two that have records of one id is asked first.
pub(super) type Rank = (u64, ObjectKey, Vec<usize>);

/// The merges that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merges {
    all: Vec<Merge>,
    /// Where in `all` a segment is one of those that hold records, and which one.
    into: HashMap<ObjectKey, (usize, usize)>,
    merged: HashMap<ObjectKey, LiveObject>,
    /// Segments that merges speak of and that are gone for good. They keep their place in the order.
    gone: HashMap<ObjectKey, LiveObject>,
}

impl Merges {
    /// Whether a merge can count: all its parts do, by earlier entries, and none is in another merge; and
    /// what holds their records is new with its entry.
    pub(super) fn can_add(&self, objects: &Objects, merge: &Merge) -> bool {
        let is_part = |part: &ObjectKey| {
            matches!(part, ObjectKey::Index(_))
                && self.known(objects, part).is_some_and(|object| object.entry < merge.entry)
                && !self.merged.contains_key(part)
        };
        let is_new = |into: &ObjectKey| {
            matches!(into, ObjectKey::Index(_))
                && self.known(objects, into).is_some_and(|object| object.entry == merge.entry)
                && !self.into.contains_key(into)
        };
        let distinct = |keys: &[ObjectKey]| {
            keys.iter().collect::<HashSet<_>>().len() == keys.len() && !keys.is_empty()
        };
        let into: Vec<ObjectKey> = merge.into.iter().map(|(into, _)| *into).collect();
        distinct(&merge.parts)
            && distinct(&into)
            && merge.parts.iter().all(is_part)
            && into.iter().all(is_new)
    }

    /// Takes a merge in that [can count](Self::can_add).
    pub(super) fn add(&mut self, objects: &Objects, merge: Merge) {
        let place = self.all.len();
        let known = |part: &ObjectKey| Some((*part, self.known(objects, part)?));
        let parts: Vec<_> = merge.parts.iter().filter_map(known).collect();
        self.merged.extend(parts);
        self.into.extend(merge.into.iter().enumerate().map(|(at, (into, _))| (*into, (place, at))));
        self.all.push(merge);
    }

    /// Remembers a segment that is gone, if merges speak of it.
    pub(super) fn forget(&mut self, segment: &ObjectKey, object: LiveObject) {
        if self.merged.contains_key(segment) || self.into.contains_key(segment) {
            self.gone.insert(*segment, object);
        }
    }

    /// Takes in that a segment is gone, before the merges that speak of it.
    pub(super) fn add_gone(&mut self, segment: ObjectKey, object: LiveObject) {
        self.gone.insert(segment, object);
    }

    /// Segments that merges speak of and that are gone.
    pub(super) fn gone(&self) -> &HashMap<ObjectKey, LiveObject> {
        &self.gone
    }

    /// One that counts, or did when the merge was made.
    fn known(&self, objects: &Objects, segment: &ObjectKey) -> Option<LiveObject> {
        objects.get(segment).or_else(|| self.gone.get(segment)).copied()
    }

    /// Whether others have all records of this segment.
    pub(super) fn has(&self, segment: &ObjectKey) -> bool {
        self.merged.contains_key(segment)
    }

    /// The ids that a segment has records of.
    pub(super) fn prefix(&self, segment: &ObjectKey) -> IdPrefix {
        self.into.get(segment).map_or(IdPrefix::WHOLE, |(place, at)| self.all[*place].into[*at].1)
    }

    /// What a segment was made of, but for what is gone; nothing for most.
    pub(crate) fn parts(&self, segment: &ObjectKey) -> Vec<LiveSegment> {
        let parts = self.part_keys(segment).iter();
        let part = |key: &ObjectKey| {
            if self.gone.contains_key(key) {
                return None;
            }
            let object = *self.merged.get(key)?;
            Some(LiveSegment { key: *key, object, prefix: self.prefix(key) })
        };
        parts.filter_map(part).collect()
    }

    /// Whether all that a segment was made of is there, so that it could serve in its place; not for one that was made of
    /// nothing.
    pub(crate) fn are_parts_left(&self, segment: &ObjectKey) -> bool {
        let parts = self.part_keys(segment);
        !parts.is_empty() && !parts.iter().any(|part| self.gone.contains_key(part))
    }

    /// The entries that named what a segment was made of in the first place; its own, if it was not merged from anything.
    pub(crate) fn origins(&self, objects: &Objects, segment: &ObjectKey) -> HashSet<u64> {
        let (mut left, mut entries) = (vec![*segment], HashSet::new());
        while let Some(segment) = left.pop() {
            match self.part_keys(&segment) {
                [] => entries.extend(self.known(objects, &segment).map(|object| object.entry)),
                parts => left.extend(parts),
            }
        }
        entries
    }

    /// The entries of all segments that merges speak of and that are gone.
    pub(crate) fn gone_entries(&self) -> impl Iterator<Item = u64> {
        self.gone.values().map(|object| object.entry)
    }

    fn part_keys(&self, segment: &ObjectKey) -> &[ObjectKey] {
        self.into.get(segment).map_or(&[], |(place, _)| self.all[*place].parts.as_slice())
    }

    /// All of them, in the order of the log.
    pub(super) fn all(&self) -> &[Merge] {
        &self.all
    }

    /// When a segment answers: in the order of the entries that named the segments, and a merge where
    /// its first part did. What of it comes first is decided by the innermost merge, since a later one put
    /// something in the place of what that had made.
    pub(super) fn rank(&self, objects: &Objects, mut segment: ObjectKey) -> Rank {
        let mut places = Vec::new();
        while let Some((merge, at)) = self.into.get(&segment) {
            let Some(first) = self.all[*merge].parts.first() else { break };
            places.push(*at);
            segment = *first;
        }
        places.reverse();
        (self.known(objects, &segment).map_or(u64::MAX, |object| object.entry), segment, places)
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_format::id::ObjectHash;
    use lifeboat_format::key::ObjectName;

    use super::*;

    fn key(number: u8) -> ObjectKey {
        ObjectKey::Index(ObjectName { hash: ObjectHash([number; 32]), upload: [number; 8] })
    }

    fn merge(entry: u64, into: &[u8], parts: &[u8]) -> Merge {
        let keys = |numbers: &[u8]| numbers.iter().copied().map(key).collect::<Vec<_>>();
        let into = keys(into).into_iter().map(|into| (into, IdPrefix::WHOLE)).collect();
        Merge { entry, into, parts: keys(parts) }
    }

    #[test]
    fn only_what_counts_and_is_free_is_merged() {
        let mut objects: Objects =
            (0..8).map(|n| (key(n), LiveObject { size: 9, entry: u64::from(n) })).collect();
        objects.insert(key(20), LiveObject { size: 9, entry: 4 });
        let mut merges = Merges::default();
        for wrong in [
            merge(4, &[4], &[]),
            merge(4, &[], &[1]),
            merge(4, &[4], &[1, 9]),
            merge(4, &[4], &[1, 1]),
            merge(4, &[4, 4], &[1]),
            // A part that came later, or with it; what is not new.
            merge(4, &[4], &[1, 5]),
            merge(4, &[4], &[1, 20]),
            merge(4, &[3], &[1]),
            merge(4, &[9], &[1, 2]),
        ] {
            assert!(!merges.can_add(&objects, &wrong), "{wrong:?}");
        }
        let first = merge(4, &[4, 20], &[2, 3]);
        assert!(merges.can_add(&objects, &first));
        merges.add(&objects, first.clone());
        assert!(!merges.can_add(&objects, &first));
        assert!(!merges.can_add(&objects, &merge(5, &[5], &[1, 3])));
        assert_eq!(merges.part_keys(&key(4)), [key(2), key(3)]);
        assert_eq!(merges.part_keys(&key(20)), [key(2), key(3)]);
        assert!(merges.has(&key(3)) && !merges.has(&key(1)) && merges.parts(&key(5)).is_empty());
        let second = merge(6, &[6], &[4, 20, 5]);
        assert!(merges.can_add(&objects, &second));
        merges.add(&objects, second);
        assert_eq!(merges.rank(&objects, key(6)), (2, key(2), vec![0, 0]));
        assert_eq!(merges.rank(&objects, key(20)), (2, key(2), vec![1]));
        assert_eq!(merges.rank(&objects, key(1)), (1, key(1), vec![]));
    }

    /// What a merge had made second stands behind all that became of the first, however often that was
    /// merged since.
    #[test]
    fn what_was_second_stays_behind_the_first() {
        let objects: Objects =
            (0..8).map(|n| (key(n), LiveObject { size: 9, entry: u64::from(n / 2) })).collect();
        let mut merges = Merges::default();
        for merge in [merge(1, &[2, 3], &[0, 1]), merge(2, &[4, 5], &[2])] {
            assert!(merges.can_add(&objects, &merge));
            merges.add(&objects, merge);
        }
        let mut order = [3, 5, 4];
        order.sort_by_key(|number| merges.rank(&objects, key(*number)));
        assert_eq!(order, [4, 5, 3]);
    }
}
