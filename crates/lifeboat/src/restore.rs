//! Restore: a snapshot's files, or some of them, back below a target directory.
//!
//! ```text
//! tree scan ─► plan ─► locate ─► fetch ─► open, inflate ─► verify id ─► write ─► metadata ─► sync
//!              │                 │                        └ to all its places in the window
//!              │                 └ many requests at once, bounded in bytes
//!              └ a window ahead, on its own thread
//! ```
//!
//! What holds for what is restored:
//! - Nothing is written outside the target (see [`crate::target`]). What is there already is compared with the
//!   snapshot and only what differs is written, or is kept or replaced, as [`Overwrite`] says.
//! - The id of every chunk is computed again. Where an entry has the BLAKE3 of its whole content, what
//!   was written is read back (from the page cache) and compared with it.
//! - A file of which anything is lost is left out and named, with the object that is damaged. Everything else
//!   is restored.
//! - A run that was cut off, however, is gone on with by the next one: what it wrote is not fetched again, and
//!   a file that is not finished is marked as such.
//! - Holes stay holes, and zeros that took up space take up space.
//! - Memory and open files are bounded whatever the data; hard links beyond what fits are restored as
//!   files of their own, which the report says.

mod archive;
mod cat;
mod delete;
mod dry_run;
mod filter;
mod finish;
mod job;
mod journal;
mod links;
mod open_file;
mod owners;
mod place;
mod plan;
mod stream;
mod taken;
mod there;
mod verify;
mod way;
mod window;
mod write;

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crossbeam_channel::Receiver;
use lifeboat_format::snapshot::{Outcome, Snapshot};
use lifeboat_format::tree::PathKey;
use lifeboat_repo as repo;
use lifeboat_repo::reader::{Locate, Reader};
use lifeboat_repo::tree::{TreeRoot, scan};
use rayon::ThreadPool;
use serde::Serialize;

pub use self::archive::archive;
pub use self::cat::{cat, to_device};
use self::filter::Filter;
use self::job::Job;
pub use self::owners::{OwnerBy, OwnerOptions};
use self::place::Piece;
use self::plan::Planner;
pub use self::there::Overwrite;
use self::window::Window;
use self::write::Writer;
use crate::backup::roots::SELECTED;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::monitor::Phase;
use crate::report::Problems;
use crate::target::FileId;
use crate::target::dir::Target;

/// What one thread holds: a frame, opened and inflated, in bytes.
const THREAD_BYTES: u64 = 4 << 20;
/// The part of a restore's memory for what is on its way or not yet inflated.
const FLYING_PART: u64 = 2;

/// What stands for a file that is not made.
const NO_FILE: FileId = FileId { device: 0, inode: 0 };

/// Where chunks come from: a repository's reader, and the index that it follows.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// Fetches and verifies.
    pub reader: &'a Reader,
    /// Finds.
    pub locate: &'a dyn Locate,
}

impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("reader", self.reader).finish_non_exhaustive()
    }
}

/// What is restored, and where it goes.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the user's switches")]
pub struct RestoreOptions {
    /// The directory below which everything is written; made if it is missing.
    pub target: PathBuf,
    /// Only this path of the snapshot, absolute: a directory's members go directly into the target,
    /// a single file goes there under its name. The root, or none: all roots, under their absolute
    /// paths.
    pub path: Option<PathKey>,
    /// Lines in gitignore syntax on absolute paths; only what one of them takes is restored. Empty
    /// takes everything.
    pub include: Vec<String>,
    /// Lines in gitignore syntax on absolute paths; what one of them takes is left out.
    pub exclude: Vec<String>,
    /// What is done where the target has something already.
    pub overwrite: Overwrite,
    /// Compare the content of files that are there, even where length and time are the snapshot's.
    pub verify_existing: bool,
    /// Take away what the snapshot has not got from the directories that it has: but never a mount point, nor what
    /// `include` and `exclude` do not take.
    pub delete: bool,
    /// Whom files are given to.
    pub owners: OwnerOptions,
    /// Read every file back at the end and compare it with the snapshot.
    pub verify: bool,
    /// Only count what would be restored, and write nothing.
    pub dry_run: bool,
    /// How many bytes of content are fetched when only counting was asked for, to tell how long all of it would take;
    /// 0 for none.
    pub sample_bytes: u64,
    /// Wait at the end until everything is on the disk (that of the target's file system).
    pub sync: bool,
    /// The memory for the restore's own lists and threads, in bytes; the reader has its own.
    pub memory_bytes: u64,
}

