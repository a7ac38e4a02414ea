//! What the target has and the snapshot has not: taken away, where that was asked for.
//!
//! Runs when a directory has all its members, one directory at a time. Knows the names that the snapshot has
//! there by a hash of each, so that a directory of a million takes 8 MB; should two names have one hash, one that could go
//! stays.
//!
//! Invariants: only in directories that the snapshot describes; never a mount point or what lies below one, never what
//! the filter does not take, never anything where a part of the snapshot's tree could not be read.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use rustix::fs::FileType;

use super::filter::{Choice, Filter};
use super::job::{Counts, Job};
use super::{journal, place};
use crate::error::Result;
use crate::target::{Dir, Fault, fault, there};

/// Levels below one directory of the snapshot that are gone down at most: each holds a directory open.
const LEVELS_MAX: usize = 64;
/// Names that are gathered before they are taken away.
const GATHERED_MAX: usize = 1024;

/// The names that the snapshot has in one directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Names {
    pub(super) fn add(&mut self, name: &[u8]) {
        self.hashes.insert(self.state.hash_one(name));
    }

    fn has(&self, name: &[u8]) -> bool {
        self.hashes.contains(&self.state.hash_one(name))
    }
}

/// A directory of the target whose members are judged.
struct Place<'a> {
    job: &'a Job<'a>,
    filter: &'a Filter,
    /// Where it is in the snapshot, for the filter.
    path: Vec<u8>,
    way: Vec<u8>,
    choice: Choice,
    level: usize,
}

/// Takes away the members of a directory that are neither among the names that the snapshot has there nor lead to one of the
/// paths that are restored, too; `path` is where it is in the snapshot.
///
/// # Errors
/// What ends the run.
pub(super) fn extraneous(
    job: &Job<'_>,
    filter: &Filter,
    dir: &Dir,
    (path, way): (Vec<u8>, &[u8]),
    choice: Choice,
    (names, roots): (&Names, &[Vec<u8>]),
) -> Result<()> {
    let leads_to_root = |name: &[u8]| {
        let path = join(&path, b'/', name);
        roots.iter().any(|root| leads_to(&path, root))
    };
    let place = Place { job, filter, path: path.clone(), way: way.to_vec(), choice, level: 0 };
    place.sweep(dir, |name| names.has(name) || leads_to_root(name)).map(|_| ())
}

/// Takes away the directory `name` with all in it; false if something of it stays.
///
/// # Errors
/// The system's, of the directory itself.
pub(super) fn whole(job: &Job<'_>, dir: &Dir, name: &[u8], way: &[u8]) -> fault::Result<bool> {
    let Some(there) = there::look(dir, name)? else { return Ok(true) };
    if there.is_mount {
        return Ok(false);
    }
    let everything = Filter::new(&[], &[]).map_err(|_never| gone_wrong())?;
    let inner = dir.enter(name)?;
    let place = Place {
        job,
        filter: &everything,
        path: Vec::new(),
        way: way.to_vec(),
        choice: Choice::Take,
        level: 1,
    };
    let is_empty = place.sweep(&inner, |_| false).map_err(|_told| gone_wrong())?;
    if is_empty {
        there::remove(dir, name, &there)?;
    }
    Ok(is_empty)
}

fn gone_wrong() -> Fault {
    Fault::refused("replace", "the directory that is in the way could not be emptied")
}

impl Place<'_> {
    /// Takes away all members but those to be `kept`; whether none of the others is left.
    fn sweep(&self, dir: &Dir, kept: impl Fn(&[u8]) -> bool) -> Result<bool> {
        let mut stays: HashSet<Vec<u8>> = HashSet::new();
        loop {
            self.job.go_on()?;
            let mut found: Vec<Vec<u8>> = Vec::new();
            let listed = there::members(dir, |name| {
                let is_ours = self.way.is_empty() && journal::is_journal(name);
                if !is_ours && !kept(name) && !stays.contains(name) {
                    found.push(name.to_vec());
                }
                Ok(found.len() < GATHERED_MAX)
            });
            if let Err(fault) = listed {
                self.job.fault(&self.way, fault)?;
                return Ok(false);
            }
            if found.is_empty() {
                return Ok(stays.is_empty());
            }
            for name in found {
                if !self.member(dir, &name)? {
                    stays.insert(name);
                }
            }
        }
    }

    /// Takes away one member with all in it; false if it, or something of it, stays.
    fn member(&self, dir: &Dir, name: &[u8]) -> Result<bool> {
        let way = join(&self.way, 0, name);
        let outcome = match there::look(dir, name) {
            Ok(None) => return Ok(true),
            Ok(Some(there)) => {
                if there.is_mount {
                    tracing::info!("{} stays: it is a mount point", crate::report::escape(name));
                    return Ok(false);
                }
                let path = join(&self.path, b'/', name);
                let is_dir = there.kind == FileType::Directory;
                let choice = self.filter.choose(&path, is_dir, self.choice);
                match (choice, is_dir) {
                    (Choice::Skip, _) | (Choice::Below, false) => return Ok(false),
                    (Choice::Take, false) => there::remove(dir, name, &there),
                    (choice, true) => {
                        if !self.below(dir, name, &way, path, choice)? || choice != Choice::Take {
                            return Ok(false);
                        }
                        there::remove(dir, name, &there)
                    }
                }
            }
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok(()) => {
                Counts::add(&self.job.counts.deleted, 1);
                Ok(true)
            }
            Err(fault) => self.job.fault(&way, fault).map(|()| false),
        }
    }

    fn below(
        &self,
        dir: &Dir,
        name: &[u8],
        way: &[u8],
        path: Vec<u8>,
        choice: Choice,
    ) -> Result<bool> {
        if self.level >= LEVELS_MAX {
            let why = "it is too deep below a directory that the snapshot has: delete it by hand";
            self.job.problem(way, "delete", why);
            return Ok(false);
        }
        match dir.enter(name) {
            Ok(inner) => {
                let (job, filter, level) = (self.job, self.filter, self.level + 1);
                let place = Place { job, filter, path, way: way.to_vec(), choice, level };
                place.sweep(&inner, |_| false)
            }
            Err(fault) => self.job.fault(way, fault).map(|()| false),
        }
    }
}

/// Whether the path `lower` is `upper`, or is below it.
pub(super) fn leads_to(upper: &[u8], lower: &[u8]) -> bool {
    upper == b"/"
        || lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn join(front: &[u8], between: u8, name: &[u8]) -> Vec<u8> {
    let mut joined = front.to_vec();
    if !joined.is_empty() && joined.last() != Some(&between) {
        joined.push(between);
    }
    joined.extend_from_slice(name);
    joined
}

/// Where the directory of this way is in the snapshot, as filters know it; `base` is the absolute key of what goes
/// directly into the target.
pub(super) fn path_of(base: &[u8], way: &[u8]) -> Vec<u8> {
    let mut path = place::absolute_path(base);
    for name in place::names(way) {
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    path
}
