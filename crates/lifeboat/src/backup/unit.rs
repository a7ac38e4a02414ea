//! Units of work, and the window that bounds how many are under way.
//!
//! A unit is a stretch of one root in path order: entries that are ready, and things to read. It ends
//! at so many of them or so many bytes, whichever comes first; a large file is a unit of its own.

use crossbeam_channel::{Receiver, Sender, bounded};
use lifeboat_format::tree::{Entry, PathKey};

use super::options::BackupStats;
use crate::source::walk::WalkItem;

/// Enough small files to fill some frames, little enough to be hot in a cache.
const UNIT_BYTES: u64 = 4 << 20;
/// So many entries may wait in every unit of the window, each of about so many bytes.
const UNIT_ENTRIES: usize = 256;
const ENTRY_BYTES: usize = 512;

/// What is to become of one path.
pub(super) enum Step {
    /// The entry is known: a directory, a link, a file that is unchanged.
    Ready(PathKey, Box<Entry>),
    /// A regular file that has to be read.
    Read(Box<WalkItem>, Before),
    /// Something else whose metadata has to be read.
    Meta(Box<WalkItem>),
    /// A regular file whose content the parent has, but not its present metadata.
    Touched(Box<WalkItem>, Box<Entry>),
}

/// What the parent knows of a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It has no such file.
    New,
    /// It has another version of it.
    Changed,
}

/// A stretch of one root.
pub(super) struct Unit {
    /// Its place in the run.
    pub(super) number: u64,
    /// The root, counted from 0.
    pub(super) root: usize,
    pub(super) steps: Vec<Step>,
    /// Takes entries back.
    pub(super) maker: Sender<Spent>,
    bytes: u64,
}

impl Unit {
    pub(super) fn new(number: u64, root: usize, maker: Sender<Spent>) -> Self {
        Self { number, root, steps: Vec::new(), maker, bytes: 0 }
    }

    /// Whether the unit must end before a file of this size.
    pub(super) fn ends_before(&self, size: u64) -> bool {
        self.bytes > 0 && self.bytes.saturating_add(size) > UNIT_BYTES
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= UNIT_BYTES || self.steps.len() >= UNIT_ENTRIES
    }

    pub(super) fn ready(&mut self, key: PathKey, entry: Box<Entry>) {
        self.steps.push(Step::Ready(key, entry));
    }

    pub(super) fn read(&mut self, item: WalkItem, before: Before) {
        // Even an empty file costs an open.
        self.bytes = self.bytes.saturating_add(item.stat.size.max(1));
        self.steps.push(Step::Read(Box::new(item), before));
    }

    /// Something other than a file, whose metadata has to be read.
    pub(super) fn meta(&mut self, item: WalkItem) {
        self.bytes = self.bytes.saturating_add(1);
        self.steps.push(Step::Meta(Box::new(item)));
    }

    /// A file with the content that the parent's entry has.
    pub(super) fn touched(&mut self, item: WalkItem, entry: Box<Entry>) {
        self.bytes = self.bytes.saturating_add(1);
        self.steps.push(Step::Touched(Box::new(item), entry));
    }

    /// Whether nothing in it has to be read.
    pub(super) fn is_ready(&self) -> bool {
        self.bytes == 0
    }
}

/// A unit that is done: its entries in path order.
pub(super) struct UnitDone {
    pub(super) number: u64,
    pub(super) root: usize,
    pub(super) entries: Spent,
    pub(super) stats: BackupStats,
    /// Takes the entries back.
    pub(super) maker: Sender<Spent>,
}

/// Entries of a unit; once they are in the tree they go back to whoever reads the parent, who has made most
/// of them. With the C library's allocator a thread that frees what another one has allocated waits for
/// that one, and in a run that finds nothing changed this took a fifth of the time.
pub(super) type Spent = Vec<(PathKey, Box<Entry>)>;

/// What reaches the sequence.
pub(super) enum Arrival {
    /// A unit that is done.
    Unit(UnitDone),
    /// A root has been walked; the number is that of the next unit.
    RootEnd {
        /// Its place in the run, as if it were a unit.
        number: u64,
        /// The root, counted from 0.
        root: usize,
    },
    /// A worker has ended before its units have: one of them will never arrive.
    Stopped,
}

impl Arrival {
    /// Its place in the run; none if it has none.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Unit(unit) => Some(unit.number),
            Self::RootEnd { number, .. } => Some(*number),
            Self::Stopped => None,
        }
    }
}

/// Lets units in one by one as others are taken out in order.
#[derive(Clone)]
pub(super) struct Entrance(Sender<()>);

/// The other end of the [`Entrance`].
pub(super) struct Exit(Receiver<()>);

/// A window for so many threads: enough that a slow unit does not stop the others at once. While a large
/// file keeps the order waiting the walk goes on, as far as `bytes_max` for the entries of units allows.
pub(super) fn window(threads: usize, bytes_max: u64) -> (Entrance, Exit) {
    let by_memory = bytes_max / (UNIT_ENTRIES * ENTRY_BYTES) as u64;
    let units = usize::try_from(by_memory).unwrap_or(usize::MAX).max(threads * 8 + 16);
    let (entrance, exit) = bounded(units);
    (Entrance(entrance), Exit(exit))
}

impl Entrance {
    /// Waits for a place; false when nobody takes units any more.
    pub(super) fn enter(&self) -> bool {
        self.0.send(()).is_ok()
    }
}

impl Exit {
    /// Gives one place free.
    pub(super) fn leave(&self) {
        // Every arrival has entered before.
        let _was_there = self.0.try_recv().is_ok();
    }
}
