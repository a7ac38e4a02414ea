//! The verification of what was restored: every file is read back and compared with the snapshot.
//!
//! A second way through the snapshot, when everything is written and, where that was asked for, on the disk; what the page cache
//! has of a file is let go first, so that it is the disk that answers. Knows nothing of how files were written. What
//! was told before, or was kept on purpose, is not looked at again.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::id::ChunkId;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind, Extent};
use lifeboat_repo::reader::ChunkKind;
use lifeboat_repo::tree::map::MapReader;
use rayon::prelude::*;
use rustix::fs::Advice;

use super::Origin;
use super::filter::Filter;
use super::job::{Counts, Job};
use super::place::{self, Piece};
use super::taken::Taken;
use crate::error::{Error, Result};
use crate::target::{Dir, Fault, fault, file, there};

/// Files that are compared at once by all threads together.
const FILES_AT_ONCE: usize = 256;
/// What is read at once, in bytes, where the snapshot has no chunk.
const READ_BYTES: usize = 128 << 10;

/// A file to be compared.
struct Written {
    dir: Arc<Dir>,
    way: Vec<u8>,
    entry: Box<Entry>,
}

/// Why a file is not what the snapshot has.
enum Differs {
    Fault(Fault),
    Repository(lifeboat_repo::Error),
    Content(String),
    /// It could not be compared to its end, since the run ends.
    Ended(Error),
}

impl From<Fault> for Differs {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<lifeboat_repo::Error> for Differs {
    fn from(error: lifeboat_repo::Error) -> Self {
        Self::Repository(error)
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Repository(error) => write!(f, "{error}"),
            Self::Content(text) => f.write_str(text),
            Self::Ended(error) => write!(f, "{error}"),
        }
    }
}

/// Compares every file that was restored; runs on the threads of a pool.
///
/// # Errors
/// What ends the run.
pub(super) fn verify(
    job: &Job<'_>,
    origin: Origin<'_>,
    snapshot: &Snapshot,
    filter: &Filter,
    pieces: Vec<Piece>,
    target: &Dir,
) -> Result<()> {
    for piece in pieces {
        let Some(mut taken) = Taken::new(origin.reader, snapshot, filter, piece) else { continue };
        let mut files = Files { job, origin, target, dir: None, batch: Vec::new() };
        while let Some(next) = taken.next() {
            job.go_on()?;
            match next {
                Ok((way, entry)) if entry.kind == EntryKind::File => files.add(&way, entry)?,
                Ok(_) => {}
                Err(error) => {
                    let error = job.damage(error)?;
                    job.problem(&taken.start(), "verify below", error);
                }
            }
        }
        files.compare()?;
    }
    Ok(())
}

/// Files that wait to be compared.
struct Files<'a> {
    job: &'a Job<'a>,
    origin: Origin<'a>,
    target: &'a Dir,
    /// The directory of the last of them.
    dir: Option<(Vec<u8>, Arc<Dir>)>,
    batch: Vec<Written>,
}

impl Files<'_> {
    fn add(&mut self, way: &[u8], entry: Entry) -> Result<()> {
        if self.job.is_passed_over(way) {
            return Ok(());
        }
        let above = place::split(way).0;
        let dir = match &self.dir {
            Some((known, dir)) if known == above => Arc::clone(dir),
            _ => match self.target.descend(place::names(above)) {
                Ok(dir) => {
                    let dir = Arc::new(dir);
                    self.dir = Some((above.to_vec(), Arc::clone(&dir)));
                    dir
                }
                Err(fault) => return self.job.fault(way, fault),
            },
        };
        self.batch.push(Written { dir, way: way.to_vec(), entry: Box::new(entry) });
        if self.batch.len() < FILES_AT_ONCE { Ok(()) } else { self.compare() }
    }

    fn compare(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let (job, origin) = (self.job, self.origin);
        batch.par_iter().try_for_each(|written| {
            job.wait_for_turn()?;
            match compare(job, origin, written) {
                Ok(bytes) => {
                    Counts::add(&job.counts.verified_bytes, bytes);
                    job.made(&job.counts.verified);
                }
                Err(Differs::Repository(error)) => {
                    job.problem(&written.way, "verify", job.damage(error)?);
                }
                Err(Differs::Ended(error)) => return Err(error),
                Err(differs) => job.problem(&written.way, "verify", differs),
            }
            Ok(())
        })
    }
}

