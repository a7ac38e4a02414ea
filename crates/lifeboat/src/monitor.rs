//! How a long run tells its caller where it stands.
//!
//! Knows no terminal: the command draws a bar from these calls, a service counts them, a test
//! records them. Called from many threads; implementations must be quick.

use crate::report::Problem;

/// What a run is doing.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the log and the index.
    Open,
    /// Walking and reading the source, sealing and storing what is new.
    Backup,
    /// Making what was stored count.
    Commit,
    /// Writing files below the target.
    Restore,
    /// Looking at every commit, tree and object.
    Check,
    /// Reading every byte back.
    ReadData,
    /// Looking for what nobody needs, and freeing it.
    Collect,
    /// Trying out a store.
    Probe,
}

/// Hears of a run's progress. Every method does nothing by default.
pub trait Monitor: Send + Sync {
    /// A phase begins.
    fn phase(&self, phase: Phase) {
        let _unused = phase;
    }

    /// Whether an estimate of the whole is worth a second look at the source.
    fn wants_estimate(&self) -> bool {
        false
    }

    /// The best present estimate of the whole: files and bytes. It may grow.
    fn expect(&self, files: u64, bytes: u64) {
        let _unused = (files, bytes);
    }

    /// So many more files and bytes are done.
    fn advance(&self, files: u64, bytes: u64) {
        let _unused = (files, bytes);
    }

    /// Something went wrong that does not end the run; it will be in the report too.
    fn problem(&self, problem: &Problem) {
        let _unused = problem;
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {}
