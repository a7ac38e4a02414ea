//! What a scrub found: objects that are damaged, what of its promise it can't keep, and what it read.
//!
//! Plain data; bounded, since a repository may be damaged all over.

use std::collections::HashSet;

use lifeboat_format::key::ObjectKey;
use lifeboat_format::scrub::{Condition, NOTED_STRIPES_MAX};
use lifeboat_format::time::Time;
use serde::Serialize;

use super::plan::{Candidate, Goal, Plan};
use crate::check::data::Outcome;
use crate::check::pack::PackFindings;
use crate::log::Fold;

/// Damaged objects that are kept one by one; any more are only counted.
pub const DAMAGED_MAX: usize = 1000;

/// The outcome of a scrub. Sizes in bytes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScrubReport {
    /// Objects that count.
    pub objects: u64,
    /// Their length.
    pub bytes: u64,
    /// What was to be read.
    pub planned_objects: u64,
    /// Its length.
    pub planned_bytes: u64,
    /// What was read.
    pub read_objects: u64,
    /// Its length.
    pub read_bytes: u64,
    /// Chunks whose ids were computed again from their bytes.
    pub chunks_verified: u64,
    /// Packs of which only names and stripes were verified, since there was no key for more.
    pub unopened_packs: u64,
    /// What is damaged: what was found now, and what earlier scrubs found and nobody has found whole since; at most
    /// [`DAMAGED_MAX`].
    pub damaged: Vec<DamagedObject>,
    /// How many objects are damaged in all.
    pub damaged_count: u64,
    /// Objects that should have been read before this scrub began.
    pub late_objects: u64,
    /// Objects that are not read and will be late when the next scrub comes: the promise can't be kept.
    pub behind_objects: u64,
    /// Their length.
    pub behind_bytes: u64,
    /// No byte is both older than this and not read since; nothing if there are none.
    pub read_since: Option<Time>,
    /// Whether it was asked to stop before it was done.
    pub was_stopped: bool,
}

/// An object that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedObject {
    /// Its key.
    pub object: String,
    /// What is wrong with it.
    pub what: String,
    /// Which of its stripes are damaged, as far as that can be told.
    pub stripes: Vec<u64>,
    /// Whether its own parity makes it whole again.
    pub mendable: bool,
    /// When the scrub began that found it, if it was an earlier one.
    pub found: Option<Time>,
}

impl ScrubReport {
    /// Of a scrub that has read nothing yet.
    pub(super) fn of(fold: &Fold, plan: &Plan) -> Self {
        let bytes = |objects: &[Candidate]| objects.iter().map(|object| object.size).sum();
        let mut report = Self {
            objects: fold.objects().len() as u64,
            bytes: fold.objects().values().map(|live| live.size).sum(),
            planned_objects: plan.objects.len() as u64,
            planned_bytes: bytes(&plan.objects),
            late_objects: plan.late,
            behind_objects: plan.behind.len() as u64,
            behind_bytes: bytes(&plan.behind),
            ..Self::default()
        };
        let mut left_out: HashSet<ObjectKey> =
            plan.objects.iter().map(|object| object.key).collect();
        left_out.extend(fold.twins().into_keys());
        left_out.extend(fold.merged_segments().map(|segment| segment.key));
        report.known_damage(fold, &left_out);
        report
    }

    /// What is so when all was read that is: of these objects, by this goal.
    pub(super) fn finish(&mut self, objects: &[Candidate], goal: &Goal) {
        let behind = objects.iter().filter(|object| goal.is_behind(object));
        let (count, bytes) =
            behind.fold((0, 0), |(count, bytes), object| (count + 1, bytes + object.size));
        (self.behind_objects, self.behind_bytes) = (count, bytes);
        self.read_since = objects.iter().map(|object| object.since).min().map(time);
    }

    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.damaged_count == 0
    }

    /// Whether all is read in time, as far as it can be known.
    pub fn is_kept(&self) -> bool {
        self.late_objects == 0 && self.behind_objects == 0
    }

    /// What earlier scrubs found damaged, but for what this one looks at and what was healed.
    fn known_damage(&mut self, fold: &Fold, left_out: &HashSet<ObjectKey>) {
        let known = fold.objects().keys().filter(|key| !left_out.contains(key));
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        for key in known {
            let Some(seen) = key.name().and_then(|name| fold.ledger().seen(&name)) else {
                continue;
            };
            let (stripes, mendable) = match &seen.condition {
                Condition::Whole | Condition::Verified => continue,
                Condition::Mendable(stripes) => (stripes, true),
                Condition::Damaged(stripes) => (stripes, false),
            };
            self.damage(DamagedObject {
                object: key.to_string(),
                what: "an earlier scrub found it damaged".to_owned(),
                stripes: stripes.iter().copied().map(u64::from).collect(),
                mendable,
                found: Some(time(seen.when)),
            });
        }
    }

    /// Takes in what reading an object found; what is noted of it.
    pub(super) fn take(&mut self, object: &Candidate, outcome: Outcome) -> Condition {
        self.read_objects += 1;
        self.read_bytes += object.size;
        let (what, stripes, mendable) = match outcome {
            Outcome::Segment(None) => return Condition::Whole,
            Outcome::Segment(Some(what)) => (what, Vec::new(), false),
            Outcome::Unreadable(error) => (error.to_string(), Vec::new(), false),
            Outcome::Pack(findings) => {
                self.chunks_verified += findings.verified;
                self.unopened_packs += u64::from(!findings.is_opened);
                if findings.problems.is_empty() {
                    let PackFindings { is_opened, .. } = findings;
                    return if is_opened { Condition::Verified } else { Condition::Whole };
                }
                (findings.problems.join("; "), findings.damaged, findings.is_mended)
            }
        };
        let noted = stripes.iter().take(NOTED_STRIPES_MAX);
        let noted = noted.map(|stripe| u32::try_from(*stripe).unwrap_or(u32::MAX)).collect();
        let object = object.key.to_string();
        self.damage(DamagedObject { object, what, stripes, mendable, found: None });
        if mendable { Condition::Mendable(noted) } else { Condition::Damaged(noted) }
    }

    fn damage(&mut self, object: DamagedObject) {
        self.damaged_count += 1;
        if self.damaged.len() < DAMAGED_MAX {
            self.damaged.push(object);
        }
    }
}

fn time(secs: u64) -> Time {
    Time { secs: i64::try_from(secs).unwrap_or(i64::MAX), nanos: 0 }
}
