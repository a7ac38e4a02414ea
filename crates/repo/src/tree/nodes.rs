//! The nodes of a tree, each once, parents before their children.
//!
//! For whoever has to see what trees are made of (a check, a mark) and not the same subtree twice.
//! Knows nodes, not what an entry refers to. Which of a node's children are wanted is asked some steps
//! ahead, and the source told, so that they are on their way.

use std::collections::VecDeque;
use std::fmt;

use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::{Child, Node, PathKey};

use super::cursor::load;
use super::{ChunkSource, TreeRoot};
use crate::error::{Error, Kind, Result};

/// Walks the nodes of one tree: the id of each, with the node or the reason why it can't be read or is
/// not what its parent says. After a bad one the walk goes on with its neighbour.
pub struct Nodes<'a, F> {
    source: &'a dyn ChunkSource,
    visit: F,
    // The children still to be visited, with their level; those of the lowest level last.
    open: Vec<Level>,
    // What is wrong with the node that was given out last.
    problem: Option<(ChunkId, Error)>,
}

/// What is left of one node's children.
struct Level {
    level: u8,
    /// Wanted, and announced to the source, each with the key at which it must have ended.
    wanted: VecDeque<(Child, Option<PathKey>)>,
    rest: std::vec::IntoIter<Child>,
    /// Where the last of them must have ended.
    end: Option<PathKey>,
}

impl<'a, F: FnMut(&ChunkId) -> bool> Nodes<'a, F> {
    /// The nodes of the tree for which `visit` returns true. It is asked once for each node, some time
    /// before that is fetched; where it returns false, all below the node is left out, too.
    pub fn new(source: &'a dyn ChunkSource, root: &TreeRoot, visit: F) -> Self {
        let TreeRoot { id, level, entries, bytes } = *root;
        let root = Child { first: PathKey::root(), id, entries, bytes };
        let open = vec![Level::new(level, vec![root], None)];
        Self { source, visit, open, problem: None }
    }

    fn next_child(&mut self) -> Option<(u8, Child, Option<PathKey>)> {
        let ahead = self.source.expect_max().max(1);
        while let Some(level) = self.open.last_mut() {
            // Half of it at a time: to announce one by one would fetch one by one.
            if level.wanted.len() <= ahead / 2 {
                let known = level.wanted.len();
                level.look_ahead(ahead, &mut self.visit);
                self.source.expect(&mut level.wanted.iter().skip(known).map(|(child, _)| child.id));
            }
            match level.wanted.pop_front() {
                None => drop(self.open.pop()),
                Some((child, end)) => return Some((level.level, child, end)),
            }
        }
        None
    }
}

impl Level {
    fn new(level: u8, children: Vec<Child>, end: Option<PathKey>) -> Self {
        Self { level, wanted: VecDeque::new(), rest: children.into_iter(), end }
    }

    /// Asks about children until so many are wanted.
    fn look_ahead(&mut self, ahead: usize, mut visit: impl FnMut(&ChunkId) -> bool) {
        while self.wanted.len() < ahead
            && let Some(child) = self.rest.next()
        {
            if visit(&child.id) {
                let next = self.rest.as_slice().first().map(|next| &next.first);
                let end = next.or(self.end.as_ref()).cloned();
                self.wanted.push_back((child, end));
            }
        }
    }
}

impl<F: FnMut(&ChunkId) -> bool> Iterator for Nodes<'_, F> {
    type Item = (ChunkId, Result<Node>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((id, problem)) = self.problem.take() {
            return Some((id, Err(problem)));
        }
        let (level, child, end) = self.next_child()?;
        let node = match load(self.source, &child, level, end.as_ref()) {
            Ok(node) => node,
            Err(error) => return Some((child.id, Err(error))),
        };
        self.problem = miscounted(&child, &node).map(|problem| (child.id, problem));
        if let Node::Inner { children, .. } = &node {
            self.open.push(Level::new(level.saturating_sub(1), children.clone(), end));
        }
        Some((child.id, Ok(node)))
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
