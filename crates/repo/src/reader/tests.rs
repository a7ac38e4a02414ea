use std::collections::HashMap;
use std::time::{Duration, Instant};

use lifeboat_codec::Entropy;
use lifeboat_codec::compress::{Compressor, Level};
use lifeboat_codec::hash::object_hash;
use lifeboat_codec::seal::{ObjectSealer, Subject};
use lifeboat_format::Codec;
use lifeboat_format::envelope::{NO_EXTRA, ObjectType, Role};
use lifeboat_format::id::{PublicKey, RepositoryId};
use lifeboat_format::key::ObjectName;
use lifeboat_format::keys::{ContentKeys, EpochKeys, KeyBundle, Secret32};
use lifeboat_format::pack::FRAME_RAW_MAX;
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{Payload, Store, Verb, mem};
use lifeboat_testkit::entropy::entropy;
use lifeboat_testkit::link::LinkStore;

use super::*;

const REPOSITORY: RepositoryId = RepositoryId([5; 16]);
const MIB: usize = 1 << 20;

/// A pack that is being put together, with what an index would say of its chunks.
struct Draft {
    object_type: ObjectType,
    sealer: ObjectSealer,
    bytes: Vec<u8>,
    frames: Vec<(u32, u32, u32, u32, Codec)>,
    chunks: Vec<(ChunkId, usize, u32, u32)>,
}

fn int(len: usize) -> u32 {
    u32::try_from(len).unwrap()
}

impl Draft {
    fn new(world: &World, object_type: ObjectType) -> Self {
        let subject = Subject { object_type, epoch: 0, repository: REPOSITORY };
        let key = world.keyring.role_key(object_type, 0).unwrap();
        let sealer = ObjectSealer::new(key, &subject, &world.entropy).unwrap();
        let bytes = sealer.preamble().to_vec();
        Self { object_type, sealer, bytes, frames: Vec::new(), chunks: Vec::new() }
    }

    fn frame(&mut self, world: &World, kind: ChunkKind, chunks: &[&[u8]]) -> &mut Self {
        let raw = chunks.concat();
        let mut sealed = Vec::new();
        let codec = Compressor::new(Level::DEFAULT).unwrap().compress(&raw, &mut sealed).unwrap();
        // Numbers with gaps, as failed frames leave them.
        let number = 3 * int(self.frames.len());
        self.sealer.seal(Role::Frame, u64::from(number), &NO_EXTRA, &mut sealed).unwrap();
        let offset = int(self.bytes.len());
        let mut at = 0;
        for chunk in chunks {
            let id = kind.id(world.keyring.ids(), chunk);
            self.chunks.push((id, self.frames.len(), at, int(chunk.len())));
            at += int(chunk.len());
        }
        self.frames.push((number, offset, int(sealed.len()), int(raw.len()), codec));
        self.bytes.extend(sealed);
        self
    }

    fn gap(&mut self, len: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len() + len, 0xee);
        self
    }

    /// Puts the pack after `damage`, and returns its frames.
    fn put(&self, world: &mut World, damage: impl FnOnce(&mut Vec<u8>)) -> Vec<FrameRef> {
        let mut bytes = self.bytes.clone();
        let name = ObjectName { hash: object_hash(&bytes), upload: world.entropy.bytes().unwrap() };
        let pack = match self.object_type {
            ObjectType::TreePack => ObjectKey::Tree(name),
            _ => ObjectKey::Pack(name),
        };
        let pack_size = bytes.len() as u64;
        damage(&mut bytes);
        if !bytes.is_empty() {
            world.io.put_new(&pack, Payload::from(bytes)).unwrap();
        }
        let frames: Vec<_> = self
            .frames
            .iter()
            .map(|&(number, offset, sealed_len, raw_len, codec)| FrameRef {
                pack,
                offset,
                number,
                sealed_len,
                raw_len,
                codec,
                pack_size,
            })
            .collect();
        for &(id, frame, offset, length) in &self.chunks {
            let at = Location { frame: frames[frame], offset, length };
            world.index.entry(id).or_default().push(at);
        }
        frames
    }
}

