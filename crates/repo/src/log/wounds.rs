//! Wounds of the log: entries that are damaged or missing, and how bytes from elsewhere are proven to be what they were.
//!
//! Knows entries, checkpoints and a copy of the log. Writes nothing.
//!
//! Invariants: nothing is taken from a copy that is not signed by a key with a role, for this log and this number. What the
//! next entry, a checkpoint or the caller's memory says of an entry's hash decides; where none of these says anything, it
//! must follow the entry before, and all objects that it names must be here.

use std::collections::BTreeMap;

use bytes::Bytes;
use lifeboat_format::checkpoint::{CHECKPOINT_PREFIX_LEN, Checkpoint};
use lifeboat_format::entry::{LogEntry, LogHeader, LogKind};
use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectKey;

use crate::error::{Error, Kind, Result};
use crate::log::fetch::{self, Fetched};
use crate::log::fold::Fold;
use crate::log::judge::{Link, Verdict, judge};
use crate::log::{VoidEntry, checkpoint};
use crate::open::Repository;

const OPERATION: &str = "take from the copy";

/// An entry that is not what somebody put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wound {
    /// Its number.
    pub(crate) number: u64,
    /// Why.
    pub(crate) reason: String,
    /// Whether there is nothing at all.
    pub(crate) is_missing: bool,
}

/// The last entry that a usable checkpoint covers.
///
/// # Errors
/// The store's.
pub(crate) fn covered(repository: &Repository) -> Result<Option<u64>> {
    Ok(checkpoint::newest(repository)?.0.and_then(|fold| fold.covered()))
}

/// All wounds, ascending. An entry behind the end is one, too, if the caller has seen it before, or a checkpoint covers it,
/// and so is each up to `last`.
///
/// # Errors
/// The store's; [`Kind::Unsupported`] at an entry of a newer version.
pub(crate) fn wounds(
    repository: &Repository,
    covered: Option<u64>,
    last: Option<u64>,
) -> Result<Vec<Wound>> {
    let io = repository.io();
    let mut all = Fold::empty(repository);
    all.read_to_head(io, &BTreeMap::new())?;
    let mut wounds = Vec::new();
    for VoidEntry { number, reason, .. } in all.voids().iter().filter(|void| void.is_damage) {
        let is_missing = fetch::entry(io, *number)?.is_none();
        wounds.push(Wound { number: *number, reason: reason.clone(), is_missing });
    }
    let seen = repository.remembered().map(|head| head.number).max(last).max(covered);
    for number in all.next_number()..seen.map_or(0, |seen| seen.saturating_add(1)) {
        let reason = "it is missing from the store, and was there before".to_owned();
        wounds.push(Wound { number, reason, is_missing: true });
    }
    Ok(wounds)
}

/// The bytes that `copy` has of a wounded entry, if they are what was here; `next` are those of the entry behind it, where
/// they were found elsewhere, too.
///
/// # Errors
/// [`Kind::NotFound`] and [`Kind::Corrupt`] where they are not, with the reason; the store's.
pub(crate) fn proven(
    repository: &Repository,
    number: u64,
    next: Option<&Bytes>,
    copy: &Repository,
) -> Result<Bytes> {
    let key = ObjectKey::Log(number);
    let refuse =
        |reason: &str| Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason.to_owned()));
    let Some(theirs) = fetch::entry(copy.io(), number)? else {
        return Err(Error::new(Kind::NotFound, OPERATION, key).because("the copy does not have it"));
    };
    let rules = repository.config();
    let verdict = judge(number, &theirs, Link::Unknown, rules)?;
    let (Verdict::Counts(..) | Verdict::Noted(_) | Verdict::Skipped) = verdict else {
        return refuse("what the copy has there is damaged, too, or of another log");
    };
    let Some(bytes) = theirs.bytes else { return refuse("it is too large") };
    let present = fetch::entry(repository.io(), number)?.map(|present| present.hash);
    let said = [
        next_says(repository, number, next)?.filter(|hash| Some(*hash) != present),
        checkpoint_says(repository, number)?,
        repository.remembered().filter(|head| head.number == number).map(|head| head.hash),
    ];
    let mut said = said.into_iter().flatten().peekable();
    if said.peek().is_some() {
        return match said.all(|hash| hash == theirs.hash) {
            true => Ok(bytes),
            false => refuse("the copy has another entry there than this log had"),
        };
    }
    let entry = LogEntry::decode(&bytes).map_err(|cause| Error::format(OPERATION, key, cause))?;
    if !follows(repository, &entry.header)? {
        return refuse(
            "the copy has another entry there, which does not follow the one before it here",
        );
    }
    match lacking(repository, &entry.header)? {
        None => Ok(bytes),
        Some(object) => refuse(&format!("it names {object}, which was never here")),
    }
}

