//! A small repository for this room's tests: sealed packs in a store in memory, and an index that is
//! a map. Chunks can be lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use lifeboat_codec::Entropy;
use lifeboat_codec::clock::SystemClock;
use lifeboat_codec::seal::{NO_EXTRA, ObjectSealer, Subject};
use lifeboat_format::Codec;
use lifeboat_format::envelope::{ObjectType, Role};
use lifeboat_format::id::{ChunkId, ObjectHash};
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::Secret32;
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_repo as repo;
use lifeboat_repo::io::Io;
use lifeboat_repo::keyring::Keyring;
use lifeboat_repo::open::{InitOptions, init};
use lifeboat_repo::reader::{FrameRef, Locate, Location, Reader};
use lifeboat_repo::slots::{NewSlot, SlotSecret};
use lifeboat_repo::tree::build::TreeBuilder;
use lifeboat_repo::tree::map::MapBuilder;
use lifeboat_repo::tree::{NodeSink, TreeKeys, TreeRoot};
use lifeboat_store::Payload;

use super::place;

/// How many chunks lie in a frame, and how many frames in a pack.
const FRAME_CHUNKS: usize = 3;
const PACK_FRAMES: usize = 4;

/// Chunks that are being gathered.
pub(super) struct Shelf {
    pub(super) keyring: Arc<Keyring>,
    io: Io,
    data: BTreeMap<ChunkId, Vec<u8>>,
    meta: BTreeMap<ChunkId, Vec<u8>>,
    roots: Vec<Root>,
}

/// A snapshot that can be restored.
pub(super) struct Stored {
    pub(super) snapshot: Snapshot,
    pub(super) reader: Reader,
    pub(super) index: Arc<Map>,
    pub(super) io: Io,
}

#[derive(Default)]
pub(super) struct Map {
    found: Mutex<HashMap<ChunkId, Location>>,
}

impl Map {
    /// Makes the index forget a chunk.
    pub(super) fn lose(&self, id: &ChunkId) {
        assert!(self.found.lock().unwrap().remove(id).is_some());
    }

    pub(super) fn find(&self, id: &ChunkId) -> Location {
        self.found.lock().unwrap()[id]
    }
}

impl Locate for Map {
    fn locate(&self, id: &ChunkId) -> repo::error::Result<Option<Location>> {
        Ok(self.found.lock().unwrap().get(id).copied())
    }
}

impl NodeSink for &mut Shelf {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> repo::error::Result<()> {
        self.meta.insert(id, bytes);
        Ok(())
    }
}

impl Shelf {
    pub(super) fn new() -> Self {
        let io = Io::new(lifeboat_store::mem()).unwrap();
        let keyring = keyring(&io);
        let (data, meta, roots) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { keyring, io, data, meta, roots }
    }

    /// Stores a chunk and gives its whole extent.
    pub(super) fn chunk(&mut self, bytes: &[u8]) -> Extent {
        let id = self.keyring.ids().data(bytes);
        self.data.insert(id, bytes.to_vec());
        Extent::Chunk { id, offset: 0, length: u32::try_from(bytes.len()).unwrap() }
    }

    /// An entry of a file of these extents, described as a backup would.
    pub(super) fn file(&mut self, extents: Vec<Extent>) -> Entry {
        let keyring = Arc::clone(&self.keyring);
        let mut map = MapBuilder::new(keyring.ids(), self);
        extents.into_iter().for_each(|extent| map.push(extent).unwrap());
        let map = map.finish().unwrap();
        Entry { size: map.size, content: map.content, content_depth: map.depth, ..own() }
    }

    /// Adds a root at this path with these entries, by path.
    pub(super) fn root(&mut self, path: &str, entries: &[(&str, Entry)]) {
        let entries: BTreeMap<PathKey, &Entry> =
            entries.iter().map(|(path, entry)| (key(path), entry)).collect();
        let keyring = Arc::clone(&self.keyring);
        let keys = TreeKeys { ids: keyring.ids(), boundary: keyring.tree_boundary_key() };
        let mut builder = TreeBuilder::new(keys, &mut *self);
        for (key, entry) in entries {
            builder.push(key, entry).unwrap();
        }
        let TreeRoot { id, level, entries, bytes } = builder.finish().unwrap();
        let path = path.as_bytes().to_vec();
        self.roots.push(Root { path, tree: Some(id), level, entries, bytes });
    }

