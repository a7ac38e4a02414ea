//! Healing: a damaged or lost pack is put beside itself once more, whole.
//!
//! Nothing is overwritten: the same bytes get a new key, and a commit names it. From then on readers take the
//! new object, and the damaged one where that fails ([`Fold::twins`]); to remove what is damaged is the collector's.
//! Knows packs and names; opens none, so it needs no content key.
//!
//! Invariants: nothing is put that does not have the hash that its name says. The commit comes after all it names is
//! durable.

use bytes::Bytes;
use lifeboat_codec::hash::object_hash;
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::id::RunId;
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::scrub::Condition;
use lifeboat_store::Payload;
use serde::Serialize;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Fold};
use crate::mend;
use crate::open::Repository;

const OPERATION: &str = "heal";
/// So many objects are named by one commit: what a run that is killed has put since the last one is garbage.
const TOGETHER: usize = 64;

/// Where whole bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The pack's own parity, or the copies that it has of its own table.
    Parity,
    /// Another repository that has an object of the same hash.
    Replica,
}

/// What became of one object.
#[derive(Debug)]
pub enum Outcome {
    /// It is whole under this key.
    Healed(ObjectKey, Remedy),
    /// Nothing was wrong with it.
    Whole,
    /// It was healed before, under this key.
    HealedBefore(ObjectKey),
    /// Nothing makes it whole.
    Lost(Error),
}

/// What came of healing, object by object in the order given.
pub type HealReport = Vec<(ObjectKey, Outcome)>;

/// The packs that scrubs have found damaged or lost and that nobody has healed since, in order.
pub fn damaged(fold: &Fold) -> Vec<ObjectKey> {
    let twins = fold.twins();
    let is_damaged = |key: &&ObjectKey| {
        let seen = key.name().and_then(|name| fold.ledger().seen(&name));
        let found = seen.map(|seen| &seen.condition);
        matches!(found, Some(Condition::Mendable(_) | Condition::Damaged(_)))
            && kind_of(key).is_some()
            && !twins.contains_key(*key)
    };
    let mut damaged: Vec<ObjectKey> = fold.objects().keys().filter(is_damaged).copied().collect();
    damaged.sort_unstable();
    damaged
}

/// Makes these packs whole: each by its own parity, else from `replica` and its fold.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*, [`Kind::Invalid`] for a key that is not that of a pack that
/// counts, [`Kind::Cancelled`], and the store's where they say nothing of an object. What was named by a commit before stays.
pub fn heal(
    repository: &Repository,
    fold: &mut Fold,
    objects: &[ObjectKey],
    replica: Option<(&Repository, &Fold)>,
    cancel: &Cancel,
) -> Result<HealReport> {
    repository.require_writable()?;
    fold.require_appendable()?;
    repository.keyring().signer(&SigningRole::Maintain)?;
    let run = RunId(repository.random()?);
    let (mut report, mut put, twins) = (HealReport::new(), Vec::new(), fold.twins());
    for key in objects {
        if cancel.is_cancelled() {
            name(repository, fold, run, &mut put)?;
            return Err(Error::new(Kind::Cancelled, OPERATION, key).because("it was asked to stop"));
        }
        let (outcome, listed) = match twins.get(key) {
            Some(twin) => (Outcome::HealedBefore(*twin), None),
            None => heal_one(repository, fold, *key, replica)?,
        };
        put.extend(listed);
        if put.len() >= TOGETHER {
            name(repository, fold, run, &mut put)?;
        }
        report.push((*key, outcome));
    }
    name(repository, fold, run, &mut put)?;
    Ok(report)
}

/// Puts what makes an object whole; what is to be named by a commit.
fn heal_one(
    repository: &Repository,
    fold: &Fold,
    key: ObjectKey,
    replica: Option<(&Repository, &Fold)>,
) -> Result<(Outcome, Option<ListedObject>)> {
    let (Some(kind), Some(name), Some(live)) = (kind_of(&key), key.name(), fold.object(&key))
    else {
        let reason = "it is not a pack that counts";
        return Err(Error::new(Kind::Invalid, OPERATION, key)
            .because(reason)
            .hint("give keys as `scrub` and `check` name them: packs/.. or trees/.."));
    };
    if read_whole(repository, &key, &name).is_ok() {
        return Ok((Outcome::Whole, None));
    }
    let io = repository.io();
    let (bytes, remedy) = match mend::whole(io, key, live.size) {
        Ok(bytes) => (bytes, Remedy::Parity),
        Err(error) if error.kind() == Kind::Unavailable && !error.is_unreadable() => {
            return Err(error);
        }
        Err(error) => match replica.and_then(|replica| from_replica(replica, kind, &name)) {
            Some(bytes) => (bytes, Remedy::Replica),
            None => return Ok((Outcome::Lost(error), None)),
        },
    };
    let new = ObjectName { upload: repository.random()?, ..name };
    let size = bytes.len() as u64;
    io.put_soon(&kind.key(new), Payload::from(bytes))?;
    let listed = ListedObject { kind, name: new, size };
    Ok((Outcome::Healed(kind.key(new), remedy), Some(listed)))
}

/// An object of the same hash, if the replica has one that is whole.
fn from_replica(
    (repository, fold): (&Repository, &Fold),
    kind: ObjectKind,
    name: &ObjectName,
) -> Option<Bytes> {
    let is_it = |key: &&ObjectKey| {
        kind_of(key) == Some(kind) && key.name().is_some_and(|other| other.hash == name.hash)
    };
    fold.objects().keys().filter(is_it).find_map(|key| {
        let read = read_whole(repository, key, name);
        read.inspect_err(|error| tracing::debug!(%error, "a copy is no better")).ok()
    })
}

/// The object's bytes, if they have the hash of `name`.
///
/// # Errors
/// [`Kind::Corrupt`] where they have not, [`Kind::NotFound`], or the store's.
pub(crate) fn read_whole(
    repository: &Repository,
    key: &ObjectKey,
    name: &ObjectName,
) -> Result<Bytes> {
    let bytes = repository.io().get(key)?;
    if object_hash(&bytes) == name.hash {
        return Ok(bytes);
    }
    Err(Error::new(Kind::Corrupt, "read", key)
        .because("its bytes do not have the hash that its name says"))
}

/// Makes what was put count.
fn name(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    put: &mut Vec<ListedObject>,
) -> Result<()> {
    if put.is_empty() {
        return Ok(());
    }
    repository.io().sync()?;
    let objects = std::mem::take(put);
    log::commit_copies(repository, fold, run, objects)
}

fn kind_of(key: &ObjectKey) -> Option<ObjectKind> {
    match key {
        ObjectKey::Pack(_) => Some(ObjectKind::Pack),
        ObjectKey::Tree(_) => Some(ObjectKind::Tree),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
