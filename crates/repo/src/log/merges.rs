//! Merges: which index segments need not be opened, since another one has all their records.
//!
//! Knows names of segments and the entries that made them count; not what a segment says. A merge
//! removes nothing: what was merged goes on counting, and serves where the segment that holds its
//! records is damaged or lost.
//!
//! Invariants: a segment is in one merge at most, and its parts counted before it, so that merges are
//! trees. A merge answers where the first of its parts did: of several records of one chunk the
//! earliest still counts.

use std::collections::{HashMap, HashSet};

use lifeboat_format::key::ObjectKey;

use crate::log::fold::LiveObject;

type Objects = HashMap<ObjectKey, LiveObject>;

/// The merges that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Merges {
    /// By the segment that holds the records.
    parts: HashMap<ObjectKey, Vec<ObjectKey>>,
    merged: HashSet<ObjectKey>,
}

impl Merges {
    /// Takes a merge in that an entry says, unless it is none: parts that do not count (an entry may be
    /// damaged that named one), or that another merge has already.
    pub(super) fn add(&mut self, objects: &Objects, into: ObjectKey, parts: Vec<ObjectKey>) {
        let is_free = |part: &ObjectKey| {
            *part != into && objects.contains_key(part) && !self.merged.contains(part)
        };
        let distinct: HashSet<_> = parts.iter().collect();
        if parts.is_empty()
            || distinct.len() < parts.len()
            || !parts.iter().all(is_free)
            || self.parts.contains_key(&into)
            || !objects.contains_key(&into)
        {
            return;
        }
        self.merged.extend(&parts);
        self.parts.insert(into, parts);
    }

    /// Whether another segment has all records of this one.
    pub(super) fn has(&self, segment: &ObjectKey) -> bool {
        self.merged.contains(segment)
    }

    /// What a segment was made of; nothing for most.
    pub(super) fn parts(&self, segment: &ObjectKey) -> &[ObjectKey] {
        self.parts.get(segment).map_or(&[], Vec::as_slice)
    }

    /// All merges, by the segment that holds the records.
    pub(super) fn all(&self) -> impl Iterator<Item = (&ObjectKey, &[ObjectKey])> {
        self.parts.iter().map(|(into, parts)| (into, parts.as_slice()))
    }

    /// When a segment answers: in the order of the entries that named the segments, and a merge where
    /// its first part did.
    pub(super) fn rank(&self, objects: &Objects, mut segment: ObjectKey) -> (u64, ObjectKey) {
        while let Some(first) = self.parts(&segment).first() {
            segment = *first;
        }
        (objects.get(&segment).map_or(u64::MAX, |object| object.entry), segment)
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

    #[test]
    fn only_what_counts_and_is_free_is_merged() {
        let objects: Objects =
            (0..6).map(|n| (key(n), LiveObject { size: 9, entry: u64::from(n) })).collect();
        let mut merges = Merges::default();
        for (into, parts) in [
            (4, vec![]),
            (4, vec![key(1), key(9)]),
            (4, vec![key(1), key(1)]),
            (4, vec![key(1), key(4)]),
            (9, vec![key(1), key(2)]),
        ] {
            merges.add(&objects, key(into), parts);
            assert_eq!(merges, Merges::default());
        }
        merges.add(&objects, key(4), vec![key(2), key(3)]);
        merges.add(&objects, key(5), vec![key(1), key(3)]);
        merges.add(&objects, key(4), vec![key(1)]);
        assert_eq!(merges.parts(&key(4)), [key(2), key(3)]);
        assert!(merges.has(&key(3)) && !merges.has(&key(1)) && merges.parts(&key(5)).is_empty());
        merges.add(&objects, key(5), vec![key(4), key(0)]);
        assert_eq!(merges.rank(&objects, key(5)), (2, key(2)));
        assert_eq!(merges.rank(&objects, key(1)), (1, key(1)));
    }
}
