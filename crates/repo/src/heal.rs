//! Healing: what is damaged or lost is put beside itself once more, whole.
//!
//! Nothing is overwritten where a name can be given anew: a pack gets another key, and a commit names it; from then on readers
//! take the new object, and the damaged one where that fails ([`Fold::twins`]). A segment is merged into one that has its
//! records (`segments`). Where a name is fixed, `opening` and `entries` say what is done. To remove what is damaged is the
//! collector's. Knows packs and names; opens none, so that healing packs needs no content key.
//!
//! Invariants: nothing is put that does not have the hash that its name says. The commit comes after all it names is
//! durable. What can't be healed is left as it is, so that a better source can heal it later.

mod entries;
mod opening;
mod rebuild;
mod segments;

use std::collections::HashSet;

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
use crate::index::Index;
use crate::log::{self, Fold};
use crate::mend;
use crate::open::Repository;

pub use self::entries::heal_log;
pub use self::opening::heal_opening;
pub(crate) use self::rebuild::{Rebuild, Unread, table};

const OPERATION: &str = "heal";
/// So many objects are named by one commit: what a run that is killed has put since the last one is garbage.
const TOGETHER: usize = 64;

/// Where whole bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// The pack's own parity, or the copies that it has of its own table.
    Parity,
    /// Another repository that has an object of the same hash, or the same entry, slot or configuration.
    Replica,
    /// The packs, which say themselves what is in them.
    Packs,
    /// A checkpoint of the log, which has what the entry said.
    Checkpoint,
    /// The log, which says all that a checkpoint of it does.
    Log,
}

/// What became of one object.
#[derive(Debug)]
pub enum Outcome {
    /// It is whole, or what it said is, under this key.
    Healed(ObjectKey, Remedy),
    /// Nothing was wrong with it.
    Whole,
    /// It was healed before, under this key.
    HealedBefore(ObjectKey),
    /// It is left as it is, for this reason, and nothing is lost by that.
    NotNeeded(String),
    /// Nothing makes it whole.
    Lost(Error),
}

/// What came of healing, object by object.
pub type HealReport = Vec<(ObjectKey, Outcome)>;

/// The packs and index segments that scrubs have found damaged or lost and that nobody has healed since, in order.
pub fn damaged(fold: &Fold) -> Vec<ObjectKey> {
    let twins = fold.twins();
    let is_damaged = |key: &&ObjectKey| {
        let seen = key.name().and_then(|name| fold.ledger().seen(&name));
        let found = seen.map(|seen| &seen.condition);
        matches!(found, Some(Condition::Mendable(_) | Condition::Damaged(_)))
            && !fold.is_merged(key)
            && !twins.contains_key(*key)
    };
    let mut damaged: Vec<ObjectKey> = fold.objects().keys().filter(is_damaged).copied().collect();
    damaged.sort_unstable();
    damaged
}

/// The packs that scrubs have found damaged beyond what their own parity makes again, or lost, and that nobody has healed
/// since. What lies in them is perhaps not to be had, so that nobody should begin to rely on it.
pub fn lost_packs(fold: &Fold) -> HashSet<ObjectKey> {
    let is_lost = |key: &ObjectKey| {
        let seen = key.name().and_then(|name| fold.ledger().seen(&name));
        matches!(seen.map(|seen| &seen.condition), Some(Condition::Damaged(_)))
            && !matches!(key, ObjectKey::Index(_))
    };
    let mut lost: HashSet<ObjectKey> =
        fold.objects().keys().filter(|key| is_lost(key)).copied().collect();
    if !lost.is_empty() {
        let twins = fold.twins();
        lost.retain(|key| !twins.contains_key(key));
    }
    lost
}

/// The index segments that can't be opened, whether others serve in their place or not, in order.
///
/// # Errors
/// The store's.
pub fn lost_segments(repository: &Repository, fold: &Fold) -> Result<Vec<ObjectKey>> {
    let (mut lost, mut failure) = (Vec::new(), None);
    let mut tell = |segment: crate::index::LostSegment| match segment.error.kind() {
        Kind::Corrupt | Kind::NotFound => lost.push(segment.key),
        _ if segment.error.is_unreadable() => lost.push(segment.key),
        _ => drop(failure.get_or_insert(segment.error)),
    };
    let index = Index::load_what_is_there(repository, fold, &mut tell);
    index.look_for_pieces(&mut tell)?;
    lost.retain(|key| !fold.is_merged(key));
    lost.sort_unstable();
    failure.map_or(Ok(lost), Err)
}

