//! The stages that know what a repository has, on one thread: *claim*, *pack*, *put*, *index*, *locate*; and
//! *tree build*, *tree scan*, *tree diff*.
//!
//! `claim`: chunks a second that a run asks about. A usual chunk has 64 KiB, so each thousandth of a second in
//! a thousand claims is a second in 64 GB. `mine` is what this run has seen already, beside the standard
//! library's set. `new` asks the index first, and is bounded by `locate`.
//!
//! `pack`: bytes of new chunks that become frames, packs and a segment of the index in a store in memory, with
//! the claims of them; they are noise and are not compressed, so compare it with the cipher and the hashes
//! that each byte meets on the way, which stand beside it. `put`: bytes of a finished pack on their way to a
//! local repository, without waiting for the disk, beside a plain writing of as many.
//!
//! `index`: records a second that are made into a segment. `locate`: look-ups a second, of chunks that are
//! there and of ones that are not, with all blocks in memory, in one segment and in many; beside it a map in
//! memory, which can do no more than answer.
//!
//! `tree build`: entries a second; beside it their encoding and its hash alone, without which there is no tree.
//! `tree scan` is the way back, from nodes in memory. `tree diff`: entries of the old tree a second. Where
//! few changed, it should beat two scans by far; where each one changed, it can't take less than two.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use bench::corpus::Random;
use bench::input::{SEED, noise};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lifeboat_codec::compress::{Compression, Level};
use lifeboat_codec::hash::{IdKeys, object_hash};
use lifeboat_format::Codec;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{GENERATION, IndexRecord, PackKind, PackRecord};
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::Secret32;
use lifeboat_format::pack::FRAME_RAW_MAX;
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_repo::claim::{Claim, Claims};
use lifeboat_repo::error::Result;
use lifeboat_repo::index::Index;
use lifeboat_repo::index::write::SegmentDraft;
use lifeboat_repo::io::Io;
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::{InitOptions, Repository, init};
use lifeboat_repo::packer::{Packer, PackerOptions};
use lifeboat_repo::reader::{ChunkKind, Locate as _};
use lifeboat_repo::slots::{NewSlot, SlotSecret};
use lifeboat_repo::tree::build::TreeBuilder;
use lifeboat_repo::tree::diff::Diff;
use lifeboat_repo::tree::scan::Scan;
use lifeboat_repo::tree::{ChunkSource, NodeSink, TreeKeys, TreeRoot};
use lifeboat_store::local::LocalStore;
use lifeboat_store::{Payload, Store, mem};
use lifeboat_testkit::clock::TestClock;
use lifeboat_testkit::entropy::entropy;

const KEY: [u8; 32] = [1; 32];
/// The default of the program.
const MEMORY_BYTES: u64 = 256 << 20;
/// The usual lengths of a chunk and of a frame.
const CHUNK_BYTES: usize = 64 << 10;
const FRAME_BYTES: usize = 1 << 20;
const PACKED_BYTES: usize = 64 << 20;
const PUT_BYTES: usize = 16 << 20;
/// As many chunks as some 13 GB have.
const RECORDS: u64 = 200_000;
const LOOK_UPS: u64 = 10_000;
/// What a repository gathers before its segments are merged.
const MANY_SEGMENTS: u64 = 16;
/// One entry in so many changes.
const SELDOM: usize = 1000;

fn claim(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("claim");
    group.throughput(Throughput::Elements(LOOK_UPS));
    let index = index(1);
    let claim_all = |claims: &Claims, ids: &[ChunkId]| -> Claim {
        let mut last = Claim::Mine;
        for id in ids {
            last = claims.claim(id, |id| index.knows(id)).expect("the index can be read");
        }
        last
    };
    for (name, ids) in [("new", unknown()), ("known", known())] {
        group.bench_function(name, |bencher| {
            let routine = |claims: &mut Claims| claim_all(claims, &ids);
            bencher.iter_batched_ref(Claims::new, routine, BatchSize::LargeInput);
        });
    }
    let (claims, ids) = (Claims::new(), unknown());
    claim_all(&claims, &ids);
    group.bench_function("mine", |bencher| bencher.iter(|| claim_all(&claims, &ids)));
    let set: HashSet<ChunkId> = ids.iter().copied().collect();
    group.bench_function("HashSet", |bencher| {
        bencher.iter(|| ids.iter().filter(|id| set.contains(id)).count());
    });
    group.finish();
}

