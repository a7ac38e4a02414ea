//! What is left out of a backup, and which rule said so.
//!
//! Knows rules, paths and marker files; not the order of the walk. In the order in which they decide:
//!
//! 1. **The run's own rules**, in gitignore syntax: those of the exclude files, then the patterns, in
//!    the order given; the last that matches decides, and one that begins with `!` takes back in. A
//!    pattern with a `/` at its beginning or in its middle is anchored at the root that is backed up,
//!    any other matches a name at any depth. One that *begins* with `/` is tried on the absolute path
//!    too: with the root `/home/ann`, both `/cache` and `/home/ann/cache` (and `/home/*/cache`) mean
//!    `/home/ann/cache`. Matching is by bytes, with case; beyond git, `{a,b}` means either.
//! 2. **`.lifeboatignore` files**, where they are asked for: the same syntax, relative to the directory
//!    that they lie in; the closest file that has a matching rule decides. They can't take back what
//!    the run's own rules leave out.
//! 3. **Size**: regular files larger than a limit.
//!
//! What is left out is not entered, so nothing below it can be taken back in (as in git). The root
//! itself is never left out: it was asked for.
//!
//! Whatever these take back in, **the directories of the repository itself** are left out with their
//! content, by whatever path they are met.
//!
//! **Marked directories** (a `CACHEDIR.TAG` with the signature of <https://bford.info/cachedir/>, or a
//! file of a given name, with a given beginning if one is given) keep their own entry and the mark, and
//! nothing else, as in restic. Marks are looked at when a directory is entered.

mod explain;
mod rules;

use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::tree::EntryKind;
use rustix::io::Errno;

use super::dir::{DirHandle, read_start};
use super::stat::Stat;
use crate::error::{Error, Result};
use crate::report::{Problem, escape};

pub use explain::{Cause, Explanation};
pub use rules::{Origin, Rule};
use rules::{RuleSet, RuleSetBuilder, Ruling};

/// The file in which a directory's own rules are looked for, where that is asked for.
pub const IGNORE_FILE: &str = ".lifeboatignore";
/// The name of the mark of a directory that holds a cache.
pub const CACHE_TAG: &str = "CACHEDIR.TAG";
/// What the mark of a cache must begin with.
pub const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// A file with more rules than this is somebody's mistake, or attempt.
const IGNORE_FILE_BYTES_MAX: u64 = 1 << 20;

/// What to leave out, as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcludeOptions {
    /// Rules in gitignore syntax, one each.
    pub patterns: Vec<String>,
    /// Files of such rules, one a line, with comments.
    pub files: Vec<PathBuf>,
    /// Follows the rules in the [`IGNORE_FILE`]s of the directories themselves.
    pub ignore_files: bool,
    /// Marks by which a directory's content is left out.
    pub if_present: Vec<Mark>,
    /// Leaves out the content of directories with a valid [`CACHE_TAG`].
    pub caches: bool,
    /// Leaves out regular files that are longer than this, in bytes.
    pub larger_than_bytes: Option<u64>,
    /// Leaves out these with their content, whatever path leads there: where the repository is.
    pub leave_out: Vec<PathBuf>,
}

/// A file whose presence in a directory leaves out the directory's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name.
    pub name: Vec<u8>,
    /// What it must begin with; empty if it only has to be there.
    pub header: Vec<u8>,
}

impl Mark {
    /// Reads `NAME` or `NAME:HEADER`.
    ///
    /// # Errors
    /// `Invalid` when the name is none that a file can have.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let bytes = text.as_bytes();
        let (name, header) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
            None => (bytes, &b""[..]),
        };
        if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            let text = escape(bytes);
            return Err(Error::options(format!(
                "a mark is the name of a file, or NAME:HEADER; {text:?} names none"
            )));
        }
        Ok(Self { name: name.to_vec(), header: header.to_vec() })
    }

    fn cache() -> Self {
        Self { name: CACHE_TAG.into(), header: CACHE_SIGNATURE.to_vec() }
    }
}

/// What to leave out, made ready. Cheap to clone; the same for every root.
#[derive(Clone, Debug)]
pub struct Excludes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: RuleSet,
    marks: Vec<Mark>,
    /// The names of the marks, then [`IGNORE_FILE`] if it counts.
    watched: Vec<Vec<u8>>,
    ignore_files: bool,
    larger_than_bytes: Option<u64>,
    /// What [`ExcludeOptions::leave_out`] names.
    left_out: Vec<Stat>,
}

