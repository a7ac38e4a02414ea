//! What a check found: problems by object, whom they hit, and what was looked at.
//!
//! Plain data, in the order found; knows neither store nor log. Everything in it is bounded, so that a
//! repository that is damaged all over gives a report and not an exhausted memory.

use std::fmt;

use lifeboat_format::id::SnapshotId;
use serde::Serialize;

/// Problems kept one by one; any more are only counted.
pub const PROBLEMS_MAX: usize = 1000;
/// Affected snapshots or paths kept for one problem; any more are only counted.
pub const AFFECTED_MAX: usize = 20;

/// The outcome of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckReport {
    /// What is wrong, at most [`PROBLEMS_MAX`] of them.
    pub problems: Vec<CheckProblem>,
    /// How many problems there are in all.
    pub problem_count: u64,
    /// What is worth knowing but no damage: leftovers of interrupted runs, skipped key slots.
    pub notes: Vec<String>,
    /// What was looked at.
    pub counts: CheckCounts,
}

/// What a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckCounts {
    /// Log entries that were folded; fewer than there are when a checkpoint was used.
    pub log_entries: u64,
    /// Key slots.
    pub key_slots: u64,
    /// Data packs that count.
    pub packs: u64,
    /// Tree packs that count.
    pub tree_packs: u64,
    /// Index segments that count.
    pub segments: u64,
    /// Bytes of all objects that count, as stored.
    pub stored_bytes: u64,
    /// Chunks that the index knows.
    pub chunks: u64,
    /// Snapshots whose trees were scanned.
    pub snapshots: u64,
    /// Distinct tree nodes that were read.
    pub tree_nodes: u64,
    /// Entries in those nodes.
    pub entries: u64,
    /// Distinct chunks that the trees refer to.
    pub referenced_chunks: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Bytes of those packs.
    pub bytes_read: u64,
    /// Chunks whose ids were computed again from their bytes.
    pub chunks_verified: u64,
    /// Objects in the store that nothing refers to.
    pub unreferenced_objects: u64,
    /// Their bytes.
    pub unreferenced_bytes: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckProblem {
    /// The object's key, or the chunk or snapshot that it is about.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// Whom it hits, as far as it is known, at most [`AFFECTED_MAX`].
    pub affected: Vec<Affected>,
    /// How many more it hits.
    pub affected_more: u64,
}

/// A snapshot, and a path in it, that a problem hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The path, with the snapshot's root in front; none if it hits the snapshot as a whole.
    pub path: Option<String>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    /// Adds a problem of which nobody is known to be affected yet; its place, if it was kept.
    pub(crate) fn problem(
        &mut self,
        object: impl fmt::Display,
        what: impl fmt::Display,
    ) -> Option<usize> {
        self.problem_count += 1;
        if self.problems.len() >= PROBLEMS_MAX {
            return None;
        }
        self.problems.push(CheckProblem {
            object: object.to_string(),
            what: what.to_string(),
            affected: Vec::new(),
            affected_more: 0,
        });
        Some(self.problems.len() - 1)
    }

    /// Says that the problem at `place` hits `affected`, too.
    pub(crate) fn affects(&mut self, place: usize, affected: Affected) {
        let Some(problem) = self.problems.get_mut(place) else { return };
        if problem.affected.contains(&affected) {
            return;
        }
        if problem.affected.len() < AFFECTED_MAX {
            problem.affected.push(affected);
        } else {
            problem.affected_more += 1;
        }
    }

    /// Adds something worth knowing.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < PROBLEMS_MAX {
            self.notes.push(text.into());
        }
    }
}

impl fmt::Display for CheckProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)?;
        for (position, affected) in self.affected.iter().enumerate() {
            f.write_str(if position == 0 { "; hits " } else { ", " })?;
            write!(f, "{affected}")?;
        }
        match self.affected_more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{:.8}:{path}", self.snapshot),
            None => write!(f, "{:.8}", self.snapshot),
        }
    }
}
