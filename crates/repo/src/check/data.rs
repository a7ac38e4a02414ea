//! The data: every pack and index segment read back, many at once.
//!
//! Knows which objects count; what a pack must be is [`super::pack`]'s. Memory: each thread holds one
//! pack of usual size or some windows of one, and one frame; there are as many threads as the
//! budget allows.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{ChunkRecord, FrameRecord, Trailer};

use crate::check::digest::Digests;
use crate::check::lost::find_unlisted;
use crate::check::pack::{PackChecker, PackFindings};
use crate::check::{Check, CheckProgress, CheckReport, is_of_the_object};
use crate::error::Result;
use crate::index::Index;
use crate::log::Fold;
use crate::open::Repository;
use crate::reader::Locate as _;

/// The largest pack that is held whole, in bytes: those of the default size, and what padding adds.
const WHOLE_MAX: u64 = 40 << 20;
/// What a thread needs besides, in bytes: some windows, and a frame sealed and opened; more where frames are larger than
/// usual.
const FRAMES: u64 = 8 << 20;
const FRAMES_PART: u64 = 8;
/// How much of a pack is read at once, in bytes, from a disk: as much as stays in a core's cache, and so little that
/// memory is used again without asking the kernel.
const NEAR_WINDOW: u64 = 1024 << 10;
/// And from a service, where each request takes a way and costs something, of a pack that is too large to be held.
const FAR_WINDOW: u64 = 2 << 20;
/// How much of a segment is hashed at once, in bytes.
const WINDOW_BYTES: u64 = 4 << 20;

/// An object to be read, and its size.
type Object = (ObjectKey, u64);

/// What came of reading one object.
pub(crate) enum Outcome {
    Pack(PackFindings),
    Segment(Option<String>),
    Unreadable(crate::Error),
}

/// How objects are read: with how much memory, by how many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    whole_max: u64,
    window: u64,
    /// How many threads there are to be.
    pub(crate) threads: usize,
}

impl Reading {
    /// Within three eighths of the memory; 0 threads are as many as there are cores and memory.
    pub(crate) fn of(repository: &Repository, threads: usize) -> Self {
        let memory = repository.memory_bytes() / 8 * 3;
        let frames = FRAMES.max(FRAMES_PART * u64::from(repository.config().frame_bytes));
        let (whole_max, window) = match repository.io().is_service() {
            true => (memory.saturating_sub(frames).clamp(1 << 20, WHOLE_MAX), FAR_WINDOW),
            false => (0, NEAR_WINDOW),
        };
        let wanted = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let by_memory = usize::try_from(memory / (whole_max + frames)).unwrap_or(usize::MAX);
        Self { whole_max, window, threads: wanted.min(by_memory).max(1) }
    }

    /// What reads packs; each thread has one of its own.
    pub(crate) fn checker<'a>(&self, repository: &'a Repository) -> PackChecker<'a> {
        PackChecker::new(repository, self.whole_max, self.window)
    }
}