fn pack(criterion: &mut Criterion) {
    let data = noise(PACKED_BYTES);
    let keys = IdKeys::new(&Secret32::new(KEY));
    let chunks: Vec<_> = data.chunks(CHUNK_BYTES).map(|chunk| (keys.data(chunk), chunk)).collect();
    let mut group = criterion.benchmark_group("pack");
    group.sample_size(20).throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("chunks", |bencher| {
        let setup = || {
            let repository = repository(mem());
            let options = PackerOptions {
                compression: Compression::Fixed(Level::STORED),
                verify_encode: false,
                dry_run: false,
                workers: 1,
                bytes_max: MEMORY_BYTES / 2,
                records_max: usize::MAX,
            };
            Packer::new(&repository, Arc::new(empty_index(&repository)), options)
        };
        let routine = |packer: Packer| {
            let mut framer = packer.framer(PackKind::Data).expect("nothing failed yet");
            for (id, chunk) in &chunks {
                let claim = framer.offer(*id, chunk).expect("memory can be written");
                assert_eq!(claim, Claim::New, "each chunk is another one");
            }
            drop(framer);
            packer.flush().expect("memory can be written");
            packer
        };
        bencher.iter_batched(setup, routine, BatchSize::PerIteration);
    });
    let cipher = Aes256Gcm::new(&KEY.into());
    group.bench_function("AES-256-GCM, BLAKE3, CRC-32", |bencher| {
        let routine = |mut data: Vec<u8>| {
            let mut checksum = crc32fast::Hasher::new();
            for frame in data.chunks_mut(FRAME_BYTES) {
                let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &[], frame.into());
                black_box(tag.expect("a frame is not too long"));
            }
            for frame in data.chunks(FRAME_BYTES) {
                checksum.update(frame);
            }
            black_box((blake3::hash(&data), checksum.finalize()));
            data
        };
        bencher.iter_batched(|| data.clone(), routine, BatchSize::PerIteration);
    });
    group.finish();
}

fn put(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let store = LocalStore::create(&folder.path().join("repository"));
    let io = Io::new(Arc::new(store.expect("there is room for temporary files")))
        .expect("threads can be started");
    let data = Bytes::from(noise(PUT_BYTES));
    let mut group = criterion.benchmark_group("put");
    group.sample_size(20).throughput(Throughput::Bytes(PUT_BYTES as u64));
    let mut number = 0_u64;
    group.bench_function("local", |bencher| {
        let setup = || {
            if number > 0 {
                io.delete(&ObjectKey::Pack(name(number))).expect("it was put before");
            }
            number += 1;
            (ObjectKey::Pack(name(number)), Payload::from(data.clone()))
        };
        bencher.iter_batched(
            setup,
            |(key, payload)| io.put_soon(&key, payload).expect("there is room"),
            BatchSize::PerIteration,
        );
    });
    let path = folder.path().join("plain");
    group.bench_function("write", |bencher| {
        let setup = || {
            if path.exists() {
                fs::remove_file(&path).expect("it was written before");
            }
        };
        let routine = |()| fs::write(&path, &data).expect("there is room for temporary files");
        bencher.iter_batched(setup, routine, BatchSize::PerIteration);
    });
    group.finish();
}

fn segment(criterion: &mut Criterion) {
    let repository = repository(mem());
    let mut group = criterion.benchmark_group("index");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.bench_function("segment", |bencher| {
        let routine = |draft: SegmentDraft| {
            draft.seal(&repository, Level::DEFAULT).expect("its records point to its pack")
        };
        bencher.iter_batched(|| draft(0..RECORDS), routine, BatchSize::PerIteration);
    });
    group.finish();
}

fn locate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("locate");
    group.throughput(Throughput::Elements(LOOK_UPS));
    for (name, ids) in [("known", known()), ("unknown", unknown())] {
        for segments in [1, MANY_SEGMENTS] {
            let index = index(segments);
            let find = |id| index.locate(id).expect("the index can be read").is_some();
            group.bench_function(BenchmarkId::new(name, segments), |bencher| {
                bencher.iter(|| ids.iter().filter(|id| find(id)).count());
            });
        }
        let map: HashMap<ChunkId, u64> = (0..RECORDS).map(|number| (id(number), number)).collect();
        group.bench_function(BenchmarkId::new(name, "HashMap"), |bencher| {
            bencher.iter(|| ids.iter().filter_map(|id| map.get(id)).count());
        });
    }
    group.finish();
}

