//! Simulating a policy: what it will keep after a stretch of time, and how much space that takes.
//!
//! Every run of the schedule makes a complete snapshot, behind which the policy is applied, as a daily routine does it.
//! What comes of it depends on nothing else.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lifeboat_format::Time;
use lifeboat_format::id::SnapshotId;

use crate::retention::{Candidate, Policy, Verdict};
use crate::schedule::Schedule;
use crate::{Error, Result};

/// The most runs that are simulated: more than every ten minutes for a year.
pub const RUNS_MAX: usize = 60_000;

/// What a simulation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many backups were made.
    pub runs: usize,
    /// When the last one was, and what is there by then, the newest first. All of it is kept.
    pub kept: Vec<Verdict>,
    /// The most snapshots that there were at any time, before the policy was applied.
    pub snapshots_max: usize,
}

/// How a source grows with each backup, in stored bytes: as measured on snapshots that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// What there is already.
    pub stored_bytes: u64,
    /// What a backup adds.
    pub added_bytes: u64,
    /// How much of that is since the source grew; the rest takes the place of something.
    pub grown_bytes: u64,
}

/// What a snapshot says of the run that made it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// All its files together.
    pub bytes: u64,
    /// What was new of them, before compression.
    pub new_bytes: u64,
    /// What was stored for it.
    pub stored_bytes: u64,
}

impl Growth {
    /// What snapshots of one source, the oldest first, say of its growth; none where there is no second to compare with
    /// the first, which stored everything.
    #[must_use]
    pub fn measured(snapshots: &[Measured]) -> Option<Self> {
        let (first, later) = snapshots.split_first()?;
        let (last, runs) = (later.last()?, later.len() as u64);
        let sum = |of: fn(&Measured) -> u64, list: &[Measured]| {
            list.iter().fold(0, |sum: u64, one| sum.saturating_add(of(one)))
        };
        let added_bytes = sum(|one| one.stored_bytes, later) / runs;
        let grown = last.bytes.saturating_sub(first.bytes) / runs;
        // As much smaller as all that was new has become, compressed and sealed.
        let new_bytes = sum(|one| one.new_bytes, snapshots).max(1);
        let stored_bytes = sum(|one| one.stored_bytes, snapshots);
        let grown = u128::from(grown) * u128::from(stored_bytes) / u128::from(new_bytes);
        let grown_bytes = u64::try_from(grown).unwrap_or(u64::MAX).min(added_bytes);
        Some(Self { stored_bytes, added_bytes, grown_bytes })
    }

    /// How much is stored after so many backups, of which so many are kept, in bytes.
    ///
    /// What the source has grown by stays as long as anything does; what replaces something is needed by the snapshots
    /// that have it alone, so for each that is kept once.
    #[must_use]
    pub fn after(&self, runs: usize, kept: usize) -> u64 {
        let grown = self.grown_bytes.min(self.added_bytes);
        let replaced = self.added_bytes - grown;
        let times = |bytes: u64, count: usize| bytes.saturating_mul(count as u64);
        self.stored_bytes.saturating_add(times(grown, runs)).saturating_add(times(replaced, kept))
    }
}

/// Applies the policy after each run of the schedule that follows `start`, up to `end`, to what is `there` and what the
/// runs add.
///
/// # Errors
/// When the schedule has no run until then, or too many of them.
pub fn simulate(
    there: &[Candidate],
    policy: &Policy,
    schedule: &Schedule,
    zone: &TimeZone,
    (start, end): (&Zoned, &Zoned),
) -> Result<Outcome> {
    let mut group = there.to_vec();
    let mut outcome = Outcome { runs: 0, kept: Vec::new(), snapshots_max: group.len() };
    let mut at = start.clone();
    loop {
        at = schedule.next_after(&at)?;
        if at.timestamp() > end.timestamp() {
            break;
        }
        if outcome.runs == RUNS_MAX {
            return Err(Error::new(format!(
                "the schedule has more than {RUNS_MAX} runs until {end}; simulate a shorter time"
            )));
        }
        let now = time_of(at.timestamp());
        group.push(run(outcome.runs, now));
        outcome.runs += 1;
        outcome.snapshots_max = outcome.snapshots_max.max(group.len());
        let mut verdicts = policy.decide(&group, zone, now);
        verdicts.retain(Verdict::is_kept);
        let kept: std::collections::HashSet<SnapshotId> =
            verdicts.iter().map(|verdict| verdict.id).collect();
        group.retain(|candidate| kept.contains(&candidate.id));
        outcome.kept = verdicts;
    }
    if outcome.runs == 0 {
        return Err(Error::new(format!("the schedule has no run until {end}")));
    }
    Ok(outcome)
}

/// The snapshot of a run. Its id is no real one's: these are random.
fn run(number: usize, time: Time) -> Candidate {
    let mut id = [0xff; 16];
    id[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Candidate { id: SnapshotId(id), time, tags: Vec::new(), is_partial: false, is_held: false }
}

fn time_of(stamp: Timestamp) -> Time {
    Time { secs: stamp.as_second(), nanos: 0 }
}

#[cfg(test)]
mod tests;