impl Check<'_> {
    /// Reads all objects that count and are there. One of the threads does `other` first, which is told whether
    /// to go on.
    pub(super) fn data<T: Send>(
        &mut self,
        fold: &Fold,
        index: &Arc<Index>,
        digests: &Digests,
        other: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> Result<T> + Send,
    ) -> Result<T> {
        let mut objects: Vec<Object> = fold
            .objects()
            .iter()
            .filter(|(key, _)| !self.lost.has_pack(key) && !fold.is_merged(key))
            .map(|(key, object)| (*key, object.size))
            .collect();
        objects.sort_unstable();
        let reading = Reading::of(self.repository, self.options.threads);
        let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (twins, of_healed) = (fold.twins(), Mutex::new(Vec::new()));
        let arrived = Mutex::new(&mut *self);
        let read = || -> Result<()> {
            let (repository, options, progress) = {
                let check = arrived.lock().unwrap_or_else(PoisonError::into_inner);
                (check.repository, check.options, check.progress)
            };
            let mut checker = reading.checker(repository);
            while let Some((key, size)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                options.pace.wait(|| options.go_on(repository).map(|()| true))?;
                let outcome = read_object(&mut checker, *key, *size, |trailer| {
                    disagreements(index, digests, *key, trailer)
                })?;
                if twins.contains_key(key) {
                    let mut of_healed = of_healed.lock().unwrap_or_else(PoisonError::into_inner);
                    of_healed.push((*key, *size, outcome));
                } else {
                    let mut check = arrived.lock().unwrap_or_else(PoisonError::into_inner);
                    check.take((*key, *size), outcome, None)?;
                }
                progress(CheckProgress::Read { bytes: *size });
            }
            Ok(())
        };
        let goes_on = || !has_failed.load(Ordering::Relaxed);
        // Whoever fails lets the others run out of work.
        let fails = |_: &crate::Error| {
            has_failed.store(true, Ordering::Relaxed);
            next.store(objects.len(), Ordering::Relaxed);
        };
        let outcome = std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let outcome = other(&goes_on).inspect_err(fails)?;
                read().inspect_err(fails)?;
                Ok(outcome)
            });
            let others: Vec<_> =
                (1..reading.threads).map(|_| scope.spawn(|| read().inspect_err(fails))).collect();
            others.into_iter().try_for_each(joined)?;
            joined(first)
        })?;
        // What was healed is judged by what took its place.
        for (key, size, outcome) in of_healed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let twin = twins.get(&key).filter(|twin| !self.has_fault(twin));
            self.take((key, size), outcome, twin)?;
        }
        find_unlisted(self.repository, index, &self.unlisted, &mut self.lost)?;
        Ok(outcome)
    }

    /// Whether anything was wrong with an object so far.
    fn has_fault(&self, key: &ObjectKey) -> bool {
        let name = key.to_string();
        self.lost.has_pack(key) || self.report.problems.iter().any(|found| found.object == name)
    }

    /// Takes in what reading an object found; what is wrong is no loss where `instead` is whole.
    fn take(
        &mut self,
        (key, size): Object,
        outcome: Outcome,
        instead: Option<&ObjectKey>,
    ) -> Result<()> {
        let problem = |report: &mut CheckReport, what: String| match instead {
            Some(twin) => {
                report.note(format!("{key}: {what}; it was healed, as {twin}"));
                None
            }
            None => report.problem(key, what),
        };
        let counts = &mut self.report.counts;
        counts.bytes_read += size;
        match outcome {
            Outcome::Segment(None) => {}
            Outcome::Segment(Some(what)) => {
                self.report.problem(key, what);
            }
            Outcome::Pack(findings) => {
                counts.packs_read += 1;
                counts.chunks_verified += findings.verified;
                let mut place = None;
                if !findings.problems.is_empty() {
                    place = problem(&mut self.report, findings.problems.join("; "));
                }
                if findings.is_lost {
                    self.lost.pack(key, place);
                }
                if findings.is_unlisted {
                    self.unlisted.insert(key, place);
                }
                for chunk in findings.lost {
                    self.lost.chunk(chunk, key, place);
                }
            }
            Outcome::Unreadable(error) => {
                let place = problem(&mut self.report, error.to_string());
                self.lost.pack(key, place);
            }
        }
        Ok(())
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads an object whole; `compare` is given the table of a pack, and may find fault.
///
/// # Errors
/// The store's, where they say nothing of the object, and those of `compare`.
pub(crate) fn read_object(
    checker: &mut PackChecker<'_>,
    key: ObjectKey,
    size: u64,
    compare: impl Fn(&Trailer) -> Result<Vec<String>>,
) -> Result<Outcome> {
    let outcome = match key {
        ObjectKey::Index(_) => read_segment(checker, key, size).map(Outcome::Segment),
        _ => checker.read(key, size, compare).map(Outcome::Pack),
    };
    match outcome {
        Err(error) if is_of_the_object(&error) => Ok(Outcome::Unreadable(error)),
        outcome => outcome,
    }
}

/// What the index says otherwise of chunks that this pack has.
fn disagreements(
    index: &Index,
    digests: &Digests,
    pack: ObjectKey,
    trailer: &Trailer,
) -> Result<Vec<String>> {
    if digests.agree(&pack, trailer) {
        return Ok(Vec::new());
    }
    let mut faults = Vec::new();
    for chunk in &trailer.chunks {
        let frame = &trailer.frames[chunk.frame as usize];
        faults.extend(disagreement(index, pack, chunk, frame)?);
    }
    Ok(faults)
}

/// What the index says otherwise of a chunk that this pack has.
fn disagreement(
    index: &Index,
    pack: ObjectKey,
    chunk: &ChunkRecord,
    frame: &FrameRecord,
) -> Result<Option<String>> {
    let id = chunk.id;
    let copies = match index.copies(&id) {
        Ok(copies) => copies,
        // Damage to the index is told where the index is checked.
        Err(error) if is_of_the_object(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(copy) = copies.iter().find(|copy| copy.frame.pack == pack) else {
        return Ok(copies.is_empty().then(|| format!("the index does not have its chunk {id}")));
    };
    let agrees = copy.frame.number == frame.number
        && copy.frame.offset == frame.offset
        && copy.frame.sealed_len == frame.sealed_len
        && copy.frame.raw_len == frame.raw_len
        && copy.frame.codec == frame.codec
        && copy.offset == chunk.offset
        && copy.length == chunk.length;
    Ok((!agrees).then(|| format!("the index has another place for its chunk {id}")))
}

/// Compares a segment's bytes with its name; what is in them was opened before.
fn read_segment(checker: &PackChecker<'_>, key: ObjectKey, size: u64) -> Result<Option<String>> {
    let io = checker.repository().io();
    let mut hasher = ContentHasher::new();
    let mut start = 0;
    while start < size {
        let end = (start + WINDOW_BYTES).min(size);
        hasher.update(&io.get_range(&key, start..end)?);
        start = end;
    }
    let hash = ObjectHash(hasher.finish());
    let agrees = key.name().is_none_or(|name| name.hash == hash);
    Ok((!agrees).then(|| "its bytes do not have the hash that its name says".to_owned()))
}
