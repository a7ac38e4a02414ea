//! Backup: from directories to a snapshot.
//!
//! ```text
//! walk ─► (unchanged? take the parent's entry) ─► unit ─► read, cut, hash, claim, frame ─► in order ─► tree ─► commit
//! one thread                                      units    workers                          caller's thread
//! ```
//!
//! What travels between threads is a unit: up to some MiB of small files, or one large file. A worker
//! reads, cuts, hashes, compresses and seals its unit by itself. Results come back in path order, so
//! the tree is built by streaming, and a fixed number of units is under way at any time, so memory
//! does not grow with the data. Knows files and stages; not the terminal, signals or the clock on the
//! wall.
//!
//! A path that can't be read is a problem: it is counted, named in the report and in the snapshot, and
//! makes the outcome partial. An error ends the run, and what was committed before stays.

mod commit;
mod content;
mod estimate;
mod options;
mod parent;
pub(crate) mod roots;
mod sequence;
mod split;
mod unit;
mod walk;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::unbounded;
use lifeboat_repo::heal;
use lifeboat_repo::index::{Index, LostSegment};
use lifeboat_repo::log::Fold;
use lifeboat_repo::log::history::has_collected_since;
use lifeboat_repo::open::Repository;
use lifeboat_repo::packer::{Packer, PackerOptions};
use lifeboat_store::layer::meter::Metrics;

use self::commit::Committer;
use self::parent::Parents;
use self::sequence::Sequence;
use self::split::Crew;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::monitor::Phase;
use crate::report::ProblemLog;
use crate::source::meta::MetaReader;

pub use self::options::{
    BackupOptions, BackupReport, BackupStats, CHECKPOINT_INTERVAL, Detect, Outcome,
};

/// So often a run begins anew because a collection has taken what it relied on. Each time what it has stored is found
/// again, so only what is gone is read and stored anew.
const TRIES_MAX: u32 = 8;

/// Backs up what `options` name, and commits a snapshot of it.
///
/// # Errors
/// What ends the run: the repository's errors, options that make no sense, no root that can be read.
/// Everything that a checkpoint committed before stays.
pub fn backup(
    repository: &Repository,
    options: &BackupOptions,
    context: &Context<'_>,
) -> Result<BackupReport> {
    context.monitor.phase(Phase::Open);
    if !options.dry_run {
        repository.require_writable()?;
    }
    let begun = repository.clock().monotonic();
    let roots = roots::resolve(options)?;
    let mut tries = 0;
    let mut report = loop {
        tries += 1;
        let asked_before = repository.io().meter().snapshot();
        let fold = Fold::load(repository)?;
        let next = fold.next_number();
        match attempt(repository, options, context, &roots, (fold, asked_before), tries > 1) {
            Err(error) if is_collected(repository, next, &error) => {
                if tries == TRIES_MAX {
                    return Err(overtaken(repository, error));
                }
                tracing::warn!(%error, "a collection came between; what it took is stored again");
            }
            outcome => break outcome?,
        }
    };
    report.seconds = repository.clock().monotonic().saturating_sub(begun).as_secs_f64();
    Ok(report)
}

/// Whether a collection from the entry `next` on has brought a run to its end: what it took may be found missing at once,
/// and not only at the commit.
fn is_collected(repository: &Repository, next: u64, error: &Error) -> bool {
    match error.kind() {
        Kind::Collected => true,
        Kind::NotFound | Kind::Corrupt => has_collected_since(repository, next).unwrap_or(false),
        _ => false,
    }
}

fn overtaken(repository: &Repository, error: Error) -> Error {
    lifeboat_repo::Error::new(Kind::Unavailable, "back up to", repository.io().describe())
        .because(format!("collections came between each time; the last one: {error}"))
        .hint("run it again: what it has stored is found; let `gc` delete later (--delay), which is the default")
        .into()
}

/// One run from the head of this fold, before which the store had been asked so much; `doubtful` is whether what a parent reaches is to be looked for.
fn attempt(
    repository: &Repository,
    options: &BackupOptions,
    context: &Context<'_>,
    roots: &[roots::BackupRoot],
    (fold, asked_before): (Fold, Metrics),
    doubtful: bool,
) -> Result<BackupReport> {
    let source = commit::source(options, roots);
    if !options.dry_run {
        fold.require_appendable()?;
    }
    let (index, is_damaged) = load_index(repository, &fold)?;
    let doubtful = doubtful || is_damaged || has_lost_packs(&fold);
    let parents =
        Parents::choose(repository, &fold, options, &source.key(), Arc::clone(&index), doubtful)?;
    let packer =
        Packer::new(repository, index, packer_options(repository, options, context.thread_count()));
    let problems = ProblemLog::new(context.monitor);
    let committer = Committer::new(repository, fold, options, source, &parents, asked_before)?;
    let job = Job { repository, options, context, packer: &packer, problems: &problems };
    if let Some((files, bytes)) = parents.estimate() {
        context.monitor.expect(files, bytes);
    }
    context.monitor.phase(Phase::Backup);
    job.run(roots, &parents, committer).inspect_err(|_| packer.settle())
}

