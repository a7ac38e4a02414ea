//! The last stage: what was done becomes a snapshot, sealed, in an entry of the log.
//!
//! Knows the run's identity and what a snapshot says. Objects are durable before the entry that makes
//! them count is appended.

use lifeboat_format::entry::Until;
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::snapshot::{
    self, CheckpointPlace, PROBLEMS_MAX, Root, SNAPSHOT_VERSION, Snapshot, Source, Stats,
};
use lifeboat_format::time::Time;
use lifeboat_repo::index::merge::{MergeOptions, TARGET_BYTES, merge_segments};
use lifeboat_repo::log::{self, Fold};
use lifeboat_repo::open::Repository;
use lifeboat_repo::snapshots;
use lifeboat_repo::stand::{self, Begun};
use lifeboat_store::layer::meter::Metrics;

use super::Job;
use super::options::{BackupOptions, BackupReport, BackupStats, Outcome};
use super::parent::Parents;
use super::roots::BackupRoot;
use crate::error::{Kind, Result};
use crate::report::Problems;

/// From so much memory on segments are merged beside a run, in bytes: what that takes is in docs/decisions/0010.
const MERGING_BESIDE_BYTES: u64 = 192 << 20;
/// So many merges at a checkpoint, some seconds of work; a checkpoint brings less to merge.
const MERGES_BESIDE_MAX: u64 = 16;
/// And at the end of a run, where writers that may not merge have left much to do.
const MERGES_MAX: u64 = 64;

/// What a commit says has been done.
pub(super) struct Progress {
    pub(super) roots: Vec<Root>,
    pub(super) stats: BackupStats,
    /// Where the run is, if it has not ended.
    pub(super) checkpoint: Option<CheckpointPlace>,
}

/// Commits one run's snapshot and the checkpoints before it.
pub(super) struct Committer<'a> {
    fold: Fold,
    options: &'a BackupOptions,
    parents: &'a Parents,
    source: Source,
    run: RunId,
    /// What the index that chunks are claimed in had seen of the log.
    begun: Begun,
    started: Time,
    /// What the store had been asked before the run.
    asked_before: Metrics,
    last_checkpoint: Option<SnapshotId>,
}

/// Where the data comes from, as all snapshots of it say.
pub(super) fn source(options: &BackupOptions, roots: &[BackupRoot]) -> Source {
    Source {
        name: options.source.clone(),
        host: options.host.clone(),
        roots: roots.iter().map(BackupRoot::label).collect(),
    }
}

impl<'a> Committer<'a> {
    pub(super) fn new(
        repository: &Repository,
        fold: Fold,
        options: &'a BackupOptions,
        source: Source,
        parents: &'a Parents,
        asked_before: Metrics,
    ) -> Result<Self> {
        Ok(Self {
            begun: Begun::at(&fold),
            fold,
            options,
            parents,
            source,
            run: RunId(repository.random()?),
            started: repository.clock().now(),
            asked_before,
            last_checkpoint: None,
        })
    }

    /// Makes everything durable and appends the entry; nothing in a dry run.
    pub(super) fn commit(
        &mut self,
        job: Job<'_>,
        progress: Progress,
    ) -> Result<Option<SnapshotId>> {
        let objects = job.packer.flush()?;
        if self.options.dry_run {
            return Ok(None);
        }
        let is_checkpoint = progress.checkpoint.is_some();
        let mut snapshot = self.snapshot(job, progress)?;
        let until = snapshot.hold_until.map(hold_end);
        let (begun, own) = (self.begun, objects.clone());
        let seal = |head: &Fold| {
            // Another writer of the same key may have come before since.
            let last = head.last_snapshot_of(job.repository);
            snapshot.sequence = last.as_ref().map_or(0, |last| last.sequence) + 1;
            snapshot.previous = last.map(|last| last.hash);
            let relied = stand::relied_on(job.repository, head, begun, &own, &snapshot)?;
            Ok((snapshots::seal(job.repository, &snapshot)?, relied))
        };
        let committed =
            log::commit_snapshot(job.repository, &mut self.fold, self.run, objects, until, seal);
        if let Err(error) = committed {
            if error.kind() == Kind::Collected {
                // What is left of it is found by the next try.
                log::commit(job.repository, &mut self.fold, self.run, own, Vec::new())?;
            }
            return Err(error.into());
        }
        if is_checkpoint {
            self.last_checkpoint = Some(snapshot.id);
        }
        self.tidy(job, is_checkpoint);
        Ok(Some(snapshot.id))
    }

