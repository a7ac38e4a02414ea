//! The stages that make files again, on one thread: *write* and *metadata*.
//!
//! Nothing is waited for until it is on the disk, so these are the processor's parts, ours and the
//! kernel's; the directory for temporary files says on which file system (`TMPDIR` sets it). Each stage
//! stands beside what the standard library does at least for the same files. What is ours on top is names
//! that are checked, files that are looked at as soon as they are made, and sizes that are set first.
//!
//! `write/small`: files a second, each made, written and closed; `write/large`: bytes of one file that
//! comes chunk by chunk. Compare `write/large` with `inflate` and `verify id`, which each byte has met
//! before. `metadata`: files a second whose owner is right already, which is what most are.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bench::input::noise;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lifeboat::target::dir::Target;
use lifeboat::target::meta::LastFlags;
use lifeboat::target::{Dir, Fault, MetaWriter, Metadata, Node, file};

/// As many as may be open at once where the limit is the usual one.
const SMALL_FILES: usize = 500;
const SMALL_BYTES: usize = 4 << 10;
const LARGE_BYTES: usize = 64 << 20;
/// The usual length of a chunk.
const CHUNK_BYTES: usize = 64 << 10;
const MODE: u32 = 0o640;
const MTIME_SECS: u64 = 1_500_000_000;

/// An empty target, its path, and the directory that it goes with.
struct Place {
    dir: Dir,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let path = folder.path().join("target");
        let dir = Target::open(&path).expect("there is room for temporary files").dir;
        Self { dir, path, _folder: folder }
    }
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    group.sample_size(20);
    let (names, small) = (names(), noise(SMALL_BYTES));
    group.throughput(Throughput::Elements(SMALL_FILES as u64));
    group.bench_function("small", |bencher| {
        let routine = |place: Place| {
            names.iter().for_each(|name| drop(make(&place.dir, name, &small)));
            place
        };
        bencher.iter_batched(Place::new, routine, BatchSize::PerIteration);
    });
    group.bench_function("small: create, write", |bencher| {
        let routine = |place: Place| {
            for name in &names {
                let file = File::create_new(place.path.join(name)).expect("there is nothing yet");
                file.write_all_at(&small, 0).expect("there is room for temporary files");
            }
            place
        };
        bencher.iter_batched(Place::new, routine, BatchSize::PerIteration);
    });

    let large = noise(LARGE_BYTES);
    group.throughput(Throughput::Bytes(LARGE_BYTES as u64));
    group.bench_function("large", |bencher| {
        let routine = |place: Place| {
            drop(make(&place.dir, "large", &large));
            place
        };
        bencher.iter_batched(Place::new, routine, BatchSize::PerIteration);
    });
    group.bench_function("large: create, write", |bencher| {
        let routine = |place: Place| {
            let file = File::create_new(place.path.join("large")).expect("there is nothing yet");
            for (number, chunk) in (0..).zip(large.chunks(CHUNK_BYTES)) {
                let at = number * CHUNK_BYTES as u64;
                file.write_all_at(chunk, at).expect("there is room for temporary files");
            }
            place
        };
        bencher.iter_batched(Place::new, routine, BatchSize::PerIteration);
    });
    group.finish();
}

fn metadata(criterion: &mut Criterion) {
    let names = names();
    let mut group = criterion.benchmark_group("metadata");
    group.sample_size(20).throughput(Throughput::Elements(SMALL_FILES as u64));
    group.bench_function("set", |bencher| {
        let writer = MetaWriter::new(true);
        let setup = || {
            let place = Place::new();
            let own = fs::metadata(&place.path).expect("it was just made");
            let metadata = Metadata {
                mode: MODE,
                uid: own.uid(),
                gid: own.gid(),
                mtime_secs: MTIME_SECS.cast_signed(),
                ..Metadata::default()
            };
            let made = |name: &String| make(&place.dir, name, &[]);
            (names.iter().map(made).collect::<Vec<_>>(), metadata, place)
        };
        let routine = |(nodes, metadata, place): (Vec<Node>, Metadata, Place)| {
            let mut faults: Vec<Fault> = Vec::new();
            let mut fault = |fault| faults.push(fault);
            for node in &nodes {
                writer.finish(node, &place.dir, &metadata, LastFlags::Now, &mut fault);
            }
            assert!(faults.is_empty(), "{faults:?}");
            (nodes, place)
        };
        bencher.iter_batched(setup, routine, BatchSize::PerIteration);
    });
    group.bench_function("fchmod, futimens", |bencher| {
        let setup = || {
            let place = Place::new();
            let path = |name: &String| place.path.join(name);
            let made = |name: &String| File::create_new(path(name)).expect("there is nothing yet");
            (names.iter().map(made).collect::<Vec<_>>(), place)
        };
        let mtime = SystemTime::UNIX_EPOCH + Duration::from_secs(MTIME_SECS);
        let routine = |(files, place): (Vec<File>, Place)| {
            for file in &files {
                let mode = fs::Permissions::from_mode(MODE);
                file.set_permissions(mode).expect("the file is ours");
                file.set_modified(mtime).expect("the file is ours");
            }
            (files, place)
        };
        bencher.iter_batched(setup, routine, BatchSize::PerIteration);
    });
    group.finish();
}

fn names() -> Vec<String> {
    (0..SMALL_FILES).map(|number| format!("file-{number:04}")).collect()
}

/// Makes a file as a restore does, and writes its chunks.
fn make(dir: &Dir, name: &str, content: &[u8]) -> Node {
    let node = Node::create_file(dir, name.as_bytes()).expect("there is nothing yet");
    if !content.is_empty() {
        file::set_size(&node, content.len() as u64).expect("there is room for temporary files");
    }
    for (number, chunk) in (0..).zip(content.chunks(CHUNK_BYTES)) {
        let at = number * CHUNK_BYTES as u64;
        file::write_at(&node, chunk, at).expect("there is room for temporary files");
    }
    node
}

criterion_group!(stages, write, metadata);
criterion_main!(stages);
