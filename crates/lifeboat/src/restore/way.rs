//! The directories on the way to the entry that is being restored.
//!
//! Follows the entries in path order. A directory is made, or entered, when it or something below
//! it is taken, and handed over when all its members have been made. One that can't be entered is
//! one problem, and all below it is left out.

use std::sync::Arc;

use lifeboat_format::tree::Entry;

use super::delete::Names;
use super::filter::Choice;
use super::job::{Counts, Job};
use super::place;
use super::there::Overwrite;
use super::window::LeftDir;
use crate::error::Result;
use crate::target::{Dir, DirStack, fault};

/// Where the restore stands below the target.
#[derive(Debug)]
pub(super) struct Way {
    stack: DirStack,
    levels: Vec<Level>,
    /// The way to the last level.
    at: Vec<u8>,
    /// The number of the level that could not be entered.
    blocked: Option<usize>,
    /// What was decided on what lies directly in the target.
    top: Choice,
    top_names: Names,
}

/// A directory that is left, with what the snapshot has in it.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) dir: LeftDir,
    /// Whether its metadata is the snapshot's to set.
    pub(super) is_described: bool,
    pub(super) choice: Choice,
    pub(super) names: Names,
}

#[derive(Debug)]
struct Level {
    /// How long the way is without this level.
    above: usize,
    /// None for a directory that only lies on the way to a root.
    entry: Option<Box<Entry>>,
    choice: Choice,
    /// What the snapshot has in it.
    names: Names,
}

impl Way {
    pub(super) fn new(target: Arc<Dir>) -> Self {
        let (levels, at) = (Vec::new(), Vec::new());
        let (top, top_names) = (Choice::Take, Names::default());
        Self { stack: DirStack::new(target), levels, at, blocked: None, top, top_names }
    }

    /// The target directory.
    pub(super) fn target(&self) -> &Arc<Dir> {
        self.stack.root()
    }

    /// Begins with another root, on whose surroundings this was decided.
    pub(super) fn begin(&mut self, top: Choice) {
        self.top = top;
    }

    /// What was decided on the directory in which this stands.
    pub(super) fn choice(&self) -> Choice {
        self.levels.last().map_or(self.top, |level| level.choice)
    }

    /// Leaves all directories that are not above `dir`, and then stands in `dir`, of which what is
    /// missing in the snapshot is implied. `left` gets what was left, members first.
    pub(super) fn go_to(&mut self, job: &Job<'_>, dir: &[u8], left: &mut Vec<Left>) -> Result<()> {
        while !is_above(&self.at, dir) {
            self.leave(job, left)?;
        }
        let rest = dir[self.at.len()..].to_vec();
        for name in place::names(&rest) {
            let choice = self.choice();
            self.push(name, None, choice);
        }
        Ok(())
    }

    /// Leaves all directories.
    pub(super) fn leave_all(&mut self, job: &Job<'_>, left: &mut Vec<Left>) -> Result<()> {
        while !self.levels.is_empty() {
            self.leave(job, left)?;
        }
        Ok(())
    }

    /// Stands in the member directory `name` of that entry, without making it yet.
    pub(super) fn push(&mut self, name: &[u8], entry: Option<Box<Entry>>, choice: Choice) {
        let above = self.at.len();
        if above > 0 {
            self.at.push(0);
        }
        self.at.extend_from_slice(name);
        self.levels.push(Level { above, entry, choice, names: Names::default() });
    }

    /// Notes that the snapshot has this name in the directory in which this stands.
    pub(super) fn has_member(&mut self, name: &[u8]) {
        match self.levels.last_mut() {
            Some(level) => level.names.add(name),
            None => self.top_names.add(name),
        }
    }

    /// What the snapshot has directly in the target.
    pub(super) fn top_names(&self) -> &Names {
        &self.top_names
    }

    /// Makes or enters all directories down to where this stands; `None` when one of them can't be.
    pub(super) fn enter(&mut self, job: &Job<'_>) -> Result<Option<Arc<Dir>>> {
        if self.blocked.is_some() {
            return Ok(None);
        }
        for number in self.stack.depth()..self.levels.len() {
            let end = self.levels.get(number + 1).map_or(self.at.len(), |next| next.above);
            let way = self.at[..end].to_vec();
            match self.enter_level(job, number, place::split(&way).1) {
                Ok(()) => {
                    if self.levels[number].entry.is_some() {
                        Counts::add(&job.counts.dirs, 1);
                    }
                    if let Ok(dir) = self.stack.current() {
                        job.entered(&dir);
                    }
                }
                Err(fault) => {
                    self.blocked = Some(number);
                    job.fault(&way, fault)?;
                    return Ok(None);
                }
            }
        }
        match self.stack.current() {
            Ok(dir) => Ok(Some(dir)),
            Err(fault) => {
                self.blocked = self.levels.len().checked_sub(1);
                job.fault(&self.at, fault)?;
                Ok(None)
            }
        }
    }

    fn enter_level(&mut self, job: &Job<'_>, number: usize, name: &[u8]) -> fault::Result<()> {
        let Err(fault) = self.stack.enter(name) else { return Ok(()) };
        // A directory that only lies on the way to a root replaces nothing.
        let Some(entry) = self.levels[number].entry.as_ref().filter(|_| fault.is_no_directory())
        else {
            return Err(fault);
        };
        let mtime = (entry.mtime.secs, entry.mtime.nanos);
        let dir = self.stack.current()?;
        match job.clear_for_dir(&dir, name, mtime)? {
            true => self.stack.enter(name).map(drop),
            false => Err(fault),
        }
    }

    fn leave(&mut self, job: &Job<'_>, left: &mut Vec<Left>) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        if self.blocked == Some(self.levels.len()) {
            self.blocked = None;
        }
        let was_entered = self.stack.depth() > self.levels.len();
        if was_entered && let Some(dir) = self.stack.leave() {
            match (dir, level.entry) {
                // What was found and only lies on the way stays as it is.
                (Ok(dir), Some(entry)) => {
                    let stays = job.options.overwrite == Overwrite::Never && !dir.is_made();
                    let is_described = (level.choice == Choice::Take || dir.is_made()) && !stays;
                    let dir = LeftDir { dir, way: self.at.clone(), entry };
                    left.push(Left { dir, is_described, choice: level.choice, names: level.names });
                }
                (Err(fault), Some(_)) => job.fault(&self.at, fault)?,
                _ => {}
            }
        }
        self.at.truncate(level.above);
        Ok(())
    }
}

/// Whether the directory `upper` is `lower` or above it.
fn is_above(upper: &[u8], lower: &[u8]) -> bool {
    match lower.strip_prefix(upper) {
        Some(rest) => upper.is_empty() || rest.is_empty() || rest[0] == 0,
        None => false,
    }
}
