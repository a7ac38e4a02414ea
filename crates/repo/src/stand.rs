//! Before a commit: does what its snapshot reaches still stand, after what collectors have said since the run began?
//!
//! Rule P11 of docs/protocol.md. Knows the log and what trees reach; not how a run makes good what is missing.
//!
//! Invariants: where nothing was condemned or deleted since the run began, nothing is read. Otherwise everything that the
//! snapshot reaches is looked up at the very head that the commit will follow: what is only in condemned objects is
//! named as relied on, and if anything is missing the commit must not be made.

use std::collections::HashSet;
use std::sync::Arc;

use lifeboat_format::entry::{ListedObject, ObjectKind, ReliedObject};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::snapshot::Snapshot;

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::index::{Found, Index};
use crate::log::collected::relied;
use crate::log::{Condemn, Fold};
use crate::open::Repository;
use crate::planted::{Planted, is_planted};
use crate::reach::Reach;

/// What a run began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The number of the entry that came next in the log when the run's index was loaded.
    pub next_number: u64,
}

impl Begun {
    /// At the head of this fold.
    pub fn at(fold: &Fold) -> Self {
        Self { next_number: fold.next_number() }
    }

    /// Whether nothing was condemned or deleted since, as far as this fold knows.
    pub fn saw_all_collections(self, fold: &Fold) -> bool {
        fold.last_collection().is_none_or(|number| number < self.next_number)
    }
}

/// Whether all that this snapshot reaches is spared by every collection that is under way, so that a run may rely on it
/// unseen; `entry` is the number of the entry that the snapshot is in.
pub fn is_protected(fold: &Fold, snapshot: &SnapshotId, entry: u64) -> bool {
    // The mark saw it, or it was decided with the condemn in sight.
    let spares = |(number, condemn): (&u64, &Condemn)| {
        is_planted(Planted::WriterTrustsItsParent)
            || (entry <= condemn.mark || entry > *number) && !condemn.gone.contains(snapshot)
    };
    fold.condemns().iter().all(spares)
}

/// What a commit of this snapshot at the head of `fold` must name as relied on; `own` are objects that it will make
/// count.
///
/// # Errors
/// [`Kind::Collected`] when something that the snapshot reaches is gone; the store's.
pub fn relied_on(
    repository: &Repository,
    fold: &Fold,
    begun: Begun,
    own: &[ListedObject],
    snapshot: &Snapshot,
) -> Result<Vec<ReliedObject>> {
    if begun.saw_all_collections(fold) || is_planted(Planted::WriterLooksAtNothing) {
        return Ok(Vec::new());
    }
    let gone = |what: String| {
        Error::new(Kind::Collected, "commit snapshot", snapshot.id)
            .because(format!("a collection has taken {what}, which the run relied on"))
            .hint("run it again: what it has stored is found and not stored again")
    };
    let key = |object: &ListedObject| object.kind.key(object.name);
    let is_gone = |object: &&ListedObject| {
        fold.is_lately_gone(&key(object)) && !is_planted(Planted::WriterTrustsItsOwn)
    };
    if let Some(object) = own.iter().find(is_gone) {
        return Err(gone(key(object).to_string()));
    }
    // What only a lost segment knows of is missed by what is looked up.
    let index = Arc::new(Index::load_what_is_there(repository, fold, |_lost| ()));
    for object in own.iter().filter(|object| object.kind == ObjectKind::Index) {
        index.add(key(object), object.size)?;
    }
    let is_condemned = |key: &ObjectKey| fold.is_condemned(key);
    let mut condemned: HashSet<ObjectKey> = own.iter().map(key).filter(is_condemned).collect();
    let mut visit = |id: &_, found: &[Found]| {
        if found.is_empty() {
            return Err(gone(format!("chunk {id}")));
        }
        for Found { pack, segment, .. } in found {
            condemned.extend([*pack, *segment].into_iter().filter(is_condemned));
        }
        Ok(())
    };
    // A run that was asked to stop looks, too: otherwise what it has done until then would not count.
    let cancel = Cancel::new();
    let mut reach = Reach::new(repository, &index, &cancel, &mut visit);
    let unreadable = |error: Error| match error.kind() {
        Kind::NotFound => gone(error.to_string()),
        _ => error,
    };
    reach.snapshot(snapshot).map_err(unreadable)?;
    reach.finish().map(drop).map_err(unreadable)?;
    Ok(relied(condemned))
}
