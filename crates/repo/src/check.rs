//! The check: does everything that a repository says of itself hold?
//!
//! Structure: config, key slots, every log entry, every object that counts, every record of the index,
//! every node of every snapshot's trees and the place of every chunk that they name. With
//! [`CheckOptions::read_data`] every byte of every pack is read back, too, and every chunk's id
//! computed again. Knows all rooms of this crate; writes nothing, and may run beside backups.
//!
//! Invariants: it never stops at the first problem, and each problem names its object and, where that
//! can be known, the snapshots and paths that it hits. Memory is bounded: one bit for each record of
//! the index and each of two sets, and lists of what is lost that are cut at a limit.

pub(crate) mod data;
mod digest;
pub(crate) mod lost;
mod objects;
pub(crate) mod pack;
mod records;
mod references;
mod report;
mod stripes;
mod trees;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use lifeboat_format::key::ObjectKey;
use lifeboat_format::snapshot::Snapshot;

use self::lost::Lost;
use self::references::References;
pub use self::report::{
    AFFECTED_MAX, Affected, CheckCounts, CheckProblem, CheckReport, PROBLEMS_MAX,
};
pub(crate) use self::trees::shown;
use self::trees::{Trees, Visited};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::log::{Fold, checkpoint, wounds};
use crate::open::Repository;
use crate::pace::Pace;
use crate::slots;
use crate::snapshots::Snapshots;

/// Checkpoints that are looked at, from the newest.
const CHECKPOINTS_MAX: usize = 3;

/// How often a check begins anew since a collection has come between.
const TRIES_MAX: u32 = 8;

/// How to check.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// Reads every byte back, besides the structure.
    pub read_data: bool,
    /// How many packs are read at once; 0 for as many as there are cores and memory.
    pub threads: usize,
    /// Ends the check early.
    pub cancel: Cancel,
    /// Is asked before each object that is read back.
    pub pace: Pace,
}

impl CheckOptions {
    fn go_on(&self, repository: &Repository) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "check", repository.io().describe())
                .because("it was asked to stop"));
        }
        Ok(())
    }
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckProgress {
    /// Objects are listed and compared; so many bytes count in all.
    Objects {
        /// Their bytes.
        bytes: u64,
    },
    /// So many more bytes of packs were read.
    Read {
        /// The bytes.
        bytes: u64,
    },
    /// The trees of one more snapshot are scanned, of so many.
    Snapshot {
        /// How many snapshots there are.
        of: u64,
    },
    /// One more node was scanned, with so many entries.
    Node {
        /// Its entries; none above the leaves.
        entries: u64,
    },
}

/// What all parts of a check share.
struct Check<'a> {
    repository: &'a Repository,
    options: &'a CheckOptions,
    progress: &'a (dyn Fn(CheckProgress) + Sync),
    report: CheckReport,
    lost: Lost,
    /// Packs whose tables can't be read, with their problems' places.
    unlisted: HashMap<ObjectKey, Option<usize>>,
}

/// Checks the repository.
///
/// # Errors
/// Only what keeps it from looking: the store's errors, [`Kind::Unsupported`] at an entry of a newer
/// version, [`Kind::Rollback`], [`Kind::Cancelled`], [`Kind::Unavailable`] when collections came between too often. What it finds
/// is in the report.
pub fn check(
    repository: &Repository,
    options: &CheckOptions,
    progress: &(dyn Fn(CheckProgress) + Sync),
) -> Result<CheckReport> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (report, mut fold) = look(repository, options, progress)?;
        // What a collection has removed meanwhile is not damage: look at what is left.
        let begun = fold.next_number();
        if report.is_clean() {
            return Ok(report);
        }
        fold.refresh(repository.io())?;
        if fold.last_collection().is_none_or(|number| number < begun) {
            return Ok(report);
        }
        if tries == TRIES_MAX {
            return Err(Error::new(Kind::Unavailable, "check", repository.io().describe())
                .because(
                    "collections came between each time, so what is missing may be gone rightly",
                )
                .hint(
                    "run it again when no `gc` is under way, or let these delete later (--delay)",
                ));
        }
        tracing::info!("a collection came between; the check begins anew");
    }
}

/// Checks what counts at the head of the log, once.
fn look(
    repository: &Repository,
    options: &CheckOptions,
    progress: &(dyn Fn(CheckProgress) + Sync),
) -> Result<(CheckReport, Fold)> {
    let mut check = Check {
        repository,
        options,
        progress,
        report: CheckReport::default(),
        lost: Lost::default(),
        unlisted: HashMap::new(),
    };
    check.config()?;
    check.key_slots()?;
    let fold = check.log()?;
    check.objects(&fold)?;
    let (index, digests) = check.index(&fold)?;
    let snapshots = check.snapshots(&fold)?;
    let live: Vec<&Snapshot> = snapshots.live().map(|known| &known.snapshot).collect();
    let counts = if options.read_data {
        check.data(&fold, &index, &digests, |goes_on| {
            References::new(repository, &index, options, &|_| {}, goes_on).scan(&live)
        })?
    } else {
        References::new(repository, &index, options, progress, &|| true).scan(&live)?
    };
    check.trees(&live, &index, counts)?;
    Ok((check.report, fold))
}

