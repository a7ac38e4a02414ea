//! What is deleted in the log and still locked: the collector's memory of what it could not remove yet.
//!
//! Knows when locks end: by the time of an object's put, or by what was extended last. Only an object of which neither says so
//! is asked for. Knows nothing of why something is deleted.
//!
//! Invariant: what is here was named by a `delete`, so it may be removed by anybody at any time, and is never condemned
//! again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use lifeboat_format::entry::ListedObject;
use lifeboat_format::id::RunId;
use lifeboat_format::key::{INDEX, ObjectKey, PACKS, TREES};
use lifeboat_format::locks::{Extended, LeftObject, LockNote, NOTED_LEFT_MAX};
use lifeboat_format::scrub::ShortName;
use lifeboat_store::ErrorKind;
use lifeboat_store::locking::{Locking, delete_for_good};
use serde::Serialize;

use super::{now, of_config, of_store, seconds};
use crate::error::{Error, Result};
use crate::log::{Decision, EntryDraft, Fold, append};
use crate::open::Repository;

/// What waits for the end of its lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Locked {
    /// How many objects.
    pub objects: u64,
    /// Their length together, in bytes.
    pub bytes: u64,
    /// When the first of them can be removed, in seconds since 1970; 0 if there are none.
    pub first_free: u64,
    /// When the last can.
    pub last_free: u64,
}

impl Locked {
    fn add(&mut self, object: &LeftObject) {
        self.first_free =
            if self.objects == 0 { object.until } else { self.first_free.min(object.until) };
        self.last_free = self.last_free.max(object.until);
        self.objects += 1;
        self.bytes += object.bytes;
    }
}

/// What became of an object that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It is gone.
    Gone,
    /// It is locked until then.
    Locked(u64),
}

/// The memory of one collection of a repository whose objects are locked.
#[derive(Debug)]
pub(crate) struct Left {
    locking: Arc<dyn Locking>,
    period: u64,
    now: u64,
    extended: Option<Extended>,
    /// When objects were put, as far as they were listed.
    put: HashMap<ObjectKey, SystemTime>,
    /// What the log says.
    noted: BTreeMap<ShortName, LeftObject>,
    /// What is so now.
    objects: BTreeMap<ShortName, LeftObject>,
    /// Orphans that were never named and are young enough to be locked.
    orphans: Locked,
}

impl Left {
    /// As the log says it; `None` where objects are not locked.
    ///
    /// # Errors
    /// [`Kind::Unsupported`](crate::Kind::Unsupported) where they are to be, and the store can't.
    pub(crate) fn of(repository: &Repository, fold: &Fold) -> Result<Option<Self>> {
        let Some(lock) = of_config(repository.config()) else { return Ok(None) };
        let note = fold.locks().cloned().unwrap_or_default();
        Ok(Some(Self {
            locking: of_store(repository.io())?,
            period: lock.period.as_secs(),
            now: now(repository),
            extended: note.extended,
            put: HashMap::new(),
            objects: note.left.clone(),
            noted: note.left,
            orphans: Locked::default(),
        }))
    }

    /// Which of these were there when locks were extended last, and were not condemned by then: the `condemn` that names
    /// them has this number.
    pub(crate) fn extended_of(
        &self,
        fold: &Fold,
        condemn: u64,
        objects: &[ListedObject],
    ) -> Vec<ObjectKey> {
        let Some(extended) = self.extended.filter(|extended| condemn > extended.through) else {
            return Vec::new();
        };
        let keys = objects.iter().map(|object| object.kind.key(object.name));
        let is_older =
            |key: &ObjectKey| fold.object(key).is_some_and(|live| live.entry <= extended.through);
        keys.filter(is_older).collect()
    }

    /// Removes objects that a `delete` has named, unless they are locked; those of `extended` are as long as locks
    /// were extended.
    ///
    /// # Errors
    /// The store's, of any of them.
    pub(crate) fn remove(
        &mut self,
        repository: &Repository,
        objects: &[ListedObject],
        extended: &[ObjectKey],
    ) -> Result<Vec<Removed>> {
        if self.put.is_empty() {
            self.list(repository)?;
        }
        let until = self.extended.map_or(0, |extended| extended.until);
        let ends: Vec<(String, u64)> = objects
            .iter()
            .map(|object| {
                let key = object.kind.key(object.name);
                let put =
                    self.put.get(&key).map_or(0, |put| seconds(*put).saturating_add(self.period));
                (key.to_string(), if extended.contains(&key) { put.max(until) } else { put })
            })
            .collect();
        let removed = self.remove_at_last(repository, &ends)?;
        for (object, removed) in objects.iter().zip(&removed) {
            if let Removed::Locked(until) = removed {
                let left = LeftObject { until: *until, bytes: object.size };
                self.objects.insert(ShortName::from(&object.name), left);
            }
        }
        Ok(removed)
    }

