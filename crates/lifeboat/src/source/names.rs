//! The names in one directory, sorted by their bytes, in bounded memory.
//!
//! Knows `getdents`; not what the names stand for. Names live one after another in one allocation.
//! What does not fit is sorted in runs that go to a temporary file without a name ([`spill`]) and are
//! merged as they are asked for. A name that the kernel gives twice, as it may while a directory
//! changes, is given once.

mod spill;

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{RawDir, SeekFrom, seek};

use spill::Merge;
pub(super) use spill::Spill;

/// One `getdents` call's worth of names.
const READ_BYTES: usize = 32 << 10;
/// What a name takes beside its bytes.
const PLACE_BYTES: usize = size_of::<Place>();
/// Places are 32 bits wide, so no run is longer than this.
const SORT_BYTES_MAX: usize = 1 << 30;

/// How much memory the names of a directory may take, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// While they are sorted.
    pub(super) sort_bytes: usize,
    /// From then on until the last is given.
    pub(super) keep_bytes: usize,
}

/// The sorted names of a directory, given one by one.
#[derive(Debug)]
pub(super) enum Names {
    /// All of them fit into memory.
    Memory { arena: Arena, next: usize },
    /// They are merged from runs in a file.
    Runs(Merge),
}

/// What reading a directory gave.
#[derive(Debug)]
pub(super) struct Listing<N> {
    /// Its names; those that came before the error if there was one.
    pub(super) names: N,
    /// For each of the watched names whether it is there.
    pub(super) found: Vec<bool>,
    /// Why the names may not be all.
    pub(super) error: Option<io::Error>,
}

impl Names {
    /// Reads the names of the open directory `fd`.
    ///
    /// # Errors
    /// Those of the temporary file. What fails in the directory itself is in the listing.
    pub(super) fn read(
        fd: &OwnedFd,
        room: Room,
        watched: &[Vec<u8>],
        spill: &mut Spill,
    ) -> io::Result<Listing<Self>> {
        let mut sorter = Sorter::new(room, spill);
        let mut failed = Ok(());
        let (found, error) = each_name(fd, watched, |name| {
            failed = sorter.push(name);
            failed.is_ok()
        });
        failed?;
        Ok(Listing { names: sorter.finish()?, found, error })
    }

    /// Just these names.
    pub(super) fn of<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut arena = Arena::default();
        names.into_iter().for_each(|name| arena.push(name));
        arena.sort();
        Self::Memory { arena, next: 0 }
    }

    /// Puts the next name into `name`; `false` when there are no more.
    ///
    /// # Errors
    /// Those of reading the temporary file; nothing more can be had then.
    pub(super) fn next(&mut self, name: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Memory { arena, next } => {
                let Some(found) = arena.get(*next) else { return Ok(false) };
                name.clear();
                name.extend_from_slice(found);
                *next += 1;
                Ok(true)
            }
            Self::Runs(merge) => merge.next(name),
        }
    }

    /// About how much memory they take, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Memory { arena, .. } => arena.memory_bytes(),
            Self::Runs(merge) => merge.memory_bytes(),
        }
    }
}

/// Gives all names of the open directory `fd` to `take`, from the first on, until that says that it has
/// enough. Which of the watched names came, and why there may be more.
fn each_name(
    fd: &OwnedFd,
    watched: &[Vec<u8>],
    mut take: impl FnMut(&[u8]) -> bool,
) -> (Vec<bool>, Option<io::Error>) {
    let mut found = vec![false; watched.len()];
    // It may have been read before, in part.
    if let Err(error) = seek(fd, SeekFrom::Start(0)) {
        return (found, Some(error.into()));
    }
    let mut buffer = vec![MaybeUninit::uninit(); READ_BYTES];
    let mut dir = RawDir::new(fd, &mut buffer);
    loop {
        let entry = match dir.next() {
            None => return (found, None),
            Some(Err(error)) => return (found, Some(error.into())),
            Some(Ok(entry)) => entry,
        };
        let name = entry.file_name().to_bytes();
        if matches!(name, b"" | b"." | b"..") {
            continue;
        }
        if let Some(place) = watched.iter().position(|other| other == name) {
            found[place] = true;
        }
        if !take(name) {
            return (found, None);
        }
    }
}

/// Where a name lies in an arena.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    len: u32,
}

impl Place {
    fn range(self) -> Range<usize> {
        // Both came from a `usize` that fits 32 bits.
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// Names one after another, and where each of them is.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Arena {
    /// Reads the names of the open directory `fd`, sorted; `None` if there are more than `names_max`.
    pub(super) fn read(
        fd: &OwnedFd,
        watched: &[Vec<u8>],
        names_max: usize,
    ) -> Option<Listing<Self>> {
        let mut names = Self::default();
        let mut fits = true;
        let (found, error) = each_name(fd, watched, |name| {
            fits = names.len() < names_max;
            if fits {
                names.push(name);
            }
            fits
        });
        names.sort();
        fits.then_some(Listing { names, found, error })
    }

    pub(super) fn push(&mut self, name: &[u8]) {
        let fits = "an arena is below 1 GiB, a name below 64 KiB";
        let start = u32::try_from(self.bytes.len()).expect(fits);
        self.places.push(Place { start, len: u32::try_from(name.len()).expect(fits) });
        self.bytes.extend_from_slice(name);
    }

    /// The name at this place in order.
    pub(super) fn get(&self, number: usize) -> Option<&[u8]> {
        self.places.get(number).map(|place| &self.bytes[place.range()])
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.bytes[place.range()])
    }

    /// Sorts by bytes and leaves out what is there twice.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.places.sort_unstable_by(|a, b| bytes[a.range()].cmp(&bytes[b.range()]));
        self.places.dedup_by(|a, b| bytes[a.range()] == bytes[b.range()]);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.places.len() * PLACE_BYTES
    }
}

/// Takes names in any order.
struct Sorter<'a> {
    room: Room,
    arena: Arena,
    runs: Vec<Range<u64>>,
    spill: &'a mut Spill,
}

impl<'a> Sorter<'a> {
    fn new(room: Room, spill: &'a mut Spill) -> Self {
        let room = Room { sort_bytes: room.sort_bytes.min(SORT_BYTES_MAX), ..room };
        Self { room, arena: Arena::default(), runs: Vec::new(), spill }
    }

    fn push(&mut self, name: &[u8]) -> io::Result<()> {
        let full = self.arena.memory_bytes() + name.len() + PLACE_BYTES > self.room.sort_bytes;
        if full && !self.arena.places.is_empty() {
            self.write_run()?;
        }
        self.arena.push(name);
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.arena.sort();
        self.runs.push(self.spill.write_run(self.arena.iter())?);
        self.arena.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Names> {
        if self.runs.is_empty() && self.arena.memory_bytes() <= self.room.keep_bytes {
            self.arena.sort();
            self.arena.bytes.shrink_to_fit();
            self.arena.places.shrink_to_fit();
            return Ok(Names::Memory { arena: self.arena, next: 0 });
        }
        self.write_run()?;
        // Given back before the merge takes its buffers.
        drop(self.arena);
        Ok(Names::Runs(Merge::new(self.spill, self.runs, self.room.keep_bytes)?))
    }
}

#[cfg(test)]
mod tests;
