//! A limit of bytes a second, shared by all transfers of a process in one direction.
//!
//! Knows amounts and time, not what moves. Whoever transfers takes its bytes piece by piece, just
//! before they move; those who wait are served in turn, a tenth of a second's worth each, so that
//! all get their share and a change of the limit is felt at once.
//!
//! Invariant: in any stretch of time no more passes than the limit allows in it, plus a tenth of a
//! second's worth.

pub mod schedule;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::layer::bandwidth::schedule::{Moment, Schedule};

/// What the local time is, asked for whenever bytes pass.
pub type LocalTime = Arc<dyn Fn() -> Moment + Send + Sync>;

/// How often a second's worth of bytes is cut for those who wait.
const TURNS_PER_SECOND: u64 = 10;

/// How many bytes a second may pass; clones share the limit.
#[derive(Clone, Default)]
pub struct Bandwidth {
    limit: Option<Arc<Limit>>,
}

struct Limit {
    schedule: Schedule,
    local_time: LocalTime,
    // Its waiters are served in order; the one that holds it sleeps for its piece alone.
    bucket: Mutex<Bucket>,
}

/// The bytes that may pass now.
#[derive(Debug)]
struct Bucket {
    bytes: f64,
    filled: Option<Instant>,
}

impl Bandwidth {
    /// No limit.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// The same limit at all times.
    pub fn per_second(bytes: NonZeroU64) -> Self {
        Self::scheduled(Schedule::always(bytes), Arc::new(|| Moment::MIDNIGHT))
    }

    /// A limit by the time of the week that `local_time` tells.
    pub fn scheduled(schedule: Schedule, local_time: LocalTime) -> Self {
        if schedule.slowest().is_none() {
            return Self::unlimited();
        }
        let bucket = Mutex::new(Bucket { bytes: 0.0, filled: None });
        Self { limit: Some(Arc::new(Limit { schedule, local_time, bucket })) }
    }

    /// Whether nothing is ever limited.
    pub fn is_unlimited(&self) -> bool {
        self.limit.is_none()
    }

    /// The lowest limit of all times, in bytes a second; `None` if there never is one.
    pub fn slowest(&self) -> Option<NonZeroU64> {
        self.limit.as_ref().and_then(|limit| limit.schedule.slowest())
    }

    /// Waits until so many more bytes may pass, which can be long: who watches a transfer for
    /// progress must not count this time.
    ///
    /// A call that is dropped has taken what it had waited for, and no more. Needs a tokio runtime
    /// with a timer, unless there is no limit.
    pub async fn take(&self, bytes: u64) {
        let Some(limit) = &self.limit else { return };
        let mut rest = bytes;
        while rest > 0 {
            rest -= limit.pass_some(rest).await;
        }
    }
}

impl Limit {
    /// Waits for its turn, then for a part of `wanted`; returns how much passed, at least one byte.
    async fn pass_some(&self, wanted: u64) -> u64 {
        let mut bucket = self.bucket.lock().await;
        let Some(rate) = self.schedule.limit_at((self.local_time)()) else {
            // What the limit held back before must not burst out when it comes again.
            bucket.filled = None;
            return wanted;
        };
        let turn = (rate.get() / TURNS_PER_SECOND).max(1);
        let piece = wanted.min(turn);
        bucket.fill(rate, turn);
        #[expect(clippy::cast_precision_loss, reason = "a turn is far below 2^53 bytes")]
        let needed = piece as f64;
        if bucket.bytes < needed {
            tokio::time::sleep(time_for(needed - bucket.bytes, rate)).await;
            bucket.fill(rate, turn);
        }
        // The sleep is never shorter than asked for; what rounding leaves is owed.
        bucket.bytes -= needed;
        piece
    }
}

impl Bucket {
    /// Adds what the time since the last call is worth, up to one turn.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53 bytes a second")]
    fn fill(&mut self, rate: NonZeroU64, turn: u64) {
        let now = Instant::now();
        let Some(filled) = self.filled.replace(now) else {
            self.bytes = 0.0;
            return;
        };
        let gained = now.duration_since(filled).as_secs_f64() * rate.get() as f64;
        self.bytes = (self.bytes + gained).min(turn as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53 bytes a second")]
fn time_for(bytes: f64, rate: NonZeroU64) -> Duration {
    // At most one byte at one byte a second, or a turn: never more than a second.
    Duration::from_secs_f64((bytes / rate.get() as f64).clamp(0.0, 1.0))
}

impl fmt::Debug for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limit {
            None => f.write_str("Bandwidth(unlimited)"),
            Some(limit) => f.debug_tuple("Bandwidth").field(&limit.schedule).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
