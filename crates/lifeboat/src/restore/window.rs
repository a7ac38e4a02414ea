//! A window: as much of a snapshot as is written at once, bounded in files, extents and bytes.
//!
//! One thread fills a window with files that it has already made; then another writes it. What a
//! window holds open and in memory is bounded whatever the data.

use std::sync::Arc;

use lifeboat_format::id::ChunkId;
use lifeboat_format::tree::Entry;
use rustix::process::{Resource, getrlimit};

use super::links::Original;
use super::open_file::OpenFile;
use crate::target::Dir;

/// How much a window may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Open files and directories.
    pub(super) open: usize,
    /// Ranges of chunks.
    pub(super) places: usize,
    /// Memory for its lists, in bytes.
    pub(super) weight: u64,
    /// Content to be written, in bytes: what was written is read back from the page cache.
    pub(super) content: u64,
}

impl Limits {
    const OPEN_MAX: usize = 512;
    const PLACES_MAX: usize = 64 << 10;
    const CONTENT_MAX: u64 = 512 << 20;
    /// Descriptors left to others: the store, the directories on the way, the caller.
    const OPEN_SPARE: u64 = 160;

    /// The limits of each of four windows that exist at once (one is brought to its end, one waits for that, one is
    /// on its way, one planned), in a budget of `memory` bytes.
    pub(super) fn new(memory: u64) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let open = descriptors.saturating_sub(Self::OPEN_SPARE) / 4;
        let weight = (memory / 32).clamp(256 << 10, 43 << 20);
        Self {
            open: usize::try_from(open).unwrap_or(usize::MAX).clamp(16, Self::OPEN_MAX),
            places: Self::PLACES_MAX,
            weight,
            content: Self::CONTENT_MAX,
        }
    }
}

/// A range of a chunk and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The chunk.
    pub(super) id: ChunkId,
    /// The file, by its number in the window.
    pub(super) part: u32,
    /// Where the range begins in the chunk.
    pub(super) from: u32,
    /// Its length.
    pub(super) length: u32,
    /// Where it goes in the file.
    pub(super) at: u64,
}

/// Zeros that take up space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zeros {
    pub(super) part: u32,
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// What of one file lies in a window.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<OpenFile>,
    /// Where the file's content ends that is in this window or an earlier one.
    pub(super) end: u64,
    /// Whether the file ends here.
    pub(super) last: bool,
}

/// A further name of a file.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) original: Arc<Original>,
    pub(super) dir: Arc<Dir>,
    pub(super) way: Vec<u8>,
    /// When the file was changed last: seconds since 1970, and nanoseconds.
    pub(super) mtime: (i64, u32),
}

/// A directory whose members have all been made, in this window or before.
#[derive(Debug)]
pub(super) struct LeftDir {
    pub(super) dir: Arc<Dir>,
    pub(super) way: Vec<u8>,
    pub(super) entry: Box<Entry>,
}

/// What is written at once.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) parts: Vec<Part>,
    pub(super) places: Vec<Place>,
    pub(super) zeros: Vec<Zeros>,
    pub(super) links: Vec<Link>,
    /// Files that have all their names after `links`.
    pub(super) seals: Vec<Arc<Original>>,
    /// Members before the directories that they are in.
    pub(super) dirs: Vec<LeftDir>,
    weight: u64,
    content: u64,
}

impl Window {
    /// The number in this window of the file that is being planned.
    pub(super) fn part(&mut self, file: &Arc<OpenFile>) -> u32 {
        let is_last = self.parts.last().is_some_and(|part| Arc::ptr_eq(&part.file, file));
        if !is_last {
            self.weight += file.weight();
            self.parts.push(Part { file: Arc::clone(file), end: 0, last: false });
        }
        u32::try_from(self.parts.len() - 1).expect("a window has few files")
    }

    /// Notes how far the window reaches into the file that is being planned.
    pub(super) fn end_part(&mut self, file: &Arc<OpenFile>, end: u64, last: bool) {
        self.part(file);
        if let Some(part) = self.parts.last_mut() {
            (part.end, part.last) = (end, last);
        }
    }

    pub(super) fn add_place(&mut self, place: Place) {
        self.weight += size_of::<Place>() as u64;
        self.content += u64::from(place.length);
        self.places.push(place);
    }

    pub(super) fn add_zeros(&mut self, zeros: Zeros) {
        self.weight += size_of::<Zeros>() as u64;
        self.zeros.push(zeros);
    }

    pub(super) fn add_link(&mut self, link: Link) {
        self.weight += (size_of::<Link>() + link.way.len()) as u64;
        self.links.push(link);
    }

    pub(super) fn add_dir(&mut self, dir: LeftDir) {
        self.weight += (size_of::<LeftDir>() + dir.way.len()) as u64 + entry_weight(&dir.entry);
        self.dirs.push(dir);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
            && self.links.is_empty()
            && self.seals.is_empty()
            && self.dirs.is_empty()
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        // A link holds its directory open, too, though mostly one that is held already.
        self.parts.len() + self.dirs.len() + self.links.len() >= limits.open
            || self.places.len() + self.zeros.len() >= limits.places
            || self.weight >= limits.weight
            || self.content >= limits.content
    }
}

/// What an entry without its content takes in memory, in bytes; an estimate from above.
pub(super) fn entry_weight(entry: &Entry) -> u64 {
    let values = entry.xattrs.iter().map(|(name, value)| 128 + name.len() + value.len());
    let moved = entry.moved_xattrs.keys().map(|name| 192 + name.len());
    let own = size_of::<Entry>() + entry.user.len() + entry.group.len() + entry.target.len();
    (own + values.chain(moved).sum::<usize>()) as u64
}
