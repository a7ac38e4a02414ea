//! The bytes of one file, and where its holes are.
//!
//! Knows one open regular file; not chunks, entries or other kinds: nothing else is ever read, so that
//! no fifo blocks and no device answers. A file is opened without following links or waiting, and
//! without changing its access time where that is allowed (to its owner, and root).
//!
//! Between the walk's look and the opening, another file may have been put in its place, as editors and
//! databases do. Then that one is read, and [`OpenFile::stat`], the look at what is open, is what the
//! entry must be made of. Only what is no longer a regular file, or on another file system, is refused.
//!
//! Holes are asked for only where the blocks are too few for the size. What the file system calls a hole
//! may also be a stretch that was allocated and never written, which reads as zero all the same. Where it
//! knows no holes the whole file is data.
//!
//! What is read may leave the page cache as it is ([`Caching::Bypass`]): pages that were there stay, pages that
//! came for the reading go with it. Kernels before 6.14 and some file systems can't do that; there the pages
//! that were read go, whoever brought them.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_format::tree::EntryKind;
use rustix::fs::{Advice, OFlags, SeekFrom, fadvise, seek};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::dir::open_quietly;
use super::stat::{BLOCK_BYTES, Stat};
use super::walk::WalkItem;
use crate::report::Problem;

/// Files shorter than this come with the first read anyway; the kernel is told nothing of them.
const ADVISE_BYTES_MIN: u64 = 128 << 10;

/// `RWF_DONTCACHE`: pages that a read brings into the page cache leave it when they are copied.
const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// What reading does to the page cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// What is read stays there as long as the kernel likes.
    #[default]
    Usual,
    /// What is read does not push out what others have there.
    Bypass,
}

/// A regular file, open for reading. May be read from many threads.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    stat: Stat,
    caching: Caching,
    /// Set once the file system has refused to read without keeping.
    keeps: AtomicBool,
}

/// A stretch of a file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins.
    pub offset: u64,
    /// How long it is; never 0.
    pub len: u64,
    /// Whether it is a hole, which reads as zero and need not be read.
    pub is_hole: bool,
}

/// Opens the file that `item` is.
///
/// # Errors
/// The problem of opening it, or that it is not a file any more.
pub fn open_file(item: &WalkItem, caching: Caching) -> Result<OpenFile, Problem> {
    let open = || {
        let dir = item.dir.fd()?;
        open_in(dir.as_fd(), &item.name, &item.stat, caching)
    };
    open().map_err(|error| item.problem("open", error))
}

fn open_in(
    dir: BorrowedFd<'_>,
    name: &CStr,
    seen: &Stat,
    caching: Caching,
) -> io::Result<OpenFile> {
    if seen.kind != EntryKind::File {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = match open_quietly(dir, name, OFlags::empty()) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(io::Error::other("a symbolic link has taken its place meanwhile"));
        }
        opened => File::from(opened?),
    };
    let stat = Stat::of(&file, seen.device)?;
    if stat.kind != EntryKind::File || stat.real_device != seen.real_device {
        return Err(io::Error::other("something else has taken its place meanwhile"));
    }
    if stat.size >= ADVISE_BYTES_MIN {
        // Only ever a hint: a file system that does not take it reads as well.
        let _hint = fadvise(&file, 0, None, Advice::Sequential);
    }
    Ok(OpenFile { file, stat, caching, keeps: AtomicBool::new(false) })
}

impl OpenFile {
    /// The file as it was when it was opened: what its entry is to be made of.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Looks at the file again.
    ///
    /// # Errors
    /// Those of `statx`, as when a network file system lost the file.
    pub fn stat_now(&self) -> io::Result<Stat> {
        Stat::of(&self.file, self.stat.device)
    }

    /// The data and the holes from the beginning to the size at opening, without gaps.
    pub fn segments(&self) -> Segments<'_> {
        let maybe_sparse = self.stat.blocks.saturating_mul(BLOCK_BYTES) < self.stat.size;
        Segments { file: &self.file, at: 0, size: self.stat.size, ask: maybe_sparse }
    }

    /// Fills `buffer` from `offset` on; says how much there was, which is less only at the end.
    ///
    /// # Errors
    /// Those of reading. What was read before an error is in `buffer`, but not counted.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Says that these bytes will be read soon, so that the disk is at it while the CPU is at those before.
    pub fn will_read(&self, bytes: Range<u64>) {
        // What was read ahead would stay in the page cache.
        if self.caching == Caching::Usual
            && let Some(count) = NonZeroU64::new(bytes.end.saturating_sub(bytes.start))
        {
            let _hint = fadvise(&self.file, bytes.start, Some(count), Advice::WillNeed);
        }
    }

    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.caching == Caching::Usual {
            return self.file.read_at(buffer, offset);
        }
        if !self.keeps.load(Ordering::Relaxed) {
            match preadv2(&self.file, &mut [IoSliceMut::new(buffer)], offset, DONT_CACHE) {
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                    self.keeps.store(true, Ordering::Relaxed);
                }
                read => return Ok(read?),
            }
        }
        let count = self.file.read_at(buffer, offset)?;
        // Only a hint, and pages in part stay.
        let _hint = fadvise(&self.file, offset, NonZeroU64::new(count as u64), Advice::DontNeed);
        Ok(count)
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a file was changed between two looks at it, as far as looks can tell: by its size or its times.
///
/// A change of its mode, owner or number of links tells as a change too, since it moves the ctime. A
/// write in the same tick of the clock as an earlier one can't be told; [`super::unchanged`] therefore
/// trusts no file that was written shortly before its backup.
pub fn changed(before: &Stat, after: &Stat) -> bool {
    (before.size, before.mtime, before.ctime) != (after.size, after.mtime, after.ctime)
}

/// The data and holes of a file, in order. After an error it ends.
#[derive(Debug)]
pub struct Segments<'a> {
    file: &'a File,
    at: u64,
    size: u64,
    /// Whether to ask for holes: not where there can't be any, or the file system knows of none.
    ask: bool,
}

impl Segments<'_> {
    fn find(&mut self) -> io::Result<Segment> {
        let offset = self.at;
        let rest = Segment { offset, len: self.size - offset, is_hole: false };
        if !self.ask {
            return Ok(rest);
        }
        let data = match seek(self.file, SeekFrom::Data(offset)) {
            Ok(data) => data.clamp(offset, self.size),
            // Nothing but a hole up to the end, or an end that has come nearer.
            Err(Errno::NXIO) => self.size,
            // No holes are known here.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY) => {
                self.ask = false;
                return Ok(rest);
            }
            Err(error) => return Err(error.into()),
        };
        if data > offset {
            return Ok(Segment { offset, len: data - offset, is_hole: true });
        }
        let hole = match seek(self.file, SeekFrom::Hole(offset)) {
            Ok(hole) => hole.min(self.size),
            Err(Errno::NXIO) => self.size,
            Err(error) => return Err(error.into()),
        };
        // What is punched between the two questions would make nothing of this stretch.
        let len = if hole > offset { hole - offset } else { rest.len };
        Ok(Segment { len, ..rest })
    }
}

impl Iterator for Segments<'_> {
    type Item = io::Result<Segment>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.size {
            return None;
        }
        let found = self.find();
        self.at = found.as_ref().map_or(self.size, |segment| segment.offset + segment.len);
        Some(found)
    }
}

#[cfg(test)]
mod tests;
