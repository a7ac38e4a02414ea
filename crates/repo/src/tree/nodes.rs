//! The nodes of a tree, each once, parents before their children.
//!
//! For whoever has to see what trees are made of (a check, a mark) and not the same subtree twice.
//! Knows nodes, not what an entry refers to.

use std::fmt;

use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::{Child, Node, PathKey};

use super::cursor::load;
use super::{ChunkSource, TreeRoot};
use crate::error::{Error, Kind, Result};

/// Walks the nodes of one tree. A node that can't be read is an error among them, and the walk goes
/// on with its neighbour.
pub struct Nodes<'a, F> {
    source: &'a dyn ChunkSource,
    visit: F,
    // The children still to be visited, with their level; those of the lowest level last.
    open: Vec<(u8, std::vec::IntoIter<Child>)>,
    // What is wrong with the node that was given out last.
    problem: Option<Error>,
}

impl<'a, F: FnMut(&ChunkId) -> bool> Nodes<'a, F> {
    /// The nodes of the tree for which `visit` returns true. It is asked once for each node before
    /// that is fetched; where it returns false, all below the node is left out, too.
    pub fn new(source: &'a dyn ChunkSource, root: &TreeRoot, visit: F) -> Self {
        let TreeRoot { id, level, entries, bytes } = *root;
        let root = Child { first: PathKey::root(), id, entries, bytes };
        Self { source, visit, open: vec![(level, vec![root].into_iter())], problem: None }
    }

    fn next_child(&mut self) -> Option<(u8, Child)> {
        while let Some((level, children)) = self.open.last_mut() {
            let level = *level;
            match children.next() {
                None => drop(self.open.pop()),
                Some(child) if (self.visit)(&child.id) => return Some((level, child)),
                Some(_) => {}
            }
        }
        None
    }

    /// The first key after the child that was just taken.
    fn after(&self) -> Option<&PathKey> {
        self.open
            .iter()
            .rev()
            .find_map(|(_, children)| children.as_slice().first().map(|child| &child.first))
    }
}

impl<F: FnMut(&ChunkId) -> bool> Iterator for Nodes<'_, F> {
    type Item = Result<(ChunkId, Node)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        let (level, child) = self.next_child()?;
        let node = match load(self.source, &child, level, self.after()) {
            Ok(node) => node,
            Err(error) => return Some(Err(error)),
        };
        self.problem = miscounted(&child, &node);
        if let Node::Inner { children, .. } = &node {
            self.open.push((level.saturating_sub(1), children.clone().into_iter()));
        }
        Some(Ok((child.id, node)))
    }
}

impl<F> fmt::Debug for Nodes<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("depth", &self.open.len()).finish_non_exhaustive()
    }
}

/// What is wrong where a node does not hold as much as its parent, or its snapshot, says.
fn miscounted(child: &Child, node: &Node) -> Option<Error> {
    let (entries, bytes) = match node {
        Node::Leaf(entries) => {
            let bytes =
                entries.iter().fold(0, |sum: u64, (_, entry)| sum.saturating_add(entry.size));
            (entries.len() as u64, bytes)
        }
        Node::Inner { children, .. } => children.iter().fold((0, 0), |(entries, bytes), child| {
            let add = |sum: u64, part| sum.saturating_add(part);
            (add(entries, child.entries), add(bytes, child.bytes))
        }),
    };
    if (entries, bytes) == (child.entries, child.bytes) {
        return None;
    }
    let reason = format!(
        "it holds {entries} entries with {bytes} bytes, not {} with {} as said above it",
        child.entries, child.bytes
    );
    Some(Error::new(Kind::Corrupt, "count tree node", child.id).because(reason))
}

#[cfg(test)]
mod tests;
