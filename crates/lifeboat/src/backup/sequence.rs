//! The ordering stage: units come back in any order and enter the tree in path order.
//!
//! The caller's thread. Builds one tree a root, makes checkpoints at intervals and when the run is
//! asked to stop, and commits in the end. Knows entries, not files.
//!
//! Invariant: a checkpoint covers a prefix of the roots in path order, so that the next run can go on
//! exactly behind it. While one large file keeps the order waiting, what is stored of it is committed
//! without a snapshot: an interrupted run then reads that file again, and stores no byte of it twice.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use lifeboat_format::index::PackKind;
use lifeboat_format::snapshot::{CheckpointPlace, Root};
use lifeboat_format::tree::PathKey;
use lifeboat_repo::packer::Framer;
use lifeboat_repo::tree::build::TreeBuilder;
use lifeboat_repo::tree::{TreeKeys, TreeRoot};

use super::Job;
use super::commit::{Committer, Progress};
use super::options::{BackupReport, BackupStats, Outcome};
use super::roots::BackupRoot;
use super::unit::{Arrival, Exit, UnitDone};
use crate::error::{Error, Result};
use crate::monitor::Phase;

/// However short the interval between checkpoints: a look at the clock while nothing arrives costs a
/// commit at most this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

type Builder<'a> = TreeBuilder<'a, Framer>;

