//! The trees, where something is lost or in doubt: which nodes of which snapshots can't be had, which chunks that
//! they name, and so who is hit.
//!
//! Knows nodes, entries and content maps; where all is well, [`super::references`] says so and nobody comes here. A node
//! is read once, however many snapshots share it; where something below it is wrong, it is read again for
//! each, so that all who are hit are named.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use lifeboat_format::id::{ChunkId, SnapshotId};
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::{Entry, Extent, Node, PathKey};

use crate::check::{Affected, Check, CheckProgress, is_of_the_object};
use crate::error::Result;
use crate::index::marks::Marks;
use crate::index::{Index, Ordinal};
use crate::reader::{Locate as _, Reader};
use crate::tree::TreeRoot;
use crate::tree::map::MapReader;
use crate::tree::nodes::Nodes;

/// Nodes that are read again to name who is hit, in all; beyond, only the first who is hit is named.
const AGAIN_MAX: u64 = 1_000_000;

/// The scan of all snapshots' trees.
pub(super) struct Trees<'c, 'a> {
    check: &'c mut Check<'a>,
    index: Arc<Index>,
    reader: Reader,
    visited: &'c RefCell<Visited>,
    /// Problems of chunks that no lost pack accounts for, by chunk.
    problems: HashMap<ChunkId, Option<usize>>,
}

/// Which nodes were read, and which chunks were met.
pub(super) struct Visited {
    met: Marks,
    /// Nodes with something wrong in them or below.
    tainted: Marks,
    again: u64,
}

/// Where the scan is.
struct Place<'s> {
    snapshot: SnapshotId,
    root: &'s Root,
}

impl Place<'_> {
    fn affected(&self, key: Option<&PathKey>) -> Affected {
        Affected { snapshot: self.snapshot, path: Some(shown(self.root, key)) }
    }
}

/// A path below a root, for people; the root's own without a key.
pub(crate) fn shown(root: &Root, key: Option<&PathKey>) -> String {
    let mut path = String::from_utf8_lossy(&root.path).into_owned();
    if let Some(key) = key
        && !key.is_root()
    {
        if !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(&key.to_string());
    }
    path
}

impl<'c, 'a> Trees<'c, 'a> {
    pub(super) fn new(
        check: &'c mut Check<'a>,
        index: &Arc<Index>,
        visited: &'c RefCell<Visited>,
    ) -> Self {
        let repository = check.repository;
        let reader = Reader::new(
            repository.io().clone(),
            Arc::clone(repository.keyring()),
            Arc::<Index>::clone(index),
            repository.memory_bytes() / 8,
        );
        Self { check, index: Arc::clone(index), reader, visited, problems: HashMap::new() }
    }

