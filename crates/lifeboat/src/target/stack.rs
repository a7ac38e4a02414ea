//! The directories on the way to the one that is being filled, with few of them open.
//!
//! A stack is used by one thread. However deep the tree, at most a fixed number of directories is
//! held open by the stack itself; a closed one is opened again through `..` of the one below it, and
//! only if that leads to the same directory as before, else by going down from the target again.

use std::sync::Arc;

use super::dir::{Dir, Facts};
use super::fault::{Fault, Result};

/// How many directories a stack holds open: more than most trees are deep.
const OPEN_MAX: usize = 48;

/// The target directory and the directories entered below it.
#[derive(Debug)]
pub struct DirStack {
    root: Arc<Dir>,
    levels: Vec<Level>,
    open_max: usize,
}

#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    facts: Facts,
    dir: Option<Arc<Dir>>,
}

impl DirStack {
    /// A stack that stands in the target directory.
    pub fn new(root: Arc<Dir>) -> Self {
        Self { root, levels: Vec::new(), open_max: OPEN_MAX }
    }

    /// A stack that keeps fewer directories open, at least one.
    #[must_use]
    pub fn with_open_max(mut self, directories: usize) -> Self {
        self.open_max = directories.max(1);
        self
    }

    /// How many directories were entered and not left.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The target directory.
    pub fn root(&self) -> &Arc<Dir> {
        &self.root
    }

    /// Enters the member directory `name`, which is made if it is missing.
    ///
    /// # Errors
    /// The fault of [`Dir::make_or_enter`]; the stack then stands where it stood.
    pub fn enter(&mut self, name: &[u8]) -> Result<Arc<Dir>> {
        let dir = Arc::new(self.current()?.make_or_enter(name)?);
        self.levels.push(Level {
            name: name.to_vec(),
            facts: dir.facts(),
            dir: Some(Arc::clone(&dir)),
        });
        if let Some(far) = self.levels.len().checked_sub(self.open_max + 1) {
            self.levels[far].dir = None;
        }
        Ok(dir)
    }

    /// The directory in which the stack stands.
    ///
    /// # Errors
    /// A fault when it was closed and can't be found again.
    pub fn current(&mut self) -> Result<Arc<Dir>> {
        let Some(top) = self.levels.last() else { return Ok(Arc::clone(&self.root)) };
        if let Some(dir) = &top.dir {
            return Ok(Arc::clone(dir));
        }
        let facts = top.facts;
        let names = self.levels.iter().map(|level| level.name.as_slice());
        let dir = self.root.descend(names)?;
        if dir.id() != facts.id {
            return Err(Fault::refused(
                "enter directory again",
                "somebody put another directory in its place during the restore",
            ));
        }
        Ok(self.keep(dir.with_facts(facts)))
    }

    /// Leaves the directory in which the stack stands and hands it over; `None` in the target itself.
    ///
    /// # Errors
    /// As of [`Self::current`]; the stack has left it all the same.
    pub fn leave(&mut self) -> Option<Result<Arc<Dir>>> {
        if self.levels.is_empty() {
            return None;
        }
        let left = self.current();
        self.levels.pop();
        if let (Ok(left), Some(top)) = (&left, self.levels.last())
            && top.dir.is_none()
            && let Some(parent) = left.parent(top.facts)
        {
            self.keep(parent);
        }
        Some(left)
    }

    fn keep(&mut self, dir: Dir) -> Arc<Dir> {
        let dir = Arc::new(dir);
        if let Some(top) = self.levels.last_mut() {
            top.dir = Some(Arc::clone(&dir));
        }
        dir
    }
}