#[derive(Default)]
struct MapIndex(HashMap<ChunkId, Vec<Location>>);

impl Locate for MapIndex {
    fn locate(&self, id: &ChunkId) -> Result<Option<Location>> {
        Ok(self.0.get(id).and_then(|copies| copies.first().copied()))
    }

    fn copies(&self, id: &ChunkId) -> Result<Vec<Location>> {
        Ok(self.0.get(id).cloned().unwrap_or_default())
    }
}

struct World {
    store: Arc<RecordStore>,
    io: Io,
    keyring: Arc<Keyring>,
    entropy: Entropy,
    index: HashMap<ChunkId, Vec<Location>>,
}

impl World {
    fn new() -> Self {
        Self::over(mem())
    }

    fn over(store: Arc<dyn Store>) -> Self {
        let store = Arc::new(RecordStore::new(store));
        let bundle = KeyBundle::new(
            REPOSITORY,
            PublicKey([0; 32]),
            ContentKeys::derive(&Secret32::new([1; 32])),
            vec![EpochKeys::derive(0, &Secret32::new([2; 32]))],
            Vec::new(),
        );
        Self {
            io: Io::new(Arc::<RecordStore>::clone(&store)).unwrap(),
            store,
            keyring: Arc::new(Keyring::new(bundle)),
            entropy: entropy(7),
            index: HashMap::new(),
        }
    }

    fn reader(&self, budget: u64) -> Reader {
        self.store.clear();
        let index = Arc::new(MapIndex(self.index.clone()));
        Reader::new(self.io.clone(), Arc::clone(&self.keyring), index, budget)
    }

    fn id(&self, kind: ChunkKind, chunk: &[u8]) -> ChunkId {
        kind.id(self.keyring.ids(), chunk)
    }

    fn gets(&self) -> usize {
        self.store.count(Verb::GetRange) + self.store.count(Verb::Get)
    }

    fn noise(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.entropy.fill(&mut bytes).unwrap();
        bytes
    }
}

/// Every different frame, by one thread.
fn fetch_all(
    reader: &Reader,
    frames: &[FrameRef],
    mut each: impl FnMut(&FrameRef, Result<Bytes>) -> Result<()>,
) -> Result<()> {
    let fetch = reader.fetch(frames.to_vec(), 32 << 20);
    while fetch.next(&mut each)? {}
    Ok(())
}

#[test]
fn chunks_of_each_kind_come_back() {
    let mut world = World::new();
    let noise = world.noise(50_000);
    let text = b"the same words again and again ".repeat(1000);
    let mut data = Draft::new(&world, ObjectType::DataPack);
    data.frame(&world, ChunkKind::Data, &[b"one", &text, b"three"])
        .frame(&world, ChunkKind::Data, &[&noise])
        .put(&mut world, |_| {});
    let mut tree = Draft::new(&world, ObjectType::TreePack);
    tree.frame(&world, ChunkKind::Node, &[b"a node", b"another"])
        .frame(&world, ChunkKind::Meta, &[b"a piece"])
        .put(&mut world, |_| {});
    assert_eq!(data.frames[0].4, Codec::Zstd);
    assert_eq!(data.frames[1].4, Codec::Stored);

    let reader = world.reader(8 << 20);
    let expected: [(ChunkKind, &[u8]); 7] = [
        (ChunkKind::Data, b"one"),
        (ChunkKind::Data, &text),
        (ChunkKind::Data, b"three"),
        (ChunkKind::Data, &noise),
        (ChunkKind::Node, b"a node"),
        (ChunkKind::Node, b"another"),
        (ChunkKind::Meta, b"a piece"),
    ];
    for (kind, chunk) in expected {
        assert_eq!(reader.read_chunk(kind, world.id(kind, chunk)).unwrap(), chunk);
    }
    // One request a frame, since each begins close to its preamble.
    assert_eq!(world.gets(), 4);
}

