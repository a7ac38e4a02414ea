//! A store of chunks in memory for this room's tests, which counts and can lose some.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use bytes::Bytes;
use lifeboat_codec::hash::IdKeys;
use lifeboat_format::id::ChunkId;
use lifeboat_format::keys::Secret32;
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};

use super::build::TreeBuilder;
use super::{ChunkSource, NodeSink, TreeKeys, TreeRoot};
use crate::error::{Error, Kind, Result};
use crate::reader::ChunkKind;

pub(crate) struct Keys {
    pub(crate) ids: IdKeys,
    pub(crate) boundary: Secret32,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { ids: IdKeys::new(&Secret32::new([1; 32])), boundary: Secret32::new([2; 32]) }
    }

    pub(crate) fn tree(&self) -> TreeKeys<'_> {
        TreeKeys { ids: &self.ids, boundary: &self.boundary }
    }
}

#[derive(Default)]
pub(crate) struct MemChunks {
    pub(crate) chunks: BTreeMap<ChunkId, Bytes>,
    fetched: Mutex<Vec<ChunkId>>,
    pub(crate) lost: HashSet<ChunkId>,
    /// How many chunks were put that were not there before, and their bytes.
    pub(crate) new: (usize, usize),
}

impl MemChunks {
    pub(crate) fn fetches(&self) -> usize {
        self.fetched.lock().unwrap().len()
    }

    pub(crate) fn forget_fetches(&self) {
        self.fetched.lock().unwrap().clear();
    }
}

impl NodeSink for MemChunks {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()> {
        let len = bytes.len();
        if self.chunks.insert(id, bytes.into()).is_none() {
            self.new = (self.new.0 + 1, self.new.1 + len);
        }
        Ok(())
    }
}

impl ChunkSource for MemChunks {
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        self.fetched.lock().unwrap().push(id);
        let chunk = self.chunks.get(&id).filter(|_| !self.lost.contains(&id));
        let chunk = chunk.ok_or_else(|| Error::new(Kind::Corrupt, "read chunk", id))?;
        assert_eq!(kind.id(&Keys::new().ids, chunk), id, "a chunk of another kind");
        Ok(chunk.clone())
    }
}

pub(crate) type Entries = BTreeMap<PathKey, Entry>;

pub(crate) fn key(path: &str) -> PathKey {
    path.split('/')
        .filter(|name| !name.is_empty())
        .fold(PathKey::root(), |key, name| key.child(name.as_bytes()).unwrap())
}

/// A file whose content is one chunk that `seed` names.
pub(crate) fn file(seed: u32) -> Entry {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&seed.to_le_bytes());
    let content = vec![Extent::Chunk { id: ChunkId(id), offset: 0, length: 1000 }];
    Entry { mode: 0o644, uid: 1000, size: 1000, content, ..Entry::default() }
}

pub(crate) fn directory() -> Entry {
    Entry { kind: EntryKind::Dir, mode: 0o755, ..Entry::default() }
}

/// A root with `directories` directories of `files` files.
pub(crate) fn many(directories: u32, files: u32) -> Entries {
    let mut entries = Entries::from([(PathKey::root(), directory())]);
    for outer in 0..directories {
        let name = format!("directory-{outer:05}");
        entries.insert(key(&name), directory());
        for inner in 0..files {
            entries.insert(
                key(&format!("{name}/some-file-{inner:04}.txt")),
                file(outer * files + inner),
            );
        }
    }
    entries
}

pub(crate) fn build(entries: &Entries, sink: &mut MemChunks) -> TreeRoot {
    let keys = Keys::new();
    let mut builder = TreeBuilder::new(keys.tree(), sink);
    for (key, entry) in entries {
        builder.push(key.clone(), entry).unwrap();
    }
    builder.finish().unwrap()
}
