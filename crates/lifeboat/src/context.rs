//! What every verb is given besides its options: whom to tell, when to stop, how many cores,
//! and how fast.

use std::fmt;

use lifeboat_repo::cancel::Cancel;
use lifeboat_repo::pace::Pace;

use crate::monitor::{Monitor, Silent};

/// The surroundings of a run.
#[derive(Clone)]
pub struct Context<'a> {
    /// Hears of progress and problems.
    pub monitor: &'a dyn Monitor,
    /// Asks the run to stop.
    pub cancel: Cancel,
    /// How many threads work on bytes; 0 takes as many as the process may use.
    pub threads: usize,
    /// Is asked before each unit of work.
    pub pace: Pace,
}

impl Context<'_> {
    /// How many threads to start.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        }
    }
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self { monitor: &Silent, cancel: Cancel::new(), threads: 0, pace: Pace::default() }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("threads", &self.threads).finish_non_exhaustive()
    }
}