#[test]
fn an_id_is_checked_with_the_key_of_its_kind() {
    let mut world = World::new();
    Draft::new(&world, ObjectType::TreePack)
        .frame(&world, ChunkKind::Node, &[b"a node"])
        .put(&mut world, |_| {});
    let id = world.id(ChunkKind::Node, b"a node");
    let error = world.reader(1 << 20).read_chunk(ChunkKind::Meta, id).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    let text = error.to_string();
    assert!(text.contains("its bytes have another id"), "{text}");
    assert!(text.contains(&id.to_string()) && text.contains("frame 0 of trees/"), "{text}");
}

#[test]
fn what_the_index_lacks_is_not_found() {
    let world = World::new();
    let error = world.reader(0).read_chunk(ChunkKind::Data, ChunkId([9; 32])).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains(&ChunkId([9; 32]).to_string()), "{error}");
}

#[test]
fn frames_that_lie_close_together_come_with_one_request() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    let chunks: Vec<_> = (0..6).map(|_| world.noise(20_000)).collect();
    for (place, chunk) in chunks.iter().enumerate() {
        draft.frame(&world, ChunkKind::Data, &[chunk]);
        // A gap after the third frame that is not worth bridging.
        draft.gap(if place == 2 { 70 << 10 } else { 1000 });
    }
    let frames = draft.put(&mut world, |_| {});
    let reader = world.reader(32 << 20);
    let mut found = Vec::new();
    let wanted = [frames[5], frames[0], frames[0], frames[2], frames[3]];
    fetch_all(&reader, &wanted, |frame, bytes| {
        found.push((*frame, bytes?));
        Ok(())
    })
    .unwrap();
    let places = [0, 2, 3, 5];
    assert_eq!(found.len(), places.len());
    for ((frame, bytes), place) in found.iter().zip(places) {
        assert_eq!((frame, &bytes[..]), (&frames[place], &chunks[place][..]));
    }
    // The preamble comes with the first group and serves the second.
    let calls = world.store.calls().into_iter();
    let mut ranges: Vec<_> = calls.filter_map(|call| call.range).collect();
    // Both are on their way at once.
    ranges.sort_by_key(|range| range.start);
    assert_eq!(ranges, [0..frames[2].end(), u64::from(frames[3].offset)..frames[5].end()]);

    world.store.clear();
    fetch_all(&reader, &frames[..3], |_, bytes| bytes.map(drop)).unwrap();
    assert_eq!(world.gets(), 1, "only the frame that was not asked for before");
}

#[test]
fn one_request_never_takes_more_than_its_part_of_the_budget() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    for _ in 0..8 {
        let noise = world.noise(MIB / 2);
        draft.frame(&world, ChunkKind::Data, &[&noise]);
    }
    let frames = draft.put(&mut world, |_| {});
    let reader = world.reader(6 << 20);
    fetch_all(&reader, &frames, |_, bytes| bytes.map(drop)).unwrap();
    for call in world.store.calls() {
        let range = call.range.unwrap();
        assert!(range.end - range.start <= 3 * MIB as u64 / 2 + 200, "{range:?}");
    }
    assert_eq!(world.gets(), 4);
    // Eleven frames of half a MiB fit into the budget, so all are kept.
    assert_eq!(lock(&reader.shared.frames).weight(), 4 << 20);
    let small = world.reader(2 << 20);
    fetch_all(&small, &frames, |_, bytes| bytes.map(drop)).unwrap();
    assert!(lock(&small.shared.frames).weight() <= 2 << 20);
}

