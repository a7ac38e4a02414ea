//! Which packs an index is believed about: once something was collected, segments have records of packs that are gone.
//!
//! Knows names only, as the log had them when the index was loaded. A segment that does not count yet is
//! a run's own, and believed in all that it says.
//!
//! Invariant: nothing is asked of it before the first `condemn` or `delete`, so that what was never collected pays nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lifeboat_format::key::ObjectKey;

use crate::log::{Fold, LiveObject};

/// What the log says of packs.
#[derive(Debug, Default)]
pub(super) struct Believed {
    /// All that counts; none before anything was ever deleted.
    counting: Option<Arc<HashMap<ObjectKey, LiveObject>>>,
    /// What nobody should begin to rely on.
    condemned: HashSet<ObjectKey>,
}

impl Believed {
    pub(super) fn of(fold: &Fold) -> Self {
        // Where an entry is damaged it may have named packs that are there: better to look than to miss them.
        let is_known = fold.has_deleted() && fold.last_damage().is_none();
        Self {
            counting: is_known.then(|| fold.shared_objects()),
            condemned: fold.condemned().copied().collect(),
        }
    }

    /// The same, but that nothing in these packs is to be relied on.
    pub(super) fn avoiding(&self, packs: &HashSet<ObjectKey>) -> Self {
        let condemned = self.condemned.union(packs).copied().collect();
        Self { counting: self.counting.clone(), condemned }
    }

    /// Whether there may be records of packs that are gone.
    pub(super) fn is_needed(&self) -> bool {
        self.counting.is_some()
    }

    /// Whether a record of this segment says something of a pack that is there.
    pub(super) fn believes(&self, segment: &ObjectKey, pack: &ObjectKey) -> bool {
        let Some(counting) = &self.counting else { return true };
        counting.contains_key(pack) || !counting.contains_key(segment)
    }

    /// Whether a new reference to what is in this pack may be made.
    pub(super) fn may_rely_on(&self, pack: &ObjectKey) -> bool {
        !self.condemned.contains(pack)
    }
}