impl Excludes {
    /// Reads the exclude files and makes the rules ready.
    ///
    /// # Errors
    /// `Invalid` for a rule that is none, naming it, its file and its line; those of reading a file.
    pub fn new(options: &ExcludeOptions) -> Result<Self> {
        let mut rules = RuleSetBuilder::default();
        for path in &options.files {
            let bytes = std::fs::read(path).map_err(|error| {
                Error::local("read exclude file", path.as_os_str().as_bytes(), error)
            })?;
            rules.add_file(path, &bytes).map_or(Ok(()), |bad| Err(Error::options(bad)))?;
        }
        for pattern in &options.patterns {
            rules.add_pattern(pattern).map_err(Error::options)?;
        }
        let mut marks = options.if_present.clone();
        marks.extend(options.caches.then(Mark::cache));
        let mut watched = Vec::from_iter(marks.iter().map(|mark| mark.name.clone()));
        watched.extend(options.ignore_files.then(|| IGNORE_FILE.into()));
        Ok(Self(Arc::new(Inner {
            rules: rules.build().map_err(Error::options)?,
            marks,
            watched,
            ignore_files: options.ignore_files,
            larger_than_bytes: options.larger_than_bytes,
            left_out: left_out(&options.leave_out)?,
        })))
    }

    /// Leaves nothing out.
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            rules: RuleSet::default(),
            marks: Vec::new(),
            watched: Vec::new(),
            ignore_files: false,
            larger_than_bytes: None,
            left_out: Vec::new(),
        }))
    }

    /// The names that [`Excludes::enter`] wants to know of.
    pub(super) fn watched(&self) -> &[Vec<u8>] {
        &self.0.watched
    }

    /// As if every ignore file were there, and no mark: for a directory whose names were not read.
    pub(super) fn look_for_rules(&self) -> Vec<bool> {
        let Inner { watched, ignore_files, .. } = &*self.0;
        let mut found = vec![false; watched.len()];
        if let (true, Some(last)) = (*ignore_files, found.last_mut()) {
            *last = true;
        }
        found
    }

    /// What holds for the members of a directory; `found` says which of [`Excludes::watched`] are in it.
    pub(super) fn enter(
        &self,
        dir: &Arc<DirHandle>,
        path: RootedPath<'_>,
        above: &Scope,
        found: &[bool],
        problems: &mut VecDeque<Problem>,
    ) -> Entered {
        let Inner { marks, ignore_files, .. } = &*self.0;
        for (place, mark) in marks.iter().enumerate() {
            if !found[place] {
                continue;
            }
            match mark_holds(dir, mark) {
                Ok(true) => return Entered { scope: above.clone(), mark: Some(place) },
                Ok(false) => {}
                Err(error) => {
                    problems.push_back(Problem::new(&path.member(&mark.name), "read mark", error));
                }
            }
        }
        let own_rules = *ignore_files && found.last() == Some(&true);
        let scope = if own_rules { scope_in(dir, path, above, problems) } else { above.clone() };
        Entered { scope, mark: None }
    }

    /// The mark with this number, as [`Entered`] names it.
    pub(super) fn mark(&self, number: usize) -> &Mark {
        &self.0.marks[number]
    }

    /// Whether something decides about this member of a directory, and what.
    pub(super) fn decide<'a>(
        &'a self,
        scope: &'a Scope,
        path: RootedPath<'_>,
        stat: &Stat,
    ) -> Decision<'a> {
        let inner = &*self.0;
        let is_dir = stat.kind == EntryKind::Dir;
        let ruling = inner
            .rules
            .ruling(path.below(0), Some(path.absolute()), is_dir)
            .or_else(|| scope.ruling(path, is_dir));
        if let Some(Ruling { rule, excludes: true }) = ruling {
            return Decision::Excluded(rule);
        }
        if inner.left_out.iter().any(|left_out| left_out.same_file(stat)) {
            return Decision::LeftOut;
        }
        match inner.larger_than_bytes {
            Some(limit_bytes) if stat.kind == EntryKind::File && stat.size > limit_bytes => {
                Decision::TooLarge { limit_bytes }
            }
            _ => ruling.map_or(Decision::None, |ruling| Decision::Kept(ruling.rule)),
        }
    }

    /// Whether no path needs to be looked at.
    pub(super) fn is_idle(&self, scope: &Scope) -> bool {
        let Inner { rules, larger_than_bytes, left_out, .. } = &*self.0;
        rules.is_empty() && scope.0.is_none() && larger_than_bytes.is_none() && left_out.is_empty()
    }
}

/// What is decided about one member of a directory.
#[derive(Debug)]
pub(super) enum Decision<'a> {
    /// Nothing says anything.
    None,
    /// A rule takes it back in.
    Kept(&'a Rule),
    /// It is left out, whatever the rules say.
    LeftOut,
    /// A rule leaves it out.
    Excluded(&'a Rule),
    /// It is a file that is too large.
    TooLarge { limit_bytes: u64 },
}

impl Decision<'_> {
    pub(super) fn is_out(&self) -> bool {
        matches!(self, Self::LeftOut | Self::Excluded(_) | Self::TooLarge { .. })
    }
}

