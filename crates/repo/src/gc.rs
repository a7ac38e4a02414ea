//! The collector: frees the space of what no snapshot needs, beside everything else that goes on.
//!
//! ```text
//! fold ─► close condemns that are old enough ─► mark what lives ─► plan ─► copy out of packs that are mostly unused
//!      ─► condemn (an entry) ......... a day later ......... delete (an entry) ─► remove the objects
//! ```
//!
//! Rules P10 to P17 of docs/protocol.md, which says why they are safe. Knows the log, the index and what trees reach; nothing of
//! files, and no rule of retention: what is forgotten, and since when, the log says.
//!
//! Invariants: nothing is condemned where anything is in doubt: a damaged entry, a lost segment, a snapshot or a tree that
//! can't be read. An object is removed only after the `delete` that names it is in the log. Every step may be cut off
//! anywhere and done again by anybody. Memory is bounded by two bits for each record of the index and some hundred bytes for each pack, with marks that
//! are kept by twice that.

mod ahead;
mod condemn;
mod delete;
mod kept;
mod living;
mod mark;
mod orphans;
mod plan;
mod repack;

use std::sync::Arc;
use std::time::Duration;

use lifeboat_codec::compress::Compression;
use lifeboat_format::id::RunId;
use lifeboat_format::keys::SigningRole;
use serde::Serialize;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::index::merge::{MergeOptions, TARGET_BYTES, compact_segments, merge_segments};
use crate::locks::left::Left;
use crate::locks::{self, ExtendReport, When};
use crate::log::{Fold, checkpoint};
use crate::open::Repository;

use self::condemn::Condemned;
use self::kept::Kept;
use self::living::Living;
use self::plan::Plan;
pub use crate::locks::left::Locked;

pub use self::ahead::Ahead;
pub use self::kept::KeepMarks;

/// How long a `condemn` stays open by default before what it names is deleted: a day. Whoever reads by an index of that
/// age finds everything.
pub const DELAY: Duration = Duration::from_secs(24 * 3600);
/// How long a forgotten snapshot can be had back by default: seven days.
pub const TRASH_PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many merges of index segments in one run.
const MERGES_MAX: u64 = 64;
/// How often a collection begins anew because another one came between.
const TRIES_MAX: u32 = 8;

/// How much of the stored bytes may stay unused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unused {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of what is stored.
    Percent(f64),
    /// However much it is: packs go only when nothing in them is used.
    Unlimited,
}

impl Unused {
    /// The limit in bytes, where so many are stored.
    fn of(self, stored: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a sum of bytes, which need not be exact"
            )]
            Self::Percent(percent) => (stored as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64,
            Self::Unlimited => u64::MAX,
        }
    }
}

/// How to collect.
#[derive(Clone, Debug)]
pub struct GcOptions {
    /// How long a `condemn` must have stood before it is followed by its `delete`, and an object that no entry names must
    /// have been there before it is condemned.
    pub delay: Duration,
    /// How long a snapshot must have been forgotten before what only it needs is condemned.
    pub trash_period: Duration,
    /// How much may stay unused in packs of which something is used.
    pub max_unused: Unused,
    /// How many bytes may be copied out of such packs at most in one run.
    pub max_repack: Option<u64>,
    /// How what is copied is compressed.
    pub compression: Compression,
    /// How many threads copy.
    pub threads: usize,
    /// The program, as the entries of the log say it, such as `lifeboat 0.1.0`.
    pub tool: String,
    /// Only says what would be done.
    pub dry_run: bool,
    /// Keeps marks from one run to the next, so that only nodes which came since are read; none to read all each time.
    pub marks: Option<Arc<dyn KeepMarks>>,
    /// Asks the run to stop.
    pub cancel: Cancel,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self {
            delay: DELAY,
            trash_period: TRASH_PERIOD,
            max_unused: Unused::Percent(5.0),
            max_repack: None,
            compression: Compression::default(),
            threads: 1,
            tool: String::new(),
            dry_run: false,
            marks: None,
            cancel: Cancel::new(),
        }
    }
}

