//! Open directories: their members in order, from any position, a batch at a time.
//!
//! Knows the catalogue and trees. Threads share an open directory.
//!
//! Invariants: whatever the number of members, [`BATCH`] of them are in memory; a position goes on
//! standing for the same member. A piece of a tree that is lost is told after all that is still there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_format::tree::{Entry, EntryKind, PathKey};
use lifeboat_repo::error::{Error, Kind, Result};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::scan::Scan;

use super::numbers::{Door, Place};
use super::shown::Found;

/// So many members are read at once: each way down a tree is worth it, and they take some 100 KiB.
const BATCH: usize = 256;

/// A directory that somebody has open.
#[derive(Debug)]
pub struct OpenDir {
    numbers: (u64, u64),
    /// Its path, for messages.
    pub(super) path: Vec<u8>,
    members: Members,
    state: Mutex<State>,
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: Vec<u8>,
    pub(super) place: Place,
    /// What the backup has of it; none for what is made up.
    pub(super) entry: Option<Arc<Entry>>,
}

#[derive(Debug)]
enum Members {
    /// All of them, of a directory above the snapshots.
    Listed(Vec<Member>),
    /// Those of a directory in a snapshot.
    Inside { door: Arc<Door>, path: PathKey, first: BTreeSet<Vec<u8>>, tree: Option<Tree> },
}

/// The part of a tree that a directory is.
#[derive(Debug)]
struct Tree {
    root: TreeRoot,
    key: PathKey,
}

/// How far the members were read.
#[derive(Debug, Default)]
struct State {
    /// The position of the first of the batch.
    start: u64,
    batch: Vec<Member>,
    /// Where in the tree the next batch begins; the directory itself before the first.
    next: Option<Vec<u8>>,
    at_end: bool,
    /// What was lost on the way.
    lost: Option<Error>,
}

impl OpenDir {
    /// Its own number, and that of the directory that it is in.
    pub fn numbers(&self) -> (u64, u64) {
        self.numbers
    }

    pub(super) fn listed(numbers: (u64, u64), path: Vec<u8>, members: Vec<Member>) -> Self {
        Self { numbers, path, members: Members::Listed(members), state: Mutex::default() }
    }

    /// A directory in a snapshot; `entry` is none for one that is made up.
    pub(super) fn inside(
        numbers: (u64, u64),
        door: &Arc<Door>,
        path: &PathKey,
        entry: Option<&Entry>,
    ) -> Self {
        let place = door.shown.place(path).filter(|_| entry.is_some());
        let members = Members::Inside {
            door: Arc::clone(door),
            path: path.clone(),
            first: door.shown.names_towards_roots(path),
            tree: place.map(|place| Tree { root: place.tree, key: place.key }),
        };
        Self { numbers, path: door.path(path), members, state: Mutex::default() }
    }

    /// Gives the members from `position` on to `each`, with their positions, until it has enough.
    ///
    /// # Errors
    /// Where only the end is left, if something was lost on the way.
    pub(super) fn read(
        &self,
        reader: &Reader,
        position: u64,
        each: &mut dyn FnMut(u64, &Member) -> bool,
    ) -> Result<()> {
        let (door, path, first, tree) = match &self.members {
            Members::Listed(all) => {
                let from = usize::try_from(position).unwrap_or(usize::MAX);
                let mut rest = (position..).zip(all.iter().skip(from));
                rest.all(|(position, member)| each(position, member));
                return Ok(());
            }
            Members::Inside { door, path, first, tree } => (door, path, first, tree.as_ref()),
        };
        let inside = Inside { reader, door, path, first, tree };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if position < state.start {
            *state = State::default();
        }
        let first_asked = position;
        let mut position = position;
        loop {
            let place = usize::try_from(position - state.start).unwrap_or(usize::MAX);
            for member in state.batch.iter().skip(place) {
                if !each(position, member) {
                    return Ok(());
                }
                position += 1;
            }
            if state.at_end {
                // Who was given something asks again.
                let lost = if position > first_asked { None } else { state.lost.take() };
                return lost.map_or(Ok(()), Err);
            }
            inside.next_batch(&mut state)?;
        }
    }
}

/// A directory in a snapshot, and what it is read with.
struct Inside<'a> {
    reader: &'a Reader,
    door: &'a Arc<Door>,
    path: &'a PathKey,
    /// Members that lead to other roots; they come first.
    first: &'a BTreeSet<Vec<u8>>,
    tree: Option<&'a Tree>,
}

impl Inside<'_> {
    fn next_batch(&self, state: &mut State) -> Result<()> {
        let mut batch = Vec::new();
        if state.next.is_none() {
            batch.extend(self.towards_roots(state));
        }
        match self.tree {
            Some(tree) => self.of_tree(tree, state, &mut batch)?,
            None => state.at_end = true,
        }
        state.start += state.batch.len() as u64;
        state.batch = batch;
        Ok(())
    }

    fn towards_roots(&self, state: &mut State) -> Vec<Member> {
        let mut members = Vec::new();
        for name in self.first {
            let found = self
                .path
                .child(name)
                .map_err(|cause| Error::format("read the root at", name.escape_ascii(), cause));
            let found = found.and_then(|path| {
                let found = self.door.shown.find(self.reader, &path)?;
                Ok(found.map(|found| (path, found)))
            });
            match found {
                Ok(Some((path, Found::Entry(entry)))) => {
                    members.push(self.member(path, Some(entry)));
                }
                Ok(Some((path, Found::MadeUp))) => members.push(self.member(path, None)),
                Ok(None) => {}
                Err(error) => state.lost = Some(error),
            }
        }
        members
    }

    fn of_tree(&self, tree: &Tree, state: &mut State, batch: &mut Vec<Member>) -> Result<()> {
        let mut scan = Scan::new(self.reader, &tree.root).range(&tree.key);
        if let Some(next) = &state.next {
            scan.seek(next);
        }
        let depth = tree.key.depth() + 1;
        while batch.len() < BATCH {
            let (key, entry) = match scan.next() {
                Some(Ok(found)) => found,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a part of a directory is lost");
                    state.lost = Some(error);
                    continue;
                }
                None => {
                    state.at_end = true;
                    break;
                }
            };
            if key == tree.key {
                continue;
            }
            let end = member_end(&key, depth);
            if entry.kind == EntryKind::Dir || key.depth() > depth {
                scan.seek(&end);
            }
            state.next = Some(end);
            if key.depth() > depth {
                // It is in a directory whose own entry is lost.
                continue;
            }
            if !self.first.contains(key.name()) {
                let path = self.path.child(key.name());
                let path = path.map_err(|cause| Error::format("read the entry", &key, cause))?;
                batch.push(self.member(path, Some(Arc::new(entry))));
            }
        }
        // A directory without members is read once, too.
        state.next.get_or_insert_with(|| tree.key.as_bytes().to_vec());
        Ok(())
    }

    fn member(&self, path: PathKey, entry: Option<Arc<Entry>>) -> Member {
        let name = path.name().to_vec();
        let place = Place::Inside(Arc::clone(self.door), path);
        Member { name, place, entry }
    }
}

/// What follows the member in which `key` lies, and all that is below it.
fn member_end(key: &PathKey, depth: usize) -> Vec<u8> {
    let names: Vec<&[u8]> = key.components().take(depth).collect();
    let mut end = names.join(&0);
    // The smallest byte that no separator is.
    end.push(1);
    end
}

/// The error when a number is not that of a directory.
pub(super) fn not_a_directory(path: &[u8]) -> Error {
    let path = crate::report::escape(path);
    Error::new(Kind::Invalid, "list", path).because("it is not a directory")
}
