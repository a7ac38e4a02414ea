//! The scrub: every byte of what counts is read back again and again, and the log remembers when.
//!
//! Reads objects as a check that reads data does ([`crate::check`]): names and stripes need no key, with keys also every
//! chunk's id. Which objects are read now, the plan says. What was found is appended to the log as notes, so that whoever scrubs
//! next, from wherever, goes on from there. Knows nothing of snapshots and trees.
//!
//! Invariants: an object is noted only after all its bytes were read, and the time noted is that at which the scrub
//! began, so nothing was read earlier than the ledger says. What is damaged is noted as damaged until it is found
//! whole again. A scrub that is stopped notes what it has read.

mod plan;
mod report;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;
use lifeboat_format::scrub::{Condition, ScrubNote, ShortName};

use self::plan::{Candidate, Goal, Plan, plan};
pub use self::report::{DAMAGED_MAX, DamagedObject, ScrubReport};
use crate::cancel::Cancel;
use crate::check::data::{Outcome, Reading, read_object};
use crate::error::{Error, Result};
use crate::log::{self, Decision, EntryDraft, Fold};
use crate::open::Repository;
use crate::pace::Pace;

/// So many objects are noted by one entry at most, and so long nothing is noted at most: what a scrub that is killed has
/// read and not noted is read again.
const NOTE_OBJECTS: usize = 20_000;
const NOTE_PERIOD: Duration = Duration::from_mins(10);

/// How to scrub.
#[derive(Clone, Debug, Default)]
pub struct ScrubOptions {
    /// Every byte is to be read within this time; everything is read now without.
    pub every: Option<Duration>,
    /// No more bytes than these are read, whatever was promised.
    pub bytes_max: Option<u64>,
    /// Says what would be read, and reads nothing.
    pub dry_run: bool,
    /// How many objects are read at once; 0 for as many as there are cores and memory.
    pub threads: usize,
    /// Ends the scrub early; what was read is noted.
    pub cancel: Cancel,
    /// Is asked before each object.
    pub pace: Pace,
}

/// How far a scrub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubProgress {
    /// So many bytes will be read.
    Planned {
        /// The bytes.
        bytes: u64,
    },
    /// So many more were read.
    Read {
        /// The bytes.
        bytes: u64,
    },
}

/// Reads what is due, and notes it in the log.
///
/// # Errors
/// The store's, where they say nothing of an object, [`Kind::Denied`](crate::Kind::Denied) without a key of role *maintain*, by which the
/// ledger is kept; and those of [`Fold::load`]. What it finds is in the report.
pub fn scrub(
    repository: &Repository,
    options: &ScrubOptions,
    progress: &(dyn Fn(ScrubProgress) + Sync),
) -> Result<ScrubReport> {
    let fold = Fold::load(repository)?;
    if !options.dry_run {
        repository.require_writable()?;
        fold.require_appendable()?;
        repository.keyring().signer(&SigningRole::Maintain)?;
    }
    let now = u64::try_from(repository.clock().now().secs).unwrap_or(0);
    let goal = Goal {
        every_s: options.every.map(|every| every.as_secs()),
        bytes_max: options.bytes_max,
        now,
        last_run: fold.ledger().last_run(),
    };
    let plan = plan(candidates(&fold, now), &goal);
    let mut report = ScrubReport::of(&fold, &plan);
    progress(ScrubProgress::Planned { bytes: report.planned_bytes });
    if !options.dry_run {
        let scrub = Scrub { repository, options, progress };
        let fold = scrub.read(&plan, fold, now, &mut report)?;
        report.finish(&candidates(&fold, now), &goal);
    }
    Ok(report)
}

/// All objects that count, but those that were healed and segments that were merged: what took their place is read.
fn candidates(fold: &Fold, now: u64) -> Vec<Candidate> {
    let (ledger, twins) = (fold.ledger(), fold.twins());
    let of = |key: &ObjectKey, size, entry| {
        let read = key.name().and_then(|name| ledger.seen(&name)).map(|seen| seen.when);
        let since = read.or_else(|| ledger.since(entry)).unwrap_or(now);
        let is_new = read.is_none() && ledger.is_newer(entry);
        Candidate { key: *key, size, entry, read, since, is_new }
    };
    let is_stood_for = |key: &ObjectKey| twins.contains_key(key) || fold.is_merged(key);
    let objects = fold.objects().iter().filter(|(key, _)| !is_stood_for(key));
    objects.map(|(key, live)| of(key, live.size, live.entry)).collect()
}

