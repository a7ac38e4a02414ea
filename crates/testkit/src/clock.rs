//! A clock that stands still until it is told to go on.
//!
//! Knows no real time. Clones are the same clock, so that a test can keep a hand on the one that it
//! passed in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifeboat_codec::{Clock, Time};

/// The start of every test's day: 2026-11-20T12:00:00Z.
pub const NOON: Time = Time { secs: 1_795_176_000, nanos: 0 };

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// A clock moved by hand.
#[derive(Clone, Debug)]
pub struct TestClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    now: Time,
    monotonic: Duration,
}

impl TestClock {
    /// A clock that stands at [`NOON`].
    pub fn new() -> Self {
        Self::at(NOON)
    }

    /// A clock that stands at `now`.
    pub fn at(now: Time) -> Self {
        Self { hands: Arc::new(Mutex::new(Hands { now, monotonic: Duration::ZERO })) }
    }

    /// Lets time go by, for both kinds of time.
    ///
    /// # Panics
    /// If it would go beyond the year 292 billion.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.monotonic += by;
        let nanos = hands.now.nanos + by.subsec_nanos();
        let seconds = by.as_secs() + u64::from(nanos / NANOS_PER_SECOND);
        let secs = hands.now.secs.checked_add_unsigned(seconds).expect("a time that can be told");
        hands.now = Time { secs, nanos: nanos % NANOS_PER_SECOND };
    }

    /// Puts the time of day to `now`, as an administrator would: the other time is not moved.
    pub fn set(&self, now: Time) {
        self.hands().now = now;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        self.hands().now
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}

#[cfg(test)]
mod tests;
