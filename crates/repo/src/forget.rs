//! Forgetting, bringing back and holding snapshots: the decisions of a maintainer, made again at each head.
//!
//! Knows snapshots, their forms and what guards them; which of them a rule lets go is the caller's. No tree is read and
//! nothing is removed: that is the collector's.
//!
//! Invariants: what is decided speaks of contents, so all forms of a snapshot share what becomes of it. A guard is asked
//! at the very head that the entry follows: of two who forget at once the second finds what the first has left.

mod guards;
mod hold;

use std::collections::{BTreeMap, HashSet};

use lifeboat_format::entry::{LOG_ENTRY_MAX, LogEntry, LogKind};
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::key::ObjectKey;

use crate::error::{Error, Kind, Result};
use crate::log::{Decision, EntryDraft, Fold, append, seal_remark};
use crate::open::Repository;
use crate::snapshots::{Known, Snapshots, Standing, Unreadable};

pub use self::guards::Guards;
pub use self::hold::hold;

/// Who forgets, brings back or holds, and why: what the entry says to people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// In the author's words.
    pub reason: Option<String>,
    /// The program, such as `lifeboat 0.1.0`.
    pub tool: String,
}

/// How long what is forgotten can be brought back for sure, unless asked otherwise, in seconds: a week.
pub const TRASH_SECS: u64 = 7 * 24 * 60 * 60;

