//! Holding snapshots, and letting them go.
//!
//! Knows ends of holds and forms of snapshots. A hold is never made shorter but by releasing it first, so that nobody
//! ends one by mistake.

use lifeboat_format::entry::{LogKind, Until};
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::key::ObjectKey;

use super::{Why, all_forms, by_id, is_forgotten, now};
use crate::error::{Error, Kind, Result};
use crate::log::{Decision, EntryDraft, Fold, append, seal_remark};
use crate::open::Repository;
use crate::snapshots::Snapshots;

/// Holds these until then, or releases them, with all forms of each; the newest form of each for which that was new.
///
/// # Errors
/// [`Kind::Invalid`] for an end that is over. [`Kind::NotFound`] for a snapshot that is not there or is forgotten;
/// [`Kind::Denied`] for one that is held for longer, or without a key of role *maintain*; else as [`append`].
pub fn hold(
    repository: &Repository,
    fold: &mut Fold,
    ids: &[SnapshotId],
    until: Until,
    why: &Why,
) -> Result<Vec<SnapshotId>> {
    if until != Until::Released && !until.holds_at(now(repository)) {
        return Err(Error::new(Kind::Invalid, "hold", "snapshots")
            .because("the time until which to hold them is over")
            .hint("name a time to come"));
    }
    let run = RunId(repository.random()?);
    let mut held = Vec::new();
    append(repository, fold, |fold| {
        let snapshots = Snapshots::load(repository, fold)?;
        held = holdable(&snapshots, ids, until, now(repository))?;
        if held.is_empty() {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::maintenance(LogKind::Hold, run);
        let body = seal_remark(repository, why.reason.as_deref(), &why.tool)?;
        let ids = all_forms(&snapshots, &held);
        Ok(Decision::Append(EntryDraft { ids, until: Some(until), body, ..draft }))
    })?;
    Ok(held)
}

/// The newest form of each of these that a hold until then would change something for.
fn holdable(
    snapshots: &Snapshots,
    ids: &[SnapshotId],
    until: Until,
    now: u64,
) -> Result<Vec<SnapshotId>> {
    const OPERATION: &str = "hold snapshot";
    let forms = snapshots.forms();
    let by_id = by_id(snapshots);
    let mut found = Vec::new();
    for id in ids {
        let newest = by_id.get(&forms.newest(id)).filter(|_| !forms.of(id).is_empty());
        let Some(newest) = newest else {
            let error = Error::new(Kind::NotFound, OPERATION, id);
            return Err(error.because("no snapshot has this id"));
        };
        if let (true, Some(entry)) = (is_forgotten(newest), snapshots.forgotten_by(newest)) {
            return Err(Error::forgotten(OPERATION, id, entry));
        }
        let holds: Vec<_> =
            forms.of(id).iter().filter_map(|form| by_id.get(form)).map(|form| form.hold).collect();
        let longer = holds.iter().flatten().find(|hold| {
            until != Until::Released && hold.until > until && hold.until.holds_at(now)
        });
        if let Some(longer) = longer {
            return Err(Error::new(Kind::Denied, OPERATION, id)
                .because(format!("it is held for longer, by {}", ObjectKey::Log(longer.entry)))
                .hint("release it first, if it is to be held for less"));
        }
        let wanted = Some(until).filter(|until| *until != Until::Released);
        let is_new = holds.iter().any(|hold| hold.map(|hold| hold.until) != wanted);
        if is_new && !found.contains(&newest.snapshot.id) {
            found.push(newest.snapshot.id);
        }
    }
    Ok(found)
}
