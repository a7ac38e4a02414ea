//! The finder: the extents at any offset of one file, without reading its map from the start each time.
//!
//! A map says how long extents are, not where they begin, so what lies before an offset has to be read
//! once. The finder notes on its way where pieces begin, and goes on from the nearest note. Knows
//! extents and pieces; not what is read, or by whom. Threads share one, and no lock is held while a
//! piece is fetched.
//!
//! Invariant: whatever the size of the file, at most [`NOTES_MAX`] notes (of some 60 bytes) and
//! [`STRETCHES_KEPT`] decoded pieces (of some 40 KiB) are kept. A longer map has its notes farther apart.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lifeboat_format::tree::{Entry, Extent};

use super::{PIECES_AHEAD, corrupt, open};
use crate::error::Result;
use crate::tree::ChunkSource;

/// A piece describes some 16 MiB of a file, so each piece of the map of 64 GiB has its note.
const NOTES_MAX: usize = 4096;
/// One for each of a few places that are read in turn.
const STRETCHES_KEPT: usize = 4;

/// Finds what lies at an offset of one file.
pub struct MapFinder {
    content: Arc<[Extent]>,
    depth: usize,
    size: u64,
    notes: Mutex<Notes>,
    recent: Mutex<VecDeque<Arc<Stretch>>>,
}

/// Extents of a file that lie together in its map.
#[derive(Debug)]
pub struct Stretch {
    start: u64,
    extents: Vec<Extent>,
    /// Where in the file each of them ends.
    ends: Vec<u64>,
}

/// Where in the file a piece begins, and the way to it: its place in each list above, from the entry's
/// own list down.
#[derive(Clone, Debug)]
struct Note {
    start: u64,
    way: Vec<usize>,
}

#[derive(Debug, Default)]
struct Notes {
    /// In order.
    known: Vec<Note>,
    /// How far apart they are at least.
    gap: u64,
}

impl MapFinder {
    /// Finds in the map of `entry`. Nothing is fetched yet.
    pub fn new(entry: &Entry) -> Self {
        Self {
            content: entry.content.as_slice().into(),
            depth: usize::from(entry.content_depth),
            size: entry.size,
            notes: Mutex::default(),
            recent: Mutex::default(),
        }
    }

    /// The extents around the byte at `offset`; `None` from the end of the file on.
    ///
    /// # Errors
    /// When a piece on the way is lost, or the map is not one of a file of this size.
    pub fn find(&self, source: &dyn ChunkSource, offset: u64) -> Result<Option<Arc<Stretch>>> {
        if offset >= self.size {
            return Ok(None);
        }
        if let Some(kept) = self.kept(offset) {
            return Ok(Some(kept));
        }
        let mut walk = Walk::new(self, source, lock(&self.notes).before(offset))?;
        loop {
            let Some((way, extents)) = walk.next()? else {
                return Err(corrupt("the extents describe less bytes than the file's size"));
            };
            let stretch = Stretch::new(walk.start, extents)
                .filter(|stretch| stretch.end() <= self.size)
                .ok_or_else(|| corrupt("the extents describe more bytes than the file's size"))?;
            lock(&self.notes).add(Note { start: walk.start, way });
            walk.start = stretch.end();
            if stretch.end() > offset {
                return Ok(Some(self.keep(stretch)));
            }
        }
    }

    fn kept(&self, offset: u64) -> Option<Arc<Stretch>> {
        let recent = lock(&self.recent);
        recent.iter().find(|stretch| stretch.contains(offset)).cloned()
    }

    fn keep(&self, stretch: Stretch) -> Arc<Stretch> {
        let stretch = Arc::new(stretch);
        let mut recent = lock(&self.recent);
        // Another thread may have been looking for the same.
        if !recent.iter().any(|kept| kept.start == stretch.start) {
            if recent.len() == STRETCHES_KEPT {
                recent.pop_front();
            }
            recent.push_back(Arc::clone(&stretch));
        }
        stretch
    }
}