impl RestoreOptions {
    /// Everything into `target`.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            path: None,
            include: Vec::new(),
            exclude: Vec::new(),
            overwrite: Overwrite::default(),
            verify_existing: false,
            delete: false,
            owners: OwnerOptions::default(),
            verify: false,
            dry_run: false,
            sample_bytes: 0,
            sync: true,
            memory_bytes: 128 << 20,
        }
    }
}

/// What came of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RestoreReport {
    /// Files restored with their content.
    pub files: u64,
    /// Directories of the snapshot that were made or entered.
    pub dirs: u64,
    /// Further names of files.
    pub links: u64,
    /// Symbolic links and special files.
    pub other: u64,
    /// Bytes of content written, without holes.
    pub bytes: u64,
    /// Files, links and special files that were there as the snapshot has them.
    pub unchanged: u64,
    /// Bytes of content that were there already, in these and in files that were changed in place.
    pub unchanged_bytes: u64,
    /// What was there, is not what the snapshot has, and was not to be replaced.
    pub kept: u64,
    /// What was taken away since the snapshot has not got it.
    pub deleted: u64,
    /// Files, and their bytes, that were read back and are what the snapshot has.
    pub verified: u64,
    /// Their bytes, with holes.
    pub verified_bytes: u64,
    /// Chunks of content, maps and trees that could only be had from a copy of the repository.
    pub healed: u64,
    /// What the target's file system could not hold; each is a problem, too.
    pub losses: Vec<Loss>,
    /// Whether it went on with a restore that was cut off.
    pub resumed: bool,
    /// Whether nothing was written since only counting was asked for.
    pub dry_run: bool,
    /// What the content would take, known when only counting was asked for.
    pub fetch: Option<FetchEstimate>,
    /// What was left out because only a privileged user may set it; no problem for any other.
    pub notices: Vec<String>,
    /// What could not be restored.
    pub problems: Problems,
}

/// What fetching content takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FetchEstimate {
    /// Requests to the store.
    pub requests: u64,
    /// Bytes that come from it.
    pub bytes: u64,
    /// About how many seconds that takes, by what a sample took; writing is not in it.
    pub seconds: Option<f64>,
}

/// Something that the target's file system could not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// What was tried: "set extended attribute of".
    pub operation: String,
    /// Of how many files.
    pub files: u64,
    /// The first of them.
    pub first: String,
    /// Why it could not be done.
    pub reason: String,
}

impl RestoreReport {
    /// Whether there was nothing to restore.
    pub fn is_empty(&self) -> bool {
        let Self { files, dirs, links, other, unchanged, kept, .. } = self;
        files + dirs + links + other + unchanged + kept == 0
    }

    /// Whether all that was asked for was restored.
    pub fn is_complete(&self) -> bool {
        self.problems.count == 0
    }
}

/// Restores a snapshot, or a part of it, below a target directory.
///
/// # Errors
/// [`Kind::NotFound`] when the snapshot does not have the path; [`Kind::Invalid`] for lines that can't
/// be understood; the target's own when it can't be made or written to or is full; the store's own when
/// it does not answer; [`Kind::Cancelled`]. What befalls a single file is a problem in the report.
pub fn restore(
    origin: Origin<'_>,
    snapshot: &Snapshot,
    options: &RestoreOptions,
    context: &Context<'_>,
) -> Result<RestoreReport> {
    let filter = Filter::new(&options.include, &options.exclude)?;
    if options.delete {
        may_delete(snapshot)?;
    }
    let pieces = present(origin.reader, snapshot, pieces(snapshot, options.path.as_ref())?)?;
    let is_whole = filter.takes_all() && options.path.as_ref().is_none_or(PathKey::is_root);
    let mut job = Job::new(options, context, is_whole)?;
    context.monitor.phase(Phase::Restore);
    if is_whole {
        let stats = &snapshot.stats;
        context.monitor.expect(stats.files + stats.other, stats.bytes);
    }
    if options.dry_run {
        let fetch = dry_run::count(&job, origin, snapshot, &filter, pieces)?;
        return Ok(RestoreReport { fetch: Some(fetch), ..report(&job, origin.reader) });
    }
    let target = Target::open(&options.target)?;
    let synced = target.dir.try_clone().map_err(|fault| fault.into_error(&job.path(b"")))?;
    let begun = journal::begin(&target.dir, &scope(snapshot, options), target.fresh)
        .map_err(|fault| fault.into_error(&job.path(b"")))?;
    job.start = begun.start;
    // Some wait for the store or the disk, so there are more threads than cores.
    let pool = pool(options, 2 * context.thread_count())?;
    let finishers = self::pool(options, context.thread_count())?;
    let written = options.verify.then(|| pieces.clone());
    write_all(&job, origin, snapshot, &filter, pieces, target, (&pool, &finishers))?;
    if options.sync {
        rustix::fs::syncfs(&synced).map_err(|errno| {
            Error::local("write to the disk", options.target.as_os_str().as_bytes(), errno.into())
        })?;
        job.sync_mounts()?;
    }
    // What could not be had now is to be gone on with.
    if let Some(journal) = begun.journal.filter(|_| !job.was_cut()) {
        journal.end().map_err(|fault| fault.into_error(&job.path(b"")))?;
    }
    if let Some(pieces) = written {
        context.monitor.phase(Phase::ReadData);
        pool.install(|| verify::verify(&job, origin, snapshot, &filter, pieces, &synced))?;
    }
    Ok(report(&job, origin.reader))
}