/// What the stage has so far.
pub(super) struct Sequence<'a> {
    job: Job<'a>,
    roots: &'a [BackupRoot],
    committer: Committer<'a>,
    waiting: BTreeMap<u64, Arrival>,
    next: u64,
    /// Roots that are finished.
    done: Vec<Root>,
    builder: Option<Builder<'a>>,
    stats: BackupStats,
    last_checkpoint: Duration,
    /// How many entries there were at the last checkpoint, and how much was packed.
    checkpointed: u64,
    checkpointed_bytes: u64,
    entries: u64,
    /// Where the last entry is, in its root.
    last_key: PathKey,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(job: Job<'a>, roots: &'a [BackupRoot], committer: Committer<'a>) -> Self {
        Self {
            job,
            roots,
            committer,
            waiting: BTreeMap::new(),
            next: 0,
            done: Vec::new(),
            builder: None,
            stats: BackupStats::default(),
            last_checkpoint: job.repository.clock().monotonic(),
            checkpointed: 0,
            checkpointed_bytes: 0,
            entries: 0,
            last_key: PathKey::default(),
        }
    }

    /// Takes units until every root has ended or the run is asked to stop, and commits.
    pub(super) fn run(
        mut self,
        arrivals: &Receiver<Arrival>,
        window: Exit,
    ) -> Result<BackupReport> {
        let mut window = Some(window);
        while self.done.len() < self.roots.len() {
            match arrivals.recv_timeout(self.until_checkpoint()) {
                Ok(arrival) => match arrival.number() {
                    Some(number) => drop(self.waiting.insert(number, arrival)),
                    // There will be a gap. The walk ends when it finds the window gone, the workers
                    // when the walk has; what they have done until then may still be in order.
                    None => window = None,
                },
                // A large file is on its way; what is stored of it can count all the same.
                Err(RecvTimeoutError::Timeout) => {}
                // All stages before have ended: all done, cancelled or failed.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Some(arrival) = self.waiting.remove(&self.next) {
                if let Some(window) = &window {
                    window.leave();
                }
                self.next += 1;
                self.take(arrival)?;
            }
            // What could not be stored for good ends the run now, not at its next commit.
            self.job.packer.check()?;
            if self.is_checkpoint_due() {
                self.checkpoint()?;
            }
        }
        if self.done.len() == self.roots.len() {
            return self.finish();
        }
        if self.job.context.cancel.is_cancelled() {
            return self.interrupt();
        }
        // Another stage failed, and its own error is what will be told.
        Err(Error::options("the backup ended before its end"))
    }

    fn take(&mut self, arrival: Arrival) -> Result<()> {
        match arrival {
            Arrival::Unit(unit) => self.take_unit(unit),
            Arrival::RootEnd { root, .. } => self.end_root(root),
            Arrival::Stopped => Ok(()),
        }
    }

    fn take_unit(&mut self, unit: UnitDone) -> Result<()> {
        debug_assert_eq!(unit.root, self.done.len(), "roots come one after another");
        self.stats.add(&unit.stats);
        for (key, entry) in &unit.entries {
            let mut builder = match self.builder.take() {
                Some(builder) => builder,
                None => self.new_builder()?,
            };
            self.last_key.clone_from(key);
            builder.push(key.clone(), entry)?;
            self.entries += 1;
            self.builder = Some(builder);
        }
        // A walk that has ended needs nothing back.
        let _taken = unit.maker.send(unit.entries).is_ok();
        Ok(())
    }

    fn new_builder(&self) -> Result<Builder<'a>> {
        let keyring = self.job.repository.keyring();
        let keys = TreeKeys { ids: keyring.ids(), boundary: keyring.tree_boundary_key() };
        Ok(TreeBuilder::new(keys, self.job.packer.framer(PackKind::Tree)?))
    }

    fn end_root(&mut self, place: usize) -> Result<()> {
        let path = self.roots[place].kept_path();
        let tree = match self.builder.take() {
            Some(builder) => Some(builder.finish()?),
            // Missing, or not even its own entry could be kept: a problem that was told already.
            None => None,
        };
        self.done.push(root_record(path, tree));
        Ok(())
    }

    /// How long to wait for the next unit before it is time to look at the clock again.
    fn until_checkpoint(&self) -> Duration {
        let now = self.job.repository.clock().monotonic();
        let elapsed = now.saturating_sub(self.last_checkpoint);
        self.job.options.checkpoint_interval.saturating_sub(elapsed).max(LOOK_AGAIN)
    }

    fn is_checkpoint_due(&self) -> bool {
        let now = self.job.repository.clock().monotonic();
        let elapsed = now.saturating_sub(self.last_checkpoint);
        elapsed >= self.job.options.checkpoint_interval
            && (self.entries > self.checkpointed || self.packed() > self.checkpointed_bytes)
    }

    /// Bytes of new chunks so far, of whatever kind.
    fn packed(&self) -> u64 {
        let stats = self.job.packer.stats();
        stats.new_bytes + stats.new_metadata_bytes
    }

    /// Makes what is done so far count: what is stored, and the entries up to here if there are new ones.
    fn checkpoint(&mut self) -> Result<()> {
        let packed = self.packed();
        if self.entries > self.checkpointed
            && let Some((roots, place)) = self.progress()?
        {
            let progress = Progress { roots, stats: self.stats, checkpoint: Some(place) };
            self.committer.commit(self.job, progress)?;
        } else {
            self.flush_builder()?;
            self.committer.commit_objects(self.job)?;
        }
        self.checkpointed = self.entries;
        self.checkpointed_bytes = packed;
        self.last_checkpoint = self.job.repository.clock().monotonic();
        Ok(())
    }

    /// What the packer is about to wait for must not lie in this thread's own frame.
    fn flush_builder(&mut self) -> Result<()> {
        if let Some(builder) = &mut self.builder {
            builder.sink_mut().flush()?;
        }
        Ok(())
    }

    /// The roots so far and where they end; `None` when nothing is done.
    fn progress(&mut self) -> Result<Option<(Vec<Root>, CheckpointPlace)>> {
        let mut roots = self.done.clone();
        if let Some(builder) = &mut self.builder {
            let tree = builder.snapshot()?;
            roots.push(root_record(self.roots[roots.len()].kept_path(), Some(tree)));
        }
        self.flush_builder()?;
        let Some(last) = roots.len().checked_sub(1) else { return Ok(None) };
        let root = u32::try_from(last).ok().ok_or_else(|| Error::options("too many roots"))?;
        Ok(Some((roots, CheckpointPlace { root, ended_at: self.last_key.clone() })))
    }

    fn finish(mut self) -> Result<BackupReport> {
        if self.done.iter().all(Root::is_missing) {
            let why = "no root could be read (see the problems), so no snapshot was made";
            let missing = std::io::Error::new(std::io::ErrorKind::NotFound, why);
            let roots: Vec<String> = self.roots.iter().map(BackupRoot::label).collect();
            return Err(Error::local("back up", roots.join(", ").as_bytes(), missing));
        }
        self.job.context.monitor.phase(Phase::Commit);
        let progress =
            Progress { roots: std::mem::take(&mut self.done), stats: self.stats, checkpoint: None };
        let snapshot = self.committer.commit(self.job, progress)?;
        let outcome = match self.job.problems.snapshot().count {
            0 => Outcome::Complete,
            _ => Outcome::Partial,
        };
        Ok(self.committer.report(self.job, outcome, snapshot, self.stats))
    }

    /// The run was asked to stop: what is done becomes a checkpoint.
    fn interrupt(mut self) -> Result<BackupReport> {
        self.job.context.monitor.phase(Phase::Commit);
        self.checkpoint()?;
        let snapshot = self.committer.last_checkpoint();
        Ok(self.committer.report(self.job, Outcome::Interrupted, snapshot, self.stats))
    }
}

fn root_record(path: Vec<u8>, tree: Option<TreeRoot>) -> Root {
    match tree {
        Some(TreeRoot { id, level, entries, bytes }) => {
            Root { path, tree: Some(id), level, entries, bytes }
        }
        None => Root { path, tree: None, level: 0, entries: 0, bytes: 0 },
    }
}
