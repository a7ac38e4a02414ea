//! Each stage of the codec by itself, on one core and on bytes that never change.
//!
//! `cargo bench -p bench --bench codec -- <filter>`; throughput is in plaintext bytes.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lifeboat_codec::compress::{Compressor, Decompressor, Level, looks_random};
use lifeboat_codec::cut::{Cutter, Params};
use lifeboat_codec::hash::{ContentHasher, IdKeys};
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener, ObjectSealer, Subject};
use lifeboat_codec::{Entropy, kdf};
use lifeboat_format::envelope::{ObjectType, Preamble, Role};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::keys::Secret32;
use lifeboat_format::keyslot::KdfParams;

const FRAME_BYTES: usize = 1 << 20;

/// An endless sequence of numbers that look random (xorshift).
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Text of the kind that exports are made of: zstd halves it.
fn text(length: usize) -> Vec<u8> {
    let mut next = numbers();
    let mut bytes = Vec::with_capacity(length + 100);
    while bytes.len() < length {
        let (id, count) = (next(), next() % 1000);
        bytes.extend(format!("{{\"id\":\"{id:016x}\",\"count\":{count},\"ok\":true}}\n").bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that nothing compresses.
fn noise(length: usize) -> Vec<u8> {
    let mut next = numbers();
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

fn cut(criterion: &mut Criterion) {
    let data = noise(16 << 20);
    let mut group = criterion.benchmark_group("cut");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for (min, avg, max) in [(8, 32, 128), (32, 128, 512), (256, 1024, 4096)] {
        let params = Params::new(min << 10, avg << 10, max << 10).expect("rising and even");
        let cutter = Cutter::new(&params, &Secret32::new([1; 32]));
        group.bench_function(BenchmarkId::from_parameter(format!("{avg} KiB")), |bencher| {
            bencher.iter(|| {
                let mut rest = data.as_slice();
                while let Some(length) = cutter.next(rest, true) {
                    rest = &rest[length..];
                }
            });
        });
    }
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let keys = IdKeys::new(&Secret32::new([1; 32]));
    let mut group = criterion.benchmark_group("hash");
    for length in [4 << 10, 128 << 10, FRAME_BYTES] {
        let chunk = noise(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("id", length), |bencher| {
            bencher.iter(|| keys.data(black_box(&chunk)));
        });
        group.bench_function(BenchmarkId::new("content", length), |bencher| {
            bencher.iter(|| {
                let mut hasher = ContentHasher::new();
                hasher.update(black_box(&chunk));
                hasher.finish()
            });
        });
    }
    group.finish();
}

fn compress(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(FRAME_BYTES as u64));
    let mut out = Vec::new();
    for (name, raw) in [("text", text(FRAME_BYTES)), ("noise", noise(FRAME_BYTES))] {
        group.bench_function(BenchmarkId::new("probe", name), |bencher| {
            bencher.iter(|| looks_random(black_box(&raw)));
        });
        for number in [1, 3] {
            let level = Level::zstd(number).expect("1 to 19 are levels");
            let mut compressor = Compressor::new(level).expect("there is memory");
            group.bench_function(BenchmarkId::new(format!("zstd {number}"), name), |bencher| {
                bencher.iter(|| compressor.compress(black_box(&raw), &mut out));
            });
        }
        let mut compressor = Compressor::new(Level::DEFAULT).expect("there is memory");
        let codec = compressor.compress(&raw, &mut out).expect("a frame is not too long");
        let (body, mut back) = (out.clone(), Vec::new());
        let mut decompressor = Decompressor::new();
        group.bench_function(BenchmarkId::new("decompress", name), |bencher| {
            bencher
                .iter(|| decompressor.decompress(codec, black_box(&body), FRAME_BYTES, &mut back));
        });
    }
    group.finish();
}

fn seal(criterion: &mut Criterion) {
    let key = Secret32::new([1; 32]);
    let subject =
        Subject { object_type: ObjectType::DataPack, epoch: 0, repository: RepositoryId([1; 16]) };
    let sealer = ObjectSealer::new(&key, &subject, &Entropy::os()).expect("there is entropy");
    let preamble = Preamble::decode(&sealer.preamble()).expect("it was just made");
    let opener = ObjectOpener::new(&key, subject.object_type, subject.repository, &preamble)
        .expect("it is the same key");

    let mut group = criterion.benchmark_group("seal");
    let mut number = 0;
    for length in [4 << 10, 128 << 10, FRAME_BYTES] {
        let raw = noise(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("seal", length), |bencher| {
            bencher.iter_batched_ref(
                || {
                    number += 1;
                    let mut buffer = Vec::with_capacity(length + 16);
                    buffer.extend_from_slice(&raw);
                    (number, buffer)
                },
                |(number, buffer)| sealer.seal(Role::Frame, *number, &NO_EXTRA, buffer),
                BatchSize::SmallInput,
            );
        });
        number += 1;
        let mut sealed = raw.clone();
        sealer.seal(Role::Frame, number, &NO_EXTRA, &mut sealed).expect("the number is new");
        group.bench_function(BenchmarkId::new("open", length), |bencher| {
            bencher.iter_batched_ref(
                || sealed.clone(),
                |buffer| opener.open_in_place(Role::Frame, number, &NO_EXTRA, buffer),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn derive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kdf");
    group.sample_size(10);
    let kdf = KdfParams::with_salt([7; 16]);
    group.bench_function("passphrase", |bencher| {
        bencher.iter(|| kdf::derive_kek_passphrase(&kdf, b"correct horse battery staple"));
    });
    group.finish();
}

criterion_group!(stages, cut, hash, compress, seal, derive);
criterion_main!(stages);
