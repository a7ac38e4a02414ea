//! The references, where nothing is wrong with them: every node of every snapshot is there, and the index has
//! every chunk that they name.
//!
//! Knows nodes, entries and content maps; nothing of packs. It stops at the first doubt: who is hit by what
//! is for [`super::trees`], which asks about each chunk when it meets it. Here references are gathered and
//! looked up in the order of ids, so that an index larger than its cache is gone through block by block, and each block
//! is opened once for all the references that were gathered; and other threads may read packs meanwhile.
//!
//! Invariant: memory is bounded by the reader's cache and by the references gathered at once, whatever there is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use lifeboat_format::id::ChunkId;
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::{Entry, Extent, Node};

use crate::check::{CheckOptions, CheckProgress, is_of_the_object};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::index::marks::Marks;
use crate::open::Repository;
use crate::reader::Reader;
use crate::tree::TreeRoot;
use crate::tree::map::MapReader;
use crate::tree::nodes::Nodes;

/// The part of the memory that references take before they are looked up.
const GATHERED_PART: u64 = 16;
/// The part of the memory that frames of nodes take.
const READER_PART: u64 = 8;

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) nodes: u64,
    pub(super) entries: u64,
    /// Chunks of content, each once.
    pub(super) chunks: u64,
}

/// A chunk that is named, and how many of its bytes are used.
type Reference = (ChunkId, u64);

/// The scan of all snapshots' trees.
pub(super) struct References<'a> {
    repository: &'a Repository,
    options: &'a CheckOptions,
    progress: &'a (dyn Fn(CheckProgress) + Sync),
    /// Whether others have failed meanwhile.
    goes_on: &'a (dyn Fn() -> bool + Sync),
    index: Arc<Index>,
    reader: Reader,
    nodes_met: Rc<RefCell<Marks>>,
    chunks_met: Marks,
    /// As many as it has room for are looked up at once.
    pub(super) gathered: Vec<Reference>,
    counts: Counts,
}

/// Why a scan ends before it has seen everything.
enum Stop {
    /// Something is wrong, or it can't be told here whether it is.
    Doubt,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match is_of_the_object(&error) {
            true => Self::Doubt,
            false => Self::Failed(error),
        }
    }
}

impl<'a> References<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        index: &Arc<Index>,
        options: &'a CheckOptions,
        progress: &'a (dyn Fn(CheckProgress) + Sync),
        goes_on: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        let memory = repository.memory_bytes();
        let reader = Reader::new(
            repository.io().clone(),
            Arc::clone(repository.keyring()),
            Arc::<Index>::clone(index),
            memory / READER_PART,
        );
        let count = memory / GATHERED_PART / size_of::<Reference>() as u64;
        Self {
            repository,
            options,
            progress,
            goes_on,
            index: Arc::clone(index),
            reader,
            nodes_met: Rc::default(),
            chunks_met: Marks::new(),
            gathered: Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).max(1)),
            counts: Counts::default(),
        }
    }

    /// Scans the trees of all these; `None` if something is not as it should be.
    ///
    /// # Errors
    /// The store's, and when it is cancelled.
    pub(super) fn scan(mut self, snapshots: &[&Snapshot]) -> Result<Option<Counts>> {
        match snapshots
            .iter()
            .try_for_each(|snapshot| self.snapshot(snapshot, snapshots.len() as u64))
            .and_then(|()| self.look_up())
        {
            Ok(()) => Ok(Some(self.counts)),
            Err(Stop::Doubt) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot, of: u64) -> Result<(), Stop> {
        (self.progress)(CheckProgress::Snapshot { of });
        for Root { tree, level, entries, bytes, .. } in &snapshot.roots {
            if let Some(id) = *tree {
                let root = TreeRoot { id, level: *level, entries: *entries, bytes: *bytes };
                self.tree(&root)?;
            }
        }
        Ok(())
    }

    fn tree(&mut self, root: &TreeRoot) -> Result<(), Stop> {
        let (index, reader) = (Arc::clone(&self.index), self.reader.clone());
        let met = Rc::clone(&self.nodes_met);
        let stop: Cell<Option<Stop>> = Cell::new(None);
        let nodes = Nodes::new(&reader, root, |id| match index.ordinal(id) {
            Ok(Some(node)) => met.borrow_mut().set(node),
            Ok(None) => {
                stop.set(Some(Stop::Doubt));
                false
            }
            Err(error) => {
                stop.set(Some(error.into()));
                false
            }
        });
        for (_, node) in nodes {
            stop.take().map_or(Ok(()), Err)?;
            self.node(&node?)?;
        }
        stop.take().map_or(Ok(()), Err)
    }

    fn node(&mut self, node: &Node) -> Result<(), Stop> {
        self.options.go_on(self.repository)?;
        if !(self.goes_on)() {
            return Err(Stop::Doubt);
        }
        let entries = match node {
            Node::Leaf(entries) => entries.as_slice(),
            Node::Inner { .. } => &[],
        };
        self.counts.nodes += 1;
        self.counts.entries += entries.len() as u64;
        (self.progress)(CheckProgress::Node { entries: entries.len() as u64 });
        entries.iter().try_for_each(|(_, entry)| self.entry(entry))
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Stop> {
        for value in entry.moved_xattrs.values() {
            self.refer(value.id, u64::from(value.len))?;
        }
        let reader = self.reader.clone();
        for extent in MapReader::new(&reader, entry) {
            if let Extent::Chunk { id, offset, length } = extent? {
                self.refer(id, u64::from(offset) + u64::from(length))?;
            }
        }
        Ok(())
    }

    fn refer(&mut self, id: ChunkId, end: u64) -> Result<(), Stop> {
        self.gathered.push((id, end));
        if self.gathered.len() == self.gathered.capacity() { self.look_up() } else { Ok(()) }
    }

    /// Looks up what was gathered.
    fn look_up(&mut self) -> Result<(), Stop> {
        self.gathered.sort_unstable();
        for (place, (id, end)) in self.gathered.iter().enumerate() {
            if place.is_multiple_of(1 << 14) {
                self.options.go_on(self.repository)?;
            }
            // The last of a chunk's references is the one that uses the most of it.
            if self.gathered.get(place + 1).is_some_and(|(next, _)| next == id) {
                continue;
            }
            match self.index.record(id)? {
                Some((ordinal, length)) if u64::from(length) >= *end => {
                    self.counts.chunks += u64::from(self.chunks_met.set(ordinal));
                }
                _ => return Err(Stop::Doubt),
            }
        }
        self.gathered.clear();
        Ok(())
    }
}
