//! What came of a run: its outcome, its numbers, and what went wrong on the way.
//!
//! A problem is data: it is counted, kept (up to a bound) and makes the outcome partial; it is never
//! only logged.

use std::fmt;
use std::sync::Mutex;

use serde::Serialize;

use crate::monitor::Monitor;

/// How many problems are kept in full; all are counted.
pub const PROBLEMS_KEPT: usize = 1000;

/// Something that went wrong with one path and did not end the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path as text (bytes that are not UTF-8 are escaped as `\xNN`).
    pub path: String,
    /// What was being done: "open", "read", "set owner of".
    pub operation: String,
    /// Why it failed, and what can be done.
    pub error: String,
}

impl Problem {
    /// A problem of `operation` on the path of these bytes.
    pub fn new(path: &[u8], operation: impl Into<String>, error: impl fmt::Display) -> Self {
        Self { path: escape(path), operation: operation.into(), error: error.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.path, self.error)
    }
}

/// Path bytes as text: UTF-8 stays, other bytes, control characters and backslashes are escaped.
pub fn escape(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for piece in path.utf8_chunks() {
        for c in piece.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => {
                    let mut bytes = [0; 4];
                    for byte in c.encode_utf8(&mut bytes).bytes() {
                        text.push_str(&format!("\\x{byte:02x}"));
                    }
                }
                c => text.push(c),
            }
        }
        for byte in piece.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The problems of a run: all counted, the first [`PROBLEMS_KEPT`] kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// How many there were.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Problem>,
}

/// Gathers problems from many threads and passes each on to the monitor.
pub struct ProblemLog<'a> {
    monitor: &'a dyn Monitor,
    problems: Mutex<Problems>,
}

impl<'a> ProblemLog<'a> {
    /// A log without problems.
    pub fn new(monitor: &'a dyn Monitor) -> Self {
        Self { monitor, problems: Mutex::default() }
    }

    /// Counts the problem, keeps it while there is room, and tells the monitor.
    pub fn add(&self, problem: Problem) {
        self.monitor.problem(&problem);
        let mut problems = self.lock();
        problems.count += 1;
        if problems.first.len() < PROBLEMS_KEPT {
            problems.first.push(problem);
        }
    }

    /// What was gathered so far.
    pub fn snapshot(&self) -> Problems {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Problems> {
        // A thread that panicked while it held the lock left a whole value behind.
        self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for ProblemLog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.fmt(f)
    }
}