/// Whether what the snapshot has not got is not there, so that it may be deleted.
fn may_delete(snapshot: &Snapshot) -> Result<()> {
    let why = if snapshot.is_checkpoint() {
        "it is of an interrupted run, which had not come to everything"
    } else if snapshot.outcome != Outcome::Complete {
        "some files could not be read when it was made, and it has not got them"
    } else if snapshot.source.roots.iter().any(|root| root.ends_with(SELECTED)) {
        "only selected paths were backed up, and what is beside them was not looked at"
    } else {
        return Ok(());
    };
    let id = snapshot.id;
    let advice = "restore without --delete";
    Err(Error::options(format!("snapshot {id} does not say what to delete: {why}; {advice}")))
}

/// What a restore is about, for its journal.
fn scope(snapshot: &Snapshot, options: &RestoreOptions) -> String {
    let RestoreOptions { path, include, exclude, overwrite, .. } = options;
    let path = path.as_ref().map(ToString::to_string);
    format!("{} {path:?} {include:?} {exclude:?} {overwrite:?}", snapshot.id)
}

/// Plans on a second thread and writes on this one and the pool.
fn write_all(
    job: &Job<'_>,
    origin: Origin<'_>,
    snapshot: &Snapshot,
    filter: &Filter,
    pieces: Vec<Piece>,
    target: Target,
    pools: (&ThreadPool, &ThreadPool),
) -> Result<()> {
    let root = target.dir.try_clone().map_err(|fault| fault.into_error(&job.path(b"")))?;
    // No room: the planner waits with a full window while the one before is written.
    let (send, receive) = crossbeam_channel::bounded(0);
    let planner = Planner::new(job, origin.reader, filter, target, send);
    std::thread::scope(|scope| {
        let planned = scope.spawn(move || {
            let planned = planner.run(snapshot, pieces);
            if planned.is_err() {
                job.stop();
            }
            planned
        });
        let Origin { reader, locate } = origin;
        let flying_max = job.options.memory_bytes / FLYING_PART;
        let writer = Writer { job, reader, locate, target: &root, flying_max };
        let written = write_windows(&writer, &receive, pools);
        if written.is_err() {
            job.stop();
        }
        // Lets a planner go that waits with a window.
        drop(receive);
        let planned = planned.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Whoever failed by itself says why; the other was only asked to stop.
        match (planned, written) {
            (Err(error), Err(other)) if error.kind() == Kind::Cancelled => Err(other),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
        }
    })
}

/// Takes window after window. While one is brought to its end, on threads of its own, the next one is written: what is
/// read back to be hashed and what only waits for the file system does not keep the others from working.
fn write_windows(
    writer: &Writer<'_>,
    receive: &Receiver<Window>,
    (pool, finishers): (&ThreadPool, &ThreadPool),
) -> Result<()> {
    let (send, written) = crossbeam_channel::bounded::<Window>(0);
    std::thread::scope(|scope| {
        let finished = scope.spawn(move || {
            let finished =
                written.iter().try_for_each(|window| finishers.install(|| writer.finish(window)));
            if finished.is_err() {
                writer.job.stop();
            }
            finished
        });
        let write = || -> Result<()> {
            let begin = |window| pool.install(|| writer.begin(window));
            let mut next = None;
            loop {
                let begun = match next.take() {
                    Some(begun) => begun,
                    None => match receive.recv() {
                        Ok(window) => begin(window)?,
                        // The planner has ended.
                        Err(_) => return Ok(()),
                    },
                };
                pool.install(|| writer.content(&begun))?;
                // If it is planned by now it is on its way, so that the store is never waited for twice.
                if let Ok(window) = receive.try_recv() {
                    next = Some(begin(window)?);
                }
                if send.send(begun.into_window()).is_err() {
                    // Whoever finishes has failed, and says why.
                    return writer.job.go_on();
                }
            }
        };
        let outcome = write();
        drop(send);
        if outcome.is_err() {
            writer.job.stop();
        }
        let finished = finished.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        write::first_cause(vec![finished, outcome])
    })
}