fn tree_build(criterion: &mut Criterion) {
    let entries = entries();
    let keys = Keys::new();
    let mut group = criterion.benchmark_group("tree build");
    group.sample_size(20).throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("entries", |bencher| {
        let paths = || entries.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        let routine = |paths: Vec<PathKey>| {
            let mut builder = TreeBuilder::new(keys.tree(), Nowhere);
            for (path, (_, entry)) in paths.into_iter().zip(&entries) {
                builder.push(path, entry).expect("they come in order");
            }
            builder.finish().expect("there are entries")
        };
        bencher.iter_batched(paths, routine, BatchSize::PerIteration);
    });
    group.bench_function("encode, BLAKE3", |bencher| {
        bencher.iter(|| {
            let mut encoded = Vec::new();
            let mut hasher = blake3::Hasher::new();
            for (_, entry) in &entries {
                encoded.clear();
                entry.encode(&mut encoded);
                hasher.update(&encoded);
            }
            hasher.finalize()
        });
    });
    group.finish();
}

fn tree_scan(criterion: &mut Criterion) {
    let entries = entries();
    let mut nodes = Nodes::default();
    let root = nodes.build(&entries);
    let mut group = criterion.benchmark_group("tree scan");
    group.sample_size(20).throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("entries", |bencher| {
        bencher.iter(|| {
            let found = Scan::new(&nodes, &root).filter(Result::is_ok).count();
            assert_eq!(found, entries.len(), "all of them");
        });
    });
    group.finish();
}

fn tree_diff(criterion: &mut Criterion) {
    let old_entries = entries();
    let mut nodes = Nodes::default();
    let old = nodes.build(&old_entries);
    let mut group = criterion.benchmark_group("tree diff");
    group.sample_size(20).throughput(Throughput::Elements(old_entries.len() as u64));
    for (name, step) in [("few changed", SELDOM), ("each changed", 1)] {
        let mut entries = old_entries.clone();
        let changed = entries.iter_mut().step_by(step).map(|(_, entry)| entry.mtime.secs += 1);
        let changed = changed.count();
        let new = nodes.build(&entries);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let found = Diff::new(&nodes, &old, &new).filter(Result::is_ok).count();
                assert_eq!(found, changed, "all of them");
            });
        });
    }
    group.finish();
}

fn repository(store: Arc<dyn Store>) -> Repository {
    let clock = Arc::new(TestClock::new());
    let mut options = InitOptions::new(entropy(SEED), clock, MEMORY_BYTES, "bench")
        .expect("seeded entropy does not end");
    let secret = SlotSecret::KeyFile(Secret32::new(KEY));
    options.slots.push(NewSlot { label: "bench".to_owned(), secret });
    let io = Io::new(store).expect("threads can be started");
    init(io, &options).expect("the store is empty")
}

fn empty_index(repository: &Repository) -> Index {
    let fold = Fold::load(repository).expect("the log is as it was made");
    Index::load(repository, &fold).expect("there are no segments yet")
}

/// An index of all records, spread over so many segments.
fn index(segments: u64) -> Index {
    let repository = repository(mem());
    let index = empty_index(&repository);
    let each = RECORDS / segments;
    for number in 0..segments {
        let draft = draft(number * each..(number + 1) * each);
        let segment = draft.seal(&repository, Level::DEFAULT).expect("records point to the pack");
        let size = segment.bytes.len() as u64;
        repository.io().put_new(&segment.key, segment.bytes.into()).expect("there is memory");
        index.add(segment.key, size).expect("it was just put");
    }
    index
}

/// Records of chunks in frames of some, all in one pack.
fn draft(numbers: std::ops::Range<u64>) -> SegmentDraft {
    const CHUNKS_IN_A_FRAME: u32 = 8;
    let chunk_bytes = FRAME_RAW_MAX / 16 / CHUNKS_IN_A_FRAME;
    let pack =
        PackRecord { name: name(numbers.start), size: u64::from(u32::MAX), kind: PackKind::Data };
    let records = numbers.zip(0..).map(|(number, place)| IndexRecord {
        id: id(number),
        pack: 0,
        frame: place / CHUNKS_IN_A_FRAME,
        frame_offset: 1000 + place,
        frame_sealed_len: chunk_bytes,
        frame_raw_len: chunk_bytes * CHUNKS_IN_A_FRAME,
        offset: place % CHUNKS_IN_A_FRAME * chunk_bytes,
        length: chunk_bytes,
        frame_codec: Codec::Zstd,
        generation: GENERATION,
    });
    SegmentDraft { packs: vec![pack], records: records.collect() }
}

