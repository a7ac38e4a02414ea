//! What the log says of the packs that an index speaks of: which are gone, which were healed, which are condemned, which are
//! damaged.
//!
//! Once something was collected, segments have records of packs that are gone. A pack that was healed lies in the store a
//! second time, under another key with the same hash, and its records name the first. Knows names only, as the log had them
//! when the index was loaded. A segment that does not count yet is a run's own, and believed in all that it says.
//!
//! Invariant: of packs with the same hash one stands for all, so that nothing is taken away with the damaged one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::scrub::Condition;

use crate::heal;
use crate::log::{Fold, Ledger, LiveObject};

/// What the log says of packs.
#[derive(Clone, Debug, Default)]
pub(super) struct Believed {
    /// All that counts; none before anything was ever deleted.
    counting: Option<Arc<HashMap<ObjectKey, LiveObject>>>,
    /// Whether an entry of the log is damaged, which may have named packs that are there: who reads looks for them.
    is_lenient: bool,
    /// Packs that were healed, and what took their place.
    twins: Arc<HashMap<ObjectKey, ObjectKey>>,
    /// The pack that counts with this hash; of none before anything was ever deleted.
    by_hash: Arc<HashMap<ObjectHash, ObjectKey>>,
    /// What nobody should begin to rely on.
    condemned: Arc<HashSet<ObjectKey>>,
    /// Packs that can perhaps not be read, as scrubs have found.
    damaged: Arc<HashSet<ObjectKey>>,
    /// What scrubs have found.
    ledger: Arc<Ledger>,
}

impl Believed {
    pub(super) fn of(fold: &Fold) -> Self {
        let is_known = fold.has_deleted();
        let twins = fold.twins();
        let by_hash = |key: &ObjectKey| Some((key.name()?.hash, *key));
        // What whoever only writes names stands for nothing: its bytes may be others than its name says.
        let copies = fold.objects().keys().filter(|key| is_known && fold.is_copy(key));
        let standing = copies.filter(|key| !twins.contains_key(*key));
        Self {
            counting: is_known.then(|| fold.shared_objects()),
            is_lenient: fold.last_damage().is_some(),
            by_hash: Arc::new(standing.filter_map(by_hash).collect()),
            twins: Arc::new(twins),
            condemned: Arc::new(fold.condemned().copied().collect()),
            damaged: Arc::new(heal::lost_packs(fold)),
            ledger: fold.shared_ledger(),
        }
    }

    /// The same, but that nothing in these packs is to be relied on.
    pub(super) fn avoiding(&self, packs: &HashSet<ObjectKey>) -> Self {
        let condemned = Arc::new(self.condemned.union(packs).copied().collect());
        Self { condemned, ..self.clone() }
    }

    /// Whether there may be records of packs that are gone.
    pub(super) fn is_needed(&self) -> bool {
        self.counting.is_some()
    }

    /// The pack that stands for this one: itself, but for one that was healed.
    pub(super) fn standing(&self, pack: &ObjectKey) -> ObjectKey {
        if let Some(twin) = self.twins.get(pack) {
            return *twin;
        }
        let is_gone = self.counting.as_ref().is_some_and(|counting| !counting.contains_key(pack));
        let alike = pack.name().filter(|_| is_gone).and_then(|name| self.by_hash.get(&name.hash));
        *alike.unwrap_or(pack)
    }

    /// Whether a record of this segment says something of a pack that is there, itself or one that stands for it.
    pub(super) fn believes(&self, segment: &ObjectKey, pack: &ObjectKey) -> bool {
        self.is_lenient || self.knows(segment, pack)
    }

    /// The same, without a benefit of the doubt: nobody may rely on what perhaps is there.
    pub(super) fn knows(&self, segment: &ObjectKey, pack: &ObjectKey) -> bool {
        let Some(counting) = &self.counting else { return true };
        counting.contains_key(&self.standing(pack)) || !counting.contains_key(segment)
    }

    /// Whether a new reference to this object, or to what is in it, may be made.
    pub(super) fn may_rely_on(&self, object: &ObjectKey) -> bool {
        !self.condemned.contains(object)
    }

    /// Whether a scrub has found the pack to be damaged or lost.
    pub(super) fn is_damaged(&self, pack: &ObjectKey) -> bool {
        self.damaged.contains(pack)
    }

    /// Whether a scrub has read all chunks of the pack, so that it can stand for one that is damaged: what only somebody who
    /// writes says of it would not be enough to let that one go.
    pub(super) fn is_verified(&self, pack: &ObjectKey) -> bool {
        let seen = pack.name().and_then(|name| self.ledger.seen(&name));
        seen.is_some_and(|seen| seen.condition == Condition::Verified)
    }
}