    /// Scans the trees of one snapshot, of so many.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot, of: u64) -> Result<()> {
        (self.check.progress)(CheckProgress::Snapshot { of });
        for root in &snapshot.roots {
            let Some(id) = root.tree else { continue };
            let Root { level, entries, bytes, .. } = *root;
            let place = Place { snapshot: snapshot.id, root };
            self.tree(&place, &TreeRoot { id, level, entries, bytes })?;
        }
        Ok(())
    }

    fn tree(&mut self, place: &Place<'_>, root: &TreeRoot) -> Result<()> {
        let reader = self.reader.clone();
        let index = Arc::clone(&self.index);
        // The nodes above the one that is looked at, with their levels.
        let mut above: Vec<(u8, Option<Ordinal>)> = Vec::new();
        let visited = self.visited;
        let failed = RefCell::new(None);
        let nodes = Nodes::new(&reader, root, |id| match index.ordinal(id) {
            // Not in the index: reading it will say so.
            Ok(None) => true,
            Ok(Some(ordinal)) => visited.borrow_mut().wants(ordinal),
            Err(error) if is_of_the_object(&error) => true,
            Err(error) => {
                failed.replace(Some(error));
                false
            }
        });
        let mut outcome = Ok(());
        for (id, node) in nodes {
            let is_clean = match node {
                Ok(node) => {
                    let ordinal = self.index.ordinal(&id).ok().flatten();
                    above.retain(|(level, _)| *level > node.level());
                    above.push((node.level(), ordinal));
                    self.node(place, &node)
                }
                Err(error) if is_of_the_object(&error) => {
                    self.lost_chunk(place, None, id, &error);
                    // The node itself is asked for again, too, by the next snapshot that has it.
                    above.push((0, self.index.ordinal(&id).ok().flatten()));
                    Ok(false)
                }
                Err(error) => Err(error),
            };
            match is_clean.and_then(|is_clean| self.check.go_on().map(|()| is_clean)) {
                Ok(true) => {}
                // A node that is done may still stand among those above: it is only read once more.
                Ok(false) => {
                    let tainted = &mut visited.borrow_mut().tainted;
                    above.iter().filter_map(|(_, node)| *node).for_each(|node| {
                        tainted.set(node);
                    });
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        match failed.into_inner() {
            Some(error) => Err(error),
            None => outcome,
        }
    }

    /// Looks at what a node names; whether all of it can be had.
    fn node(&mut self, place: &Place<'_>, node: &Node) -> Result<bool> {
        let entries = match node {
            Node::Leaf(entries) => entries.as_slice(),
            Node::Inner { .. } => &[],
        };
        self.check.report.counts.tree_nodes += 1;
        self.check.report.counts.entries += entries.len() as u64;
        (self.check.progress)(CheckProgress::Node { entries: entries.len() as u64 });
        let mut is_clean = true;
        for (key, entry) in entries {
            is_clean &= self.entry(place, key, entry)?;
        }
        Ok(is_clean)
    }

    fn entry(&mut self, place: &Place<'_>, key: &PathKey, entry: &Entry) -> Result<bool> {
        let mut is_clean = true;
        for value in entry.moved_xattrs.values() {
            is_clean &= self.chunk(place, key, value.id, u64::from(value.len))?;
        }
        let reader = self.reader.clone();
        for extent in MapReader::new(&reader, entry) {
            match extent {
                Ok(Extent::Chunk { id, offset, length }) => {
                    let end = u64::from(offset) + u64::from(length);
                    is_clean &= self.chunk(place, key, id, end)?;
                }
                Ok(_) => {}
                Err(error) if is_of_the_object(&error) => {
                    let object = format!("the content map of {}", place.affected(Some(key)));
                    if let Some(problem) = self.check.report.problem(object, error) {
                        self.check.report.affects(problem, place.affected(Some(key)));
                    }
                    is_clean = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(is_clean)
    }

    /// Whether the chunk can be had, with its first `end` bytes.
    fn chunk(&mut self, place: &Place<'_>, key: &PathKey, id: ChunkId, end: u64) -> Result<bool> {
        let ordinal = match self.index.ordinal(&id) {
            Ok(ordinal) => ordinal,
            Err(error) if is_of_the_object(&error) => {
                self.lost_chunk(place, Some(key), id, &error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let Some(ordinal) = ordinal else {
            self.lost_chunk(place, Some(key), id, &"the index does not have it");
            return Ok(false);
        };
        if self.visited.borrow_mut().met.set(ordinal) {
            self.check.report.counts.referenced_chunks += 1;
        }
        let copies = match self.index.copies(&id) {
            Ok(copies) => copies,
            Err(error) if is_of_the_object(&error) => {
                self.lost_chunk(place, Some(key), id, &error);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let mut problems = Vec::new();
        for copy in &copies {
            match self.check.lost.copy(&id, copy) {
                Some(problem) => problems.push(problem),
                None if u64::from(copy.length) < end => {
                    let what = format!("it has {} bytes, and {end} are used", copy.length);
                    self.lost_chunk(place, Some(key), id, &what);
                    return Ok(false);
                }
                None => return Ok(true),
            }
        }
        for problem in problems.into_iter().flatten() {
            self.check.report.affects(problem, place.affected(Some(key)));
        }
        Ok(false)
    }

    /// Tells of a chunk once, and of everybody whom it hits.
    fn lost_chunk(
        &mut self,
        place: &Place<'_>,
        key: Option<&PathKey>,
        id: ChunkId,
        what: &dyn std::fmt::Display,
    ) {
        let copies = self.index.copies(&id).unwrap_or_default();
        let known: Vec<usize> =
            copies.iter().filter_map(|copy| self.check.lost.copy(&id, copy).flatten()).collect();
        let report = &mut self.check.report;
        if known.is_empty() {
            let problem = *self
                .problems
                .entry(id)
                .or_insert_with(|| report.problem(format!("chunk {id}"), what));
            if let Some(problem) = problem {
                report.affects(problem, place.affected(key));
            }
        }
        // It is lost because its pack is, which has been told.
        for problem in known {
            report.affects(problem, place.affected(key));
        }
    }
}

impl Visited {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self { met: Marks::new(), tainted: Marks::new(), again: 0 }
    }

    /// Whether the node is to be read: for the first time, or again to name who is hit.
    fn wants(&mut self, node: Ordinal) -> bool {
        if self.met.set(node) {
            return true;
        }
        if self.tainted.is_set(node) && self.again < AGAIN_MAX {
            self.again += 1;
            return true;
        }
        false
    }
}