fn id(number: u64) -> ChunkId {
    ChunkId(object_hash(&number.to_le_bytes()).0)
}

fn name(number: u64) -> ObjectName {
    ObjectName { hash: object_hash(&number.to_le_bytes()), upload: number.to_le_bytes() }
}

/// Ids that the index has, in no order.
fn known() -> Vec<ChunkId> {
    let mut random = Random::new(SEED, "known");
    (0..LOOK_UPS).map(|_| id(random.below(RECORDS))).collect()
}

/// Ids that it does not have, each once.
fn unknown() -> Vec<ChunkId> {
    (RECORDS..RECORDS + LOOK_UPS).map(id).collect()
}

/// A volume of files in directories, in path order.
fn entries() -> Vec<(PathKey, Entry)> {
    const DIRECTORIES: u64 = 500;
    const FILES: u64 = 100;
    let child = |above: &PathKey, name: String| above.child(name.as_bytes()).expect("it is a name");
    let common = Entry {
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        user: b"somebody".to_vec(),
        group: b"users".to_vec(),
        device: 1,
        links: 1,
        ..Entry::default()
    };
    let directory = Entry { kind: EntryKind::Dir, mode: 0o755, ..common.clone() };
    let mut entries = vec![(PathKey::root(), directory.clone())];
    let mut random = Random::new(SEED, "entries");
    for outer in 0..DIRECTORIES {
        let above = child(&PathKey::root(), format!("directory-{outer:05}"));
        entries.push((above.clone(), directory.clone()));
        for inner in 0..FILES {
            let number = outer * FILES + inner;
            let secs = 1_700_000_000 + random.below(10_000_000).cast_signed();
            let nanos = u32::try_from(random.below(1_000_000_000)).expect("a second has no more");
            let length = 1 + u32::try_from(random.below(CHUNK_BYTES as u64)).expect("it is short");
            let time = Time { secs, nanos };
            let file = Entry {
                mtime: time,
                ctime: time,
                inode: 100_000 + number,
                size: u64::from(length),
                content: vec![Extent::Chunk { id: id(number), offset: 0, length }],
                ..common.clone()
            };
            entries.push((child(&above, format!("some-file-{inner:04}.txt")), file));
        }
    }
    entries
}

/// The keys that trees are made with.
struct Keys {
    ids: IdKeys,
    boundary: Secret32,
}

impl Keys {
    fn new() -> Self {
        Self { ids: IdKeys::new(&Secret32::new(KEY)), boundary: Secret32::new(KEY) }
    }

    fn tree(&self) -> TreeKeys<'_> {
        TreeKeys { ids: &self.ids, boundary: &self.boundary }
    }
}

/// Keeps no node: what becomes of them is the packer's.
struct Nowhere;

impl NodeSink for Nowhere {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()> {
        black_box((id, bytes));
        Ok(())
    }
}

/// Nodes at hand.
#[derive(Default)]
struct Nodes(HashMap<ChunkId, Bytes>);

impl Nodes {
    fn build(&mut self, entries: &[(PathKey, Entry)]) -> TreeRoot {
        let keys = Keys::new();
        let mut builder = TreeBuilder::new(keys.tree(), self);
        for (path, entry) in entries {
            builder.push(path.clone(), entry).expect("they come in order");
        }
        builder.finish().expect("there are entries")
    }
}

impl NodeSink for Nodes {
    fn put_node(&mut self, id: ChunkId, bytes: Vec<u8>) -> Result<()> {
        self.0.insert(id, bytes.into());
        Ok(())
    }
}

impl ChunkSource for Nodes {
    fn chunk(&self, _kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        Ok(self.0[&id].clone())
    }
}

criterion_group!(stages, claim, pack, put, segment, locate, tree_build, tree_scan, tree_diff);
criterion_main!(stages);