/// What the entry behind this one names as the one before it.
fn next_says(
    repository: &Repository,
    number: u64,
    next: Option<&Bytes>,
) -> Result<Option<ObjectHash>> {
    let Some(behind) = number.checked_add(1) else { return Ok(None) };
    let found = match next {
        Some(bytes) => Some(Fetched::new(bytes.clone())),
        None => fetch::entry(repository.io(), behind)?,
    };
    let Some(found) = found else { return Ok(None) };
    match judge(behind, &found, Link::Unknown, repository.config())? {
        Verdict::Counts(..) | Verdict::Noted(_) | Verdict::Skipped => {}
        Verdict::Void(_) | Verdict::Damaged(_) => return Ok(None),
    }
    let entry = found.bytes.as_ref().and_then(|bytes| LogEntry::decode(bytes).ok());
    Ok(entry.map(|entry| entry.header.previous))
}

/// What a checkpoint of this very number says.
fn checkpoint_says(repository: &Repository, number: u64) -> Result<Option<ObjectHash>> {
    let (io, key) = (repository.io(), ObjectKey::Checkpoint(number));
    let size = match io.head(&key) {
        Ok(info) => info.size,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if checkpoint::read(repository, number, size).is_err() {
        return Ok(None);
    }
    let prefix = io.get_range(&key, 0..CHECKPOINT_PREFIX_LEN as u64)?;
    let of_format = |cause| Error::format(OPERATION, key, cause);
    let head = io.get_range(&key, 0..Checkpoint::head_len(&prefix).map_err(of_format)?)?;
    Ok(Some(Checkpoint::decode(&head).map_err(of_format)?.entry))
}

/// Whether an entry names the one before it as that is here; also where nobody can tell.
fn follows(repository: &Repository, header: &LogHeader) -> Result<bool> {
    let Some(before) = header.number.checked_sub(1) else {
        return Ok(header.previous == ObjectHash([0; 32]));
    };
    let Some(found) = fetch::entry(repository.io(), before)? else { return Ok(true) };
    let is_damaged =
        matches!(judge(before, &found, Link::Unknown, repository.config())?, Verdict::Damaged(_));
    Ok(is_damaged || header.previous == found.hash)
}

/// An object that a commit makes count and that is not here: then it is of a log that has gone another way.
fn lacking(repository: &Repository, header: &LogHeader) -> Result<Option<ObjectKey>> {
    if header.kind != LogKind::Commit {
        return Ok(None);
    }
    for object in &header.objects {
        let key = object.kind.key(object.name);
        match repository.io().head(&key) {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::NotFound => return Ok(Some(key)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The fold to the head, with these entries in the place of damaged ones.
///
/// # Errors
/// As [`Fold::load`].
pub(crate) fn fold_with(repository: &Repository, spares: &BTreeMap<u64, Bytes>) -> Result<Fold> {
    let first = spares.keys().next().copied();
    // A checkpoint that covers all of them would have been enough.
    let state = checkpoint::newest(repository)?.0.filter(|fold| fold.covered() < first);
    let mut fold = state.unwrap_or_else(|| Fold::empty(repository));
    fold.read_to_head(repository.io(), spares)?;
    Ok(fold)
}
