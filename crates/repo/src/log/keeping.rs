//! Keeping: which snapshots the log has hidden, and which it holds.
//!
//! Knows ids and numbers of entries; not what a snapshot says, and no clock: a forget says itself when it was
//! written. What was once collected does not come back by any of this.
//!
//! Invariants: only the order in the log decides. A forget means nothing for a snapshot that was held beyond the
//! forget's own time, nor a hold for one that is hidden: whoever wants to hold it has to show it again first. Of
//! several forgets of one snapshot the first counts, so that none can put off when it may be collected.

use std::collections::{HashMap, HashSet};

use lifeboat_format::checkpoint::KeepingFact;
use lifeboat_format::entry::{LogHeader, LogKind, Until};
use lifeboat_format::id::SnapshotId;

/// By which entry a snapshot is held, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The number of the entry.
    pub entry: u64,
    /// Until when; never [`Until::Released`].
    pub until: Until,
}

/// What is hidden and what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keeping {
    hidden: HashMap<SnapshotId, u64>,
    holds: HashMap<SnapshotId, Hold>,
}

impl Keeping {
    /// The forget that hides the snapshot.
    pub(super) fn hidden(&self, id: &SnapshotId) -> Option<u64> {
        self.hidden.get(id).copied()
    }

    /// What holds the snapshot. It may have ended by now.
    pub(super) fn hold(&self, id: &SnapshotId) -> Option<Hold> {
        self.holds.get(id).copied()
    }

    /// All that is hidden, in no order, with the forget that hides it.
    pub(super) fn all_hidden(&self) -> impl Iterator<Item = (SnapshotId, u64)> {
        self.hidden.iter().map(|(id, entry)| (*id, *entry))
    }

    /// All holds, in no order, those among them that have ended.
    pub(super) fn all_holds(&self) -> impl Iterator<Item = (SnapshotId, Hold)> {
        self.holds.iter().map(|(id, hold)| (*id, *hold))
    }

    /// Takes a forget, a restore or a hold in, for those of its snapshots that are `known`.
    pub(super) fn count(&mut self, header: &LogHeader, known: &HashSet<SnapshotId>) {
        for id in header.ids.iter().filter(|id| known.contains(id)) {
            match header.kind {
                LogKind::Forget => self.forget(*id, header),
                LogKind::Restore => drop(self.hidden.remove(id)),
                LogKind::Hold => self.set_hold(*id, header),
                _ => {}
            }
        }
    }

    /// Takes in that a commit holds its own snapshot.
    pub(super) fn commit(&mut self, id: SnapshotId, header: &LogHeader) {
        self.set_hold(id, header);
    }

    fn forget(&mut self, id: SnapshotId, header: &LogHeader) {
        // Who does not say when it was written might have written it at any time.
        let time = header.time.unwrap_or(0);
        if self.hold(&id).is_none_or(|hold| !hold.until.holds_at(time)) {
            self.hidden.entry(id).or_insert(header.number);
        }
    }

    fn set_hold(&mut self, id: SnapshotId, header: &LogHeader) {
        match header.until {
            Some(Until::Released) => drop(self.holds.remove(&id)),
            Some(until) if !self.hidden.contains_key(&id) => {
                self.holds.insert(id, Hold { entry: header.number, until });
            }
            _ => {}
        }
    }

    /// The facts for a checkpoint, by id.
    pub(super) fn facts(&self) -> Vec<KeepingFact> {
        let ids: HashSet<&SnapshotId> = self.hidden.keys().chain(self.holds.keys()).collect();
        let fact = |id: &SnapshotId| KeepingFact {
            id: *id,
            hidden: self.hidden(id),
            hold: self.hold(id).map(|hold| (hold.entry, hold.until)),
        };
        let mut facts: Vec<_> = ids.into_iter().map(fact).collect();
        facts.sort_unstable();
        facts
    }

    /// Takes a checkpoint's fact in.
    pub(super) fn take(&mut self, fact: &KeepingFact) {
        self.hidden.extend(fact.hidden.map(|entry| (fact.id, entry)));
        self.holds.extend(fact.hold.map(|(entry, until)| (fact.id, Hold { entry, until })));
    }
}

#[cfg(test)]
mod tests;
