//! The difference of two trees, in path order and in time proportional to its size.
//!
//! Both trees are walked side by side; a node that both have is passed over unread, even where it
//! hangs at different heights or beside different neighbours. Knows entries, not file systems.
//!
//! A node that is lost on one side is an error among the changes; what the other side has in its
//! place is left out, since whether it changed can't be known.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::{Entry, PathKey};

use super::cursor::{Cursor, Item, Lost};
use super::{ChunkSource, TreeRoot};
use crate::error::Result;

/// Announced nodes that are remembered, so that none is announced at every step.
const ANNOUNCED_MAX: usize = 4096;

/// What happened to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub key: PathKey,
    /// What it was; none for what was added.
    pub old: Option<Entry>,
    /// What it is; none for what was removed.
    pub new: Option<Entry>,
}

/// What a change is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Only the new tree has the path.
    Added,
    /// Only the old tree has the path.
    Removed,
    /// Both have it, with these differences.
    Changed(Differences),
}

/// In what two entries of one path differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Differences {
    /// In what a reader of the file would notice: kind, size, content, link target, device number.
    pub content: bool,
    /// In what a restore sets besides: mode, owners, mtime, attributes, flags.
    pub metadata: bool,
    /// In what only change detection looks at (ctime, device, inode, number of links), in remarks,
    /// or in how the same content is kept.
    pub record: bool,
}

impl Change {
    /// What happened, and in what both entries differ.
    pub fn kind(&self) -> ChangeKind {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => ChangeKind::Changed(Differences::between(old, new)),
            (Some(_), None) => ChangeKind::Removed,
            (None, _) => ChangeKind::Added,
        }
    }
}

impl Differences {
    /// In what `old` and `new` differ.
    pub fn between(old: &Entry, new: &Entry) -> Self {
        let content = old.kind != new.kind
            || old.target != new.target
            || old.rdev != new.rdev
            || old.size != new.size
            || !same_content(old, new);
        let metadata = (old.mode, old.uid, old.gid, old.mtime, old.flags)
            != (new.mode, new.uid, new.gid, new.mtime, new.flags)
            || old.user != new.user
            || old.group != new.group
            || old.xattrs != new.xattrs
            || old.moved_xattrs != new.moved_xattrs;
        let record = (old.ctime, old.device, old.inode, old.links, old.notes)
            != (new.ctime, new.device, new.inode, new.links, new.notes)
            || !content && (!same_map(old, new) || old.content_hash != new.content_hash);
        Self { content, metadata, record }
    }
}

fn same_map(old: &Entry, new: &Entry) -> bool {
    old.content_depth == new.content_depth && old.content == new.content
}

fn same_content(old: &Entry, new: &Entry) -> bool {
    match (&old.content_hash, &new.content_hash) {
        (Some(old), Some(new)) => old == new,
        _ => same_map(old, new),
    }
}

/// Walks the changes from one tree to another.
pub struct Diff<'a> {
    source: &'a dyn ChunkSource,
    old: Cursor<'a>,
    new: Cursor<'a>,
    /// Nodes about which the source was told.
    announced: HashSet<ChunkId>,
}

/// What the next items of both trees ask for.
enum Step {
    SkipBoth,
    OpenOld,
    OpenNew,
    TakeOld,
    TakeNew,
    TakeBoth,
}

impl<'a> Diff<'a> {
    /// The changes that make `old` into `new`. Nothing is fetched yet.
    pub fn new(source: &'a dyn ChunkSource, old: &TreeRoot, new: &TreeRoot) -> Self {
        let announced = HashSet::new();
        Self { source, old: Cursor::new(source, old), new: Cursor::new(source, new), announced }
    }

    /// Only what happened to `directory` and below it.
    #[must_use]
    pub fn range(mut self, directory: &PathKey) -> Self {
        self.old.limit(directory);
        self.new.limit(directory);
        self
    }

    fn step(&self) -> Option<Step> {
        let both = (self.old.peek(), self.new.peek());
        Some(match both {
            (None, None) => return None,
            (Some(Item::Node { .. }), None) => Step::OpenOld,
            (None, Some(Item::Node { .. })) => Step::OpenNew,
            (Some(Item::Entry(..)), None) => Step::TakeOld,
            (None, Some(Item::Entry(..))) => Step::TakeNew,
            (Some(old), Some(new)) => next_step(&old, &new),
        })
    }