/// So many threads, but no more than the memory allows.
fn pool(options: &RestoreOptions, threads: usize) -> Result<ThreadPool> {
    let affordable = usize::try_from(options.memory_bytes / 8 / THREAD_BYTES).unwrap_or(usize::MAX);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(affordable).max(1))
        .thread_name(|number| format!("lifeboat-restore-{number}"))
        .build()
        .map_err(|cause| {
            let target = crate::report::escape(options.target.as_os_str().as_bytes());
            repo::Error::new(Kind::Internal, "start threads to restore", target)
                .because(cause)
                .into()
        })
}

/// The parts of the snapshot's roots that lie in the path.
fn pieces(snapshot: &Snapshot, path: Option<&PathKey>) -> Result<Vec<Piece>> {
    let all = PathKey::root();
    let wanted = path.unwrap_or(&all);
    let mut pieces = Vec::new();
    let mut is_missing = false;
    for (number, root) in snapshot.roots.iter().enumerate() {
        if let Some(piece) = place::piece(number, place::root_key(&root.path)?, wanted) {
            is_missing |= root.is_missing();
            if !root.is_missing() {
                pieces.push(piece);
            }
        }
    }
    if !pieces.is_empty() {
        return Ok(pieces);
    }
    let path = crate::report::escape(&place::absolute_path(wanted.as_bytes()));
    let reason = if is_missing {
        "it was missing in the source when the snapshot was made"
    } else {
        "the snapshot has no such path: none of its roots is there, above it or below it"
    };
    Err(repo::Error::new(Kind::NotFound, "find in the snapshot", path).because(reason).into())
}

/// Of the roots that may have the very path that was asked for, the deepest one that has it.
fn present(reader: &Reader, snapshot: &Snapshot, mut pieces: Vec<Piece>) -> Result<Vec<Piece>> {
    if !pieces.iter().all(Piece::is_exact) {
        return Ok(pieces);
    }
    pieces.sort_by_key(|piece| piece.at.depth());
    let Some(outermost) = pieces.first() else { return Ok(pieces) };
    let not_found = place::not_found(&outermost.absolute(&outermost.start));
    while let Some(piece) = pieces.pop() {
        let root = &snapshot.roots[piece.root];
        let Some(id) = root.tree else { continue };
        let root = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
        match scan::lookup(reader, &root, &piece.start) {
            Ok(None) => {}
            // What can't be read is told by the restore itself.
            Ok(Some(_)) | Err(_) => return Ok(vec![piece]),
        }
    }
    Err(not_found)
}

fn report(job: &Job<'_>, reader: &Reader) -> RestoreReport {
    let counts = &job.counts;
    let skipped = job.meta.skipped();
    let mut notices = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            notices.push(format!(
                "{count} {what} could not be set: run as root to set them as they were"
            ));
        }
    };
    note(skipped.owners, "owners of files (and the set-id bits that go with them)");
    note(skipped.xattrs, "extended attributes that need privileges");
    RestoreReport {
        files: counts.files.load(Ordering::Relaxed),
        dirs: counts.dirs.load(Ordering::Relaxed),
        links: counts.links.load(Ordering::Relaxed),
        other: counts.other.load(Ordering::Relaxed),
        bytes: counts.bytes.load(Ordering::Relaxed),
        unchanged: counts.unchanged.load(Ordering::Relaxed),
        unchanged_bytes: counts.unchanged_bytes.load(Ordering::Relaxed),
        kept: counts.kept.load(Ordering::Relaxed),
        deleted: counts.deleted.load(Ordering::Relaxed),
        verified: counts.verified.load(Ordering::Relaxed),
        verified_bytes: counts.verified_bytes.load(Ordering::Relaxed),
        healed: reader.healed(),
        losses: job.tell_losses(),
        resumed: job.start.resumes,
        dry_run: job.options.dry_run,
        fetch: None,
        notices,
        problems: job.problems.snapshot(),
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
