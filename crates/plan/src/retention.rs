//! Retention: which snapshots of a group a policy keeps, and why.
//!
//! Knows their times, marks and outcomes. The rules are restic's, with quarters besides:
//!
//! - A *count* rule (`daily: 7`) keeps the newest snapshot of each of the newest so many periods that have one, and, while
//!   that leaves some of the number, the oldest of all, too. `last` counts each snapshot as a period of its own.
//! - A *within* rule keeps what is less old than the newest, or the newest of each period of that stretch.
//! - A *tag* rule keeps what has all of its tags.
//!
//! Partial snapshots displace no complete one: complete ones are counted among themselves. A partial one is kept by a rule
//! where, of all periods that the rule speaks of, partial ones counted, it has the newest of one without any complete.
//! What is of a later time than now counts for nothing and is kept, since its clock was wrong or ours is.
//!
//! Invariants: what a policy keeps is what its rules keep one by one; what is left after forgetting the rest, it keeps.

mod group;
mod rule;
mod span;
mod zoned;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt;

use jiff::tz::TimeZone;
use lifeboat_format::Time;
use lifeboat_format::id::SnapshotId;

use self::zoned::{Moment, Period as Key};
use crate::{Error, Result};

pub use self::group::{Facts, GroupBy};
pub use self::rule::{Count, Period, Rule};
pub use self::span::Span;

/// What counts of a snapshot. Checkpoints of interrupted runs are none: no rule speaks of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which one it is.
    pub id: SnapshotId,
    /// The time that it is of.
    pub time: Time,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether something is missing from it.
    pub is_partial: bool,
    /// Whether it can't be forgotten now.
    pub is_held: bool,
}

/// Rules, at least one of which keeps something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// Why a snapshot is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// By this rule.
    Rule(Rule),
    /// By this rule, as the oldest of all, while the rule has some of its number left.
    Oldest(Rule),
    /// It is held.
    Held,
    /// It is of a time to come.
    Future,
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which one.
    pub id: SnapshotId,
    /// The time that it is of.
    pub time: Time,
    /// Why it is kept; empty when it goes.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Whether it is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }
}

impl Policy {
    /// A policy of these rules.
    ///
    /// # Errors
    /// When none of them can keep anything: that would let go of everything.
    pub fn new(rules: Vec<Rule>) -> Result<Self> {
        if rules.iter().any(Rule::keeps_something) {
            return Ok(Self { rules });
        }
        Err(Error::new("no rule keeps anything: give at least one, such as --keep-daily 7"))
    }

    /// What becomes of each snapshot of a group, the newest first.
    #[must_use]
    pub fn decide(&self, group: &[Candidate], zone: &TimeZone, now: Time) -> Vec<Verdict> {
        let mut sorted: Vec<&Candidate> = group.iter().collect();
        sorted.sort_by_key(|candidate| Reverse((candidate.time, candidate.id)));
        let mut verdicts: Vec<Verdict> = sorted
            .iter()
            .map(|candidate| Verdict {
                id: candidate.id,
                time: candidate.time,
                reasons: marks(candidate, now),
            })
            .collect();
        let dated: Vec<Dated<'_>> = sorted
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.time <= now)
            .map(|(place, candidate)| Dated {
                place,
                candidate,
                moment: Moment::of(candidate.time, zone),
            })
            .collect();
        for rule in &self.rules {
            for (place, reason) in kept_by(rule, &dated) {
                verdicts[place].reasons.push(reason);
            }
        }
        verdicts
    }
}

/// Reasons that no rule gives.
fn marks(candidate: &Candidate, now: Time) -> Vec<Reason> {
    let held = candidate.is_held.then_some(Reason::Held);
    let future = (candidate.time > now).then_some(Reason::Future);
    held.into_iter().chain(future).collect()
}

/// A snapshot with its time in the zone of the rules, and its place among all, newest first.
struct Dated<'c> {
    place: usize,
    candidate: &'c Candidate,
    moment: Moment,
}

/// What one rule keeps of them, newest first.
fn kept_by(rule: &Rule, all: &[Dated<'_>]) -> Vec<(usize, Reason)> {
    match rule {
        Rule::Tags(tags) => all
            .iter()
            .filter(|dated| tags.iter().all(|tag| dated.candidate.tags.contains(tag)))
            .map(|dated| (dated.place, Reason::Rule(rule.clone())))
            .collect(),
        Rule::Count { period, count } => {
            let complete: Vec<&Dated<'_>> =
                all.iter().filter(|dated| !dated.candidate.is_partial).collect();
            let everything: Vec<&Dated<'_>> = all.iter().collect();
            by_period(rule, *period, *count, &complete, &everything)
        }
        Rule::Within { period, span } => {
            let complete = all.iter().filter(|dated| !dated.candidate.is_partial);
            let complete = recent(complete, span);
            by_period(rule, *period, Count::All, &complete, &recent(all.iter(), span))
        }
    }
}

/// Those less old than the newest of them by this span.
fn recent<'d, 'c: 'd>(
    newest_first: impl Iterator<Item = &'d Dated<'c>>,
    span: &Span,
) -> Vec<&'d Dated<'c>> {
    let mut dated = newest_first.peekable();
    let Some(newest) = dated.peek() else { return Vec::new() };
    let start = newest.moment.before(span);
    dated.take_while(|dated| dated.moment.is_after(start)).collect()
}

/// The newest complete one of each period, and the newest partial one of each that has none, both of the newest `count`
/// periods; of those that have a complete one, and of all.
fn by_period(
    rule: &Rule,
    period: Period,
    count: Count,
    complete: &[&Dated<'_>],
    everything: &[&Dated<'_>],
) -> Vec<(usize, Reason)> {
    let key = |dated: &Dated<'_>| dated.moment.period(period, dated.place);
    let has_complete: HashSet<Key> = complete.iter().map(|dated| key(dated)).collect();
    let mut kept = Vec::new();
    let mut keep = |dated: &Dated<'_>| kept.push((dated.place, Reason::Rule(rule.clone())));
    let mut represented: HashSet<Key> = HashSet::new();
    for dated in complete {
        if count.has_room(represented.len()) && represented.insert(key(dated)) {
            keep(dated);
        }
    }
    let mut periods: HashSet<Key> = HashSet::new();
    for dated in everything {
        if !count.has_room(periods.len()) {
            break;
        }
        let key = key(dated);
        if !dated.candidate.is_partial {
            periods.insert(key);
        } else if !has_complete.contains(&key) && periods.insert(key) {
            keep(dated);
        }
    }
    // What there is of history stays as long as it can be: the rule has some of its number left.
    let (of, used) = if complete.is_empty() {
        (everything, periods.len())
    } else {
        (complete, represented.len())
    };
    if let Some(oldest) = of.last().filter(|_| count.has_room(used))
        && kept.iter().all(|(place, _)| *place != oldest.place)
    {
        kept.push((oldest.place, Reason::Oldest(rule.clone())));
    }
    kept
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(out),
            Self::Oldest(rule) => write!(out, "oldest ({rule})"),
            Self::Held => out.write_str("held"),
            Self::Future => out.write_str("of a time to come"),
        }
    }
}

#[cfg(test)]
mod tests;
