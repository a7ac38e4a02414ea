//! Asks a store what it really does, and says what that rules out.
//!
//! Knows the [`Store`] trait and nothing of repositories. Everything is tried below one prefix under
//! which nothing else is, and removed again where that is allowed. A trial can prove that a promise
//! is not kept, never that it always will be: races are tried, not ruled out. The promises that need
//! no judgement are checked by [`conformance`](crate::conformance); here are those that real services
//! differ in.

mod checks;
mod locks;
mod place;
mod race;
mod report;
mod speed;

use std::fmt;
use std::sync::Arc;

use crate::options::Now;
use crate::{Result, Store};

pub use self::locks::try_locks;
pub use self::race::{Outcome, Race, create_raced};
pub use self::report::{
    Capabilities, Deletes, Finding, Grade, Latency, ProbeReport, Rate, Speed, Subject,
};

use self::place::Place;

/// What is tried, and how thoroughly.
#[derive(Clone)]
pub struct ProbeOptions {
    /// Where: a prefix that ends in a slash and that nobody else uses, such as `probe/<random>/`.
    pub prefix: String,
    /// How many times creates of one key are raced.
    pub rounds: u32,
    /// How many creates race in a round; at least two.
    pub racers: u32,
    /// How many bytes go up and as many come down to measure the speed; none measures nothing.
    pub speed_bytes: u64,
    /// Where the bytes that are moved begin: random enough that nothing on the way compresses them.
    pub seed: u64,
    /// Whether new objects are to be locked: then it is an error when they are not.
    pub locks: bool,
    /// The clock of this machine, to compare the store's with.
    pub now: Now,
}

impl fmt::Debug for ProbeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeOptions")
            .field("prefix", &self.prefix)
            .field("rounds", &self.rounds)
            .field("racers", &self.racers)
            .field("speed_bytes", &self.speed_bytes)
            .finish_non_exhaustive()
    }
}

impl ProbeOptions {
    /// All there is: 8 rounds of 16 creates, and `speed_bytes` each way.
    pub fn new(prefix: impl Into<String>, speed_bytes: u64, seed: u64, now: Now) -> Self {
        Self { prefix: prefix.into(), rounds: 8, racers: 16, speed_bytes, seed, locks: false, now }
    }

    /// The same but for the speed, and with fewer races: some 80 small requests.
    pub fn quick(prefix: impl Into<String>, seed: u64, now: Now) -> Self {
        Self { rounds: 3, ..Self::new(prefix, 0, seed, now) }
    }
}

/// Hears how far a probe is, and may end it.
pub trait Watch: Sync {
    /// So many more bytes went up or came down.
    fn moved(&self, bytes: u64) {
        let _unused = bytes;
    }

    /// Whether to stop: what was written is removed, and the report has what was found until then.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Tries everything that `options` say on `store`. Needs a tokio runtime with a timer.
///
/// # Errors
/// The store's, when it can't be reached or is full: then nothing was found out. What it refuses to
/// do, or does wrongly, is in the report.
pub async fn probe(
    store: &Arc<dyn Store>,
    options: &ProbeOptions,
    watch: &dyn Watch,
) -> Result<ProbeReport> {
    let mut place = Place::new(store, options);
    let tried = checks::all(&mut place, options, watch).await;
    let written = place.written().to_vec();
    let left = place.clear().await;
    let mut report = match tried {
        Ok(report) => report,
        Err(error) => {
            if let Some(key) = left.first() {
                tracing::warn!(count = left.len(), key, "objects of the probe stay in the store");
            }
            return Err(error);
        }
    };
    let stays = report.capabilities.deletes == Some(Deletes::Ignored);
    report.tell_left(if stays { written } else { left });
    Ok(report)
}

#[cfg(test)]
pub(crate) mod tests;
