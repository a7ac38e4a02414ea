//! The tree builder: entries in path order become nodes, from the leaves up.
//!
//! Knows the format's rules of where nodes end; not where entries come from or where nodes go.
//!
//! Invariants: the nodes depend on the set of entries alone, not on its history; at any time at most
//! one open node a level is held. A node is closed when the next item begins another one, so a level
//! above is begun only when the one below has a second node, and the last level has exactly one.

use lifeboat_codec::hash;
use lifeboat_format::tree::{
    BuiltNode, Child, ENTRY_MAX, Entry, LEVEL_MAX, NodeBuilder, PathKey, starts_node,
};

use super::{NodeSink, TreeKeys, TreeRoot};
use crate::error::{Error, Kind, Result};

/// Builds one tree.
#[derive(Debug)]
pub struct TreeBuilder<'k, S> {
    out: Output<'k, S>,
    levels: Levels,
    last: Option<PathKey>,
    entries: u64,
    encoded: Vec<u8>,
}

impl<'k, S: NodeSink> TreeBuilder<'k, S> {
    /// A builder without entries that puts its nodes into `sink`.
    pub fn new(keys: TreeKeys<'k>, sink: S) -> Self {
        Self {
            out: Output { keys, sink },
            levels: Levels::default(),
            last: None,
            entries: 0,
            encoded: Vec::new(),
        }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when the key does not follow the last one, or no reader would take the
    /// entry; the builder is then as it was. Otherwise the sink's own, which end the build.
    pub fn push(&mut self, key: PathKey, entry: &Entry) -> Result<()> {
        let refuse = |key: &PathKey| Error::new(Kind::Invalid, "add to the tree", quoted(key));
        if let Some(last) = self.last.as_ref().filter(|last| key <= **last) {
            let reason = format!("it does not follow {} in path order", quoted(last));
            return Err(refuse(&key).because(reason));
        }
        entry.check().map_err(|cause| refuse(&key).because(cause))?;
        self.encoded.clear();
        entry.encode(&mut self.encoded);
        if self.encoded.len() > ENTRY_MAX {
            let reason = format!("its metadata take {} bytes", self.encoded.len());
            return Err(refuse(&key).because(reason));
        }
        self.levels.add_entry(&mut self.out, &key, &self.encoded, entry.size)?;
        self.last = Some(key);
        self.entries += 1;
        Ok(())
    }

    /// How many entries were added.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The key added last.
    pub fn last(&self) -> Option<&PathKey> {
        self.last.as_ref()
    }

    /// The sink, for what else goes there between two entries.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.out.sink
    }

    /// Puts what is needed for a tree of the entries so far, and goes on as if nothing had happened.
    ///
    /// # Errors
    /// As [`TreeBuilder::finish`].
    pub fn snapshot(&mut self) -> Result<TreeRoot> {
        self.levels.clone().finish(&mut self.out)
    }

    /// Puts the last nodes of each level, the root among them.
    ///
    /// # Errors
    /// [`Kind::Invalid`] when there are no entries, or the sink's own.
    pub fn finish(mut self) -> Result<TreeRoot> {
        self.levels.finish(&mut self.out)
    }
}

/// Where closed nodes go, and what decides when they close.
#[derive(Debug)]
struct Output<'k, S> {
    keys: TreeKeys<'k>,
    sink: S,
}

impl<S: NodeSink> Output<'_, S> {
    fn starts(&self, level: u8, key: &PathKey) -> bool {
        starts_node(level, hash::boundary(self.keys.boundary, key))
    }

    fn put(&mut self, built: BuiltNode) -> Result<Child> {
        let BuiltNode { encoded, first, entries, bytes } = built;
        let id = self.keys.ids.node(&encoded);
        self.sink.put_node(id, encoded)?;
        Ok(Child { first, id, entries, bytes })
    }
}

/// The levels that have been begun, from the leaves up.
#[derive(Clone, Debug, Default)]
struct Levels(Vec<Level>);

#[derive(Clone, Debug)]
struct Level {
    open: NodeBuilder,
    // Whether a node of this level was closed already.
    has_more: bool,
}

impl Levels {
    fn add_entry(
        &mut self,
        out: &mut Output<'_, impl NodeSink>,
        key: &PathKey,
        encoded: &[u8],
        bytes: u64,
    ) -> Result<()> {
        let level = self.level(0);
        if (out.starts(0, key) || !level.open.fits_entry(key, encoded))
            && let Some(built) = level.close()
        {
            let leaf = out.put(built)?;
            self.add_child(out, 1, leaf)?;
        }
        self.level(0).open.push_entry(key, encoded, bytes).map_err(internal)
    }

    /// Adds a node's child to the open node of level `number`, and what that closes to those above.
    fn add_child(
        &mut self,
        out: &mut Output<'_, impl NodeSink>,
        mut number: u8,
        mut child: Child,
    ) -> Result<()> {
        loop {
            let level = self.level(number);
            let full = out.starts(number, &child.first) || !level.open.fits_child(&child);
            let closed = if full { level.close() } else { None };
            level.open.push_child(&child).map_err(internal)?;
            let Some(built) = closed else { return Ok(()) };
            child = out.put(built)?;
            number += 1;
        }
    }

    /// Closes the open nodes, up to the level that has only one.
    fn finish(&mut self, out: &mut Output<'_, impl NodeSink>) -> Result<TreeRoot> {
        for number in 0..=LEVEL_MAX {
            let level = self.level(number);
            let is_top = !level.has_more;
            let Some(built) = level.close() else { break };
            let child = out.put(built)?;
            if is_top {
                let Child { id, entries, bytes, .. } = child;
                return Ok(TreeRoot { id, level: number, entries, bytes });
            }
            self.add_child(out, number + 1, child)?;
        }
        Err(Error::new(Kind::Invalid, "finish", "a tree").because("it has no entries"))
    }

    fn level(&mut self, number: u8) -> &mut Level {
        let number = usize::from(number);
        while let Some(next) = u8::try_from(self.0.len()).ok().filter(|_| self.0.len() <= number) {
            self.0.push(Level { open: NodeBuilder::new(next), has_more: false });
        }
        &mut self.0[number]
    }
}

impl Level {
    fn close(&mut self) -> Option<BuiltNode> {
        let built = self.open.take();
        self.has_more |= built.is_some();
        built
    }
}

/// Order, levels and sizes were checked before; a node that still refuses is a mistake made here.
fn internal(cause: lifeboat_format::Error) -> Error {
    Error::new(Kind::Internal, "build", "a tree node").because(cause)
}

fn quoted(key: &PathKey) -> String {
    format!("\"{key}\"")
}

#[cfg(test)]
mod tests;
