//! Condemning: the entry from which on nobody begins to rely on what it names.

use std::collections::HashSet;

use lifeboat_format::entry::{ListedObject, LogKind};
use lifeboat_format::id::SnapshotId;

use super::plan::Plan;
use super::{GcReport, Run};
use crate::error::Result;
use crate::log::{Decision, EntryDraft, Head, append, seal_remark};
use crate::planted::{Planted, is_planted};

/// The most objects in one entry, which has room for some 300,000.
pub(super) const OBJECTS_MAX: usize = 200_000;

/// What came of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condemned {
    /// What the plan names is condemned; nothing, if that is nothing.
    Done,
    /// Another collector has said something since the mark, so that the copy which this plan spares may be in that one's
    /// plan: mark again.
    Overtaken,
}

/// Appends the plan, decided at the head `mark`.
pub(super) fn condemn(
    run: &mut Run<'_>,
    mark: Option<Head>,
    dead: Vec<SnapshotId>,
    plan: Plan,
    report: &mut GcReport,
) -> Result<Condemned> {
    let Some(mark) = mark else { return Ok(Condemned::Done) };
    let body = seal_remark(run.repository, None, &run.options.tool)?;
    report.orphans.objects += plan.orphans.objects;
    report.orphans.bytes += plan.orphans.bytes;
    let mut own = Vec::new();
    for part in plan.objects.chunks(OBJECTS_MAX) {
        let mut overtaken = false;
        let mut condemned: Vec<ListedObject> = Vec::new();
        let head = append(run.repository, &mut run.fold, |head| {
            let is_mine = |number: u64| own.contains(&number);
            overtaken =
                head.last_collection().is_some_and(|last| last > mark.number && !is_mine(last));
            if overtaken && !is_planted(Planted::CollectorsOverlap) {
                return Ok(Decision::Nothing);
            }
            // An orphan that a commit has named since is none any more.
            let named: HashSet<_> = head
                .objects()
                .iter()
                .filter(|(_, object)| object.entry > mark.number)
                .map(|(key, _)| *key)
                .collect();
            let is_left = |object: &&ListedObject| !named.contains(&object.kind.key(object.name));
            condemned = part.iter().filter(is_left).copied().collect();
            if condemned.is_empty() {
                return Ok(Decision::Nothing);
            }
            Ok(Decision::Append(EntryDraft {
                objects: condemned.clone(),
                mark: Some(mark.number),
                gone: dead.clone(),
                body: body.clone(),
                ..EntryDraft::maintenance(LogKind::Condemn, run.id)
            }))
        })?;
        if overtaken && !is_planted(Planted::CollectorsOverlap) {
            return Ok(Condemned::Overtaken);
        }
        own.extend(head.map(|head| head.number));
        run.known = run.known.max(own.last().copied());
        condemned.iter().for_each(|object| report.condemned.add(object.size));
    }
    Ok(Condemned::Done)
}
