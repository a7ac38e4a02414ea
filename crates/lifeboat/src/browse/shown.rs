//! One snapshot as one tree of absolute paths, whatever roots it has.
//!
//! Knows roots and their trees; not where the snapshot is hung up, nor numbers of places. Directories above
//! roots are made up. A path belongs to the deepest root that it lies in.

use std::collections::BTreeSet;
use std::sync::Arc;

use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Entry, PathKey};
use lifeboat_repo::error::Result;
use lifeboat_repo::tree::{ChunkSource, TreeRoot, scan};

/// What is needed of a snapshot to look at it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) id: SnapshotId,
    pub(super) time: Time,
    /// Whether a newer one may be lost.
    pub(super) may_be_outdated: bool,
    roots: Vec<ShownRoot>,
}

#[derive(Debug)]
struct ShownRoot {
    /// Its absolute path.
    at: PathKey,
    tree: TreeRoot,
}

/// What there is at a path.
#[derive(Debug)]
pub(super) enum Found {
    /// Something that was backed up.
    Entry(Arc<Entry>),
    /// A directory above a root.
    MadeUp,
}

/// The part of a root's tree in which a path lies.
#[derive(Clone, Debug)]
pub(super) struct InTree {
    /// Which root it is, for telling hard links apart.
    pub(super) root: usize,
    pub(super) tree: TreeRoot,
    /// The path below the root.
    pub(super) key: PathKey,
}

impl Shown {
    /// The snapshot, without the roots that were missing, or whose paths can't be paths.
    pub(super) fn new(snapshot: &Snapshot, may_be_outdated: bool) -> Self {
        let roots = snapshot.roots.iter().filter_map(|root| {
            let (id, at) = (root.tree?, root_key(&root.path)?);
            let tree = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
            Some(ShownRoot { at, tree })
        });
        let (id, time) = (snapshot.id, snapshot.when());
        Self { id, time, may_be_outdated, roots: roots.collect() }
    }

    /// What there is at the absolute path; `None` when there is nothing.
    pub(super) fn find(&self, source: &dyn ChunkSource, path: &PathKey) -> Result<Option<Found>> {
        if let Some(place) = self.place(path)
            && let Some(entry) = scan::lookup(source, &place.tree, &place.key)?
        {
            return Ok(Some(Found::Entry(Arc::new(entry))));
        }
        let leads_on = path.is_root() || !self.names_towards_roots(path).is_empty();
        Ok(leads_on.then_some(Found::MadeUp))
    }

    /// Where to look for the path; `None` when it lies in no root.
    pub(super) fn place(&self, path: &PathKey) -> Option<InTree> {
        let holding = self.roots.iter().enumerate().filter(|(_, root)| path.is_in(&root.at));
        let (root, deepest) = holding.max_by_key(|(_, root)| root.at.as_bytes().len())?;
        let rest = path.as_bytes().get(deepest.at.as_bytes().len()..)?;
        let key = PathKey::from_bytes(rest.strip_prefix(&[0]).unwrap_or(rest).to_vec()).ok()?;
        Some(InTree { root, tree: deepest.tree, key })
    }

    /// The members of the directory that lead to a root below it, or are one.
    pub(super) fn names_towards_roots(&self, directory: &PathKey) -> BTreeSet<Vec<u8>> {
        let depth = directory.depth();
        let below = self.roots.iter().filter(|root| root.at.is_in(directory));
        below.filter_map(|root| root.at.components().nth(depth)).map(<[u8]>::to_vec).collect()
    }
}

/// The absolute path key of a root's path.
fn root_key(path: &[u8]) -> Option<PathKey> {
    let names: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    PathKey::from_bytes(names.join(&0)).ok()
}