/// Objects, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// What came of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Snapshots whose trees were gone through: those that are shown, held, or forgotten for less than the trash period.
    pub live_snapshots: u64,
    /// Snapshots that need nothing any more.
    pub dead_snapshots: u64,
    /// How many nodes of trees were read to find out what is used.
    pub nodes_read: u64,
    /// Whether it was planned by what came since an earlier mark, and not by all trees.
    pub by_differences: bool,
    /// Packs that count, before this run.
    pub packs: Tally,
    /// Of their bytes, about how many are used.
    pub used_bytes: u64,
    /// Packs of which something was copied elsewhere, so that they could be condemned.
    pub repacked: Tally,
    /// How many bytes of content and trees were copied, before compression.
    pub copied_bytes: u64,
    /// What was condemned: packs, tree packs and index segments.
    pub condemned: Tally,
    /// Among these, objects that no entry of the log has ever named.
    pub orphans: Tally,
    /// What was condemned by earlier runs, or this one, and is not yet old enough to be deleted.
    pub waiting: Tally,
    /// What was deleted in the log by this run.
    pub deleted: Tally,
    /// What had been condemned and is needed after all.
    pub spared: Tally,
    /// What was removed from the store.
    pub removed: Tally,
    /// What is deleted, or named by nothing, and locked: its space will be free later.
    pub locked: Locked,
    /// What became of the locks of what still counts, where objects are locked.
    pub locks: Option<ExtendReport>,
    /// Whether nothing was written since only saying was asked for.
    pub dry_run: bool,
    /// What it would ask of the store, where only saying was asked for.
    pub ahead: Option<Ahead>,
}

/// Collects.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*; [`Kind::Corrupt`] and [`Kind::NotFound`] where anything that matters
/// can't be read, since what it needs is then not known; the store's; [`Kind::Cancelled`].
pub fn collect(repository: &Repository, options: &GcOptions) -> Result<GcReport> {
    let mut report = GcReport { dry_run: options.dry_run, ..GcReport::default() };
    let mut tries = 0;
    loop {
        tries += 1;
        let mut run = Run::begin(repository, options)?;
        match run.collect(&mut report) {
            // What this one was about to read another one has removed.
            Err(error)
                if matches!(error.kind(), Kind::NotFound | Kind::Corrupt)
                    && tries < TRIES_MAX
                    && run.is_overtaken()? =>
            {
                tracing::debug!(%error, "another collection came between; this one begins anew");
                report = report.planned_anew();
            }
            outcome => return outcome.map(|()| report),
        }
    }
}

impl GcOptions {
    fn go_on(&self, repository: &Repository) -> Result<()> {
        match self.cancel.is_cancelled() {
            true => Err(Error::new(Kind::Cancelled, "collect", repository.io().describe())),
            false => Ok(()),
        }
    }
}

impl GcReport {
    /// What stays true when a plan is given up.
    fn planned_anew(self) -> Self {
        let Self { nodes_read, repacked, copied_bytes, deleted, spared, removed, dry_run, .. } =
            self;
        let done = Self { nodes_read, repacked, copied_bytes, ..Self::default() };
        Self { deleted, spared, removed, dry_run, ..done }
    }
}

/// One run of the collector.
struct Run<'a> {
    repository: &'a Repository,
    options: &'a GcOptions,
    fold: Fold,
    id: RunId,
    /// The last mark, if marks are kept.
    kept: Option<Kept>,
    /// The last `condemn` or `delete` that this run knew of when it began what it does now, or has appended itself since.
    known: Option<u64>,
    /// Where objects are locked: those that can't be removed yet.
    left: Option<Left>,
}

impl<'a> Run<'a> {
    fn begin(repository: &'a Repository, options: &'a GcOptions) -> Result<Self> {
        let signer = repository.keyring().signer(&SigningRole::Maintain)?;
        if !options.dry_run {
            repository.require_writable()?;
            if !repository.grants(&signer.public(), &SigningRole::Maintain) {
                return Err(Error::new(Kind::Denied, "collect", repository.io().describe())
                    .because("this key does not have the role \"maintain\"")
                    .hint("run it with an administrator's key"));
            }
        }
        let fold = Fold::load(repository)?;
        let left = Left::of(repository, &fold)?;
        let run = Self {
            repository,
            options,
            fold,
            id: RunId(repository.random()?),
            kept: None,
            known: None,
            left,
        };
        run.require_no_doubt()?;
        Ok(run)
    }

