//! Trees at work: built as a walk goes on, read back in path order, and compared.
//!
//! Knows nodes, entries and content maps; not where their chunks lie ([`ChunkSource`]) or how they
//! are kept ([`NodeSink`]), nor any file system. Everything here streams: what is held in memory is
//! one node a level, whatever the number of entries.
//!
//! Invariant: what is built depends on the entries alone, so equal ids mean equal subtrees.

pub mod build;
mod cursor;
pub mod diff;
pub mod map;
pub mod nodes;
pub mod scan;
pub mod xattr;

#[cfg(test)]
mod testing;

use bytes::Bytes;
use lifeboat_codec::hash::IdKeys;
use lifeboat_format::id::ChunkId;
use lifeboat_format::keys::Secret32;

use crate::error::Result;
use crate::keyring::Keyring;
use crate::reader::ChunkKind;

/// Where a tree begins, as its snapshot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeRoot {
    /// The topmost node.
    pub id: ChunkId,
    /// Its level; 0 for a tree that is one leaf.
    pub level: u8,
    /// How many entries the tree has.
    pub entries: u64,
    /// How many bytes of content they have, as their sizes say.
    pub bytes: u64,
}

/// The content keys that trees are made with.
#[derive(Clone, Copy, Debug)]
pub struct TreeKeys<'k> {
    /// The keys of chunk ids.
    pub ids: &'k IdKeys,
    /// The key of the hash that says where nodes begin.
    pub boundary: &'k Secret32,
}

impl<'k> From<&'k Keyring> for TreeKeys<'k> {
    fn from(keyring: &'k Keyring) -> Self {
        Self { ids: keyring.ids(), boundary: keyring.tree_boundary_key() }
    }
}

/// Takes chunks of metadata to be kept: nodes, pieces of content maps, large attributes.
pub trait NodeSink {
    /// Keeps `bytes` under `id`, unless they are kept already.
    ///
    /// # Errors
    /// When they can't be kept; the run is then over.
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()>;
}

impl<S: NodeSink + ?Sized> NodeSink for &mut S {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()> {
        (**self).put_node(id, bytes)
    }
}

/// Gives chunks back, by id; threads share one.
pub trait ChunkSource: Send + Sync {
    /// The verified plaintext of the chunk.
    ///
    /// # Errors
    /// `NotFound` or `Corrupt` when it is lost, with the chunk and its pack named; or the store's own.
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes>;

    /// How many chunks are worth announcing to [`ChunkSource::expect`] at once; none where chunks are
    /// at hand.
    fn expect_max(&self) -> usize {
        0
    }

    /// Hears which chunks will be asked for soon, in which order, so that they can be on their way.
    fn expect(&self, _ids: &mut dyn Iterator<Item = ChunkId>) {}
}

impl<S: ChunkSource + ?Sized> ChunkSource for &S {
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        (**self).chunk(kind, id)
    }

    fn expect_max(&self) -> usize {
        (**self).expect_max()
    }

    fn expect(&self, ids: &mut dyn Iterator<Item = ChunkId>) {
        (**self).expect(ids);
    }
}