#[test]
fn a_frame_far_behind_its_preamble_costs_one_small_request_more() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    draft.gap(300_000).frame(&world, ChunkKind::Data, &[b"far"]);
    draft.put(&mut world, |_| {});
    let reader = world.reader(1 << 20);
    let id = world.id(ChunkKind::Data, b"far");
    assert_eq!(reader.read_chunk(ChunkKind::Data, id).unwrap(), &b"far"[..]);
    let ranges: Vec<_> = world.store.calls().into_iter().filter_map(|call| call.range).collect();
    assert_eq!(ranges[0], 0..104);
    assert_eq!(ranges.len(), 2);
}

#[test]
fn a_bad_copy_is_passed_over_for_a_good_one() {
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes[110] ^= 1,
        |bytes| bytes[40] ^= 1,
        |bytes| bytes[0] ^= 1,
        |bytes| bytes.truncate(108),
        Vec::clear,
    ];
    for damage in damages {
        let mut world = World::new();
        for is_good in [false, false, true] {
            let mut draft = Draft::new(&world, ObjectType::DataPack);
            draft.frame(&world, ChunkKind::Data, &[b"a chunk", b"its neighbour"]);
            let damage = if is_good { |_: &mut Vec<u8>| {} } else { damage };
            draft.put(&mut world, damage);
        }
        let id = world.id(ChunkKind::Data, b"a chunk");
        let reader = world.reader(1 << 20);
        assert_eq!(reader.read_chunk(ChunkKind::Data, id).unwrap(), &b"a chunk"[..]);

        let only_bad = world.index.get_mut(&id).unwrap().drain(..2).collect();
        world.index.insert(id, only_bad);
        let error = world.reader(1 << 20).read_chunk(ChunkKind::Data, id).unwrap_err();
        assert!(matches!(error.kind(), Kind::Corrupt | Kind::NotFound), "{error:?}");
        let text = error.to_string();
        let pack = world.index[&id][0].frame.pack.to_string();
        assert!(text.contains(&pack) && text.contains(&id.to_string()), "{text}");
        assert!(text.contains("frame 0"), "{text}");
    }
}

#[test]
fn of_a_pack_that_was_cut_off_the_rest_is_still_read() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    for _ in 0..4 {
        let noise = world.noise(1000);
        draft.frame(&world, ChunkKind::Data, &[&noise]);
    }
    let frames = draft.put(&mut world, |bytes| {
        let len = bytes.len();
        bytes[1500] ^= 1;
        bytes.truncate(len - 10);
    });
    let mut good = Vec::new();
    fetch_all(&world.reader(1 << 20), &frames, |_, bytes| {
        good.push(bytes.is_ok());
        Ok(())
    })
    .unwrap();
    assert_eq!(good, [true, false, true, false]);
}

#[test]
fn a_record_that_no_frame_can_have_is_refused_before_anything_is_fetched() {
    let mut world = World::new();
    let frame = Draft::new(&world, ObjectType::DataPack)
        .frame(&world, ChunkKind::Data, &[b"a chunk"])
        .put(&mut world, |_| {})[0];
    for wrong in [
        FrameRef { offset: u32::MAX, ..frame },
        FrameRef { sealed_len: u32::MAX, raw_len: FRAME_RAW_MAX, ..frame },
        FrameRef { raw_len: FRAME_RAW_MAX + 1, ..frame },
        FrameRef { sealed_len: frame.raw_len + 17, pack_size: u64::MAX, ..frame },
        FrameRef { pack: ObjectKey::Config, ..frame },
    ] {
        let reader = world.reader(1 << 20);
        let error = reader.read_frame(&wrong).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(world.gets(), 0, "{error}");
    }
    let reader = world.reader(1 << 20);
    for (number, raw_len) in [(1, 7), (0, 8)] {
        let error = reader.read_frame(&FrameRef { number, raw_len, ..frame }).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
    let at = Location { frame, offset: 3, length: u32::MAX };
    let error = reader.read_copy(ChunkKind::Data, ChunkId([0; 32]), &at).unwrap_err();
    assert!(error.to_string().contains("beyond the frame"), "{error}");
}

#[test]
fn an_error_of_the_caller_ends_the_work() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    for name in [&b"a"[..], b"b", b"c"] {
        draft.frame(&world, ChunkKind::Data, &[name]);
    }
    let frames = draft.put(&mut world, |_| {});
    let mut calls = 0;
    let result = fetch_all(&world.reader(1 << 20), &frames, |_, _| {
        calls += 1;
        Err(Error::new(Kind::Cancelled, "restore", "everything"))
    });
    assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(calls, 1);
}