/// Forgets what `choose` makes of the snapshots at each head, with all forms of each; the newest form of each that is
/// forgotten now. What is forgotten already is passed over.
///
/// # Errors
/// Those of `choose`. [`Kind::NotFound`] for a snapshot that is not there; [`Kind::Denied`] for one that is held, where a
/// guard objects, or without a key of role *maintain*; else as [`append`].
pub fn forget(
    repository: &Repository,
    fold: &mut Fold,
    guards: &Guards,
    why: &Why,
    mut choose: impl FnMut(&Fold, &Snapshots) -> Result<Vec<SnapshotId>>,
) -> Result<Vec<SnapshotId>> {
    let run = RunId(repository.random()?);
    let mut forgotten = Vec::new();
    append(repository, fold, |fold| {
        let snapshots = Snapshots::load(repository, fold)?;
        let now = now(repository);
        forgotten = forgettable(&snapshots, &choose(fold, &snapshots)?, now)?;
        guards.check(&snapshots, &forgotten)?;
        if forgotten.is_empty() {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::maintenance(LogKind::Forget, run);
        let body = seal_remark(repository, why.reason.as_deref(), &why.tool)?;
        let ids = all_forms(&snapshots, &forgotten);
        Ok(Decision::Append(EntryDraft { ids, time: Some(now), body, ..draft }))
    })?;
    Ok(forgotten)
}

/// Forgets these snapshots, which nobody can read, so that what they need is not kept for ever. No guard is asked: nothing is
/// known of them.
///
/// # Errors
/// [`Kind::NotFound`] for one that is not there; [`Kind::Invalid`] for one that can be read; [`Kind::Denied`] for one that is
/// held, or without a key of role *maintain*; else as [`append`].
pub fn forget_unreadable(
    repository: &Repository,
    fold: &mut Fold,
    ids: &[SnapshotId],
    why: &Why,
) -> Result<Vec<SnapshotId>> {
    const OPERATION: &str = "forget snapshot";
    let run = RunId(repository.random()?);
    let mut forgotten = Vec::new();
    append(repository, fold, |fold| {
        let snapshots = Snapshots::load(repository, fold)?;
        let now = now(repository);
        forgotten.clear();
        for id in ids {
            let is_it = |unreadable: &Unreadable| unreadable.id == *id;
            if !snapshots.unreadable().iter().any(is_it) {
                let (kind, reason) = match snapshots.all().iter().any(|of| of.snapshot.id == *id) {
                    true => (Kind::Invalid, "it can be read: forget it as any other"),
                    false => (Kind::NotFound, "no snapshot has this id"),
                };
                return Err(Error::new(kind, OPERATION, id).because(reason));
            }
            if let Some(hold) = fold.hold(id).filter(|hold| hold.until.holds_at(now)) {
                return Err(is_held_by(id, hold.entry));
            }
            if fold.hidden(id).is_none() {
                forgotten.push(*id);
            }
        }
        if forgotten.is_empty() {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::maintenance(LogKind::Forget, run);
        let body = seal_remark(repository, why.reason.as_deref(), &why.tool)?;
        Ok(Decision::Append(EntryDraft { ids: forgotten.clone(), time: Some(now), body, ..draft }))
    })?;
    Ok(forgotten)
}

/// The refusal to forget what is held by the entry of this number.
fn is_held_by(id: &SnapshotId, entry: u64) -> Error {
    Error::new(Kind::Denied, "forget snapshot", id)
        .because(format!("it is held, by {}", ObjectKey::Log(entry)))
        .hint("wait until the hold ends, or release it first ('lifeboat hold --release')")
}

/// The newest form of each of these that can be forgotten, once; those that are already are left out.
///
/// # Errors
/// [`Kind::NotFound`] for one that is not there, [`Kind::Denied`] for one that is held at the second `now` since 1970.
pub fn forgettable(snapshots: &Snapshots, ids: &[SnapshotId], now: u64) -> Result<Vec<SnapshotId>> {
    let forms = snapshots.forms();
    let by_id = by_id(snapshots);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for id in ids {
        let Some(newest) = by_id.get(&forms.newest(id)) else {
            return Err(Error::new(Kind::NotFound, "forget snapshot", id)
                .because("no snapshot has this id"));
        };
        if !seen.insert(newest.snapshot.id) || is_forgotten(newest) {
            continue;
        }
        let held = forms.of(id).iter().filter_map(|form| by_id.get(form)).find_map(|form| {
            form.hold.filter(|hold| hold.until.holds_at(now)).map(|hold| hold.entry)
        });
        if let Some(entry) = held {
            return Err(is_held_by(id, entry));
        }
        found.push(newest.snapshot.id);
    }
    Ok(found)
}

/// Shows these again, with all forms of each; the newest form of each that was hidden. Others are left out.
///
/// `trash_secs` is for how long after a forget its space is sure not to be freed; without it that does not matter.
///
/// # Errors
/// [`Kind::NotFound`] for a snapshot that is not there; [`Kind::Denied`] for one that was forgotten longer ago, or without
/// a key of role *maintain*; else as [`append`].
pub fn undo(
    repository: &Repository,
    fold: &mut Fold,
    ids: &[SnapshotId],
    trash_secs: Option<u64>,
    why: &Why,
) -> Result<Vec<SnapshotId>> {
    let run = RunId(repository.random()?);
    let mut shown = Vec::new();
    append(repository, fold, |fold| {
        let snapshots = Snapshots::load(repository, fold)?;
        let hidden = hidden_of(&snapshots, ids)?;
        if let Some(trash_secs) = trash_secs {
            let entries = hidden.values().copied().collect();
            require_recent(repository, entries, trash_secs)?;
        }
        shown = hidden.into_keys().collect();
        if shown.is_empty() {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::maintenance(LogKind::Restore, run);
        let body = seal_remark(repository, why.reason.as_deref(), &why.tool)?;
        let time = Some(now(repository));
        let ids = all_forms(&snapshots, &shown);
        Ok(Decision::Append(EntryDraft { ids, time, body, ..draft }))
    })?;
    Ok(shown)
}

/// Of these the newest forms that are hidden, or have one that is, with the entry that did it.
fn hidden_of(snapshots: &Snapshots, ids: &[SnapshotId]) -> Result<BTreeMap<SnapshotId, u64>> {
    let forms = snapshots.forms();
    let by_id = by_id(snapshots);
    let mut hidden = BTreeMap::new();
    for id in ids {
        let all = forms.of(id);
        if all.is_empty() {
            return Err(Error::new(Kind::NotFound, "bring back snapshot", id)
                .because("no snapshot has this id"));
        }
        let by = all.iter().filter_map(|form| match by_id.get(form)?.standing {
            Standing::Forgotten { entry } => Some(entry),
            _ => None,
        });
        hidden.extend(by.min().map(|entry| (forms.newest(id), entry)));
    }
    Ok(hidden)
}

/// Refuses when one of these forgets is so long ago that its space may be free by now.
fn require_recent(repository: &Repository, entries: HashSet<u64>, trash_secs: u64) -> Result<()> {
    const OPERATION: &str = "bring back what was forgotten by";
    let now = now(repository);
    for number in entries {
        let key = ObjectKey::Log(number);
        let bytes = repository.io().get_at_most(&key, LOG_ENTRY_MAX as u64)?;
        let entry = LogEntry::decode(&bytes).map_err(|cause| Error::format("read", key, cause))?;
        // Whose forget does not say when it was, may have been at any time.
        if now.saturating_sub(entry.header.time.unwrap_or(0)) > trash_secs {
            let reason = format!(
                "that is more than {} days ago, so that some of its data may be gone",
                trash_secs / (24 * 60 * 60)
            );
            return Err(Error::new(Kind::Denied, OPERATION, key).because(reason).hint(
                "with --yes-really it is brought back as far as it is there; check it then",
            ));
        }
    }
    Ok(())
}

/// The ids of all forms of these, each once.
fn all_forms(snapshots: &Snapshots, ids: &[SnapshotId]) -> Vec<SnapshotId> {
    let forms = snapshots.forms();
    ids.iter().flat_map(|id| forms.of(id)).copied().collect()
}

fn by_id(snapshots: &Snapshots) -> BTreeMap<SnapshotId, &Known> {
    snapshots.all().iter().map(|known| (known.snapshot.id, known)).collect()
}

fn is_forgotten(known: &Known) -> bool {
    matches!(known.standing, Standing::Forgotten { .. })
}

/// The second since 1970 that it is by the repository's clock; before that, none has gone by.
fn now(repository: &Repository) -> u64 {
    u64::try_from(repository.clock().now().secs).unwrap_or(0)
}

#[cfg(test)]
mod tests;
