//! The members of one directory that the walk is in: in order, with what was found out ahead.
//!
//! Knows names, looks and announcements; not excludes, keys of items or what comes of them. Without
//! threads that look ahead, or room for what they find, it gives names alone, and the walk looks for itself.
//!
//! Invariant: a look that is given is one of a file, since the walk was last in another directory: a file is
//! looked at once more when it is opened. Everything else the walk looks at when it comes there.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::ahead::{ANNOUNCED_MAX, Ahead, Announced, Listed, Looked, STRETCH_NAMES};
use crate::source::dir::DirHandle;
use crate::source::names::{Arena, Names};
use crate::source::stat::Stat;

/// How many stretches of a large directory are announced at once.
const STRETCHES: usize = 4;
/// What those and the one before them take, with names of 40 bytes.
const STRETCHES_BYTES: usize =
    (STRETCHES + 1) * STRETCH_NAMES * (size_of::<io::Result<Stat>>() + 48);

/// What is left of a directory.
#[derive(Debug)]
pub(super) struct Members {
    /// What was looked at, and the next of it to give.
    looked: Option<Looked>,
    next: usize,
    /// Stretches behind it that are announced.
    coming: VecDeque<Announced>,
    /// The names behind those.
    names: Names,
    /// Directories among what was looked at that are announced, by their place there.
    children: VecDeque<(usize, Announced)>,
    /// The first of what was looked at that nobody has thought of announcing.
    considered: usize,
    /// How many pieces, what was looked at being the first and those that are coming the next, may
    /// have been looked at before the walk was in another directory.
    stale: usize,
    /// Whether there is no room for looks, only for names.
    alone: bool,
}

/// A member whose name was given.
#[derive(Debug)]
pub(super) struct Member {
    /// What the look at it said, if there was one that is good; its file system has no ordinal yet.
    pub(super) stat: Option<io::Result<Stat>>,
    /// Its listing, if it is a directory that was announced.
    pub(super) listing: Option<Announced>,
}

impl Members {
    /// Those with these names.
    pub(super) fn new(names: Names) -> Self {
        Self {
            looked: None,
            next: 0,
            coming: VecDeque::new(),
            names,
            children: VecDeque::new(),
            considered: 0,
            stale: 0,
            alone: false,
        }
    }

    /// Those with these names, of a directory of any size, which together with the looks at its next
    /// stretches may take `room_bytes` of memory.
    pub(super) fn many(names: Names, room_bytes: usize) -> Self {
        let alone = names.memory_bytes() + STRETCHES_BYTES > room_bytes;
        Self { alone, ..Self::new(names) }
    }

    /// Those of a whole listing.
    pub(super) fn looked(looked: Looked) -> Self {
        Self { looked: Some(looked), ..Self::new(Names::of([])) }
    }

    /// About how much memory they take at most from now on, in bytes.
    pub(super) fn memory_bytes(&self, has_ahead: bool) -> usize {
        let looks = match &self.looked {
            Some(looked) => looked.memory_bytes(),
            None if has_ahead && !self.alone => STRETCHES_BYTES,
            None => 0,
        };
        self.names.memory_bytes() + looks
    }

    /// The walk goes into another directory.
    pub(super) fn leave_for_another(&mut self) {
        self.stale = 1 + self.coming.len();
    }

    /// Puts the name of the next into `name`; `None` when there are no more. `key` is that of the directory.
    ///
    /// # Errors
    /// Those of the temporary file with the names; nothing more can be had then.
    pub(super) fn next(
        &mut self,
        name: &mut Vec<u8>,
        dir: &Arc<DirHandle>,
        key: &[u8],
        ahead: Option<&Ahead>,
    ) -> io::Result<Option<Member>> {
        let Some(ahead) = ahead.filter(|_| !self.alone) else {
            let found = self.names.next(name)?;
            return Ok(found.then_some(Member { stat: None, listing: None }));
        };
        loop {
            if let Some(member) = self.next_looked(name) {
                return Ok(Some(member));
            }
            self.announce_stretches(dir, key, ahead)?;
            let Some(coming) = self.coming.pop_front() else { return Ok(None) };
            let Listed::Whole(looked) = coming.take() else {
                return Err(io::Error::other("a stretch of names was not looked at"));
            };
            (self.looked, self.next, self.considered) = (Some(looked), 0, 0);
            self.stale = self.stale.saturating_sub(1);
        }
    }

    fn next_looked(&mut self, name: &mut Vec<u8>) -> Option<Member> {
        let looked = self.looked.as_mut()?;
        let (Some(found), Some(stat)) =
            (looked.names.get(self.next), looked.stats.get_mut(self.next))
        else {
            debug_assert!(self.children.is_empty(), "each was given with its name");
            self.looked = None;
            return None;
        };
        name.clear();
        name.extend_from_slice(found);
        // What is left in its place is never seen.
        let stat = std::mem::replace(stat, Err(io::ErrorKind::NotFound.into()));
        let listing = match self.children.front() {
            Some((place, _)) if *place == self.next => self.children.pop_front(),
            _ => None,
        };
        self.next += 1;
        let is_good = self.stale == 0 && stat.as_ref().is_ok_and(Stat::is_file);
        let stat = is_good.then_some(stat);
        Some(Member { stat, listing: listing.map(|(_, listing)| listing) })
    }

    fn announce_stretches(
        &mut self,
        dir: &Arc<DirHandle>,
        key: &[u8],
        ahead: &Ahead,
    ) -> io::Result<()> {
        let mut name = Vec::new();
        while self.coming.len() < STRETCHES {
            let mut names = Arena::default();
            while names.len() < STRETCH_NAMES && self.names.next(&mut name)? {
                names.push(&name);
            }
            let Some(first) = names.get(0) else { return Ok(()) };
            let key = member_key(key, first);
            self.coming.push_back(ahead.stretch(key, Arc::clone(dir), names));
        }
        Ok(())
    }

    /// The next directory that may be announced, while there is room for one: its name and the look at
    /// it. Each is given once.
    pub(super) fn consider(&mut self) -> Option<(usize, &[u8], &Stat)> {
        let looked = self.looked.as_ref()?;
        if self.children.len() >= ANNOUNCED_MAX {
            return None;
        }
        self.considered = self.considered.max(self.next);
        let is_dir = |stat: &io::Result<Stat>| stat.as_ref().is_ok_and(Stat::is_dir);
        let behind = looked.stats.get(self.considered..)?;
        let place = self.considered + behind.iter().position(is_dir)?;
        self.considered = place + 1;
        let stat = looked.stats[place].as_ref().ok()?;
        Some((place, looked.names.get(place)?, stat))
    }

    /// Keeps what was announced for the directory at this place.
    pub(super) fn announced(&mut self, place: usize, listing: Announced) {
        self.children.push_back((place, listing));
    }

    /// How many directories are announced.
    pub(super) fn announced_count(&self) -> usize {
        self.children.len()
    }
}

/// The key of a member of the directory with this key.
pub(super) fn member_key(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(dir.len() + 1 + name.len());
    key.extend_from_slice(dir);
    if !dir.is_empty() {
        key.push(0);
    }
    key.extend_from_slice(name);
    key
}