    /// All steps, one after another.
    fn collect(&mut self, report: &mut GcReport) -> Result<()> {
        self.delete_due(report)?;
        self.condemn_at_last(report)?;
        if self.options.delay.is_zero() {
            let deleted = report.deleted;
            self.delete_due(report)?;
            // Index segments of packs that are gone now have nothing to say any more.
            if report.deleted != deleted && self.condemn_segments(report)? == Condemned::Done {
                self.delete_due(report)?;
            }
        }
        self.count_waiting(report);
        self.look_after_locks(report)?;
        if !self.options.dry_run
            && let Err(error) = checkpoint::maybe_write(self.repository, &self.fold)
        {
            tracing::warn!(%error, "the log's next checkpoint is left to a later run");
        }
        Ok(())
    }

    /// Says what is locked still, and locks anew what counts when it is time to.
    fn look_after_locks(&mut self, report: &mut GcReport) -> Result<()> {
        let Some(left) = &self.left else { return Ok(()) };
        report.locked = left.locked();
        if !self.options.dry_run {
            left.note(self.repository, &mut self.fold, self.id)?;
            let cancel = &self.options.cancel;
            let extended = locks::extend(self.repository, &mut self.fold, When::Due, cancel)?;
            report.locks = Some(extended);
        }
        Ok(())
    }

    /// Condemns, and marks anew for as long as other collectors are faster.
    fn condemn_at_last(&mut self, report: &mut GcReport) -> Result<()> {
        for _ in 0..TRIES_MAX {
            self.options.go_on(self.repository)?;
            match self.condemn(report)? {
                Condemned::Done => return Ok(()),
                Condemned::Overtaken => {
                    tracing::debug!("another collection came between; this one is planned anew");
                    *report = report.clone().planned_anew();
                }
            }
        }
        Err(Error::new(Kind::Unavailable, "collect", self.repository.io().describe())
            .because("other collections came between each time")
            .hint("one collector is enough: run it again when the other has ended"))
    }

    /// Takes in what the log says by now, by which the next step is taken.
    fn look(&mut self) -> Result<()> {
        self.fold.refresh(self.repository.io())?;
        self.known = self.fold.last_collection();
        Ok(())
    }

    /// Whether another has condemned or deleted anything since this run last looked.
    fn is_overtaken(&mut self) -> Result<bool> {
        self.fold.refresh(self.repository.io())?;
        Ok(self.fold.last_collection() > self.known)
    }

    /// Refuses where an entry of the log is lost, which may have said that something counts.
    fn require_no_doubt(&self) -> Result<()> {
        self.fold.require_appendable()?;
        let Some(damage) = self.fold.last_damage() else { return Ok(()) };
        let key = lifeboat_format::key::ObjectKey::Log(damage.number);
        Err(Error::new(Kind::Corrupt, "collect beside", key)
            .because(damage.reason.clone())
            .hint("put the entry back from a copy of the store: nobody knows what it needs"))
    }

