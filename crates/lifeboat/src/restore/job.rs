//! What all parts of one restore share: its surroundings, its counts, and how trouble is told.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher as _;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use lifeboat_repo as repo;

use super::journal::Start;
use super::owners::Owners;
use super::{RestoreOptions, place};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::report::{Problem, ProblemLog};
use crate::target::{Dir, Fault, MetaWriter};

/// How many chunks in a row a store may fail to give before it is taken for gone.
const UNAVAILABLE_MAX: u64 = 64;

/// One restore.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) options: &'a RestoreOptions,
    pub(super) context: &'a Context<'a>,
    pub(super) problems: ProblemLog<'a>,
    pub(super) meta: MetaWriter,
    pub(super) counts: Counts,
    /// Whether the whole snapshot is restored, so that its statistics say how much there is.
    pub(super) is_whole: bool,
    /// How it began in the target.
    pub(super) start: Start,
    /// A directory of each file system below the target's that was entered.
    mounts: Mutex<HashMap<u64, Dir>>,
    /// Whether the store did not answer for something, so that the run is to be gone on with.
    cut: AtomicBool,
    pub(super) owners: Owners,
    losses: Mutex<BTreeMap<&'static str, Loss>>,
    /// Ways that a verification need not look at, by a hash of each: they are told of, or were kept.
    passed_over: Mutex<HashSet<u64>>,
    state: RandomState,
    stopped: AtomicBool,
    unavailable: AtomicU64,
}

/// What the target can't hold, of how many files.
#[derive(Debug)]
struct Loss {
    files: u64,
    first: Vec<u8>,
    reason: String,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) files: AtomicU64,
    pub(super) dirs: AtomicU64,
    pub(super) links: AtomicU64,
    pub(super) other: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) unchanged_bytes: AtomicU64,
    pub(super) kept: AtomicU64,
    pub(super) deleted: AtomicU64,
    pub(super) verified: AtomicU64,
    pub(super) verified_bytes: AtomicU64,
}

impl Counts {
    pub(super) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

impl<'a> Job<'a> {
    pub(super) fn new(
        options: &'a RestoreOptions,
        context: &'a Context<'a>,
        is_whole: bool,
    ) -> Result<Self> {
        let owners = Owners::new(&options.owners)?;
        Ok(Self {
            options,
            context,
            is_whole,
            start: Start::default(),
            mounts: Mutex::default(),
            cut: AtomicBool::new(false),
            problems: ProblemLog::new(context.monitor),
            meta: MetaWriter::new(owners.are_set()),
            owners,
            counts: Counts::default(),
            losses: Mutex::default(),
            passed_over: Mutex::default(),
            state: RandomState::new(),
            stopped: AtomicBool::new(false),
            unavailable: AtomicU64::new(0),
        })
    }

