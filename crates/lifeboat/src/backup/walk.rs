//! The walking stage: paths in order become units, unchanged files are taken from the parent.
//!
//! One thread. Knows the parent's entries and what counts as unchanged; reads no file data.

use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};
use lifeboat_format::tree::{Entry, EntryKind};

use super::Job;
use super::options::BackupStats;
use super::parent::{Known, ParentEntries, Parents};
use super::roots::BackupRoot;
use super::unit::{Arrival, Before, Entrance, Spent, Step, Unit, UnitDone};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::source::exclude::Excludes;
use crate::source::stat::Stat;
use crate::source::unchanged::unchanged;
use crate::source::walk::{Walk, WalkItem, WalkOptions};

/// How many units' entries may wait for the readers of parents to free them.
const SPENT_MAX: usize = 16;

/// How many looks at the source are under way at once for each thread that works on bytes: most of what
/// they take is waiting.
const LOOKS_A_THREAD: usize = 4;
/// How many there are at most.
const LOOKS_AT_ONCE_MAX: usize = 16;

/// The stage's way out: units to read go to workers, those that are ready straight to the sequence.
pub(super) struct Out {
    pub(super) window: Entrance,
    pub(super) units: Sender<Unit>,
    pub(super) results: Sender<Arrival>,
    spent: (Sender<Spent>, Receiver<Spent>),
}

/// Nobody takes what the stage makes any more: another one failed, or the run was cancelled.
struct Stopped;

impl Out {
    pub(super) fn new(window: Entrance, units: Sender<Unit>, results: Sender<Arrival>) -> Self {
        Self { window, units, results, spent: unbounded() }
    }

    fn send(&self, unit: Unit, monitor: &dyn Monitor) -> Result<(), Stopped> {
        if unit.steps.is_empty() {
            return Ok(());
        }
        if !self.window.enter() {
            return Err(Stopped);
        }
        if unit.is_ready() {
            return self.arrive(done(unit, monitor));
        }
        self.units.send(unit).map_err(|_closed| Stopped)
    }

    fn arrive(&self, arrival: Arrival) -> Result<(), Stopped> {
        self.results.send(arrival).map_err(|_closed| Stopped)
    }
}

/// Walks all roots, one after another.
///
/// # Errors
/// Excludes that can't be read, or a parent whose tree the store can't give.
pub(super) fn walk_roots(
    job: Job<'_>,
    roots: &[BackupRoot],
    parents: &Parents,
    out: &Out,
) -> Result<()> {
    let excludes = Excludes::new(&job.options.excludes)?;
    let mut number = 0;
    for (place, root) in roots.iter().enumerate() {
        let (path, spent) = (root.kept_path(), &out.spent.1);
        let next = thread::scope(|scope| {
            // Dropped at the end of this, so that the threads that read it end.
            let parent = parents.entries(scope, spent, place, &path, roots.len());
            let unit = Unit::new(number, place, out.spent.0.clone());
            let mut stage = RootStage { job, out, parents, parent, unit };
            stage.walk(root, &excludes).map(|()| stage.unit.number)
        });
        let Ok(next) = next else { return Ok(()) };
        number = next;
        let end = Arrival::RootEnd { number, root: place };
        if !out.window.enter() || out.arrive(end).is_err() {
            return Ok(());
        }
        number += 1;
    }
    Ok(())
}

struct RootStage<'a> {
    job: Job<'a>,
    out: &'a Out,
    parents: &'a Parents,
    parent: ParentEntries,
    unit: Unit,
}

impl RootStage<'_> {
    fn walk(&mut self, root: &BackupRoot, excludes: &Excludes) -> Result<(), Stopped> {
        let ahead_threads = LOOKS_AT_ONCE_MAX.min(self.job.context.thread_count() * LOOKS_A_THREAD);
        let cancel = self.job.context.cancel.clone();
        let options = WalkOptions { ahead_threads, cancel, ..root.walk.clone() };
        let walk = match Walk::new(&root.path, &options, excludes) {
            Ok(walk) => walk,
            Err(problem) => {
                self.job.problems.add(problem);
                return Ok(());
            }
        };
        for step in walk {
            if self.job.context.cancel.is_cancelled() {
                return Err(Stopped);
            }
            match step {
                Ok(item) => self.take(item)?,
                Err(problem) => self.job.problems.add(problem),
            }
        }
        self.next_unit()
    }

    fn take(&mut self, item: WalkItem) -> Result<(), Stopped> {
        let known = self.parent.find(&item.key);
        if item.stat.kind != EntryKind::File {
            self.unit.meta(item);
        } else if let Some(Known { key, entry, started }) = known {
            let criteria = &self.job.options.criteria;
            let unchanged = unchanged(&entry, &item.stat, started, criteria);
            if !unchanged || !self.parents.has_content(&entry) {
                self.make_room(item.stat.size)?;
                self.unit.read(item, Before::Changed);
            } else if same_metadata(&entry, &item.stat) {
                self.unit.ready(key, entry);
            } else {
                self.unit.touched(item, entry);
            }
        } else {
            self.make_room(item.stat.size)?;
            self.unit.read(item, Before::New);
        }
        if self.unit.is_full() { self.next_unit() } else { Ok(()) }
    }

    fn make_room(&mut self, size: u64) -> Result<(), Stopped> {
        if self.unit.ends_before(size) { self.next_unit() } else { Ok(()) }
    }

    fn next_unit(&mut self) -> Result<(), Stopped> {
        if self.unit.steps.is_empty() {
            return Ok(());
        }
        // Where nothing has changed nobody else has anything to ask for.
        let context = self.job.context;
        let go_on = || Ok::<_, Stopped>(!context.cancel.is_cancelled());
        if !context.pace.wait(go_on)? {
            return Err(Stopped);
        }
        // What has come back is freed by who has allocated it, which is the readers of parents if there are
        // any; but one may have come to its end, or wait for this walk.
        let spent = &self.out.spent.1;
        let left = if self.parent.is_empty() { 0 } else { SPENT_MAX };
        while spent.len() > left && spent.try_recv().is_ok() {}
        let maker = self.unit.maker.clone();
        let next = Unit::new(self.unit.number + 1, self.unit.root, maker);
        let unit = std::mem::replace(&mut self.unit, next);
        self.out.send(unit, self.job.context.monitor)
    }
}

/// Whether nothing but the content can have changed since the entry was made: the kernel moves the
/// ctime with every change. Without a look at ctime or inode, the rest is read again.
fn same_metadata(entry: &Entry, stat: &Stat) -> bool {
    (entry.ctime, entry.inode, entry.device) == (stat.ctime, stat.inode, stat.device)
}

/// The result of a unit in which nothing has to be read.
fn done(unit: Unit, monitor: &dyn Monitor) -> Arrival {
    let mut stats = BackupStats::default();
    let mut entries = Vec::with_capacity(unit.steps.len());
    for step in unit.steps {
        if let Step::Ready(key, entry) = step {
            stats.count_unchanged(&entry);
            entries.push((key, entry));
        }
    }
    monitor.advance(entries.len() as u64, stats.bytes);
    let Unit { number, root, maker, .. } = unit;
    Arrival::Unit(UnitDone { number, root, entries, stats, maker })
}
