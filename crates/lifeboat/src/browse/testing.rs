//! A small repository for this room's tests: each chunk in a sealed pack of its own, in a store in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use lifeboat_codec::Entropy;
use lifeboat_codec::clock::SystemClock;
use lifeboat_codec::seal::{NO_EXTRA, ObjectSealer, Subject};
use lifeboat_format::Codec;
use lifeboat_format::envelope::{ObjectType, Role};
use lifeboat_format::id::{ChunkId, ObjectHash, SnapshotId};
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::Secret32;
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::time::Time;
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

use super::ToShow;

/// Chunks in packs, and snapshots of them.
pub(super) struct Shop {
    keyring: Arc<Keyring>,
    io: Io,
    index: Arc<Map>,
}

#[derive(Default)]
struct Map {
    found: Mutex<HashMap<ChunkId, Location>>,
}

impl Locate for Map {
    fn locate(&self, id: &ChunkId) -> repo::error::Result<Option<Location>> {
        Ok(self.found.lock().unwrap().get(id).copied())
    }
}

impl NodeSink for &Shop {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> repo::error::Result<()> {
        self.pack(ObjectType::TreePack, id, bytes);
        Ok(())
    }
}

impl Shop {
    pub(super) fn new() -> Self {
        let io = Io::new(lifeboat_store::mem()).unwrap();
        let secret = SlotSecret::KeyFile(Secret32::new([7; 32]));
        let clock = Arc::new(SystemClock::new());
        let mut options = InitOptions::new(Entropy::os(), clock, 1 << 30, "test").unwrap();
        options.slots.push(NewSlot { label: "test".to_owned(), secret });
        let keyring = Arc::clone(init(io.clone(), &options).unwrap().keyring());
        Self { keyring, io, index: Arc::default() }
    }

    pub(super) fn reader(&self) -> Reader {
        let locate = Arc::clone(&self.index) as Arc<dyn Locate>;
        Reader::new(self.io.clone(), Arc::clone(&self.keyring), locate, 8 << 20)
    }

    /// Stores a chunk and gives its whole extent.
    pub(super) fn chunk(&self, bytes: &[u8]) -> Extent {
        let id = self.keyring.ids().data(bytes);
        self.pack(ObjectType::DataPack, id, bytes.to_vec());
        Extent::Chunk { id, offset: 0, length: u32::try_from(bytes.len()).unwrap() }
    }

    /// Makes the index forget the chunk of this extent.
    pub(super) fn lose(&self, extent: &Extent) {
        let Extent::Chunk { id, .. } = extent else { panic!("{extent:?} is in no chunk") };
        self.index.found.lock().unwrap().remove(id).unwrap();
    }

    /// An entry of a file of these extents, described as a backup would.
    pub(super) fn file(&self, extents: &[Extent]) -> Entry {
        let mut map = MapBuilder::new(self.keyring.ids(), self);
        extents.iter().for_each(|extent| map.push(extent.clone()).unwrap());
        let map = map.finish().unwrap();
        Entry { size: map.size, content: map.content, content_depth: map.depth, ..plain() }
    }

    /// A root at this path with these entries, by path below it.
    pub(super) fn root(&self, path: &str, entries: &[(&str, Entry)]) -> Root {
        let entries: BTreeMap<PathKey, &Entry> =
            entries.iter().map(|(path, entry)| (key(path), entry)).collect();
        let keys = TreeKeys { ids: self.keyring.ids(), boundary: self.keyring.tree_boundary_key() };
        let mut builder = TreeBuilder::new(keys, self);
        for (key, entry) in entries {
            builder.push(key, entry).unwrap();
        }
        let TreeRoot { id, level, entries, bytes } = builder.finish().unwrap();
        Root { path: path.as_bytes().to_vec(), tree: Some(id), level, entries, bytes }
    }

    fn pack(&self, object_type: ObjectType, id: ChunkId, mut bytes: Vec<u8>) {
        let epoch = self.keyring.newest_epoch();
        let key = self.keyring.role_key(object_type, epoch).unwrap();
        let subject = Subject { object_type, epoch, repository: self.keyring.repository() };
        let sealer = ObjectSealer::new(key, &subject, &Entropy::os()).unwrap();
        let mut pack_bytes = sealer.preamble().to_vec();
        let (offset, raw_len) = (len32(&pack_bytes), len32(&bytes));
        sealer.seal(Role::Frame, 0, &NO_EXTRA, &mut bytes).unwrap();
        let sealed_len = len32(&bytes);
        pack_bytes.append(&mut bytes);
        let name = ObjectName { hash: ObjectHash(*id.as_bytes()), upload: [0; 8] };
        let pack = match object_type {
            ObjectType::TreePack => ObjectKey::Tree(name),
            _ => ObjectKey::Pack(name),
        };
        let pack_size = pack_bytes.len() as u64;
        if self.index.found.lock().unwrap().contains_key(&id) {
            return;
        }
        self.io.put_new(&pack, Payload::from(pack_bytes)).unwrap();
        let codec = Codec::Stored;
        let frame = FrameRef { pack, offset, number: 0, sealed_len, raw_len, codec, pack_size };
        let location = Location { frame, offset: 0, length: raw_len };
        self.index.found.lock().unwrap().insert(id, location);
    }
}

/// A file with everything but content.
pub(super) fn plain() -> Entry {
    let mtime = Time { secs: 1_500_000_000, nanos: 123_456_789 };
    Entry { mode: 0o640, uid: 1000, gid: 100, mtime, ctime: mtime, ..Entry::default() }
}

pub(super) fn dir() -> Entry {
    Entry { kind: EntryKind::Dir, mode: 0o750, ..plain() }
}

pub(super) fn key(path: &str) -> PathKey {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    PathKey::from_bytes(names.join("\0").into_bytes()).unwrap()
}

/// A snapshot with this number as its id, of this host and time; of a root that was missing if there are none.
pub(super) fn snapshot(
    number: u8,
    host: &str,
    time: &str,
    tags: &[&str],
    mut roots: Vec<Root>,
) -> Snapshot {
    if roots.is_empty() {
        roots.push(Root { path: b"/x".to_vec(), tree: None, level: 0, entries: 0, bytes: 0 });
    }
    let json = serde_json::json!({
        "version": 1, "id": SnapshotId([number; 16]), "run": "11".repeat(16),
        "source": { "host": host, "roots": [] }, "source_key": "host:", "kind": "full",
        "roots": roots, "started": time, "ended": time, "outcome": "complete", "tool": "test",
        "tags": tags,
    });
    Snapshot::decode(json.to_string().as_bytes()).unwrap()
}

/// All of them, with nothing lost.
pub(super) fn show(snapshots: &[Snapshot]) -> impl Iterator<Item = ToShow<'_>> {
    snapshots.iter().map(|snapshot| ToShow { snapshot, may_be_outdated: false })
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}
