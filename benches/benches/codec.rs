//! The stages from bytes to bytes, on one core: *cut*, *hash*, *compress*, *inflate*, *seal*, *open*; and
//! the derivation of a key, and the parity of a pack.
//!
//! Throughput is in plaintext bytes everywhere, so that figures can be compared: a byte of a first backup
//! takes the sum of the times of *cut*, *hash* (twice: its chunk's id, its file's content), *compress*
//! and *seal*, one of a restore that of *open*, *inflate* and *hash*. Beside each stage stands the library
//! that it wraps, under its own name and called as plainly as can be. They should be equal to within the
//! noise: what is missing is ours. `derive` is slow on purpose, and what somebody who guesses pays.

use std::hint::black_box;
use std::ops::Range;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use bench::input::{noise, text};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lifeboat_codec::compress::{Compressor, Decompressor, Level, looks_random};
use lifeboat_codec::cut::{Cutter, Params};
use lifeboat_codec::hash::{ContentHasher, IdKeys};
use lifeboat_codec::kdf;
use lifeboat_codec::parity::{Code, Column};
use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener, ObjectSealer, Subject, TAG_BYTES};
use lifeboat_format::envelope::{ObjectType, Preamble, Role};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::keys::Secret32;
use lifeboat_format::keyslot::KdfParams;
use lifeboat_testkit::entropy::entropy;

/// A usual frame.
const FRAME_BYTES: usize = 1 << 20;
/// A small file, a usual chunk, a usual frame.
const LENGTHS: [usize; 3] = [4 << 10, 64 << 10, FRAME_BYTES];
const KEY: [u8; 32] = [1; 32];

fn cut(criterion: &mut Criterion) {
    let data = noise(16 << 20);
    let mut group = criterion.benchmark_group("cut");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for (min, avg, max) in [(8, 32, 128), (32, 128, 512), (256, 1024, 4096)] {
        let [min, avg, max] = [min << 10, avg << 10, max << 10];
        let params = Params::new(min, avg, max).expect("rising and even");
        let cutter = Cutter::new(&params, &Secret32::new(KEY));
        let sizes = format!("{} KiB", avg >> 10);
        group.bench_function(BenchmarkId::new("lengths", &sizes), |bencher| {
            bencher.iter(|| {
                let mut rest = black_box(data.as_slice());
                while let Some(length) = cutter.next(rest, true) {
                    rest = &rest[length..];
                }
            });
        });
        let [min, avg, max] = [min, avg, max].map(|bytes| bytes as usize);
        group.bench_function(BenchmarkId::new("FastCDC", &sizes), |bencher| {
            let cuts = || fastcdc::v2020::FastCDC::new(black_box(&data), min, avg, max).count();
            bencher.iter(cuts);
        });
    }
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let keys = IdKeys::new(&Secret32::new(KEY));
    let mut group = criterion.benchmark_group("hash");
    for length in LENGTHS {
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
        group.bench_function(BenchmarkId::new("BLAKE3", length), |bencher| {
            bencher.iter(|| blake3::keyed_hash(&KEY, black_box(&chunk)));
        });
    }
    group.finish();
}

fn compress(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(FRAME_BYTES as u64));
    let mut out = Vec::with_capacity(2 * FRAME_BYTES);
    for (name, raw) in [("text", text(FRAME_BYTES)), ("noise", noise(FRAME_BYTES))] {
        group.bench_function(BenchmarkId::new("probe", name), |bencher| {
            bencher.iter(|| looks_random(black_box(&raw)));
        });
        for number in [1, 3] {
            let level = Level::zstd(number).expect("1 to 19 are levels");
            let mut compressor = Compressor::new(level).expect("there is memory");
            group.bench_function(BenchmarkId::new(format!("level {number}"), name), |bencher| {
                bencher.iter(|| compressor.compress(black_box(&raw), &mut out));
            });
            let mut zstd = zstd::bulk::Compressor::new(number).expect("there is memory");
            group.bench_function(BenchmarkId::new(format!("zstd {number}"), name), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    zstd.compress_to_buffer(black_box(&raw), &mut out)
                });
            });
        }
    }
    group.finish();
}

fn inflate(criterion: &mut Criterion) {
    let raw = text(FRAME_BYTES);
    let mut compressor = Compressor::new(Level::DEFAULT).expect("there is memory");
    let mut body = Vec::new();
    let codec = compressor.compress(&raw, &mut body).expect("a frame is not too long");
    let mut group = criterion.benchmark_group("inflate");
    group.throughput(Throughput::Bytes(FRAME_BYTES as u64));
    let mut out = Vec::with_capacity(FRAME_BYTES);
    group.bench_function("text", |bencher| {
        let mut decompressor = Decompressor::new();
        bencher.iter(|| decompressor.decompress(codec, black_box(&body), FRAME_BYTES, &mut out));
    });
    group.bench_function("zstd", |bencher| {
        let mut zstd = zstd::bulk::Decompressor::new().expect("there is memory");
        bencher.iter(|| {
            out.clear();
            zstd.decompress_to_buffer(black_box(&body), &mut out)
        });
    });
    group.finish();
}