/// What holds inside a directory.
#[derive(Debug)]
pub(super) struct Entered {
    /// The rules for its members.
    pub(super) scope: Scope,
    /// The number of the mark that is the only member to keep, if there is one.
    pub(super) mark: Option<usize>,
}

/// The ignore files that are in force in a directory, the closest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope(Option<Arc<Nested>>);

#[derive(Debug)]
struct Nested {
    rules: RuleSet,
    /// Where in a path relative to the root the part begins that its rules are about.
    base_len: usize,
    above: Scope,
}

impl Scope {
    fn ruling(&self, path: RootedPath<'_>, is_dir: bool) -> Option<Ruling<'_>> {
        let mut at = self;
        while let Some(nested) = &at.0 {
            let ruling = nested.rules.ruling(path.below(nested.base_len), None, is_dir);
            if ruling.is_some() {
                return ruling;
            }
            at = &nested.above;
        }
        None
    }
}

/// Dropped by a loop: ignore files may be nested deeper than a stack is.
impl Drop for Nested {
    fn drop(&mut self) {
        let mut above = self.above.0.take();
        while let Some(mut last) = above.and_then(Arc::into_inner) {
            above = last.above.0.take();
        }
    }
}

/// An absolute path, of which it is known where the part below the root begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct RootedPath<'a> {
    absolute: &'a [u8],
    root_len: usize,
}

impl<'a> RootedPath<'a> {
    /// `absolute` is `root` itself (which doesn't end with a slash, unless it is `/`) or lies below it.
    pub(super) fn new(absolute: &'a [u8], root: &[u8]) -> Self {
        let root_len = if root == b"/" { 1 } else { root.len() + 1 };
        Self { absolute, root_len }
    }

    fn absolute(self) -> &'a Path {
        let path = self.absolute;
        as_path(path.strip_prefix(b"/").unwrap_or(path))
    }

    /// The part below the root, without its first `base_len` bytes.
    fn below(self, base_len: usize) -> &'a Path {
        as_path(self.absolute.get(self.root_len + base_len..).unwrap_or_default())
    }

    /// The absolute path of a member of this directory.
    fn member(self, name: &[u8]) -> Vec<u8> {
        let mut path = self.absolute.to_vec();
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// What the paths name, to be known again by whatever path it is met.
fn left_out(paths: &[PathBuf]) -> Result<Vec<Stat>> {
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        let fail = |error| Error::local("look at", path.as_os_str().as_bytes(), error);
        match std::fs::File::open(path).and_then(|file| Stat::of(file, 0)) {
            Ok(stat) => found.push(stat),
            Err(error) if is_none(&error) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(found)
}

fn mark_holds(dir: &Arc<DirHandle>, mark: &Mark) -> std::io::Result<bool> {
    if mark.header.is_empty() {
        return Ok(true);
    }
    let name = CString::new(mark.name.as_slice())?;
    match read_start(&*dir.fd()?, &name, mark.header.len() as u64) {
        Ok(start) => Ok(start == mark.header),
        Err(error) if is_none(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The scope of a directory that has rules of its own. What is wrong in them is a problem; the other
/// rules hold.
fn scope_in(
    dir: &Arc<DirHandle>,
    path: RootedPath<'_>,
    above: &Scope,
    problems: &mut VecDeque<Problem>,
) -> Scope {
    let file = path.member(IGNORE_FILE.as_bytes());
    let mut problem = |error: String| problems.push_back(Problem::new(&file, "read rules", error));
    let name = CString::new(IGNORE_FILE).expect("the name has no zero byte");
    let bytes = match dir.fd().and_then(|fd| read_start(&fd, &name, IGNORE_FILE_BYTES_MAX + 1)) {
        Ok(bytes) if bytes.len() as u64 > IGNORE_FILE_BYTES_MAX => {
            problem(format!(
                "it is longer than {IGNORE_FILE_BYTES_MAX} bytes and was not followed"
            ));
            return above.clone();
        }
        Ok(bytes) => bytes,
        Err(error) if is_none(&error) => return above.clone(),
        Err(error) => {
            problem(error.to_string());
            return above.clone();
        }
    };
    let mut builder = RuleSetBuilder::default();
    if let Some(bad) =
        builder.add_file(&PathBuf::from(std::ffi::OsString::from_vec(file.clone())), &bytes)
    {
        problem(bad);
    }
    match builder.build() {
        Ok(rules) => {
            // Of the root: nothing; of `a/b` below it: `a/b/`.
            let below = path.absolute.len().saturating_sub(path.root_len);
            let base_len = if below == 0 { 0 } else { below + 1 };
            Scope(Some(Arc::new(Nested { rules, base_len, above: above.clone() })))
        }
        Err(bad) => {
            problem(bad);
            above.clone()
        }
    }
}

fn is_none(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOENT.raw_os_error())
}

#[cfg(test)]
mod tests;
