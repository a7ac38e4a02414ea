//! Which rule decides about one path: the same questions as a walk asks, asked on the way to it.
//!
//! Reads what it needs of the file system (kinds, sizes, marks, ignore files) and nothing else.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::tree::EntryKind;

use super::{Decision, Excludes, Mark, RootedPath, Rule, Scope, is_none};
use crate::report::{Problem, escape};
use crate::source::dir::{DirHandle, DirPool};
use crate::source::stat::{Devices, Stat};
use crate::source::walk::{OPEN_DIRECTORIES_MAX, Start};

/// Why a path is backed up, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// Nothing says anything about it.
    Unmentioned {
        /// The path.
        path: PathBuf,
    },
    /// It would be left out by an earlier rule, but this one takes it back in (or names it for nothing).
    Kept {
        /// The path.
        path: PathBuf,
        /// The rule, which begins with `!`.
        rule: Rule,
    },
    /// It is left out.
    Excluded {
        /// The path.
        path: PathBuf,
        /// The path itself or the directory above it that is left out, with all that is below.
        at: PathBuf,
        /// Why.
        cause: Cause,
    },
}

/// Why something is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The repository itself is there.
    Repository,
    /// A rule.
    Rule(Rule),
    /// The directory that it lies in is marked.
    Marked {
        /// The mark.
        mark: PathBuf,
    },
    /// It is a file that is larger than it may be.
    TooLarge {
        /// What it may be, in bytes.
        limit_bytes: u64,
        /// What it is, in bytes.
        size_bytes: u64,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => f.write_str("a rule of its own: the repository is there"),
            Self::Rule(rule) => rule.fmt(f),
            Self::Marked { mark } => write!(f, "the mark {}", text(mark)),
            Self::TooLarge { limit_bytes, size_bytes } => {
                write!(f, "its size: {size_bytes} bytes, the limit is {limit_bytes}")
            }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmentioned { path } => {
                write!(f, "{} is backed up: nothing excludes it", text(path))
            }
            Self::Kept { path, rule } => {
                write!(f, "{} is backed up: kept by {rule}", text(path))
            }
            Self::Excluded { path, at, cause } if path == at => {
                write!(f, "{} is excluded by {cause}", text(path))
            }
            Self::Excluded { path, at, cause } => {
                let (path, at) = (text(path), text(at));
                write!(f, "{path} is excluded because {at} is excluded by {cause}")
            }
        }
    }
}

fn text(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

impl Excludes {
    /// Says which rule decides about `path` in a backup of `root`; both absolute.
    ///
    /// A path that is not there is taken for a file of no length, or for a directory where it ends with
    /// a slash, so that a rule can be tried before there is anything for it.
    ///
    /// # Errors
    /// A problem when `path` is not below `root`, or the way to it can't be looked at.
    pub fn explain(&self, root: &Path, path: &Path) -> Result<Explanation, Problem> {
        let fail = |error| Problem::new(path.as_os_str().as_bytes(), "explain", error);
        let below =
            path.strip_prefix(root).map_err(|_not_below| fail("it is not below the root"))?;
        let names = Vec::from_iter(below.components().map(|part| part.as_os_str().as_bytes()));
        if names.contains(&&b".."[..]) {
            return Err(fail("the path has .. in it"));
        }
        let mut looker = Looker::new(self, root)?;
        let mut kept = None;
        for (place, name) in names.iter().enumerate() {
            let is_dir = place + 1 < names.len() || path.as_os_str().as_bytes().ends_with(b"/");
            match looker.step(name, if is_dir { EntryKind::Dir } else { EntryKind::File })? {
                Step::Out(cause) => {
                    let at = PathBuf::from(OsString::from_vec(looker.at));
                    return Ok(Explanation::Excluded {
                        path: path.components().collect(),
                        at,
                        cause,
                    });
                }
                Step::Stays(rule) => kept = rule,
            }
        }
        let path = path.components().collect();
        Ok(match kept {
            Some(rule) => Explanation::Kept { path, rule },
            None => Explanation::Unmentioned { path },
        })
    }
}

/// Goes down to a path as a walk would, name by name.
struct Looker<'a> {
    excludes: &'a Excludes,
    root: Arc<[u8]>,
    devices: Devices,
    /// The path so far.
    at: Vec<u8>,
    /// The directory there; none where there is none.
    dir: Option<Arc<DirHandle>>,
    scope: Scope,
}

