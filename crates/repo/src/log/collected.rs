//! What collectors have said: which objects are condemned, which snapshots and objects are gone for good.
//!
//! Knows names only. A `condemn` takes nothing away: it tells writers what not to rely on from there on. A
//! `delete` closes one `condemn`, and from it on the objects that both name do not count any more.
//!
//! Invariants: a `delete` takes no more than what the `condemn` that it closes has named, and closes it
//! once; a snapshot that is gone never comes back, whoever names it again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lifeboat_format::checkpoint::CondemnFact;
use lifeboat_format::entry::{ListedObject, LogHeader, ReliedObject};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key::ObjectKey;

use crate::log::Fold;

/// A `condemn` that no `delete` has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemn {
    /// The head that its mark was made at.
    pub mark: u64,
    /// What it condemns.
    pub objects: Vec<ListedObject>,
    /// Snapshots that the mark took for dead.
    pub gone: Vec<SnapshotId>,
    /// What commits since rely on all the same: it is to be spared.
    pub relied: BTreeSet<ReliedObject>,
}

/// What a `delete` took away.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) objects: Vec<ObjectKey>,
    pub(super) snapshots: Vec<SnapshotId>,
}

/// What collectors have said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Collected {
    /// By their entries' numbers.
    open: BTreeMap<u64, Condemn>,
    /// How many of them name an object.
    condemned: HashMap<ObjectKey, u32>,
    /// Snapshots that are gone.
    gone: HashSet<SnapshotId>,
}

impl Collected {
    pub(super) fn open(&self) -> &BTreeMap<u64, Condemn> {
        &self.open
    }

    pub(super) fn is_condemned(&self, key: &ObjectKey) -> bool {
        self.condemned.contains_key(key)
    }

    pub(super) fn condemned(&self) -> impl Iterator<Item = &ObjectKey> {
        self.condemned.keys()
    }

    pub(super) fn gone(&self) -> &HashSet<SnapshotId> {
        &self.gone
    }

    pub(super) fn add_gone(&mut self, ids: impl IntoIterator<Item = SnapshotId>) {
        self.gone.extend(ids);
    }

    /// Takes a `condemn` in, the entry of this number.
    pub(super) fn condemn(&mut self, number: u64, condemn: Condemn) {
        for object in &condemn.objects {
            *self.condemned.entry(key_of(object)).or_default() += 1;
        }
        self.open.insert(number, condemn);
    }

    /// Takes in what a commit relies on, however many `condemn`s name it.
    pub(super) fn rely_on(&mut self, objects: &[ReliedObject]) {
        let is_condemned =
            |object: &&ReliedObject| self.condemned.contains_key(&object.kind.key(object.name));
        let objects: Vec<ReliedObject> = objects.iter().filter(is_condemned).copied().collect();
        for condemn in self.open.values_mut() {
            condemn.relied.extend(&objects);
        }
    }

    /// Closes the `condemn` that a `delete` names, and says what is gone by it; `None` if none of that number
    /// is open.
    pub(super) fn delete(&mut self, header: &LogHeader) -> Option<Taken> {
        let condemn = self.open.remove(&header.closes?)?;
        let mut named = HashSet::new();
        for key in condemn.objects.iter().map(key_of) {
            if let Some(count) = self.condemned.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.condemned.remove(&key);
                }
            }
            named.insert(key);
        }
        let objects = header.objects.iter().map(key_of).filter(|key| named.contains(key)).collect();
        let dead: HashSet<_> = condemn.gone.into_iter().collect();
        let snapshots: Vec<_> =
            header.gone.iter().filter(|id| dead.contains(*id)).copied().collect();
        self.gone.extend(&snapshots);
        Some(Taken { objects, snapshots })
    }

    /// The open ones as facts of a checkpoint.
    pub(super) fn facts(&self) -> impl Iterator<Item = CondemnFact> {
        self.open.iter().map(|(number, condemn)| CondemnFact {
            number: *number,
            mark: condemn.mark,
            objects: condemn.objects.clone(),
            gone: condemn.gone.clone(),
            relied: condemn.relied.iter().copied().collect(),
        })
    }
}

impl Fold {
    /// What a run may name at this head of what it has put itself: what is not gone meanwhile, and what of it is condemned,
    /// as an orphan, and relied on all the same.
    pub(super) fn left_of(&self, own: &[ListedObject]) -> (Vec<ListedObject>, Vec<ReliedObject>) {
        let left: Vec<_> =
            own.iter().filter(|object| !self.is_lately_gone(&key_of(object))).copied().collect();
        let condemned = left.iter().map(key_of).filter(|key| self.is_condemned(key));
        let relied = relied(condemned);
        (left, relied)
    }
}

fn key_of(object: &ListedObject) -> ObjectKey {
    object.kind.key(object.name)
}

/// Objects as a log names those that are relied on.
pub(crate) fn relied(objects: impl IntoIterator<Item = ObjectKey>) -> Vec<ReliedObject> {
    use lifeboat_format::entry::ObjectKind::{Index, Pack, Tree};
    let mut relied: Vec<_> = objects
        .into_iter()
        .filter_map(|key| match key {
            ObjectKey::Pack(name) => Some(ReliedObject { kind: Pack, name }),
            ObjectKey::Tree(name) => Some(ReliedObject { kind: Tree, name }),
            ObjectKey::Index(name) => Some(ReliedObject { kind: Index, name }),
            _ => None,
        })
        .collect();
    relied.sort_unstable();
    relied
}

#[cfg(test)]
mod tests;
