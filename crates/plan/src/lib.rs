//! Decisions from facts: which snapshots to keep, and when a schedule runs.
//!
//! Knows snapshots as times and marks, and time zones that are passed in; no repository, no clock and no environment.
//! Whatever acts on a decision is elsewhere.
//!
//! Invariant: the same facts give the same decision, in whichever order they come.

mod error;
pub mod retention;
pub mod schedule;
pub mod simulate;

pub use error::Error;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