    /// Tells the source which nodes will be opened: of the next ones on both sides those that the other
    /// side does not have.
    fn announce(&mut self) {
        let most = self.source.expect_max();
        let ids = |cursor: &Cursor<'_>| -> Vec<ChunkId> {
            cursor.coming().take(2 * most).map(|child| child.id).collect()
        };
        let (old, new) = (ids(&self.old), ids(&self.new));
        let both: HashSet<&ChunkId> = old.iter().filter(|id| new.contains(id)).collect();
        let announced = &mut self.announced;
        if announced.len() > ANNOUNCED_MAX {
            announced.clear();
        }
        let fresh = old.iter().take(most / 2).chain(new.iter().take(most / 2));
        self.source
            .expect(&mut fresh.filter(|id| !both.contains(id) && announced.insert(**id)).copied());
    }

    /// Takes what `step` says; `None` where that is no change.
    fn take(&mut self, step: &Step) -> Result<Option<Change>> {
        if matches!(step, Step::OpenOld | Step::OpenNew) && self.source.expect_max() > 0 {
            self.announce();
        }
        let (old, new) = match step {
            Step::OpenOld => {
                return self.old.open().map(|()| None).map_err(|lost| pass(&mut self.new, lost));
            }
            Step::OpenNew => {
                return self.new.open().map(|()| None).map_err(|lost| pass(&mut self.old, lost));
            }
            Step::SkipBoth => {
                self.old.skip();
                self.new.skip();
                return Ok(None);
            }
            Step::TakeOld => (self.old.take_entry(), None),
            Step::TakeNew => (None, self.new.take_entry()),
            Step::TakeBoth => (self.old.take_entry(), self.new.take_entry()),
        };
        Ok(match (old, new) {
            (Some((key, old)), new) => {
                Some(Change { key, old: Some(old), new: new.map(|(_, new)| new) })
            }
            (None, Some((key, new))) => Some(Change { key, old: None, new: Some(new) }),
            (None, None) => None,
        })
    }
}

/// What comes first is looked into, and of two nodes at one place the higher one, until both are the
/// same node or both are entries.
fn next_step(old: &Item<'_>, new: &Item<'_>) -> Step {
    match (old.key().cmp(new.key()), old, new) {
        (Ordering::Less, Item::Node { .. }, _) => Step::OpenOld,
        (Ordering::Less, Item::Entry(..), _) => Step::TakeOld,
        (Ordering::Greater, _, Item::Node { .. }) => Step::OpenNew,
        (Ordering::Greater, _, Item::Entry(..)) => Step::TakeNew,
        (
            Ordering::Equal,
            Item::Node { child: old, level: old_level },
            Item::Node { child: new, level: new_level },
        ) => {
            if old.id == new.id {
                Step::SkipBoth
            } else if old_level >= new_level {
                Step::OpenOld
            } else {
                Step::OpenNew
            }
        }
        (Ordering::Equal, Item::Node { .. }, Item::Entry(..)) => Step::OpenOld,
        (Ordering::Equal, Item::Entry(..), Item::Node { .. }) => Step::OpenNew,
        (Ordering::Equal, Item::Entry(_, old), Item::Entry(_, new)) => {
            if old == new {
                Step::SkipBoth
            } else {
                Step::TakeBoth
            }
        }
    }
}

/// Passes over what lies in `other` where a node was lost.
fn pass(other: &mut Cursor<'_>, lost: Lost) -> crate::Error {
    match &lost.until {
        Some(until) if other.peek().is_some_and(|item| item.key() < until) => {
            other.seek(until.as_bytes());
        }
        Some(_) => {}
        None => other.stop(),
    }
    lost.error
}

impl Iterator for Diff<'_> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = self.step()?;
            if let Some(item) = self.take(&step).transpose() {
                return Some(item);
            }
        }
    }
}

impl fmt::Debug for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff")
            .field("old", &self.old.peek().map(|item| item.key()))
            .field("new", &self.new.peek().map(|item| item.key()))
            .finish()
    }
}

#[cfg(test)]
mod tests;
