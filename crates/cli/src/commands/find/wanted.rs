//! What `find` looks for: patterns on names and paths, and what else an entry has to be.
//!
//! Knows paths and entries; not where they come from.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Result;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Entry, EntryKind};

use crate::args::{FindArgs, SizeTest};
use crate::commands::time;
use crate::exit::Usage;

/// Patterns on names, patterns on whole paths, and tests of entries.
pub(super) struct Wanted {
    /// None where every name will do.
    patterns: Option<(GlobSet, GlobSet)>,
    sizes: Vec<SizeTest>,
    newer: Option<Time>,
    older: Option<Time>,
    kinds: Vec<EntryKind>,
}

impl Wanted {
    /// What these options mean at the time `now`.
    pub(super) fn new(args: &FindArgs, now: Time) -> Result<Self> {
        let time = |option: &str, text: &Option<String>| {
            text.as_ref().map(|text| time::parse_or_ago(option, text, now)).transpose()
        };
        Ok(Self {
            patterns: patterns(&args.patterns, args.ignore_case)?,
            sizes: args.size.clone(),
            newer: time("--newer", &args.newer)?,
            older: time("--older", &args.older)?,
            kinds: args.kinds.iter().map(|kind| EntryKind::from(*kind)).collect(),
        })
    }

    /// Whether the entry at this absolute path is wanted.
    pub(super) fn matches(&self, path: &[u8], entry: &Entry) -> bool {
        let is_file = entry.kind == EntryKind::File;
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.sizes.iter().all(|test| is_file && test.matches(entry.size))
            && self.newer.is_none_or(|newer| entry.mtime >= newer)
            && self.older.is_none_or(|older| entry.mtime <= older)
            && self.matches_path(path)
    }

    fn matches_path(&self, path: &[u8]) -> bool {
        let Some((names, paths)) = &self.patterns else { return true };
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let as_path = |bytes| Path::new(OsStr::from_bytes(bytes));
        names.is_match(as_path(name)) || paths.is_match(as_path(path))
    }
}

fn patterns(patterns: &[String], ignore_case: bool) -> Result<Option<(GlobSet, GlobSet)>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .case_insensitive(ignore_case)
            .build()
            .map_err(|error| Usage(format!("the pattern {pattern:?}: {error}")))?;
        if pattern.contains('/') {
            paths.add(glob)
        } else {
            names.add(glob)
        };
    }
    Ok(Some((names.build()?, paths.build()?)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use lifeboat_format::time::Time;
    use lifeboat_format::tree::{Entry, EntryKind};

    use super::Wanted;
    use crate::args::{Cli, Command};

    const NOW: Time = Time { secs: 1_800_000_000, nanos: 0 };

    fn wanted(options: &[&str]) -> anyhow::Result<Wanted> {
        let cli = Cli::try_parse_from(["lifeboat", "find"].iter().chain(options))?;
        let Command::Find(args) = cli.command else { panic!("another command") };
        Wanted::new(&args, NOW)
    }

    fn matches(pattern: &str, path: &str) -> bool {
        wanted(&[pattern]).unwrap().matches(path.as_bytes(), &Entry::default())
    }

    #[test]
    fn names_and_paths() {
        assert!(matches("*.conf", "/etc/a/b.conf"));
        assert!(!matches("/etc/*.conf", "/etc/a/b.conf"));
        assert!(matches("/etc/**/*.conf", "/etc/a/b.conf"));
        assert!(matches("{a,b}.txt", "/x/b.txt"));
        assert!(!matches("B.txt", "/x/b.txt"));
        let any_case = wanted(&["B.txt", "--ignore-case"]).unwrap();
        assert!(any_case.matches(b"/x/b.txt", &Entry::default()));
        assert!(wanted(&["["]).is_err());
        assert!(wanted(&[]).is_err());
    }

    #[test]
    fn sizes_are_those_of_files() {
        let file = |size| Entry { size, ..Entry::default() };
        let between = wanted(&["--size=+1K", "--size", "-1M"]).unwrap();
        assert!(between.matches(b"/x", &file(1025)));
        assert!(!between.matches(b"/x", &file(1024)));
        assert!(!between.matches(b"/x", &file(1 << 20)));
        let dir = Entry { kind: EntryKind::Dir, ..Entry::default() };
        assert!(!wanted(&["--size", "-1K"]).unwrap().matches(b"/x", &dir));
        assert!(wanted(&["--size", "0"]).unwrap().matches(b"/x", &file(0)));
        assert!(wanted(&["--size", "many"]).is_err());
    }

    #[test]
    fn times_absolute_and_ago() {
        let at = |secs| Entry { mtime: Time { secs, nanos: 0 }, ..Entry::default() };
        let newer = wanted(&["--newer", "2027-01-15T08:00:00Z"]).unwrap();
        assert!(newer.matches(b"/x", &at(1_800_000_000)));
        assert!(!newer.matches(b"/x", &at(1_799_999_999)));
        let older = wanted(&["--older", "1d"]).unwrap();
        assert!(older.matches(b"/x", &at(NOW.secs - 86_400)));
        assert!(!older.matches(b"/x", &at(NOW.secs - 86_399)));
        let both = wanted(&["x", "--oldest", "2d", "--newest", "1d"]).unwrap();
        assert!(both.matches(b"/x", &at(NOW.secs - 100_000)));
        assert!(!both.matches(b"/y", &at(NOW.secs - 100_000)));
        assert!(!both.matches(b"/x", &at(NOW.secs)));
        assert!(wanted(&["--newer", "yesterday"]).is_err());
    }

    #[test]
    fn types_by_name_and_letter() {
        let of = |kind| Entry { kind, ..Entry::default() };
        let wanted = wanted(&["--type", "dir", "-t", "l"]).unwrap();
        assert!(wanted.matches(b"/x", &of(EntryKind::Dir)));
        assert!(wanted.matches(b"/x", &of(EntryKind::Symlink)));
        assert!(!wanted.matches(b"/x", &of(EntryKind::File)));
    }
}