#[test]
fn threads_share_what_was_read() {
    let mut world = World::new();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    let chunks: Vec<_> = (0..200_u32).map(|number| number.to_le_bytes().repeat(50)).collect();
    for part in chunks.chunks(20) {
        let part: Vec<_> = part.iter().map(Vec::as_slice).collect();
        draft.frame(&world, ChunkKind::Data, &part);
    }
    draft.put(&mut world, |_| {});
    let reader = world.reader(16 << 20);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for chunk in &chunks {
                    let id = world.id(ChunkKind::Data, chunk);
                    assert_eq!(reader.read_chunk(ChunkKind::Data, id).unwrap(), chunk);
                }
            });
        }
    });
    assert!(world.gets() <= 4 * 10, "{}", world.gets());
}

#[test]
fn threads_that_want_one_frame_at_once_fetch_it_once() {
    let mut world = World::over(Arc::new(LinkStore::new(mem(), Duration::from_millis(50))));
    let chunks: Vec<_> = (0..8_u32).map(|number| number.to_le_bytes().repeat(50)).collect();
    let parts: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
    let mut draft = Draft::new(&world, ObjectType::DataPack);
    draft.frame(&world, ChunkKind::Data, &parts).put(&mut world, |_| {});
    let lost = world.id(ChunkKind::Data, b"lost");
    draft = Draft::new(&world, ObjectType::DataPack);
    draft.frame(&world, ChunkKind::Data, &[b"lost"]).put(&mut world, Vec::clear);
    let reader = world.reader(1 << 20);
    std::thread::scope(|scope| {
        for chunk in &chunks {
            let (world, reader) = (&world, &reader);
            scope.spawn(move || {
                let id = world.id(ChunkKind::Data, chunk);
                assert_eq!(reader.read_chunk(ChunkKind::Data, id).unwrap(), chunk);
            });
        }
    });
    assert_eq!(world.gets(), 1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = reader.read_chunk(ChunkKind::Data, lost).unwrap_err();
                assert_eq!(error.kind(), Kind::NotFound, "{error}");
            });
        }
    });
    assert!(reader.shared.flights.is_empty());
}

#[test]
fn what_is_expected_is_there_when_it_is_asked_for() {
    let mut world = World::new();
    let chunks: Vec<_> = (0..6).map(|_| world.noise(20_000)).collect();
    for chunk in &chunks {
        let mut draft = Draft::new(&world, ObjectType::TreePack);
        draft.frame(&world, ChunkKind::Node, &[chunk]).put(&mut world, |_| {});
    }
    let ids: Vec<_> = chunks.iter().map(|chunk| world.id(ChunkKind::Node, chunk)).collect();
    let reader = world.reader(8 << 20);
    assert_eq!(reader.expect_max(), 8);
    // One that nobody has does no harm.
    reader.expect(&mut [ChunkId([9; 32])].into_iter().chain(ids.iter().copied()));
    let begun = Instant::now();
    while world.gets() < 6 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    for (id, chunk) in ids.iter().zip(&chunks) {
        assert_eq!(reader.read_chunk(ChunkKind::Node, *id).unwrap(), chunk);
    }
    assert_eq!(world.gets(), 6);
    // A reader that can keep next to nothing is told nothing.
    assert_eq!(world.reader(100).expect_max(), 0);
}
