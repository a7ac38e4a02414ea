//! The ledger: when each object was last read and verified, and what was found.
//!
//! Knows notes of scrubs by their numbers in the log; not the clock, nor when an object is due again. Times are what the
//! scrubs said, in seconds since the Unix epoch.
//!
//! Invariant: the same notes give the same answers, whether they were folded or taken from a checkpoint.

use std::collections::{BTreeMap, HashMap, HashSet};

use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::scrub::{Condition, ScrubFact, ScrubNote, ShortName};

use crate::log::LiveObject;

/// What scrubs have found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    objects: HashMap<ShortName, Seen>,
    /// When the scrub began that appended the note of this number.
    runs: BTreeMap<u64, u64>,
}

/// What was last found of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When the scrub began that read it.
    pub when: u64,
    /// What it found.
    pub condition: Condition,
    /// The entry that says so.
    number: u64,
}

impl Ledger {
    /// Takes a note in.
    pub(super) fn add(&mut self, number: u64, note: ScrubNote) {
        let ScrubNote { when, objects } = note;
        self.runs.insert(number, when);
        let seen = |condition| Seen { when, condition, number };
        self.objects.extend(objects.into_iter().map(|(name, found)| (name, seen(found))));
    }

    /// What was last found of an object; nothing if it was never read.
    pub fn seen(&self, name: &ObjectName) -> Option<&Seen> {
        self.objects.get(&ShortName::from(name))
    }

    /// When the last scrub began.
    pub fn last_run(&self) -> Option<u64> {
        self.runs.values().next_back().copied()
    }

    /// The latest time that an object which that entry named can't have been there before, by what scrubs know: when the
    /// last one began whose note is before the entry. Of what was there before the first of them, its time.
    pub fn since(&self, entry: u64) -> Option<u64> {
        self.run_before(entry).map(|(_, when)| when)
    }

    /// Whether an entry came after the last note of a scrub; not if there was none.
    pub fn is_newer(&self, entry: u64) -> bool {
        self.runs.keys().next_back().is_some_and(|last| entry > *last)
    }

    fn run_before(&self, entry: u64) -> Option<(u64, u64)> {
        let before = self.runs.range(..entry).next_back();
        before.or_else(|| self.runs.iter().next()).map(|(number, when)| (*number, *when))
    }

    /// What a checkpoint must hold so that a fold from it answers alike for all objects that count.
    pub(super) fn facts(&self, objects: &HashMap<ObjectKey, LiveObject>) -> Vec<ScrubFact> {
        let mut found: BTreeMap<u64, BTreeMap<ShortName, Condition>> = BTreeMap::new();
        let mut wanted: HashSet<u64> = self.runs.keys().next_back().copied().into_iter().collect();
        for (key, live) in objects {
            let Some(name) = key.name().as_ref().map(ShortName::from) else { continue };
            match self.objects.get(&name) {
                Some(seen) => {
                    found.entry(seen.number).or_default().insert(name, seen.condition.clone());
                }
                None => wanted.extend(self.run_before(live.entry).map(|(number, _)| number)),
            }
        }
        let kept = self.runs.iter().filter_map(|(number, when)| {
            let objects = found.remove(number);
            let is_wanted = objects.is_some() || wanted.contains(number);
            let note = ScrubNote { when: *when, objects: objects.unwrap_or_default() };
            is_wanted.then_some(ScrubFact { number: *number, note })
        });
        kept.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::object;

    fn name(number: u64) -> ObjectName {
        object(number).name
    }

    fn note(when: u64, objects: &[(u64, Condition)]) -> ScrubNote {
        let of =
            |(number, found): &(u64, Condition)| (ShortName::from(&name(*number)), found.clone());
        ScrubNote { when, objects: objects.iter().map(of).collect() }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.add(5, note(100, &[(1, Condition::Verified), (2, Condition::Whole)]));
        ledger.add(9, note(200, &[]));
        ledger.add(12, note(300, &[(2, Condition::Damaged(vec![4])), (3, Condition::Verified)]));
        ledger.add(20, note(400, &[]));
        ledger
    }

    #[test]
    fn the_last_note_counts() {
        let ledger = ledger();
        let seen = |number| ledger.seen(&name(number)).map(|seen| (seen.when, &seen.condition));
        assert_eq!(seen(1), Some((100, &Condition::Verified)));
        assert_eq!(seen(2), Some((300, &Condition::Damaged(vec![4]))));
        assert_eq!(seen(7), None);
        assert_eq!(ledger.last_run(), Some(400));
    }

    #[test]
    fn an_object_is_not_older_than_the_scrub_before_it() {
        let ledger = ledger();
        for (entry, since) in
            [(0, 100), (5, 100), (6, 100), (9, 100), (10, 200), (13, 300), (50, 400)]
        {
            assert_eq!(ledger.since(entry), Some(since), "{entry}");
        }
        assert_eq!(Ledger::default().since(3), None);
    }

    #[test]
    fn a_checkpoint_answers_alike_and_is_not_longer_than_it_must() {
        let whole = ledger();
        let live = |number: u64, entry| {
            (object(number).kind.key(name(number)), LiveObject { size: 1, entry })
        };
        // 2 is gone; 6 and 7 were never read.
        let objects = HashMap::from([live(1, 1), live(3, 11), live(6, 13), live(7, 30)]);
        let facts = whole.facts(&objects);
        assert_eq!(facts.iter().map(|fact| fact.number).collect::<Vec<_>>(), [5, 12, 20]);
        let mut again = Ledger::default();
        facts.into_iter().for_each(|fact| again.add(fact.number, fact.note));
        for (key, live) in &objects {
            let name = key.name().unwrap();
            assert_eq!(again.seen(&name), whole.seen(&name));
            // Nobody asks that of an object that was read.
            if whole.seen(&name).is_none() {
                assert_eq!(again.since(live.entry), whole.since(live.entry));
            }
        }
        assert_eq!(again.last_run(), whole.last_run());
        assert_eq!(again.seen(&name(2)), None);
        assert_eq!(again.facts(&objects), whole.facts(&objects));
    }
}
