//! Repacking: what is used of packs that are mostly unused is copied into new ones, so that the old can go.
//!
//! Knows frames, chunks and the packer; chooses nothing. Every chunk is compared with its id before it is stored again. A
//! frame of which everything is used is sealed anew as it is compressed.
//!
//! Invariants: the copies count by a maintainer's commit before the old packs are condemned. Memory is bounded: so many
//! records are gathered at a time, pack by pack, and one frame a thread is open, beside those that were asked for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_format::id::ChunkId;
use lifeboat_format::index::PackKind;
use lifeboat_format::key::ObjectKey;

use super::Run;
use super::ahead::Ahead;
use super::mark::Usage;
use super::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::log;
use crate::packer::{ChunkSpan, Framer, Packer, PackerOptions, WholeFrame};
use crate::planted::{Planted, is_planted};
use crate::reader::{ChunkKind, FrameRef, Location, Opened, Reader, RequestCount};

/// The part of the memory that records of chunks to be copied take.
const RECORDS_PART: u64 = 8;
/// The part that packs on their way take.
const PACKS_PART: u64 = 2;
/// The part that inflated frames take.
const READER_PART: u64 = 16;
/// The part that frames on their way here take.
const FETCH_PART: u64 = 16;

/// A chunk to be copied.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    at: Location,
    id: ChunkId,
}

/// Copies what is used of the plan's packs, and commits the copies. How many bytes that were, before compression.
pub(super) fn repack(
    run: &mut Run<'_>,
    index: &Arc<Index>,
    usage: &Usage,
    plan: &Plan,
) -> Result<u64> {
    let reader = reader(run, index);
    // What is in a pack that goes is not known to the packer, be it one that is emptied or one that is not used: of two
    // copies of a chunk each would otherwise be let go for the sake of the other.
    let going = plan.objects.iter().map(|object| object.kind.key(object.name));
    if !is_planted(Planted::RepackTrustsWhatGoes) {
        index.avoid(&going.collect());
    }
    let packer = packer(run, index);
    each_batch(run, index, usage, plan, |wanted| {
        copy(run, &reader, &packer, wanted).inspect_err(|_| packer.settle())
    })?;
    let objects = packer.flush()?;
    log::commit_copies(run.repository, &mut run.fold, run.id, objects)?;
    let stats = packer.stats();
    Ok(stats.new_bytes + stats.new_metadata_bytes)
}

/// What copying the plan's packs asks of the store, without doing it.
pub(super) fn forecast(
    run: &Run<'_>,
    index: &Arc<Index>,
    usage: &Usage,
    plan: &Plan,
    ahead: &mut Ahead,
) -> Result<()> {
    let (reader, packer) = (reader(run, index), packer(run, index));
    let flying_max = fetch_bytes(run);
    let mut count = RequestCount::default();
    each_batch(run, index, usage, plan, |wanted| {
        reader.count_requests(frames_of(wanted), flying_max, &mut count);
        Ok(())
    })?;
    ahead.get += count.requests();
    ahead.bytes_down += count.bytes();
    let mut records = 0;
    for kind in [PackKind::Data, PackKind::Tree] {
        let is_kind =
            |key: &&ObjectKey| matches!(key, ObjectKey::Tree(_)) == (kind == PackKind::Tree);
        let packs = plan.repack.iter().filter(is_kind).map(|key| &usage.packs[key]);
        let (bytes, chunks) = packs
            .fold((0, 0), |(bytes, chunks), pack| (bytes + pack.used(), chunks + pack.chunks_used));
        ahead.bytes_up += bytes;
        ahead.put += packer.packs_for(kind, bytes);
        records += chunks;
    }
    // Each segment is looked into as soon as it is put.
    let segments = records.div_ceil(records_max(run) as u64);
    ahead.put += segments + u64::from(records > 0);
    ahead.get += segments;
    Ok(())
}

fn reader(run: &Run<'_>, index: &Arc<Index>) -> Reader {
    Reader::new(
        run.repository.io().clone(),
        Arc::clone(run.repository.keyring()),
        Arc::<Index>::clone(index),
        run.repository.memory_bytes() / READER_PART,
    )
}

fn packer(run: &Run<'_>, index: &Arc<Index>) -> Packer {
    Packer::new(
        run.repository,
        Arc::clone(index),
        PackerOptions {
            compression: run.options.compression,
            verify_encode: true,
            dry_run: false,
            workers: run.options.threads.max(1),
            bytes_max: run.repository.memory_bytes() / PACKS_PART,
            records_max: records_max(run),
        },
    )
}

/// So many records go into one segment.
fn records_max(run: &Run<'_>) -> usize {
    let records = run.repository.memory_bytes() / 16 / 150;
    usize::try_from(records).unwrap_or(usize::MAX).clamp(4096, 120_000)
}

/// So many bytes may be on their way here.
fn fetch_bytes(run: &Run<'_>) -> u64 {
    run.repository.memory_bytes() / FETCH_PART
}