enum Step {
    /// What the path so far names is left out.
    Out(Cause),
    /// It stays, perhaps because a rule says so.
    Stays(Option<Rule>),
}

impl<'a> Looker<'a> {
    fn new(excludes: &'a Excludes, root: &Path) -> Result<Self, Problem> {
        let start = Start::new(root)?;
        let mut devices = Devices::default();
        let (base, stat) = start.look(DirPool::new(OPEN_DIRECTORIES_MAX), &mut devices)?;
        let is_dir = stat.kind == EntryKind::Dir;
        let dir = is_dir.then(|| DirHandle::child(&base, &start.name, &stat));
        let at = start.path.to_vec();
        Ok(Self { excludes, root: start.path, devices, at, dir, scope: Scope::default() })
    }

    /// Goes on to `name`, which is taken for an empty one of `kind` if it isn't there.
    fn step(&mut self, name: &[u8], kind: EntryKind) -> Result<Step, Problem> {
        let mark = self.enter()?;
        let path = RootedPath::new(&self.at, &self.root).member(name);
        let above = std::mem::replace(&mut self.at, path);
        if let Some(mark) = mark
            && mark.name != name
        {
            let mark = RootedPath::new(&above, &self.root).member(&mark.name);
            return Ok(Step::Out(Cause::Marked { mark: PathBuf::from(OsString::from_vec(mark)) }));
        }
        let stat = self.look(name)?.unwrap_or_else(|| Stat::imagined(kind));
        if stat.kind != EntryKind::Dir {
            self.dir = None;
        } else if let Some(dir) = &self.dir
            && let Ok(name) = CString::new(name)
        {
            self.dir = Some(DirHandle::child(dir, &name, &stat));
        }
        let path = RootedPath::new(&self.at, &self.root);
        Ok(match self.excludes.decide(&self.scope, path, &stat) {
            Decision::None => Step::Stays(None),
            Decision::Kept(rule) => Step::Stays(Some(rule.clone())),
            Decision::LeftOut => Step::Out(Cause::Repository),
            Decision::Excluded(rule) => Step::Out(Cause::Rule(rule.clone())),
            Decision::TooLarge { limit_bytes } => {
                Step::Out(Cause::TooLarge { limit_bytes, size_bytes: stat.size })
            }
        })
    }

    /// Learns what holds in the directory that the path so far names; the mark in it if there is one.
    fn enter(&mut self) -> Result<Option<&'a Mark>, Problem> {
        let Some(dir) = self.dir.clone() else { return Ok(None) };
        let mut found = Vec::new();
        for name in self.excludes.watched() {
            found.push(self.look(name)?.is_some());
        }
        let mut problems = VecDeque::new();
        let path = RootedPath::new(&self.at, &self.root);
        let entered = self.excludes.enter(&dir, path, &self.scope, &found, &mut problems);
        if let Some(problem) = problems.pop_front() {
            return Err(problem);
        }
        self.scope = entered.scope;
        Ok(entered.mark.map(|number| self.excludes.mark(number)))
    }

    /// Looks at a member of the directory.
    fn look(&mut self, name: &[u8]) -> Result<Option<Stat>, Problem> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let looked = CString::new(name)
            .map_err(Into::into)
            .and_then(|name| Stat::at(&*dir.fd()?, &name, &mut self.devices));
        match looked {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if is_none(&error) => Ok(None),
            Err(error) => Err(Problem::new(&self.at, "look into", error)),
        }
    }
}