    /// Adds a root that was missing.
    pub(super) fn missing_root(&mut self, path: &str) {
        let path = path.as_bytes().to_vec();
        self.roots.push(Root { path, tree: None, level: 0, entries: 0, bytes: 0 });
    }

    /// Seals everything into packs.
    pub(super) fn store(self) -> Stored {
        let index = Arc::new(Map::default());
        for (kind, chunks) in
            [(ObjectType::DataPack, &self.data), (ObjectType::TreePack, &self.meta)]
        {
            let chunks: Vec<_> = chunks.iter().collect();
            for pack in chunks.chunks(FRAME_CHUNKS * PACK_FRAMES) {
                self.pack(kind, pack, &index);
            }
        }
        let locate = Arc::clone(&index) as Arc<dyn Locate>;
        let reader = Reader::new(self.io.clone(), self.keyring, locate, 1 << 20);
        Stored { snapshot: snapshot(self.roots), reader, index, io: self.io }
    }

    fn pack(&self, object_type: ObjectType, chunks: &[(&ChunkId, &Vec<u8>)], index: &Map) {
        let repository = self.keyring.repository();
        let epoch = self.keyring.newest_epoch();
        let key = self.keyring.role_key(object_type, epoch).unwrap();
        let subject = Subject { object_type, epoch, repository };
        let sealer = ObjectSealer::new(key, &subject, &Entropy::os()).unwrap();
        let mut bytes = sealer.preamble().to_vec();
        let mut located = Vec::new();
        for (number, frame) in (0..).zip(chunks.chunks(FRAME_CHUNKS)) {
            let mut buffer: Vec<u8> =
                frame.iter().flat_map(|(_, chunk)| chunk.iter().copied()).collect();
            let raw_len = len32(&buffer);
            sealer.seal(Role::Frame, u64::from(number), &NO_EXTRA, &mut buffer).unwrap();
            let mut at = 0;
            for (id, chunk) in frame {
                let (offset, sealed_len) = (len32(&bytes), len32(&buffer));
                located.push((**id, (number, offset, sealed_len, raw_len), at, len32(chunk)));
                at += len32(chunk);
            }
            bytes.extend_from_slice(&buffer);
        }
        let pack_size = bytes.len() as u64;
        let name = ObjectName { hash: ObjectHash(*chunks[0].0.as_bytes()), upload: [0; 8] };
        let pack = match object_type {
            ObjectType::TreePack => ObjectKey::Tree(name),
            _ => ObjectKey::Pack(name),
        };
        self.io.put_new(&pack, Payload::from(bytes)).unwrap();
        let mut found = index.found.lock().unwrap();
        for (id, (number, offset, sealed_len, raw_len), at, length) in located {
            let codec = Codec::Stored;
            let frame = FrameRef { pack, offset, number, sealed_len, raw_len, codec, pack_size };
            found.insert(id, Location { frame, offset: at, length });
        }
    }
}

/// A file of the user's own, at a known time.
pub(super) fn own() -> Entry {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let mtime = lifeboat_format::time::Time { secs: 1_500_000_000, nanos: 123_456_789 };
    Entry { mode: 0o640, uid: uid.as_raw(), gid: gid.as_raw(), mtime, ..Entry::default() }
}

pub(super) fn dir() -> Entry {
    Entry { kind: EntryKind::Dir, mode: 0o750, ..own() }
}

pub(super) fn symlink(target: &str) -> Entry {
    Entry { kind: EntryKind::Symlink, mode: 0o777, target: target.into(), ..own() }
}

pub(super) fn key(path: &str) -> PathKey {
    place::root_key(path.as_bytes()).unwrap()
}

/// The keys of a new repository.
fn keyring(io: &Io) -> Arc<Keyring> {
    let clock = Arc::new(SystemClock::new());
    let secret = SlotSecret::KeyFile(Secret32::new([7; 32]));
    let mut options = InitOptions::new(Entropy::os(), clock, 1 << 30, "test").unwrap();
    options.slots.push(NewSlot { label: "test".to_owned(), secret });
    Arc::clone(init(io.clone(), &options).unwrap().keyring())
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn snapshot(roots: Vec<Root>) -> Snapshot {
    let time = "2026-11-20T15:04:05Z";
    let json = serde_json::json!({
        "version": 1, "id": "00".repeat(16), "run": "11".repeat(16),
        "source": { "host": "host", "roots": [] }, "source_key": "host:", "kind": "full",
        "roots": roots, "started": time, "ended": time, "outcome": "complete", "tool": "test",
    });
    Snapshot::decode(json.to_string().as_bytes()).unwrap()
}
