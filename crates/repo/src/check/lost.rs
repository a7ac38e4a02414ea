//! What a check knows to be lost: whole packs, and single chunks of packs.
//!
//! Knows names and places in the report; bounded, since a repository may be damaged all over.

use std::collections::HashMap;

use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use crate::reader::Location;

/// Lost chunks that are remembered one by one, at some 100 bytes each.
const CHUNKS_MAX: usize = 200_000;

/// Packs and chunks that can't be had, each with its problem's place in the report.
#[derive(Debug, Default)]
pub(super) struct Lost {
    packs: HashMap<ObjectKey, Option<usize>>,
    chunks: HashMap<ChunkId, Vec<(ObjectKey, Option<usize>)>>,
}

impl Lost {
    /// Nothing of this pack can be had.
    pub(super) fn pack(&mut self, pack: ObjectKey, place: Option<usize>) {
        self.packs.entry(pack).or_insert(place);
    }

    /// This copy of a chunk can't be had.
    pub(super) fn chunk(&mut self, id: ChunkId, pack: ObjectKey, place: Option<usize>) {
        if self.chunks.len() < CHUNKS_MAX {
            self.chunks.entry(id).or_default().push((pack, place));
        }
    }

    /// Whether there is nothing lost, so that nobody need ask about single copies.
    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.chunks.is_empty()
    }

    /// Whether nothing of this pack can be had.
    pub(super) fn has_pack(&self, pack: &ObjectKey) -> bool {
        self.packs.contains_key(pack)
    }

    /// The problem that makes this copy of a chunk unreadable: `Some` if there is one, with its place.
    #[expect(clippy::option_option, reason = "lost or not, and then reported one by one or not")]
    pub(super) fn copy(&self, id: &ChunkId, at: &Location) -> Option<Option<usize>> {
        let pack = &at.frame.pack;
        if let Some(place) = self.packs.get(pack) {
            return Some(*place);
        }
        let (_, place) = self.chunks.get(id)?.iter().find(|(lost, _)| lost == pack)?;
        Some(*place)
    }
}