/// A scrub at work.
struct Scrub<'a> {
    repository: &'a Repository,
    options: &'a ScrubOptions,
    progress: &'a (dyn Fn(ScrubProgress) + Sync),
}

/// What its threads share.
struct Found<'a> {
    report: &'a mut ScrubReport,
    notes: Notes<'a>,
}

impl Scrub<'_> {
    /// Reads what is planned; the fold with all notes of it.
    fn read(&self, plan: &Plan, fold: Fold, now: u64, report: &mut ScrubReport) -> Result<Fold> {
        let reading = Reading::of(self.repository, self.options.threads);
        let next = AtomicUsize::new(0);
        let notes = Notes::new(self.repository, fold, now)?;
        let found = Mutex::new(Found { report, notes });
        let work = || -> Result<()> {
            let mut checker = reading.checker(self.repository);
            while let Some(object) = plan.objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                if !self
                    .options
                    .pace
                    .wait(|| Ok::<_, Error>(!self.options.cancel.is_cancelled()))?
                {
                    return Ok(());
                }
                let outcome =
                    read_object(&mut checker, object.key, object.size, |_| Ok(Vec::new()));
                let outcome = outcome.inspect_err(|_| {
                    // The others run out of work.
                    next.store(plan.objects.len(), Ordering::Relaxed);
                })?;
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.take(object, outcome)?;
                drop(found);
                (self.progress)(ScrubProgress::Read { bytes: object.size });
            }
            Ok(())
        };
        let worked = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..reading.threads).map(|_| scope.spawn(work)).collect();
            let ends = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            ends.collect::<Vec<_>>().into_iter().collect::<Result<()>>()
        });
        let Found { report, mut notes } =
            found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What was read counts, whatever came then.
        let noted = notes.append();
        worked?;
        report.was_stopped =
            self.options.cancel.is_cancelled() && report.read_objects < plan.objects.len() as u64;
        noted.map(|()| notes.fold)
    }
}

impl Found<'_> {
    fn take(&mut self, object: &Candidate, outcome: Outcome) -> Result<()> {
        let condition = self.report.take(object, outcome);
        self.notes.add(&object.key, condition)
    }
}

/// What was found and is not in the log yet.
struct Notes<'a> {
    repository: &'a Repository,
    fold: Fold,
    run: RunId,
    when: u64,
    objects: BTreeMap<ShortName, Condition>,
    noted: Duration,
    is_first: bool,
}

impl<'a> Notes<'a> {
    fn new(repository: &'a Repository, fold: Fold, when: u64) -> Result<Self> {
        let run = RunId(repository.random()?);
        let noted = repository.clock().monotonic();
        let objects = BTreeMap::new();
        Ok(Self { repository, fold, run, when, objects, noted, is_first: true })
    }

    fn add(&mut self, key: &ObjectKey, condition: Condition) -> Result<()> {
        if let Some(name) = key.name() {
            self.objects.insert(ShortName::from(&name), condition);
        }
        let waited = self.repository.clock().monotonic().saturating_sub(self.noted);
        if self.objects.len() >= NOTE_OBJECTS || waited >= NOTE_PERIOD {
            self.append()
        } else {
            Ok(())
        }
    }

    /// Appends what there is; the first time also nothing, since that a scrub was here counts, too.
    fn append(&mut self) -> Result<()> {
        if self.objects.is_empty() && !self.is_first {
            return Ok(());
        }
        let note = ScrubNote { when: self.when, objects: std::mem::take(&mut self.objects) };
        log::append(self.repository, &mut self.fold, |_| {
            let draft = EntryDraft::scrub(self.run, SigningRole::Maintain, note.clone());
            Ok(Decision::Append(draft))
        })
        .map_err(|cause| {
            Error::new(cause.kind(), "note what was read in", self.repository.io().describe())
                .because(cause)
                .hint("what was read since the last note is read again by the next scrub")
        })?;
        self.is_first = false;
        self.noted = self.repository.clock().monotonic();
        // A note is an entry like any other, and whoever only scrubs opens the log, too.
        if let Err(error) = log::checkpoint::maybe_write(self.repository, &self.fold) {
            tracing::debug!(%error, "no checkpoint was written");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
