//! The scan: a tree's entries in path order, from anywhere, in constant memory.
//!
//! Knows trees, not what their entries are read for. A node that is lost is an error among the
//! entries, and the scan goes on behind it, so that everything else is still found. Nodes to come are
//! announced to the source as the scan goes on.

use std::fmt;

use lifeboat_format::tree::{Entry, PathKey};

use super::cursor::{Cursor, Item, Lost};
use super::{ChunkSource, TreeRoot};
use crate::error::Result;

/// Walks the entries of a tree in path order.
pub struct Scan<'a> {
    cursor: Cursor<'a>,
    lost: u64,
}

impl<'a> Scan<'a> {
    /// Before the first entry of the tree. Nothing is fetched yet.
    pub fn new(source: &'a dyn ChunkSource, root: &TreeRoot) -> Self {
        Self { cursor: Cursor::new(source, root).reading_ahead(), lost: 0 }
    }

    /// Only the entry of `directory` and all that is below it.
    #[must_use]
    pub fn range(mut self, directory: &PathKey) -> Self {
        self.cursor.limit(directory);
        self
    }

    /// Goes before the first entry whose key is `key` or follows it, forwards or backwards; only
    /// nodes on the way that are not open yet will be fetched. A range still ends where it did.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.cursor.seek(key.as_ref());
    }

    /// The entry that [`next`](Iterator::next) would give, without giving it away.
    ///
    /// An error is told once: the call after it looks behind the node that is lost.
    pub fn peek(&mut self) -> Option<Result<(&PathKey, &Entry)>> {
        if let Err(error) = self.descend() {
            return Some(Err(error));
        }
        match self.cursor.peek()? {
            Item::Entry(key, entry) => Some(Ok((key, entry))),
            Item::Node { .. } => None,
        }
    }

    /// How many entries lay in the nodes that could not be read so far, as their parents say.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn descend(&mut self) -> Result<()> {
        self.cursor.descend().map_err(|Lost { error, entries, .. }| {
            self.lost = self.lost.saturating_add(entries);
            error
        })
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(PathKey, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.descend() {
            Ok(()) => self.cursor.take_entry().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("next", &self.cursor.peek().map(|item| item.key()))
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// The entry of `key`, for which only the nodes on its way are fetched; `None` when there is none.
///
/// # Errors
/// When one of those nodes is lost.
pub fn lookup(source: &dyn ChunkSource, root: &TreeRoot, key: &PathKey) -> Result<Option<Entry>> {
    let mut cursor = Cursor::new(source, root);
    cursor.limit(key);
    while let Some(item) = cursor.peek() {
        match item {
            Item::Entry(found, _) if found == key => {
                return Ok(cursor.take_entry().map(|(_, entry)| entry));
            }
            // What follows in key order is not it.
            Item::Entry(..) => break,
            Item::Node { .. } => cursor.open().map_err(|lost| lost.error)?,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
