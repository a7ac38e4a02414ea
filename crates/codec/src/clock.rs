//! The time of day and the time elapsed, as values that are passed in.
//!
//! The one place in the workspace that asks the operating system what time it is. Nobody may decide
//! more by it than retention and progress: the log alone orders what happens to a repository.

use std::fmt::Debug;
use std::time::{Duration, Instant};

pub use lifeboat_format::Time;

/// What time it is, and how much has gone by.
pub trait Clock: Debug + Send + Sync {
    /// The time of day; it may jump either way between two calls.
    fn now(&self) -> Time;

    /// Time since a fixed but arbitrary moment; never less than what an earlier call returned.
    fn monotonic(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose [`Clock::monotonic`] counts from now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the Clock that all others are given"
        )]
        let now = std::time::SystemTime::now();
        let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Time { secs: whole(since), nanos: since.subsec_nanos() },
            // Before 1970: the fraction still counts upwards from the whole second below.
            Err(before) => match (whole(before.duration()), before.duration().subsec_nanos()) {
                (secs, 0) => Time { secs: -secs, nanos: 0 },
                (secs, nanos) => Time { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
            },
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests;
