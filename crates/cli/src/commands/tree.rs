//! A snapshot's trees as one namespace of absolute paths.
//!
//! Roots keep paths relative to themselves; people type and read absolute ones. Knows path keys and
//! scans; prints nothing.

use anyhow::{Context as _, Result};
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::PathKey;
use lifeboat_repo as repo;
use lifeboat_repo::tree::TreeRoot;

/// The part of one root that lies in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The root's absolute path.
    pub(crate) at: PathKey,
    /// Its tree.
    pub(crate) tree: TreeRoot,
    /// The key below the root with which the part begins; the root's own where all of it is meant.
    pub(crate) start: PathKey,
}

impl Part {
    /// The absolute path of the entry of this key.
    pub(crate) fn absolute(&self, key: &PathKey) -> Vec<u8> {
        let names = self.at.components().chain(key.components());
        let mut path = Vec::new();
        for name in names {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        path
    }
}

/// The parts of a snapshot's roots that lie in `wanted`, an absolute path.
///
/// # Errors
/// `NotFound` when none does.
pub(crate) fn parts(snapshot: &Snapshot, wanted: &PathKey) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for root in &snapshot.roots {
        let Some(tree) = tree_root(root) else { continue };
        let at = root_key(root)?;
        if at.is_in(wanted) {
            parts.push(Part { at, tree, start: PathKey::root() });
        } else if wanted.is_in(&at) {
            let start = below(&at, wanted)?;
            parts.push(Part { at, tree, start });
        }
    }
    if parts.is_empty() && !wanted.is_root() {
        let error =
            repo::Error::new(repo::Kind::NotFound, "find in the snapshot", format!("/{wanted}"));
        return Err(error
            .because(
                "the snapshot has no such path: none of its roots is there, above it or below it",
            )
            .into());
    }
    Ok(parts)
}

/// The tree of a root that was there.
pub(crate) fn tree_root(root: &Root) -> Option<TreeRoot> {
    let Root { level, entries, bytes, .. } = *root;
    root.tree.map(|id| TreeRoot { id, level, entries, bytes })
}

/// The absolute path of a root as a key.
pub(crate) fn root_key(root: &Root) -> Result<PathKey> {
    let names: Vec<&[u8]> =
        root.path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    PathKey::from_bytes(names.join(&0)).context("the snapshot has a root that can't be a path")
}

fn below(at: &PathKey, wanted: &PathKey) -> Result<PathKey> {
    let rest = &wanted.as_bytes()[at.as_bytes().len()..];
    Ok(PathKey::from_bytes(rest.strip_prefix(&[0]).unwrap_or(rest).to_vec())?)
}

#[cfg(test)]
mod tests {
    use lifeboat_format::id::ChunkId;
    use lifeboat_format::snapshot::Root;
    use lifeboat_format::tree::PathKey;

    use super::{Part, below, root_key, tree_root};

    fn key(bytes: &[u8]) -> PathKey {
        PathKey::from_bytes(bytes.to_vec()).unwrap()
    }

    fn root(path: &[u8]) -> Root {
        let tree = Some(ChunkId([1; 32]));
        Root { path: path.to_vec(), tree, level: 0, entries: 1, bytes: 0 }
    }

    #[test]
    fn absolute_paths() {
        let root = root(b"/home/ann");
        let tree = tree_root(&root).unwrap();
        let part = Part { at: root_key(&root).unwrap(), tree, start: PathKey::root() };
        assert_eq!(part.absolute(&key(b"a\0b")), b"/home/ann/a/b");
        assert_eq!(part.absolute(&PathKey::root()), b"/home/ann");
        let whole = Part { at: PathKey::root(), ..part };
        assert_eq!(whole.absolute(&PathKey::root()), b"/");
        assert_eq!(whole.absolute(&key(b"etc")), b"/etc");
    }

    #[test]
    fn what_lies_below_a_root() {
        let at = root_key(&root(b"/home/ann")).unwrap();
        assert_eq!(below(&at, &key(b"home\0ann\0docs")).unwrap(), key(b"docs"));
        assert_eq!(below(&PathKey::root(), &key(b"home")).unwrap(), key(b"home"));
        assert_eq!(below(&at, &at).unwrap(), PathKey::root());
    }
}
