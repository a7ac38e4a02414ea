//! The plan: which objects a scrub reads, so that the promise holds and the work is spread evenly.
//!
//! Pure: objects, when each was last read, and the time. Times and periods are in seconds.
//!
//! The promise is that of each object that counts every byte is read within the period: counted from when it was last
//! read, or, before that, from the last scrub that began before it was committed. A scrub can't know when the next one comes; it
//! supposes that this takes as long again as since the last one, and a quarter more, and reads all that would be too late then. Beyond
//! that it reads what is new, and of all bytes the part that the time since the last scrub is of the period, so that not
//! everything that was read on one day is due on one day again.

use lifeboat_format::key::ObjectKey;

/// What a scrub without one before it supposes to be the time between two.
const USUAL_PAUSE_S: u64 = 86_400;

/// An object that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) key: ObjectKey,
    /// Its length in bytes.
    pub(super) size: u64,
    /// The entry that made it count.
    pub(super) entry: u64,
    /// When it was last read.
    pub(super) read: Option<u64>,
    /// From when on the promise counts: when it was last read, or what is known of its age.
    pub(super) since: u64,
    /// Whether it came since the last scrub.
    pub(super) is_new: bool,
}

/// What limits a scrub, and what it must reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// Every byte is to be read in so many seconds; everything is read at once without.
    pub(super) every_s: Option<u64>,
    /// No more bytes than these are read.
    pub(super) bytes_max: Option<u64>,
    pub(super) now: u64,
    /// When the last scrub began.
    pub(super) last_run: Option<u64>,
}

/// What is read, in this order, and what of the promise can't be kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) objects: Vec<Candidate>,
    /// Objects that should have been read before now.
    pub(super) late: u64,
    /// Objects that will be late when the next scrub comes, and are not read now.
    pub(super) behind: Vec<Candidate>,
}

impl Goal {
    /// The time by which the next scrub is supposed to begin.
    fn next(&self) -> u64 {
        let pause = self.pause();
        let late = pause.saturating_add(pause / 4).min(self.every_s.unwrap_or(u64::MAX));
        self.now.saturating_add(late)
    }

    /// How long it is since the last scrub; not longer than the period, in which there must be one.
    fn pause(&self) -> u64 {
        let since = self.last_run.map_or(USUAL_PAUSE_S, |last| self.now.saturating_sub(last));
        since.min(self.every_s.unwrap_or(u64::MAX))
    }

    /// By when an object is to be read.
    fn due(&self, object: &Candidate) -> u64 {
        // What claims to be of the future is of a clock that was wrong.
        let since = if object.since > self.now { 0 } else { object.since };
        self.every_s.map_or(u64::MAX, |every| since.saturating_add(every))
    }

    /// Whether an object would be late if it were not read now.
    fn must(&self, object: &Candidate) -> bool {
        self.every_s.is_some() && self.due(object) < self.next().saturating_add(1)
    }

    /// Whether an object was not read and will be late when the next scrub comes.
    pub(super) fn is_behind(&self, object: &Candidate) -> bool {
        object.since < self.now && self.must(object)
    }

    /// How many bytes are to be read at least, so that the work is spread.
    fn share(&self, bytes: u64) -> u64 {
        match self.every_s {
            None => u64::MAX,
            Some(0) => bytes,
            Some(every) => {
                let share = u128::from(bytes) * u128::from(self.pause()) / u128::from(every);
                u64::try_from(share).unwrap_or(u64::MAX).saturating_add(1)
            }
        }
    }
}

/// Decides what is read.
pub(super) fn plan(mut objects: Vec<Candidate>, goal: &Goal) -> Plan {
    let bytes = objects.iter().map(|object| object.size).sum();
    let new: u64 = objects.iter().filter(|object| object.is_new).map(|object| object.size).sum();
    let newest_first = |object: &Candidate| std::cmp::Reverse(object.entry);
    // What must be comes first, the longest due before all; then what was never read, the newest first; then what was
    // read longest ago.
    objects.sort_unstable_by_key(|object| {
        let of_must = goal.must(object).then(|| goal.due(object));
        let rank = (of_must.is_none(), of_must);
        (rank, object.read, newest_first(object), object.key)
    });
    let (wanted, most) =
        (goal.share(bytes).saturating_add(new), goal.bytes_max.unwrap_or(u64::MAX));
    let mut plan = Plan::default();
    let mut taken = 0_u64;
    for object in objects {
        plan.late += u64::from(goal.due(&object) < goal.now);
        let is_must = goal.must(&object);
        let fits = taken.saturating_add(object.size) <= most;
        if fits && (is_must || taken < wanted) {
            taken += object.size;
            plan.objects.push(object);
        } else if is_must {
            plan.behind.push(object);
        }
    }
    plan
}

#[cfg(test)]
mod tests;
