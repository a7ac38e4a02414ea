//! What trees reach: every chunk that their nodes, entries and content maps name, looked up in the index.
//!
//! For whoever must know that a snapshot has all it needs (a writer, after a collection) or what nobody needs (a
//! collector). Knows nodes, entries and maps; not what is done about what is found.
//!
//! Invariants: references are gathered and looked up in the order of ids, so that an index larger than its cache is gone
//! through block by block; memory is bounded by the reader's cache and what is gathered at once. A node that was
//! met once is not read again, and nor is what is below it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lifeboat_format::id::ChunkId;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, Extent, Node};

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::index::marks::Marks;
use crate::index::{Found, Index};
use crate::open::Repository;
use crate::reader::{ChunkKind, Reader};
use crate::tree::map::MapReader;
use crate::tree::nodes::Nodes;
use crate::tree::{ChunkSource, TreeRoot};

/// The part of the memory that references take before they are looked up.
const GATHERED_PART: u64 = 16;
/// The part of the memory that frames of nodes take.
const READER_PART: u64 = 8;

/// Told of each chunk that is reached, of some more than once: where it is, as [`Index::find_best`] says.
pub(crate) type Visit<'a> = dyn FnMut(&ChunkId, &[Found]) -> Result<()> + 'a;

/// Goes through trees and looks up what they reach.
pub(crate) struct Reach<'a> {
    repository: &'a Repository,
    index: Arc<Index>,
    reader: Reader,
    cancel: &'a Cancel,
    nodes_met: Rc<RefCell<Marks>>,
    nodes_read: u64,
    gathered: Vec<ChunkId>,
    visit: &'a mut Visit<'a>,
}

/// What was gone through.
#[derive(Debug)]
pub(crate) struct Met {
    /// The nodes, where they were found first.
    pub(crate) nodes: Marks,
    /// How many were read for it.
    pub(crate) nodes_read: u64,
}

impl<'a> Reach<'a> {
    pub(crate) fn new(
        repository: &'a Repository,
        index: &Arc<Index>,
        cancel: &'a Cancel,
        visit: &'a mut Visit<'a>,
    ) -> Self {
        let memory = repository.memory_bytes();
        let reader = Reader::new(
            repository.io().clone(),
            Arc::clone(repository.keyring()),
            Arc::<Index>::clone(index),
            memory / READER_PART,
        );
        let count = memory / GATHERED_PART / size_of::<ChunkId>() as u64;
        Self {
            repository,
            index: Arc::clone(index),
            reader,
            cancel,
            nodes_met: Rc::default(),
            nodes_read: 0,
            gathered: Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).max(1)),
            visit,
        }
    }

    /// Leaves out these nodes and what is below them: the caller knows what they reach.
    pub(crate) fn having_met(mut self, nodes: Marks) -> Self {
        self.nodes_met = Rc::new(RefCell::new(nodes));
        self
    }

    /// Goes through the trees of a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`] and [`Kind::Corrupt`] where a node or a content map can't be read, so that it is not known
    /// what it reaches; the store's; [`Kind::Cancelled`]; those of the visit.
    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        for root in &snapshot.roots {
            if let Some(id) = root.tree {
                let (level, entries, bytes) = (root.level, root.entries, root.bytes);
                self.tree(&TreeRoot { id, level, entries, bytes })?;
            }
        }
        Ok(())
    }

    /// Looks up what is left to be looked up.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub(crate) fn finish(mut self) -> Result<Met> {
        self.look_up()?;
        Ok(Met { nodes: self.nodes_met.take(), nodes_read: self.nodes_read })
    }

    fn tree(&mut self, root: &TreeRoot) -> Result<()> {
        let (index, reader) = (Arc::clone(&self.index), self.reader.clone());
        let met = Rc::clone(&self.nodes_met);
        let failed: Cell<Option<Error>> = Cell::new(None);
        let nodes = Nodes::new(&reader, root, |id| match index.find_best(id) {
            // Where it is not found, reading it will say so.
            Ok(found) => found.first().is_none_or(|node| met.borrow_mut().set(node.at)),
            Err(error) => {
                failed.set(Some(error));
                false
            }
        });
        for (id, node) in nodes {
            failed.take().map_or(Ok(()), Err)?;
            self.refer(id)?;
            self.node(&node?)?;
            self.nodes_read += 1;
        }
        failed.take().map_or(Ok(()), Err)
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(
                Kind::Cancelled,
                "read trees of",
                self.repository.io().describe(),
            ));
        }
        match node {
            Node::Leaf(entries) => entries.iter().try_for_each(|(_, entry)| self.entry(entry)),
            Node::Inner { .. } => Ok(()),
        }
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        for value in entry.moved_xattrs.values() {
            self.refer(value.id)?;
        }
        let source = Noting { reader: self.reader.clone(), pieces: Mutex::default() };
        for extent in MapReader::new(&source, entry) {
            if let Extent::Chunk { id, .. } = extent? {
                self.refer(id)?;
            }
        }
        let pieces = source.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        pieces.into_iter().try_for_each(|id| self.refer(id))
    }

    fn refer(&mut self, id: ChunkId) -> Result<()> {
        self.gathered.push(id);
        if self.gathered.len() == self.gathered.capacity() { self.look_up() } else { Ok(()) }
    }

    fn look_up(&mut self) -> Result<()> {
        self.gathered.sort_unstable();
        self.gathered.dedup();
        for id in &self.gathered {
            let found = self.index.find_best(id)?;
            (self.visit)(id, &found)?;
        }
        self.gathered.clear();
        Ok(())
    }
}

/// A source that notes which chunks were asked of it: the pieces of a content map.
struct Noting {
    reader: Reader,
    pieces: Mutex<Vec<ChunkId>>,
}

impl ChunkSource for Noting {
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> Result<Bytes> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.reader.chunk(kind, id)
    }

    fn expect_max(&self) -> usize {
        self.reader.expect_max()
    }

    fn expect(&self, ids: &mut dyn Iterator<Item = ChunkId>) {
        self.reader.expect(ids);
    }
}