    /// Whoever may speak for all spares the next reader requests: index segments are merged, and the log
    /// is folded. What was committed counts already, with or without. While the run goes on packs hold their
    /// part of the memory, and workers wait for the next checkpoint: then only a little is merged, and nothing where
    /// there is no room.
    fn tidy(&mut self, job: Job<'_>, goes_on: bool) {
        let merges_max = match goes_on {
            true if job.repository.memory_bytes() < MERGING_BESIDE_BYTES => 0,
            true => MERGES_BESIDE_MAX,
            false => MERGES_MAX,
        };
        let options = MergeOptions {
            merges_max,
            level: self.options.compression.level(),
            target: TARGET_BYTES,
            cancel: job.context.cancel.clone(),
        };
        let index = job.packer.index();
        if let Err(error) =
            merge_segments(job.repository, &mut self.fold, index, self.run, &options)
        {
            tracing::warn!(%error, "merging index segments is left to a later run");
        }
        if let Err(error) = log::checkpoint::maybe_write(job.repository, &self.fold) {
            tracing::warn!(%error, "the log's next checkpoint is left to a later run");
        }
    }

    /// Makes what is stored count, without a snapshot: chunks that the next run will find.
    pub(super) fn commit_objects(&mut self, job: Job<'_>) -> Result<()> {
        let objects = job.packer.flush()?;
        if !self.options.dry_run {
            log::commit(job.repository, &mut self.fold, self.run, objects, Vec::new())?;
            self.tidy(job, true);
        }
        Ok(())
    }

    /// The snapshot of the run's last checkpoint.
    pub(super) fn last_checkpoint(&self) -> Option<SnapshotId> {
        self.last_checkpoint
    }

    /// What the caller hears in the end.
    pub(super) fn report(
        &self,
        job: Job<'_>,
        outcome: Outcome,
        snapshot: Option<SnapshotId>,
        stats: BackupStats,
    ) -> BackupReport {
        BackupReport {
            outcome,
            snapshot,
            run: self.run,
            kind: self.parents.kind().clone(),
            parent: self.parents.base(),
            resumed: self.parents.resumed(),
            stats: with_packed(job, stats),
            problems: job.problems.snapshot(),
            head: self.fold.head(),
            seconds: 0.0,
        }
    }

    /// What the run has asked of the store, the entry that says so included.
    fn requests(&self, repository: &Repository) -> u64 {
        let asked = repository.io().meter().snapshot().since(&self.asked_before).requests();
        repository.opening_requests() + asked + 1
    }

    fn snapshot(&self, job: Job<'_>, progress: Progress) -> Result<Snapshot> {
        let problems = job.problems.snapshot();
        let is_checkpoint = progress.checkpoint.is_some();
        Ok(Snapshot {
            version: SNAPSHOT_VERSION,
            id: SnapshotId(job.repository.random()?),
            run: self.run,
            source: self.source.clone(),
            source_key: self.source.key(),
            kind: self.parents.kind().clone(),
            checkpoint: progress.checkpoint,
            parent: self.parents.base(),
            roots: progress.roots,
            time: self.options.time,
            started: self.started,
            ended: job.repository.clock().now(),
            outcome: match problems.count {
                0 => snapshot::Outcome::Complete,
                _ => snapshot::Outcome::Partial,
            },
            problems: kept(problems),
            stats: Stats {
                requests: self.requests(job.repository),
                ..kept_stats(&with_packed(job, progress.stats))
            },
            tags: self.options.tags.clone(),
            // A checkpoint gives way to what the run ends with, which is held then.
            hold_until: self.options.hold_until.filter(|_| !is_checkpoint),
            // Known when its place in the log is.
            sequence: 0,
            previous: None,
            policy: None,
            replaces: None,
            original: None,
            tool: self.options.tool.clone(),
            other: std::collections::BTreeMap::new(),
        })
    }
}

/// The end of a hold as the log says it: in whole seconds, rather later.
fn hold_end(time: Time) -> Until {
    let secs = u64::try_from(time.secs).unwrap_or(0);
    Until::Time(secs + u64::from(time.nanos > 0))
}

fn kept(problems: Problems) -> snapshot::Problems {
    let first = problems.first.into_iter().take(PROBLEMS_MAX);
    snapshot::Problems {
        count: problems.count,
        first: first
            .map(|problem| snapshot::Problem {
                path: problem.path,
                error: format!("{}: {}", problem.operation, problem.error),
            })
            .collect(),
    }
}

fn kept_stats(stats: &BackupStats) -> Stats {
    Stats {
        files: stats.files,
        dirs: stats.dirs,
        other: stats.others,
        files_new: stats.files_new,
        files_changed: stats.files_changed,
        files_unchanged: stats.files_unchanged,
        bytes: stats.bytes,
        read_bytes: stats.read_bytes,
        new_bytes: stats.new_bytes,
        stored_bytes: stats.stored_bytes,
        meta_bytes: stats.stored_bytes.saturating_sub(stats.data_frame_bytes),
        new_chunks: stats.new_chunks,
        requests: 0,
    }
}

fn with_packed(job: Job<'_>, stats: BackupStats) -> BackupStats {
    let packed = job.packer.stats();
    BackupStats {
        new_chunks: packed.new_chunks,
        new_bytes: packed.new_bytes,
        new_metadata_bytes: packed.new_metadata_bytes,
        data_frame_bytes: packed.frame_bytes,
        stored_bytes: packed.stored_bytes,
        stored_objects: packed.stored_objects,
        ..stats
    }
}
