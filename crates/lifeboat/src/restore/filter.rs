//! Which entries are restored: lines of gitignore syntax, to include and to exclude.
//!
//! Knows paths as they are in the snapshot, absolute; a line beginning with `/` is anchored there.
//! Excluding wins over including; what is below an excluded directory is excluded, and what is
//! below an included one is included.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use lifeboat_format::tree::PathKey;

use super::place;
use crate::error::{Error, Result};

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is restored.
    Take,
    /// It is a directory that is restored only if something below it is.
    Below,
    /// Neither it nor anything below it is restored.
    Skip,
}

/// The lines of both kinds; no lines to include take everything.
#[derive(Debug)]
pub(super) struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Filter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self { include: compile("include", include)?, exclude: compile("exclude", exclude)? })
    }

    /// Whether it takes everything.
    pub(super) fn takes_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// Decides on a path; `parent` is what was decided on the directory that it is in.
    pub(super) fn choose(&self, path: &[u8], is_dir: bool, parent: Choice) -> Choice {
        let path = Path::new(OsStr::from_bytes(path));
        let path = path.strip_prefix("/").unwrap_or(path);
        let excluded = |lines: &Gitignore| matches!(lines.matched(path, is_dir), Match::Ignore(_));
        if parent == Choice::Skip || self.exclude.as_ref().is_some_and(excluded) {
            return Choice::Skip;
        }
        let Some(include) = &self.include else { return Choice::Take };
        match (include.matched(path, is_dir), parent) {
            (Match::Ignore(_), _) | (Match::None, Choice::Take) => Choice::Take,
            _ if is_dir => Choice::Below,
            _ => Choice::Skip,
        }
    }

    /// Decides on the directory of this path by deciding on all above it first.
    pub(super) fn choose_dir(&self, path: &[u8]) -> Choice {
        // Without lines to include everything is taken; with such, only what one of them names.
        let mut choice = if self.include.is_none() { Choice::Take } else { Choice::Below };
        let ends = path.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > 0);
        for end in ends.map(|(at, _)| at).chain([path.len()]) {
            if end > 1 {
                choice = self.choose(&path[..end], true, choice);
            }
        }
        choice
    }
}

/// What is decided on the entries of one tree, which come in path order.
#[derive(Debug)]
pub(super) struct Choices<'a> {
    filter: &'a Filter,
    /// What was decided on the directory that the first of them is in.
    above: Choice,
    /// Directories above the next entry.
    dirs: Vec<(PathKey, Choice)>,
}

impl<'a> Choices<'a> {
    /// The choices from the entry of this absolute key on.
    pub(super) fn new(filter: &'a Filter, start: &[u8]) -> Self {
        let above = filter.choose_dir(&place::absolute_path(place::split(start).0));
        Self { filter, above, dirs: Vec::new() }
    }

    /// Decides on the next entry; what is below a directory that is skipped need not be asked about.
    pub(super) fn choose(&mut self, absolute: &[u8], key: &PathKey, is_dir: bool) -> Choice {
        while self.dirs.last().is_some_and(|(dir, _)| !key.is_in(dir)) {
            self.dirs.pop();
        }
        let parent = self.dirs.last().map_or(self.above, |(_, choice)| *choice);
        let choice = self.filter.choose(&place::absolute_path(absolute), is_dir, parent);
        if is_dir {
            self.dirs.push((key.clone(), choice));
        }
        choice
    }
}

fn compile(option: &str, lines: &[String]) -> Result<Option<Gitignore>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        builder
            .add_line(None, line)
            .map_err(|cause| Error::options(format!("{option} {line:?}: {cause}")))?;
    }
    let built = builder.build().map_err(|cause| Error::options(format!("{option}: {cause}")))?;
    Ok(Some(built))
}

#[cfg(test)]
mod tests;
