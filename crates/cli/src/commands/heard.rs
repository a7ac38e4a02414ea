//! What was lost while a listing went on: told at once, and again at the end.

use anyhow::Result;
use lifeboat_repo::{Error, Kind};
use serde::Serialize;

use crate::exit::End;
use crate::render::complain;

/// Problems kept; any more are only counted.
const KEPT_MAX: usize = 1000;

/// The problems of a listing.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Heard {
    problem_count: u64,
    problems: Vec<String>,
}

impl Heard {
    /// Takes an error for a problem where it says that something is damaged or lost.
    ///
    /// # Errors
    /// The error itself where it says that nothing more can be read.
    pub(crate) fn add(&mut self, error: Error) -> Result<()> {
        if !matches!(error.kind(), Kind::Corrupt | Kind::NotFound | Kind::Unsupported) {
            return Err(error.into());
        }
        self.problem_count += 1;
        if self.problems.len() < KEPT_MAX {
            complain(&format!("problem: {error}"));
            self.problems.push(error.to_string());
        }
        Ok(())
    }

    /// Whether nothing was lost.
    pub(crate) fn is_empty(&self) -> bool {
        self.problem_count == 0
    }

    /// How the command ends.
    pub(crate) fn end(&self) -> End {
        if self.is_empty() { End::Done } else { End::Damage }
    }
}