/// Makes these packs and index segments whole: each pack by its own parity, else from `replica` and its fold; each segment
/// from the replica, else from the packs. The report is in the order given, packs first, and has further segments that
/// turned out to be damaged.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*, [`Kind::Invalid`] for a key that is not that of a pack or segment that
/// counts, [`Kind::Cancelled`], and the store's where they say nothing of an object. What was named by a commit before stays.
pub fn heal(
    repository: &Repository,
    fold: &mut Fold,
    objects: &[ObjectKey],
    replica: Option<(&Repository, &Fold)>,
    cancel: &Cancel,
) -> Result<HealReport> {
    require_healer(repository, fold)?;
    let run = RunId(repository.random()?);
    let (segments, packs): (Vec<_>, Vec<_>) =
        objects.iter().partition(|key| matches!(key, ObjectKey::Index(_)));
    let (mut report, mut put, twins) = (HealReport::new(), Vec::new(), fold.twins());
    for key in packs {
        if cancel.is_cancelled() {
            name(repository, fold, run, &mut put)?;
            return Err(Error::new(Kind::Cancelled, OPERATION, key).because("it was asked to stop"));
        }
        let (outcome, listed) = match twins.get(&key) {
            Some(twin) => (Outcome::HealedBefore(*twin), None),
            None => heal_one(repository, fold, key, replica)?,
        };
        put.extend(listed.map(|listed| (key, listed)));
        if put.len() >= TOGETHER {
            name(repository, fold, run, &mut put)?;
        }
        report.push((key, outcome));
    }
    name(repository, fold, run, &mut put)?;
    for (key, outcome) in &mut report {
        if let Outcome::Healed(new, _) = outcome
            && fold.object(new).is_none()
        {
            let reason = format!("a collection has taken {key} meanwhile, which nothing needed");
            *outcome = Outcome::NotNeeded(reason);
        }
    }
    let of_segments = segments::Segments { repository, run, replica, cancel };
    report.extend(of_segments.heal(fold, &segments)?);
    Ok(report)
}

/// Refuses where what is healed would not be believed.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*, and where nothing may be written or appended.
pub(crate) fn require_healer(repository: &Repository, fold: &Fold) -> Result<()> {
    repository.require_writable()?;
    fold.require_appendable()?;
    require_maintainer(repository, OPERATION)
}

/// Refuses without a key of role *maintain* that the configuration grants.
pub(crate) fn require_maintainer(repository: &Repository, operation: &'static str) -> Result<()> {
    let signer = repository.keyring().signer(&SigningRole::Maintain)?;
    if repository.grants(&signer.public(), &SigningRole::Maintain) {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, operation, repository.io().describe())
        .because("this key does not have the role \"maintain\"")
        .hint("run it with an administrator's key"))
}

/// Puts what makes a pack whole; what is to be named by a commit.
fn heal_one(
    repository: &Repository,
    fold: &Fold,
    key: ObjectKey,
    replica: Option<(&Repository, &Fold)>,
) -> Result<(Outcome, Option<ListedObject>)> {
    let (Some(kind), Some(name), Some(live)) = (kind_of(&key), key.name(), fold.object(&key))
    else {
        let reason = "it is no pack or index segment that counts";
        return Err(Error::new(Kind::Invalid, OPERATION, key)
            .because(reason)
            .hint("give keys as `scrub` and `check` name them"));
    };
    if read_whole(repository, &key, &name).is_ok() {
        return Ok((Outcome::Whole, None));
    }
    let io = repository.io();
    let (bytes, remedy) = match mend::whole(io, key, live.size) {
        Ok(bytes) => (bytes, Remedy::Parity),
        Err(error) if is_of_the_store(&error) => return Err(error),
        Err(error) => match replica.and_then(|replica| from_replica(replica, kind, &name)) {
            Some(bytes) => (bytes, Remedy::Replica),
            None => return Ok((Outcome::Lost(error), None)),
        },
    };
    let (new, listed) = put_again(repository, kind, name, bytes)?;
    Ok((Outcome::Healed(new, remedy), Some(listed)))
}

/// Puts bytes with this hash under a new key.
fn put_again(
    repository: &Repository,
    kind: ObjectKind,
    name: ObjectName,
    bytes: Bytes,
) -> Result<(ObjectKey, ListedObject)> {
    let name = ObjectName { upload: repository.random()?, ..name };
    let size = bytes.len() as u64;
    repository.io().put_soon(&kind.key(name), Payload::from(bytes))?;
    Ok((kind.key(name), ListedObject { kind, name, size }))
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

/// Makes what was put count, each in the place of a damaged pack.
fn name(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    put: &mut Vec<(ObjectKey, ListedObject)>,
) -> Result<()> {
    if put.is_empty() {
        return Ok(());
    }
    repository.io().sync()?;
    log::commit_twins(repository, fold, run, &std::mem::take(put))
}

fn kind_of(key: &ObjectKey) -> Option<ObjectKind> {
    match key {
        ObjectKey::Pack(_) => Some(ObjectKind::Pack),
        ObjectKey::Tree(_) => Some(ObjectKind::Tree),
        ObjectKey::Index(_) => Some(ObjectKind::Index),
        _ => None,
    }
}

/// Whether an error says that the store is away, and nothing of the object.
fn is_of_the_store(error: &Error) -> bool {
    error.kind() == Kind::Unavailable && !error.is_unreadable()
}

#[cfg(test)]
mod tests;