    /// Removes these by their keys, unless their locks are known to end later than now.
    fn remove_at_last(
        &self,
        repository: &Repository,
        objects: &[(String, u64)],
    ) -> Result<Vec<Removed>> {
        let io = repository.io();
        let locking = &*self.locking;
        let remove = |(key, until): &(String, u64)| {
            if *until > self.now {
                return Ok(Removed::Locked(*until));
            }
            io.block_on(async {
                match delete_for_good(locking, key).await {
                    Err(error) if error.kind() == ErrorKind::Denied => {
                        let end = locking.locked_until(key).await.ok().flatten().map(seconds);
                        match end.filter(|end| *end > self.now) {
                            Some(end) => Ok(Removed::Locked(end)),
                            None => Err(error),
                        }
                    }
                    deleted => deleted.map(|()| Removed::Gone),
                }
            })
        };
        let removed = io.each_of(objects, remove);
        removed
            .into_iter()
            .map(|removed| removed.map_err(|cause| Error::store("delete", cause).hint(
                "what removes locked objects needs the right s3:DeleteObjectVersion: give the maintenance \
                 credential (docs/stores.md); the next collection removes what is left",
            )))
            .collect()
    }

    /// When objects were put: a request for a thousand of them.
    fn list(&mut self, repository: &Repository) -> Result<()> {
        for prefix in [PACKS, TREES, INDEX] {
            repository.io().list(prefix, |listed| {
                if let Ok(key) = listed.key.parse::<ObjectKey>() {
                    self.put.insert(key, listed.modified);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Looks at what nothing names, by key, length and the time of its put; the rest of it may be condemned.
    ///
    /// What is left from earlier collections is removed once it is free, unless only saying is asked for.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn sift(
        &mut self,
        repository: &Repository,
        unnamed: Vec<(ObjectKey, u64, SystemTime)>,
        dry_run: bool,
    ) -> Result<Sifted> {
        self.orphans = Locked::default();
        let mut seen = BTreeSet::new();
        let mut sifted = Sifted::default();
        let mut free = Vec::new();
        for (key, bytes, put) in unnamed {
            let Some(name) = key.name().as_ref().map(ShortName::from) else { continue };
            let end = seconds(put).saturating_add(self.period);
            match self.objects.get(&name) {
                Some(left) => {
                    seen.insert(name);
                    if left.until <= self.now {
                        free.push((name, key, *left));
                    }
                }
                None if end > self.now => self.orphans.add(&LeftObject { until: end, bytes }),
                None => sifted.orphans.push((key, bytes, put)),
            }
        }
        if dry_run {
            return Ok(sifted);
        }
        // What others have removed is no longer left.
        self.objects.retain(|name, _| seen.contains(name));
        let ends: Vec<_> =
            free.iter().map(|(_, key, left)| (key.to_string(), left.until)).collect();
        for ((name, _, left), removed) in free.iter().zip(self.remove_at_last(repository, &ends)?) {
            match removed {
                Removed::Gone => {
                    self.objects.remove(name);
                    sifted.removed.push(left.bytes);
                }
                Removed::Locked(until) => {
                    self.objects.insert(*name, LeftObject { until, ..*left });
                }
            }
        }
        Ok(sifted)
    }

    /// All that waits for the end of its lock.
    pub(crate) fn locked(&self) -> Locked {
        let mut locked = self.orphans;
        self.objects
            .values()
            .filter(|left| left.until > self.now)
            .for_each(|left| locked.add(left));
        locked
    }

    /// Says in the log what has changed, if anything has.
    ///
    /// # Errors
    /// Those of an append.
    pub(crate) fn note(&self, repository: &Repository, fold: &mut Fold, run: RunId) -> Result<()> {
        if self.objects == self.noted {
            return Ok(());
        }
        append(repository, fold, |head| {
            let said = head.locks().cloned().unwrap_or_default();
            let mut left = said.left.clone();
            // Another collector may have said something else meanwhile.
            left.retain(|name, _| {
                !self.noted.contains_key(name) || self.objects.contains_key(name)
            });
            left.extend(self.objects.iter().map(|(name, object)| (*name, *object)));
            while left.len() > NOTED_LEFT_MAX {
                // Whatever is not noted is an orphan to the next collection, which asks for its lock.
                left.pop_last();
            }
            if left == said.left {
                return Ok(Decision::Nothing);
            }
            let note = LockNote { extended: said.extended, left };
            Ok(Decision::Append(EntryDraft::locks(run, note)))
        })?;
        Ok(())
    }
}

/// What nothing names and may be condemned, and the lengths of what was removed.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    pub(crate) orphans: Vec<(ObjectKey, u64, SystemTime)>,
    pub(crate) removed: Vec<u64>,
}