/// Calls `each` with the chunks to be copied in the order in which they lie, as many at a time as there is memory for.
fn each_batch(
    run: &Run<'_>,
    index: &Index,
    usage: &Usage,
    plan: &Plan,
    mut each: impl FnMut(&[Wanted]) -> Result<()>,
) -> Result<()> {
    let records_max = run.repository.memory_bytes() / RECORDS_PART / size_of::<Wanted>() as u64;
    let mut packs: Vec<&ObjectKey> = plan.repack.iter().collect();
    packs.sort_unstable();
    let mut rest = packs.as_slice();
    while !rest.is_empty() {
        let mut records = 0;
        let fits = |key: &&&ObjectKey| {
            records += usage.packs[**key].chunks_used;
            records <= records_max
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (some, later) = rest.split_at(count);
        let some: HashSet<ObjectKey> = some.iter().map(|key| **key).collect();
        let mut wanted = Vec::new();
        index.for_each(|at, record, pack| {
            let standing = index.standing(&pack.key());
            if usage.marks.is_set(at) && some.contains(&standing) {
                let mut at = crate::index::location(record, pack);
                at.frame.pack = standing;
                wanted.push(Wanted { at, id: record.id });
            }
            Ok(())
        })?;
        wanted.sort_unstable_by_key(|wanted| (wanted.at.frame, wanted.at.offset));
        each(&wanted)?;
        rest = later;
    }
    Ok(())
}

/// The frames that these chunks are in.
fn frames_of(wanted: &[Wanted]) -> Vec<FrameRef> {
    let of_frame = wanted.chunk_by(|one, other| one.at.frame == other.at.frame);
    of_frame.filter_map(<[Wanted]>::first).map(|first| first.at.frame).collect()
}

/// Copies these, frame by frame, by several threads.
fn copy(run: &Run<'_>, reader: &Reader, packer: &Packer, wanted: &[Wanted]) -> Result<()> {
    let fetch = reader.fetch(frames_of(wanted), fetch_bytes(run));
    let failed = Mutex::new(None);
    let goes_on = AtomicBool::new(true);
    let work = || -> Result<()> {
        let mut framers: [Option<Framer>; 2] = [None, None];
        let mut copy_one = |frame: &FrameRef, opened: Result<Opened>| {
            run.options.go_on(run.repository)?;
            let first = wanted.partition_point(|wanted| wanted.at.frame < *frame);
            let count = wanted[first..].partition_point(|wanted| wanted.at.frame == *frame);
            copy_frame(reader, packer, &mut framers, opened, &wanted[first..first + count])
        };
        loop {
            let is_done =
                !goes_on.load(Ordering::Relaxed) || !fetch.next_as_it_is(&mut copy_one)?;
            if is_done {
                return Ok(());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..run.options.threads.max(1) {
            scope.spawn(|| {
                if let Err(error) = work() {
                    goes_on.store(false, Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn copy_frame(
    reader: &Reader,
    packer: &Packer,
    framers: &mut [Option<Framer>; 2],
    opened: Result<Opened>,
    wanted: &[Wanted],
) -> Result<()> {
    let Some(first) = wanted.first() else { return Ok(()) };
    let is_tree = matches!(first.at.frame.pack, ObjectKey::Tree(_));
    let (kind, kinds): (_, &[ChunkKind]) = match is_tree {
        true => (PackKind::Tree, &[ChunkKind::Node, ChunkKind::Meta]),
        false => (PackKind::Data, &[ChunkKind::Data]),
    };
    let framer = match &mut framers[usize::from(is_tree)] {
        Some(framer) => framer,
        empty => empty.insert(packer.framer(kind)?),
    };
    let opened = opened.ok();
    let good = |wanted: &Wanted| {
        let chunk = wanted.at.slice(&opened.as_ref()?.raw)?;
        kinds.iter().any(|kind| reader.is_chunk(*kind, wanted.id, chunk)).then_some(chunk)
    };
    let chunks: Vec<Option<&[u8]>> = wanted.iter().map(good).collect();
    let all_good = chunks.iter().all(Option::is_some);
    let whole = opened.as_ref().filter(|opened| all_good && is_all(&opened.raw, wanted));
    if let Some(Opened { raw, packed: Some(packed) }) = whole {
        let span = |Wanted { at, id }: &Wanted| ChunkSpan {
            id: *id,
            offset: at.offset,
            length: at.length,
        };
        let chunks: Vec<ChunkSpan> = wanted.iter().map(span).collect();
        let codec = first.at.frame.codec;
        framer.offer_frame(&WholeFrame { codec, packed, raw, chunks: &chunks })?;
        return framer.yield_to_flush();
    }
    for (Wanted { at, id }, chunk) in wanted.iter().zip(chunks) {
        match chunk {
            Some(chunk) => drop(framer.offer(*id, chunk)?),
            None => drop(framer.offer(*id, &other_copy(reader, kinds, *id, at)?)?),
        }
    }
    framer.yield_to_flush()
}

/// Whether these chunks, in the order in which they lie, are all that is in the frame, each byte once. A frame that has
/// anything else is compressed anew: what nobody needs of it would be found in the new pack by every collection from
/// then on, and copied by none.
fn is_all(raw: &[u8], wanted: &[Wanted]) -> bool {
    let mut end = 0;
    let in_a_row = wanted.iter().all(|Wanted { at, .. }| {
        let follows = u64::from(at.offset) == end;
        end = u64::from(at.offset) + u64::from(at.length);
        follows
    });
    in_a_row && end == raw.len() as u64
}

/// Another copy of a chunk, where this one is damaged.
fn other_copy(
    reader: &Reader,
    kinds: &[ChunkKind],
    id: ChunkId,
    at: &Location,
) -> Result<bytes::Bytes> {
    let found = kinds.iter().find_map(|kind| reader.read_chunk(*kind, id).ok());
    found.ok_or_else(|| {
        Error::new(Kind::Corrupt, "copy a chunk out of", at.frame.pack)
            .because(format!("chunk {id} can't be read from it, nor from elsewhere"))
            .hint("`check --read-data` says what is hit; nothing is collected meanwhile")
    })
}
