//! A place in a tree: a stack of decoded nodes, from the root down to the next entry.
//!
//! Knows nodes and their order; scanning, comparing and looking up are made of its few steps. A
//! node is fetched when it is opened, not before, so what is passed over costs nothing. A walk that
//! goes on from node to node announces those to come to its source, more of them the longer it goes on
//! ([`ChunkSource::expect`]); one that jumps begins anew with none.
//!
//! Invariants: the topmost frame has a next item unless the walk is at its end; levels fall by one
//! with each frame, so no tree, however it was made, keeps a walk from ending.

use lifeboat_format::tree::{Child, Entry, Node, PathKey};

use super::{ChunkSource, TreeRoot};
use crate::error::{Error, Kind, Result};
use crate::reader::ChunkKind;

/// What comes next: a node that was not opened, or an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'c> {
    Node { child: &'c Child, level: u8 },
    Entry(&'c PathKey, &'c Entry),
}

impl<'c> Item<'c> {
    pub(super) fn key(&self) -> &'c PathKey {
        match self {
            Self::Node { child, .. } => &child.first,
            Self::Entry(key, _) => key,
        }
    }
}

/// A node that could not be read, and what is lost with it.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) error: Error,
    /// How many entries its parent says it has.
    pub(super) entries: u64,
    /// The first key after it; none at the end of the tree.
    pub(super) until: Option<PathKey>,
}

pub(super) struct Cursor<'a> {
    source: &'a dyn ChunkSource,
    // The lowest frame stands for the root alone and is never popped.
    frames: Vec<Frame>,
    // What lies before is passed over in nodes that are opened from now on.
    from: Vec<u8>,
    // What lies here or after is not looked at; none without such a bound.
    end: Option<Vec<u8>>,
    // How many nodes are announced ahead; grows while the walk goes on without a jump.
    ahead: usize,
    // The most that may be; none where the walk is not one from node to node.
    ahead_max: usize,
}

enum Frame {
    Leaf { entries: Vec<(PathKey, Entry)>, next: usize },
    Inner { level: u8, children: Vec<Child>, next: usize, announced: usize },
}

impl<'a> Cursor<'a> {
    /// Before the whole tree.
    pub(super) fn new(source: &'a dyn ChunkSource, root: &TreeRoot) -> Self {
        let TreeRoot { id, level, entries, bytes } = *root;
        let child = Child { first: PathKey::root(), id, entries, bytes };
        let frame = Frame::Inner { level, children: vec![child], next: 0, announced: 0 };
        let (from, frames) = (Vec::new(), vec![frame]);
        Self { source, frames, from, end: None, ahead: 0, ahead_max: 0 }
    }

    /// The same, for a walk from node to node.
    pub(super) fn reading_ahead(self) -> Self {
        Self { ahead_max: self.source.expect_max(), ..self }
    }

    /// Goes before everything in `directory`, and ends after it.
    pub(super) fn limit(&mut self, directory: &PathKey) {
        self.seek(directory.as_bytes());
        self.end = directory.subtree_end();
    }