    /// The path in the target of this way, as bytes for messages.
    pub(super) fn path(&self, way: &[u8]) -> Vec<u8> {
        let mut path = self.options.target.as_os_str().as_bytes().to_vec();
        while path.len() > 1 && path.last() == Some(&b'/') {
            path.pop();
        }
        for name in place::names(way) {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// Counts content that was written, and tells the monitor.
    pub(super) fn wrote(&self, bytes: u64) {
        Counts::add(&self.counts.bytes, bytes);
        self.context.monitor.advance(0, bytes);
    }

    /// Counts content that was there already, and tells the monitor.
    pub(super) fn found(&self, bytes: u64) {
        Counts::add(&self.counts.unchanged_bytes, bytes);
        self.context.monitor.advance(0, bytes);
    }

    /// Counts a file, link or special file that is done, and tells the monitor.
    pub(super) fn made(&self, count: &AtomicU64) {
        Counts::add(count, 1);
        self.context.monitor.advance(1, 0);
    }

    /// Notes a problem with what is at this way.
    pub(super) fn problem(&self, way: &[u8], operation: &str, error: impl fmt::Display) {
        self.pass_over(way);
        self.problems.add(Problem::new(&self.path(way), operation, error));
    }

    /// Notes a fault at this way, or ends the run where every further file would fail alike.
    pub(super) fn fault(&self, way: &[u8], fault: Fault) -> Result<()> {
        if fault.ends_run() {
            return Err(fault.into_error(&self.path(way)));
        }
        self.pass_over(way);
        self.problems.add(fault.problem(&self.path(way)));
        Ok(())
    }

    /// Notes a fault of what a file has beside its content: where the target has no such thing, it is one problem for
    /// all files.
    pub(super) fn fault_of_metadata(&self, way: &[u8], fault: Fault) -> Result<()> {
        if !fault.is_unsupported() {
            return self.fault(way, fault);
        }
        self.lose(way, fault.operation(), fault.reason());
        Ok(())
    }

    /// Notes that the target has no such thing.
    pub(super) fn lose(&self, way: &[u8], operation: &'static str, reason: String) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || Loss { files: 0, first: way.to_vec(), reason };
        losses.entry(operation).or_insert_with(first).files += 1;
    }

    /// Tells what the target could not hold, each once.
    pub(super) fn tell_losses(&self) -> Vec<super::Loss> {
        let losses =
            std::mem::take(&mut *self.losses.lock().unwrap_or_else(PoisonError::into_inner));
        let mut told = Vec::new();
        for (operation, Loss { files, first, reason }) in losses {
            let more = match files {
                1 => String::new(),
                files => format!("; so with {} more", files - 1),
            };
            let first = self.path(&first);
            self.problems.add(Problem::new(&first, operation, format_args!("{reason}{more}")));
            let first = crate::report::escape(&first);
            told.push(super::Loss { operation: operation.to_owned(), files, first, reason });
        }
        told
    }

    /// Counts something that was there and stays, though it is not what the snapshot has.
    pub(super) fn kept(&self, way: &[u8]) {
        self.pass_over(way);
        self.made(&self.counts.kept);
    }

    fn pass_over(&self, way: &[u8]) {
        if self.options.verify {
            let hash = self.state.hash_one(way);
            self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
        }
    }

    /// Whether there is nothing to verify at this way.
    pub(super) fn is_passed_over(&self, way: &[u8]) -> bool {
        let hash = self.state.hash_one(way);
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    /// Decides on an error of the repository: `Ok` with the same error where it damages only what
    /// was being read, the end of the run where it is not about that.
    pub(super) fn damage(&self, error: repo::Error) -> Result<repo::Error> {
        match error.kind() {
            Kind::Corrupt | Kind::NotFound | Kind::Unsupported | Kind::WrongKey | Kind::Denied => {
                Ok(error)
            }
            Kind::Unavailable => {
                self.cut.store(true, Ordering::Relaxed);
                let failed = self.unavailable.fetch_add(1, Ordering::Relaxed) + 1;
                if failed > UNAVAILABLE_MAX { Err(error.into()) } else { Ok(error) }
            }
            _ => Err(error.into()),
        }
    }

    /// Whether the store did not answer for something.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Notes a directory that was entered: what is mounted below the target is to be synced, too.
    pub(super) fn entered(&self, dir: &Dir) {
        if !dir.is_below_mount() {
            return;
        }
        let mut mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(place) = mounts.entry(dir.id().device)
            && let Ok(dir) = dir.try_clone()
        {
            place.insert(dir);
        }
    }

    /// Waits until what was written below the target is on the disks, beside the target's own.
    pub(super) fn sync_mounts(&self) -> Result<()> {
        let mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        mounts.values().try_for_each(|dir| {
            rustix::fs::syncfs(dir)
                .map_err(|errno| Error::local("write to the disk", &self.path(b""), errno.into()))
        })
    }

    /// Notes that the store has answered.
    pub(super) fn store_answered(&self) {
        if self.unavailable.load(Ordering::Relaxed) > 0 {
            self.unavailable.store(0, Ordering::Relaxed);
        }
    }

    /// Asks all threads of this restore to stop, since one has failed.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until the next frame may be taken.
    pub(super) fn wait_for_turn(&self) -> Result<()> {
        self.context.pace.wait(|| self.go_on().map(|()| true)).map(|_| ())
    }

    /// An error when the run is to stop.
    pub(super) fn go_on(&self) -> Result<()> {
        if self.context.cancel.is_cancelled() || self.stopped.load(Ordering::Relaxed) {
            let target = crate::report::escape(self.options.target.as_os_str().as_bytes());
            return Err(Error::from(repo::Error::new(Kind::Cancelled, "restore into", target)));
        }
        Ok(())
    }
}