impl Check<'_> {
    fn go_on(&self) -> Result<()> {
        self.options.go_on(self.repository)
    }

    /// Tells what an error says of `object`; gives back an error that says something of the store only.
    fn found(&mut self, object: ObjectKey, error: Error) -> Result<()> {
        if !is_of_the_object(&error) {
            return Err(error);
        }
        self.report.problem(object, error);
        Ok(())
    }

    fn config(&mut self) -> Result<()> {
        match self.repository.io().get(&ObjectKey::Config) {
            Ok(bytes) if bytes == self.repository.config_bytes() => Ok(()),
            Ok(_) => {
                self.report.problem(
                    ObjectKey::Config,
                    "it is not the configuration that was opened; a recovery sheet has a copy",
                );
                Ok(())
            }
            Err(error) => self.found(ObjectKey::Config, error),
        }
    }

    fn key_slots(&mut self) -> Result<()> {
        let mut usable = 0;
        for found in slots::list(self.repository)? {
            self.report.counts.key_slots += 1;
            match found.slot {
                Ok(slot) if slot.repository != self.repository.id() => {
                    let text = format!("{} is of another repository", found.key);
                    self.report.note(text);
                }
                Ok(slot) if !slot.is_usable() => {
                    let text =
                        format!("{} is of a kind unknown here: {}", found.key, slot.kind.name());
                    self.report.note(text);
                }
                Ok(_) => usable += 1,
                Err(error) => {
                    self.report.problem(found.key, error);
                }
            }
        }
        if usable == 0 {
            self.report.problem(
                "keys/",
                "no key slot is left that opens: make one with `key add` while this is open",
            );
        }
        Ok(())
    }

    /// Folds the whole log, whatever checkpoints say, and looks at these for themselves. Where an entry is damaged or missing
    /// and a checkpoint has what it said, nothing is lost, and the fold is from that one on.
    fn log(&mut self) -> Result<Fold> {
        let mut fold = Fold::load_all(self.repository)?;
        let is_damaged = fold.voids().iter().any(|void| void.is_damage);
        let covered = if is_damaged { wounds::covered(self.repository)? } else { None };
        let mut is_covered = false;
        for void in fold.voids() {
            let key = ObjectKey::Log(void.number);
            if void.is_damage && covered >= Some(void.number) {
                let checkpoint = ObjectKey::Checkpoint(covered.unwrap_or(void.number));
                self.report.note(format!(
                    "{key}: {}; {checkpoint} has what it said, so nothing is lost",
                    void.reason
                ));
                is_covered = true;
            } else {
                self.report.problem(key, &void.reason);
            }
        }
        self.report.problem_count += fold.void_count() - fold.voids().len() as u64;
        self.report.counts.log_entries = fold.entries_read();
        if is_covered {
            fold = Fold::load(self.repository)?;
        }
        let newest = checkpoint::all(self.repository)?.into_iter().rev().take(CHECKPOINTS_MAX);
        for (number, size) in newest {
            if let Err(error) = checkpoint::read(self.repository, number, size) {
                self.found(ObjectKey::Checkpoint(number), error)?;
            }
        }
        self.go_on()?;
        Ok(fold)
    }

    fn snapshots(&mut self, fold: &Fold) -> Result<Snapshots> {
        let snapshots = Snapshots::load(self.repository, fold)?;
        for unreadable in snapshots.unreadable() {
            let place =
                self.report.problem(format!("snapshot {}", unreadable.id), &unreadable.reason);
            let affected = Affected { snapshot: unreadable.id, path: None };
            if let Some(place) = place {
                self.report.affects(place, affected);
            }
        }
        Ok(snapshots)
    }

    /// Takes what was counted of the snapshots' trees; or, if something is lost or in doubt, looks at each
    /// reference to say who is hit.
    fn trees(
        &mut self,
        live: &[&Snapshot],
        index: &Arc<Index>,
        counts: Option<references::Counts>,
    ) -> Result<()> {
        self.report.counts.snapshots = live.len() as u64;
        if let Some(counts) = counts.filter(|_| self.lost.is_empty()) {
            self.report.counts.tree_nodes = counts.nodes;
            self.report.counts.entries = counts.entries;
            self.report.counts.referenced_chunks = counts.chunks;
            return Ok(());
        }
        let (known, is_doubt) = (self.report.problem_count, self.lost.is_empty());
        let visited = RefCell::new(Visited::new());
        let mut trees = Trees::new(self, index, &visited);
        live.iter().try_for_each(|snapshot| trees.snapshot(snapshot, live.len() as u64))?;
        if is_doubt && self.report.problem_count == known {
            let note = "a first look at the trees met something that was not so when it was looked at again";
            self.report.note(note);
        }
        Ok(())
    }
}

/// Whether an error says that an object is bad, and not that the store or the caller is.
pub(crate) fn is_of_the_object(error: &Error) -> bool {
    error.is_unreadable()
        || matches!(
            error.kind(),
            Kind::Corrupt | Kind::NotFound | Kind::Unsupported | Kind::WrongKey | Kind::Denied
        )
}

#[cfg(test)]
mod tests;
