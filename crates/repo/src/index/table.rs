//! Which segments there are, in the order in which they answer, and which of them may have an id.
//!
//! Knows keys and prefixes of ids; nothing of what a segment says. A table never changes: whoever adds
//! to it makes another, and who looks something up goes on with the one that it began with.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::ObjectKey;

use super::segment::Segment;
use crate::error::Kind;

/// A segment, open or not.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: ObjectKey,
    /// Its length in bytes.
    pub(super) size: u64,
    pub(super) prefix: IdPrefix,
    /// Names it in caches; no two segments of an index have the same, ever.
    pub(super) serial: u32,
    /// Kept open for good: whoever looks anything up asks it.
    pub(super) pinned: OnceLock<Arc<Segment>>,
    /// Why it can't be opened, once that is known: whoever looks anything up would try again.
    pub(super) lost: OnceLock<(Kind, String)>,
}

impl Slot {
    /// Whether it stays open once it is: it has records of all ids.
    pub(super) fn is_pinned(&self) -> bool {
        self.prefix == IdPrefix::WHOLE
    }
}

/// The segments of an index.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    slots: Vec<Arc<Slot>>,
    by_prefix: HashMap<IdPrefix, Vec<usize>>,
    /// The lengths of prefixes that there are.
    bits: Vec<u8>,
    /// All lengths together, in bytes.
    size: u64,
    /// Another one where places are others, and not only more.
    generation: u64,
}

impl Table {
    /// One to take the place of this one.
    pub(super) fn next(&self, slots: impl IntoIterator<Item = Arc<Slot>>) -> Self {
        let mut table = Self { generation: self.generation + 1, ..Self::default() };
        for slot in slots {
            table.push(slot);
        }
        table
    }

    /// Adds one that answers behind all others.
    pub(super) fn push(&mut self, slot: Arc<Slot>) {
        let bits = slot.prefix.bits();
        if !self.bits.contains(&bits) {
            self.bits.push(bits);
        }
        self.by_prefix.entry(slot.prefix).or_default().push(self.slots.len());
        self.size = self.size.saturating_add(slot.size);
        self.slots.push(slot);
    }

    pub(super) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// All lengths together, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The places of those that may have `id`, in order, from the place `from` on.
    pub(super) fn places_of(&self, id: &ChunkId, from: usize) -> Vec<usize> {
        let mut places: Vec<usize> = self
            .bits
            .iter()
            .filter_map(|bits| self.by_prefix.get(&IdPrefix::of(id, *bits)))
            .flatten()
            .copied()
            .filter(|place| *place >= from)
            .collect();
        places.sort_unstable();
        places
    }
}
