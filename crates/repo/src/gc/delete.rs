//! Deleting: the entry by which what a `condemn` has named is gone, and then the objects themselves.
//!
//! Knows one `condemn` at a time. Whatever a snapshot reaches that the mark can't have seen is spared, unless this very
//! `delete` says that it is gone: those committed between mark and `condemn`, forgotten since or not, for they could come
//! back; those that have come back. So is what commits since the mark have named, or say that they rely on.

use std::collections::HashSet;
use std::sync::Arc;

use lifeboat_format::entry::{ListedObject, LogKind};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::snapshot::Snapshot;

use super::living::Living;
use super::{GcReport, Run};
use crate::error::{Error, Kind, Result};
use crate::heal;
use crate::index::{Found, Index};
use crate::locks::left::Removed;
use crate::log::{Condemn, Decision, EntryDraft, Fold, append, seal_remark};
use crate::planted::{Planted, is_planted};
use crate::reach::Reach;

/// Objects that are removed between two looks at whether to go on.
const REMOVED_AT_ONCE: usize = 1000;

/// Closes the `condemn` of this number, unless another has, and removes what is gone by that.
pub(super) fn delete(run: &mut Run<'_>, number: u64, report: &mut GcReport) -> Result<()> {
    let (repository, options, id) = (run.repository, run.options, run.id);
    let body = seal_remark(repository, None, &options.tool)?;
    let mut sparing = Sparing::default();
    let mut gone: Vec<ListedObject> = Vec::new();
    let mut spared: Vec<ListedObject> = Vec::new();
    let mut extended: Vec<ObjectKey> = Vec::new();
    let left = run.left.as_ref();
    let appended = append(repository, &mut run.fold, |head| {
        let Some(condemn) = head.condemns().get(&number) else { return Ok(Decision::Nothing) };
        let living = Living::of(repository, head, options.trash_period)?;
        sparing.look(repository, options, head, number, condemn, &living)?;
        let relied = relied_on(condemn);
        let is_spared = |object: &ListedObject| {
            let key = object.kind.key(object.name);
            let is_named_since = head.object(&key).is_some_and(|found| found.entry > condemn.mark);
            is_named_since || sparing.objects.contains(&key) || relied.contains(&key)
        };
        (spared, gone) = condemn.objects.iter().copied().partition(is_spared);
        extended = left.map_or_else(Vec::new, |left| left.extended_of(head, number, &gone));
        let live: HashSet<&SnapshotId> =
            living.live.iter().map(|(_, snapshot)| &snapshot.id).collect();
        let is_dead =
            |id: &&SnapshotId| !live.contains(id) || is_planted(Planted::DeleterTakesRestored);
        let dead = condemn.gone.iter().filter(is_dead).copied();
        if is_planted(Planted::RemovesFirst) {
            let keys = gone.iter().map(|object| object.kind.key(object.name));
            keys.for_each(|key| drop(repository.io().delete(&key)));
        }
        Ok(Decision::Append(EntryDraft {
            objects: gone.clone(),
            closes: Some(number),
            gone: dead.collect(),
            body: body.clone(),
            ..EntryDraft::maintenance(LogKind::Delete, id)
        }))
    })?;
    let Some(appended) = appended else { return Ok(()) };
    run.known = Some(appended.number);
    gone.iter().for_each(|object| report.deleted.add(object.size));
    spared.iter().for_each(|object| report.spared.add(object.size));
    remove(run, &gone, &extended, report)
}

/// What is not to be deleted after all.
#[derive(Debug, Default)]
struct Sparing {
    objects: HashSet<ObjectKey>,
    /// Snapshots that were gone through.
    seen: HashSet<SnapshotId>,
}

impl Sparing {
    /// Goes through the trees of what the mark can't have seen and is not gone by this, those that were not gone through yet.
    fn look(
        &mut self,
        repository: &crate::open::Repository,
        options: &super::GcOptions,
        head: &Fold,
        number: u64,
        condemn: &Condemn,
        living: &Living,
    ) -> Result<()> {
        let is_between = |entry: u64| {
            let is_between = entry > condemn.mark && entry < number;
            is_between && !is_planted(Planted::DeleterLooksSinceCondemn)
        };
        let is_back = |snapshot: &Snapshot| {
            condemn.gone.contains(&snapshot.id) && !is_planted(Planted::DeleterMissesRestores)
        };
        // What a scrub has found since is no copy any more because of which another could go.
        let is_in_doubt = !heal::lost_packs(head).is_empty();
        let came_back = living
            .live
            .iter()
            .filter(|(entry, snapshot)| !is_between(*entry) && (is_in_doubt || is_back(snapshot)));
        let all = living.live.iter().chain(&living.dead);
        let unseen: Vec<_> = all
            .filter(|(entry, _)| is_between(*entry))
            .chain(came_back)
            .filter(|(_, snapshot)| is_in_doubt || !self.seen.contains(&snapshot.id))
            .collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let index = Arc::new(Index::load_strictly(repository, head)?);
        let objects = &mut self.objects;
        let mut visit = |id: &_, found: &[Found]| {
            if found.is_empty() {
                return Err(Error::new(Kind::Corrupt, "find chunk", id)
                    .because("a snapshot needs it, and no index segment knows it")
                    .hint("`check` says which paths are hit; nothing is deleted meanwhile"));
            }
            for Found { pack, segment, .. } in found {
                objects.extend([*pack, *segment].into_iter().filter(|key| head.is_condemned(key)));
            }
            Ok(())
        };
        let mut reach = Reach::new(repository, &index, &options.cancel, &mut visit);
        for (_, snapshot) in &unseen {
            reach.snapshot(snapshot)?;
        }
        reach.finish()?;
        self.seen.extend(unseen.into_iter().map(|(_, snapshot)| snapshot.id));
        Ok(())
    }
}

/// What commits since the `condemn` rely on.
fn relied_on(condemn: &Condemn) -> HashSet<ObjectKey> {
    if is_planted(Planted::DeleterMissesRelied) {
        return HashSet::new();
    }
    condemn.relied.iter().map(|relied| relied.kind.key(relied.name)).collect()
}

/// Removes objects that a `delete` in the log has named. One that is not there is gone already; what can't be removed now is
/// an orphan for a later run, what is locked is noted as left.
fn remove(
    run: &mut Run<'_>,
    gone: &[ListedObject],
    extended: &[ObjectKey],
    report: &mut GcReport,
) -> Result<()> {
    let io = run.repository.io();
    for some in gone.chunks(REMOVED_AT_ONCE) {
        run.options.go_on(run.repository)?;
        if let Some(left) = &mut run.left {
            let removed = left.remove(run.repository, some, extended)?;
            let removed = some.iter().zip(removed).filter(|(_, removed)| *removed == Removed::Gone);
            removed.for_each(|(object, _)| report.removed.add(object.size));
            continue;
        }
        let removed = io.each_of(some, |object| io.delete(&object.kind.key(object.name)));
        for (object, outcome) in some.iter().zip(removed) {
            match outcome {
                Ok(()) => report.removed.add(object.size),
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error.hint("the next collection removes what is left")),
            }
        }
    }
    Ok(())
}