/// The index, and whether something that counted is lost: segments of it, or entries of the log that
/// may have named some. A run goes on without them, and stores again what only they knew of.
fn load_index(repository: &Repository, fold: &Fold) -> Result<(Arc<Index>, bool)> {
    for warning in fold.warnings() {
        tracing::warn!("{warning}");
    }
    let mut doubtful = fold.void_count() > 0;
    let mut failure = None;
    let mut tell = |lost| match lost {
        LostSegment { key, error, is_replaced: true } => {
            tracing::warn!(%error, "{key} is lost; the segments that it was merged from are used");
        }
        LostSegment { key, error, .. }
            if matches!(error.kind(), Kind::Corrupt | Kind::NotFound) =>
        {
            tracing::warn!(%error, "{key} is lost; what it said is stored again");
            doubtful = true;
        }
        LostSegment { error, .. } => drop(failure.get_or_insert(error)),
    };
    let index = Index::load_what_is_there(repository, fold, &mut tell);
    index.look_for_pieces(&mut tell)?;
    match failure {
        None => Ok((Arc::new(index), doubtful)),
        Some(error) => Err(error.into()),
    }
}

/// Whether scrubs have found packs that can't be read and that nobody has healed: what only they have is stored again.
fn has_lost_packs(fold: &Fold) -> bool {
    let lost = heal::lost_packs(fold);
    if let Some(example) = lost.iter().min() {
        let count = lost.len();
        tracing::warn!(
            "{count} packs are damaged, among them {example}; what they had is stored again where it is met"
        );
    }
    !lost.is_empty()
}

/// What open and travelling packs may take: by default enough for four packs of the usual size and a
/// half, so that while two are filled there are always some on their way, and a link never idles; the
/// rest is for the workers' buffers, the index, the frame cache and the program itself.
fn packs_share(memory: u64) -> u64 {
    let fixed = 48 << 20;
    (memory / 4 * 3).saturating_sub(fixed).min(memory / 2 + fixed / 3).max(memory / 3)
}

fn packer_options(
    repository: &Repository,
    options: &BackupOptions,
    workers: usize,
) -> PackerOptions {
    let memory = repository.memory_bytes();
    PackerOptions {
        compression: options.compression,
        verify_encode: options.verify_encode,
        dry_run: options.dry_run,
        workers,
        bytes_max: packs_share(memory),
        records_max: records_max(memory),
    }
}

/// The most records that a run writes as one segment: some 7 MiB.
const RECORDS_MAX: usize = 120_000;

/// How many records are gathered before they become a segment: a record and its claim take some 150
/// bytes. Not more than fit into a segment as merging makes them.
fn records_max(memory: u64) -> usize {
    usize::try_from(memory / 16 / 150).unwrap_or(usize::MAX).clamp(4096, RECORDS_MAX)
}

/// What all stages of a run share.
#[derive(Clone, Copy)]
struct Job<'a> {
    repository: &'a Repository,
    options: &'a BackupOptions,
    context: &'a Context<'a>,
    packer: &'a Packer,
    problems: &'a ProblemLog<'a>,
}

impl Job<'_> {
    /// Starts the stages and joins them; the order of results is the caller's thread.
    fn run(
        self,
        roots: &[roots::BackupRoot],
        parents: &Parents,
        committer: Committer<'_>,
    ) -> Result<BackupReport> {
        let threads = self.context.thread_count();
        let (entrance, exit) = unit::window(threads, self.repository.memory_bytes() / 16);
        // As many as the window lets in.
        let (units, to_workers) = unbounded();
        let (results, arrivals) = unbounded();
        let (meta, over) = (MetaReader::new(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (hand, tasks) = unbounded();
            let hand = Arc::new(hand);
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (units, results, meta) = (to_workers.clone(), results.clone(), &meta);
                    let chunk_max = self.repository.config().chunker.max;
                    let crew = Crew::new(tasks.clone(), Arc::clone(&hand), threads, chunk_max);
                    scope.spawn(move || worker::work(self, meta, &units, &results, crew))
                })
                .collect();
            drop((to_workers, hand, tasks));
            let out = walk::Out::new(entrance, units, results);
            let walker = scope.spawn(move || walk::walk_roots(self, roots, parents, &out));
            if self.context.monitor.wants_estimate() && parents.estimate().is_none() {
                let over = &over;
                scope.spawn(move || estimate::count(self, roots, over));
            }
            let report = Sequence::new(self, roots, committer).run(&arrivals, exit);
            over.store(true, Ordering::Relaxed);
            // Whoever waits to send is let go, so that every thread ends.
            drop(arrivals);
            let mut ends = vec![join(walker)];
            ends.extend(workers.into_iter().map(join));
            first_cause(ends, report)
        })
    }
}

/// The report, unless a stage failed. That made the others stop: its reason is the one to tell, not
/// theirs, that another part has failed.
fn first_cause(ends: Vec<Result<()>>, report: Result<BackupReport>) -> Result<BackupReport> {
    let mut follower = None;
    for error in ends.into_iter().filter_map(Result::err) {
        if error.kind() != Kind::Cancelled {
            return Err(error);
        }
        follower = Some(error);
    }
    match follower {
        Some(error) => Err(report.err().unwrap_or(error)),
        None => report,
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests;
