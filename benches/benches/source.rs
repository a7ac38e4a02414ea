//! The stages that look at the protected files, on one thread: *walk* and *read*.
//!
//! All files come from the page cache: what is measured is the processor's part, ours and the kernel's. Each
//! stage stands beside what a program does at least that looks at the same files with the standard
//! library. The difference is what order, exclusive ways of opening and second looks cost; a stage that takes
//! twice its primitive has something to explain.
//!
//! `walk`: entries a second; a backup in which nothing changed does little else. Rules are those of a
//! user who excludes a few things, none of which is there.
//!
//! `read/small`: files a second with their metadata, as a worker takes them in; `read/large`: bytes of
//! one file. Neither does anything with the bytes, so compare them with `cut` and `hash`, which each
//! byte meets next.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read as _};
use std::path::Path;

use bench::corpus::{Random, json};
use bench::input::{SEED, noise};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lifeboat::source::exclude::{ExcludeOptions, Excludes};
use lifeboat::source::meta::MetaReader;
use lifeboat::source::read::{Caching, changed, open_file};
use lifeboat::source::{Walk, WalkItem, WalkOptions};
use lifeboat_format::tree::EntryKind;

/// Enough that no directory's share of the time is seen.
const SMALL_FILES: u64 = 5000;
const LARGE_BYTES: usize = 64 << 20;
/// A worker reads so much at once.
const STRETCH_BYTES: usize = 4 << 20;

fn walk(criterion: &mut Criterion) {
    let folder = small_files();
    let entries = items(folder.path()).len();
    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(entries as u64));
    let patterns = ["*.tmp", "/proc", "node_modules/", "!keep.tmp", "cache/*"].map(str::to_owned);
    let options = ExcludeOptions { patterns: patterns.to_vec(), ..ExcludeOptions::default() };
    let rules = Excludes::new(&options).expect("they are rules");
    for (name, excludes) in [("everything", Excludes::none()), ("with rules", rules)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let walk = Walk::new(folder.path(), &WalkOptions::default(), &excludes);
                walk.expect("the root is there").count()
            });
        });
    }
    group.bench_function("readdir, lstat", |bencher| {
        bencher.iter(|| look_at(folder.path()).expect("the files are there"));
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let folder = small_files();
    let files: Vec<WalkItem> =
        items(folder.path()).into_iter().filter(|item| item.stat.kind == EntryKind::File).collect();
    let paths: Vec<_> = files.iter().map(|item| folder.path().join(name_below(item))).collect();
    let mut buffer = vec![0; STRETCH_BYTES];
    group.throughput(Throughput::Elements(files.len() as u64));
    group.bench_function("small", |bencher| {
        let meta = MetaReader::new();
        bencher.iter(|| files.iter().map(|item| take_in(item, &meta, &mut buffer)).sum::<usize>());
    });
    group.bench_function("small: open, fstat, read", |bencher| {
        bencher.iter(|| {
            for path in &paths {
                let mut file = File::open(path).expect("the file is there");
                black_box(file.metadata().expect("the file is there"));
                while file.read(&mut buffer).expect("the file can be read") > 0 {}
            }
        });
    });

    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let path = folder.path().join("large");
    fs::write(&path, noise(LARGE_BYTES)).expect("there is room for temporary files");
    let item = items(&path).remove(0);
    group.throughput(Throughput::Bytes(LARGE_BYTES as u64));
    group.sample_size(20);
    group.bench_function("large", |bencher| {
        let meta = MetaReader::new();
        bencher.iter(|| take_in(&item, &meta, &mut buffer));
    });
    group.bench_function("large: open, fstat, read", |bencher| {
        bencher.iter(|| {
            let mut file = File::open(&path).expect("the file is there");
            black_box(file.metadata().expect("the file is there"));
            while file.read(&mut buffer).expect("the file can be read") > 0 {}
        });
    });
    group.finish();
}

/// What a worker does to a file, but for what it does with the bytes.
fn take_in(item: &WalkItem, meta: &MetaReader, buffer: &mut [u8]) -> usize {
    let file = open_file(item, Caching::Usual).expect("the file is there");
    black_box(meta.read(item, Some(&file)).expect("a file always has metadata"));
    let mut bytes = 0;
    for segment in file.segments() {
        let segment = segment.expect("the file can be read");
        let end = segment.offset + segment.len;
        let mut at = segment.offset;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(buffer.len()).min(buffer.len());
            let read = file.read_at(at, &mut buffer[..wanted]).expect("the file can be read");
            assert_eq!(read, wanted, "nobody changes it");
            at += read as u64;
            bytes += read;
        }
    }
    let after = file.stat_now().expect("the file is there");
    assert!(!changed(file.stat(), &after), "nobody changes it");
    bytes
}

/// Records in JSON, a hundred in a folder.
fn small_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    json::write(folder.path(), &Random::new(SEED, "small files"), SMALL_FILES)
        .expect("there is room for temporary files");
    folder
}

fn items(root: &Path) -> Vec<WalkItem> {
    Walk::new(root, &WalkOptions::default(), &Excludes::none())
        .expect("the root is there")
        .map(|item| item.expect("nothing vanishes"))
        .collect()
}

fn name_below(item: &WalkItem) -> String {
    let names: Vec<_> =
        item.key.as_bytes().split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    names.join("/")
}

/// How many entries there are below `folder`, each looked at.
fn look_at(folder: &Path) -> io::Result<u64> {
    let mut entries = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries += 1;
        if entry.metadata()?.is_dir() {
            entries += look_at(&entry.path())?;
        }
    }
    Ok(entries)
}

criterion_group!(stages, walk, read);
criterion_main!(stages);