impl fmt::Debug for MapFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapFinder")
            .field("depth", &self.depth)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Stretch {
    /// `None` when the extents end beyond what 64 bits can count.
    fn new(start: u64, extents: Vec<Extent>) -> Option<Self> {
        let mut end = start;
        let mut ends = Vec::with_capacity(extents.len());
        for extent in &extents {
            end = end.checked_add(extent.len())?;
            ends.push(end);
        }
        Some(Self { start, extents, ends })
    }

    /// Where in the file the last of them ends.
    pub fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or(self.start)
    }

    /// The extents from the one with the byte at `offset` on, each after where in the file it begins.
    pub fn since(&self, offset: u64) -> impl Iterator<Item = (u64, &Extent)> {
        let first = self.ends.partition_point(|end| *end <= offset);
        let extents = self.extents.iter().zip(&self.ends).skip(first);
        extents.map(|(extent, end)| (end - extent.len(), extent))
    }

    fn contains(&self, offset: u64) -> bool {
        (self.start..self.end()).contains(&offset)
    }
}

impl Notes {
    /// The last note that does not lie after `offset`.
    fn before(&self, offset: u64) -> Option<Note> {
        let after = self.known.partition_point(|note| note.start <= offset);
        self.known.get(after.checked_sub(1)?).cloned()
    }

    fn add(&mut self, note: Note) {
        if let Some(last) = self.known.last()
            && note.start <= last.start.saturating_add(self.gap)
        {
            return;
        }
        if self.known.len() == NOTES_MAX {
            let mut number = 0_usize;
            self.known.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.gap = note.start / self.known.len() as u64;
        }
        self.known.push(note);
    }
}

/// A walk over the pieces, from one of them on.
struct Walk<'a> {
    source: &'a dyn ChunkSource,
    depth: usize,
    /// The lists above the file's own, from the entry's down, and the place of what is next in the
    /// lowest; in those above, of what the list below came from.
    lists: Vec<(Arc<[Extent]>, usize)>,
    /// Where in the file the next piece begins.
    start: u64,
    steps: u64,
}

impl<'a> Walk<'a> {
    fn new(finder: &MapFinder, source: &'a dyn ChunkSource, note: Option<Note>) -> Result<Self> {
        let Note { start, way } = note.unwrap_or(Note { start: 0, way: vec![0] });
        let first = way.first().copied().unwrap_or(0);
        let mut lists = vec![(Arc::clone(&finder.content), first)];
        for place in way.get(1..).unwrap_or_default() {
            let above = lists.last().and_then(|(list, place)| list.get(*place));
            let above = above.ok_or_else(|| corrupt("a list that was longer before"))?;
            let list = open(source, above.clone())?;
            lists.push((list.into(), *place));
        }
        Ok(Self { source, depth: finder.depth, lists, start, steps: 0 })
    }

    /// The next extents of the file itself, after the way to them; `None` at the end.
    fn next(&mut self) -> Result<Option<(Vec<usize>, Vec<Extent>)>> {
        if self.depth == 0 {
            let (list, place) = &mut self.lists[0];
            let is_first = *place == 0 && !list.is_empty();
            *place = list.len();
            return Ok(is_first.then(|| (vec![0], list.to_vec())));
        }
        while let Some((list, place)) = self.lists.last() {
            let Some(extent) = list.get(*place).cloned() else {
                self.lists.pop();
                self.go_on();
                continue;
            };
            self.announce();
            let below = open(self.source, extent)?;
            if self.lists.len() == self.depth {
                let way = self.lists.iter().map(|(_, place)| *place).collect();
                self.go_on();
                self.steps += 1;
                return Ok(Some((way, below)));
            }
            self.lists.push((below.into(), 0));
        }
        Ok(None)
    }

    fn go_on(&mut self) {
        if let Some((_, place)) = self.lists.last_mut() {
            *place += 1;
        }
    }

    /// Tells the source which pieces come next; of the first step nobody knows whether another follows.
    fn announce(&self) {
        if self.steps == 0 {
            return;
        }
        if let Some((list, place)) = self.lists.last() {
            let coming = list.iter().skip(place + 1).take(PIECES_AHEAD);
            self.source.expect(&mut coming.filter_map(|extent| match extent {
                Extent::Chunk { id, .. } => Some(*id),
                _ => None,
            }));
        }
    }
}

/// The lock is held for a look or a change of a few words only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