    /// Follows each `condemn` that is old enough by its `delete`, and removes what that names.
    fn delete_due(&mut self, report: &mut GcReport) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let open: Vec<u64> = self.fold.condemns().keys().copied().collect();
        for number in open {
            self.options.go_on(self.repository)?;
            self.look()?;
            if living::age(self.repository, number)? >= self.options.delay {
                delete::delete(self, number, report)?;
            }
        }
        Ok(())
    }

    /// Marks, plans, copies, and appends a `condemn`.
    fn condemn(&mut self, report: &mut GcReport) -> Result<Condemned> {
        self.look()?;
        self.require_no_doubt()?;
        let mark_head = self.fold.head();
        let living = Living::of(self.repository, &self.fold, self.options.trash_period)?;
        report.live_snapshots = living.live.len() as u64;
        report.dead_snapshots = living.dead.len() as u64;
        let index = Arc::new(Index::load_strictly(self.repository, &self.fold)?);
        let mut usage = self.mark(&index, &living, report)?;
        usage.spare_originals(self)?;
        let mut plan = Plan::new(self, &usage);
        report.packs = usage.packs();
        report.used_bytes = usage.used_bytes();
        report.repacked = plan.repacked(&usage);
        orphans::add(self, &mut plan, report)?;
        if self.options.dry_run {
            plan.add_segments(self, &usage);
            report.condemned = plan.tally();
            report.orphans = plan.orphans;
            report.copied_bytes = plan.to_copy(&usage);
            report.ahead = Some(Ahead::of(self, &index, &usage, &plan)?);
            return Ok(Condemned::Done);
        }
        if !plan.repack.is_empty() {
            report.copied_bytes += repack::repack(self, &index, &usage, &plan)?;
        }
        self.tidy_index(&index, &usage)?;
        plan.add_segments(self, &usage);
        self.follow(&index, &plan);
        condemn::condemn(self, mark_head, living.dead_ids(), plan, report)
    }

    /// Marks by what an earlier run has kept, if that can be relied on, and keeps what came of it.
    fn mark(
        &mut self,
        index: &Arc<Index>,
        living: &Living,
        report: &mut GcReport,
    ) -> Result<mark::Usage> {
        let before = Kept::load(self);
        let known = before.as_ref().map(Kept::about);
        let marked = mark::mark(self, index, living, before)?;
        index.require_whole()?;
        report.nodes_read += marked.nodes_read;
        report.by_differences = marked.by_differences;
        if let Some(head) = self.fold.head().filter(|_| self.options.marks.is_some()) {
            let kept = Kept::of(&self.fold, head, living, index, &marked);
            if known != Some(kept.about()) {
                kept.save(self);
            }
            self.kept = Some(kept.without_sums());
        }
        Ok(marked.usage)
    }

    /// Keeps up with segments that were written anew, or go by this plan, while they can be read.
    fn follow(&mut self, index: &Index, plan: &Plan) {
        let Some(mut kept) = self.kept.take() else { return };
        let going = plan.objects.iter().map(|object| object.kind.key(object.name));
        match kept.follow(&self.fold, index, &going.collect()) {
            Ok(is_moved) => {
                if is_moved {
                    kept.save(self);
                }
                self.kept = Some(kept);
            }
            Err(error) => tracing::debug!(%error, "the next run marks everything"),
        }
    }

    /// As [`condemn`](Self::condemn), of index segments only: for that no tree need be read. If another collection comes
    /// between, they are left to a later run.
    fn condemn_segments(&mut self, report: &mut GcReport) -> Result<Condemned> {
        self.known = self.fold.last_collection();
        let mark_head = self.fold.head();
        let index = Index::load_strictly(self.repository, &self.fold)?;
        let usage = mark::segments(&index)?;
        index.require_whole()?;
        self.tidy_index(&index, &usage)?;
        let mut plan = Plan::default();
        plan.add_segments(self, &usage);
        self.follow(&index, &plan);
        condemn::condemn(self, mark_head, Vec::new(), plan, report)
    }

    /// Writes segments anew that speak much of what is gone, and merges what has become too many.
    fn tidy_index(&mut self, index: &Index, usage: &mark::Usage) -> Result<()> {
        let options = MergeOptions {
            level: self.options.compression.level(),
            target: TARGET_BYTES,
            merges_max: MERGES_MAX,
            cancel: self.options.cancel.clone(),
        };
        let wasteful = usage.wasteful();
        compact_segments(self.repository, &mut self.fold, index, self.id, &options, &wasteful)?;
        merge_segments(self.repository, &mut self.fold, index, self.id, &options)?;
        Ok(())
    }

    /// What is condemned and not deleted yet.
    fn count_waiting(&self, report: &mut GcReport) {
        report.waiting = Tally::default();
        for object in self.fold.condemns().values().flat_map(|condemn| &condemn.objects) {
            report.waiting.add(object.size);
        }
    }
}