    /// The next item; `None` at the end.
    pub(super) fn peek(&self) -> Option<Item<'_>> {
        let item = match self.frames.last()? {
            Frame::Leaf { entries, next } => {
                let (key, entry) = entries.get(*next)?;
                Item::Entry(key, entry)
            }
            Frame::Inner { level, children, next, .. } => {
                Item::Node { child: children.get(*next)?, level: *level }
            }
        };
        match &self.end {
            Some(end) if item.key().as_bytes() >= end.as_slice() => None,
            _ => Some(item),
        }
    }

    /// Passes over the next item, an entry or a whole node.
    pub(super) fn skip(&mut self) {
        match self.frames.last_mut() {
            Some(Frame::Leaf { next, .. } | Frame::Inner { next, .. }) => *next += 1,
            None => {}
        }
        self.settle();
    }

    /// The next entry, given away; `None` when there is none or a node comes first.
    pub(super) fn take_entry(&mut self) -> Option<(PathKey, Entry)> {
        let Item::Entry(..) = self.peek()? else { return None };
        let Some(Frame::Leaf { entries, next }) = self.frames.last_mut() else { return None };
        let (key, entry) = entries.get_mut(*next)?;
        // The key stays behind, so that a later seek knows where in the leaf it is.
        let taken = (key.clone(), std::mem::take(entry));
        self.skip();
        Some(taken)
    }

    /// Fetches the next node and goes before its first item that counts. A node that can't be read
    /// is passed over. Where no node is next, nothing happens.
    pub(super) fn open(&mut self) -> Result<(), Lost> {
        let Some(Item::Node { child, level }) = self.peek() else { return Ok(()) };
        let child = child.clone();
        if let Some(Frame::Inner { next, .. }) = self.frames.last_mut() {
            // The second of a node's children: this is no way down to one place.
            if *next > 0 && self.ahead_max > 0 {
                self.ahead = (2 * self.ahead).clamp(1, self.ahead_max);
            }
            *next += 1;
        }
        self.announce();
        let node = load(self.source, &child, level, self.after());
        let lost = |until: Option<&PathKey>, error| {
            Err(Lost { error, entries: child.entries, until: until.cloned() })
        };
        let result = match node {
            Ok(node) => {
                self.frames.push(Frame::new(node, &self.from));
                Ok(())
            }
            Err(error) => lost(self.after(), error),
        };
        self.settle();
        result
    }

    /// The siblings that come after the node that is being walked, for whoever knows which of them will
    /// be opened.
    pub(super) fn coming(&self) -> impl Iterator<Item = &Child> {
        self.frames.iter().rev().find_map(Frame::coming).unwrap_or_default().iter()
    }

    /// Tells the source which nodes come next, each once.
    fn announce(&mut self) {
        let mut room = self.ahead;
        for frame in self.frames.iter_mut().rev() {
            let Frame::Inner { children, next, announced, .. } = frame else { continue };
            if room == 0 {
                break;
            }
            let from = (*next).max(*announced);
            let mut until = (*next + room).min(children.len());
            if let Some(end) = &self.end {
                let within = |child: &Child| child.first.as_bytes() < end.as_slice();
                until = until.min(children.partition_point(within));
            }
            if from < until {
                self.source.expect(&mut children[from..until].iter().map(|child| child.id));
                *announced = until;
            }
            // What this node does not have comes from the one above: the next inner node.
            room =
                if until < children.len() { 0 } else { (room - (until.max(*next) - *next)).min(1) };
        }
    }

    /// Opens nodes until an entry is next, or the end.
    pub(super) fn descend(&mut self) -> Result<(), Lost> {
        while let Some(Item::Node { .. }) = self.peek() {
            self.open()?;
        }
        Ok(())
    }

    /// Goes before the first entry whose key is `key` or follows it, forwards or backwards. Nodes
    /// on the way that are open already stay so.
    pub(super) fn seek(&mut self, key: &[u8]) {
        self.from = key.to_vec();
        self.ahead = 0;
        let mut keep = 0;
        for place in 0..self.frames.len() {
            keep = place + 1;
            let is_top = keep == self.frames.len();
            match &mut self.frames[place] {
                Frame::Inner { children, next, .. } => {
                    let wanted = child_of(children, key);
                    if is_top || *next != wanted + 1 {
                        *next = wanted;
                        break;
                    }
                }
                Frame::Leaf { entries, next } => {
                    let wanted = entries.partition_point(|(at, _)| at.as_bytes() < key);
                    if wanted >= *next {
                        *next = wanted;
                    } else {
                        // Entries before it were given away: the leaf has to be read again.
                        keep = place;
                        if let Some(Frame::Inner { next, .. }) = self.frames.get_mut(place - 1) {
                            *next -= 1;
                        }
                    }
                    break;
                }
            }
        }
        self.frames.truncate(keep);
        self.settle();
    }

    /// Ends the walk here.
    pub(super) fn stop(&mut self) {
        self.end = Some(Vec::new());
    }

    /// The first key after the node that was just passed, in its parent or further up.
    fn after(&self) -> Option<&PathKey> {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Inner { children, next, .. } => children.get(*next).map(|child| &child.first),
            Frame::Leaf { .. } => None,
        })
    }

    /// Drops the frames of which nothing is left.
    fn settle(&mut self) {
        while self.frames.len() > 1 && self.frames.last().is_some_and(Frame::is_done) {
            self.frames.pop();
        }
    }
}

impl Frame {
    /// `node`, before its first item that may hold `from` or something after it.
    fn new(node: Node, from: &[u8]) -> Self {
        match node {
            Node::Leaf(entries) => {
                let next = entries.partition_point(|(key, _)| key.as_bytes() < from);
                Self::Leaf { entries, next }
            }
            Node::Inner { level, children } => {
                let next = child_of(&children, from);
                Self::Inner { level: level.saturating_sub(1), children, next, announced: 0 }
            }
        }
    }

    /// The children that are next; none of a leaf.
    fn coming(&self) -> Option<&[Child]> {
        match self {
            Self::Inner { children, next, .. } => children.get(*next..),
            Self::Leaf { .. } => None,
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Leaf { entries, next } => *next >= entries.len(),
            Self::Inner { children, next, .. } => *next >= children.len(),
        }
    }
}

/// The child below which `key` is or would be: the last that begins at it or before it.
fn child_of(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| child.first.as_bytes() <= key).saturating_sub(1)
}

/// The node of `child`, which must be of this level and lie between its key and `end`.
pub(super) fn load(
    source: &dyn ChunkSource,
    child: &Child,
    level: u8,
    end: Option<&PathKey>,
) -> Result<Node> {
    let fail = |kind| {
        let Child { first, id, entries, .. } = child;
        let subject = format!("{id} ({entries} entries from \"{first}\" on)");
        Error::new(kind, "read tree node", subject)
    };
    let bytes = source
        .chunk(ChunkKind::Node, child.id)
        .map_err(|cause| fail(cause.kind()).because(cause))?;
    let node = Node::decode(&bytes).map_err(|cause| {
        let kind = match cause.kind() {
            lifeboat_format::Kind::Unsupported => Kind::Unsupported,
            _ => Kind::Corrupt,
        };
        fail(kind).because(cause)
    })?;
    let (first, last) = match &node {
        Node::Leaf(entries) => {
            (entries.first().map(|(key, _)| key), entries.last().map(|(key, _)| key))
        }
        Node::Inner { children, .. } => {
            (children.first().map(|child| &child.first), children.last().map(|child| &child.first))
        }
    };
    let reason = if node.level() != level {
        format!("it is of level {}, not {level}", node.level())
    } else if first.is_none_or(|first| first != &child.first && !child.first.is_root()) {
        "its first key is another than its parent says".to_owned()
    } else if last.zip(end).is_some_and(|(last, end)| last >= end) {
        "it reaches into the node after it".to_owned()
    } else {
        return Ok(node);
    };
    Err(fail(Kind::Corrupt).because(reason))
}