fn seal(criterion: &mut Criterion) {
    let (sealer, _) = sealer_and_opener();
    let cipher = Aes256Gcm::new(&KEY.into());
    let mut group = criterion.benchmark_group("seal");
    let mut number = 0;
    for length in LENGTHS {
        let raw = noise(length);
        let buffer = || {
            let mut buffer = Vec::with_capacity(length + TAG_BYTES);
            buffer.extend_from_slice(&raw);
            buffer
        };
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("frame", length), |bencher| {
            bencher.iter_batched_ref(
                || {
                    number += 1;
                    (number, buffer())
                },
                |(number, buffer)| sealer.seal(Role::Frame, *number, &NO_EXTRA, buffer),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("AES-256-GCM", length), |bencher| {
            bencher.iter_batched_ref(
                buffer,
                |buffer| {
                    let bytes = buffer.as_mut_slice().into();
                    cipher.encrypt_inout_detached(&[0; 12].into(), &[], bytes)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let (sealer, opener) = sealer_and_opener();
    let cipher = Aes256Gcm::new(&KEY.into());
    let mut group = criterion.benchmark_group("open");
    for (number, length) in (0..).zip(LENGTHS) {
        let raw = noise(length);
        let mut sealed = raw.clone();
        sealer.seal(Role::Frame, number, &NO_EXTRA, &mut sealed).expect("the number is new");
        group.throughput(Throughput::Bytes(length as u64));
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("frame", length), |bencher| {
            bencher.iter(|| {
                let opened = opener.open_into(Role::Frame, number, &NO_EXTRA, &sealed, &mut out);
                opened.expect("it was sealed so");
            });
        });
        let mut sealed = raw;
        let tag = cipher
            .encrypt_inout_detached(&[0; 12].into(), &[], sealed.as_mut_slice().into())
            .expect("a frame is not too long");
        group.bench_function(BenchmarkId::new("AES-256-GCM", length), |bencher| {
            bencher.iter_batched_ref(
                || sealed.clone(),
                |buffer| {
                    let bytes = buffer.as_mut_slice().into();
                    cipher.decrypt_inout_detached(&[0; 12].into(), &[], bytes, &tag)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn derive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("derive");
    group.sample_size(10);
    let kdf = KdfParams::with_salt([7; 16]);
    group.bench_function("passphrase", |bencher| {
        bencher.iter(|| kdf::derive_kek_passphrase(&kdf, b"correct horse battery staple"));
    });
    group.finish();
}

fn sealer_and_opener() -> (ObjectSealer, ObjectOpener) {
    let key = Secret32::new(KEY);
    let subject =
        Subject { object_type: ObjectType::DataPack, epoch: 0, repository: RepositoryId([1; 16]) };
    let sealer = ObjectSealer::new(&key, &subject, &entropy(1)).expect("there is entropy");
    let preamble = Preamble::decode(&sealer.preamble()).expect("it was just made");
    let opener = ObjectOpener::new(&key, subject.object_type, subject.repository, &preamble)
        .expect("it is the same key");
    (sealer, opener)
}

/// A pack's body and the parity that 3 % are, as the packer makes it; and all of its parity's worth made again.
fn parity(criterion: &mut Criterion) {
    const STRIPES: usize = 128;
    const PARITY: usize = 4;
    const WORK_BYTES: usize = 1 << 20;
    let body = noise(32 << 20);
    let size = body.len() / STRIPES;
    let code = Code::new(STRIPES, PARITY, size).expect("far from the limits");
    let mut group = criterion.benchmark_group("parity");
    group.throughput(Throughput::Bytes(body.len() as u64)).sample_size(20);
    let fill = |column: &mut Column, range: &Range<usize>| {
        column.begin(range.len()).expect("a multiple of the unit");
        for (stripe, bytes) in body.chunks_exact(size).enumerate() {
            column.stripe_mut(stripe).copy_from_slice(&bytes[range.clone()]);
        }
    };
    let mut column = Column::new(code).expect("far from the limits");
    group.bench_function("make", |bencher| {
        bencher.iter(|| {
            for range in code.columns(WORK_BYTES) {
                fill(&mut column, &range);
                column.make_parity().expect("all stripes are there");
            }
        });
    });
    group.bench_function("rebuild", |bencher| {
        bencher.iter(|| {
            for range in code.columns(4 * WORK_BYTES) {
                fill(&mut column, &range);
                column.rebuild(&[0, 1, 2, 3]).expect("as many as there is parity");
            }
        });
    });
    group.bench_function("reed-solomon-simd", |bencher| {
        let stripes: Vec<&[u8]> = body.chunks_exact(size).collect();
        bencher.iter(|| reed_solomon_simd::encode(STRIPES, PARITY, black_box(&stripes)));
    });
    group.finish();
}

criterion_group!(stages, cut, hash, compress, inflate, seal, open, derive, parity);
criterion_main!(stages);