/// Compares one file, and says how many bytes it has.
fn compare(job: &Job<'_>, origin: Origin<'_>, written: &Written) -> Result<u64, Differs> {
    let Written { dir, way, entry } = written;
    let name = place::split(way).1;
    let differs = |text: String| Err(Differs::Content(text));
    let Some(there) = there::look(dir, name)? else { return differs("it is gone".to_owned()) };
    if there.size != entry.size {
        return differs(format!("it has {} bytes, not {}", there.size, entry.size));
    }
    let fd = there::open_to_read(dir, name, &there)?;
    // Only what is on the disk already can be let go; the rest is compared as it is.
    if rustix::fs::fadvise(&fd, 0, None, Advice::DontNeed).is_err() {
        tracing::debug!("the page cache could not be asked to let a file go");
    }
    let hasher = entry.content_hash.map(|_| ContentHasher::new());
    let mut content = Content { origin, fd, hasher, bytes: Vec::new(), at: 0 };
    for extent in MapReader::new(origin.reader, entry) {
        if let Err(error) = job.go_on() {
            return Err(Differs::Ended(error));
        }
        let from = content.at;
        if !content.has(extent?)? {
            let to = content.at;
            return differs(format!("bytes {from} to {to} are not what was backed up"));
        }
    }
    if content.hasher.map(|hasher| hasher.finish()) != entry.content_hash {
        return differs("its content is not what was backed up (another BLAKE3)".to_owned());
    }
    Ok(entry.size)
}

/// The content of a file as it is read back.
struct Content<'a> {
    origin: Origin<'a>,
    fd: OwnedFd,
    /// Of all that was read, where the entry has a hash to compare with.
    hasher: Option<ContentHasher>,
    bytes: Vec<u8>,
    at: u64,
}

impl Content<'_> {
    /// Whether the next bytes are the extent's.
    fn has(&mut self, extent: Extent) -> Result<bool, Differs> {
        match extent {
            Extent::Hole(bytes) | Extent::Zeros(bytes) => {
                let end = self.at + bytes;
                while self.at < end {
                    let step = usize::try_from(end - self.at).unwrap_or(READ_BYTES);
                    if !self.read(step.min(READ_BYTES))? || self.bytes.iter().any(|byte| *byte != 0)
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Extent::Inline(bytes) => Ok(self.read(bytes.len())? && self.bytes == bytes),
            Extent::Chunk { id, offset, length } => {
                Ok(self.read(length as usize)? && self.is_of_chunk(id, offset, length)?)
            }
        }
    }

    fn is_of_chunk(&self, id: ChunkId, offset: u32, length: u32) -> Result<bool, Differs> {
        let Origin { reader, locate } = self.origin;
        let is_whole = offset == 0 && locate.locate(&id)?.is_some_and(|at| at.length == length);
        if is_whole {
            return Ok(reader.is_chunk(ChunkKind::Data, id, &self.bytes));
        }
        // Of a part of a chunk its id says nothing.
        let chunk = reader.read_chunk(ChunkKind::Data, id)?;
        let start = offset as usize;
        Ok(chunk.get(start..start + length as usize) == Some(self.bytes.as_slice()))
    }

    /// Reads the next bytes; false where the file ends before.
    fn read(&mut self, length: usize) -> fault::Result<bool> {
        self.bytes.resize(length, 0);
        let read = file::read_at(&self.fd, &mut self.bytes, self.at)?;
        self.at += read as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.bytes);
        }
        Ok(read == length)
    }
}
