//! A restore into a tar archive: a stream in path order, which needs no place to write to.
//!
//! The format is POSIX pax, as GNU tar, bsdtar and Python read it: what a header has no room for (long names, fractions
//! of a second, extended attributes, large numbers) stands in records before it; files with holes are written as GNU's sparse
//! files of version 1.0. Knows entries and content; writes nothing but the stream.
//!
//! What was written can't be taken back, so a file that turns out to be damaged is filled with zeros to its length, and
//! told of; the archive stays whole.

mod pax;

use std::io::{self, Write};

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind, Extent};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::xattr;
use tar::EntryType;

use self::pax::{BLOCK, Records, map_of, path_of};
use super::filter::Filter;
use super::job::{Counts, Job};
use super::links::{Links, Member, Original};
use super::stream::{Content, Run, write_zeros};
use super::taken::Taken;
use super::{NO_FILE, RestoreOptions, RestoreReport};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::monitor::Phase;

/// Stretches of data of one file that are listed; a file of more is written without holes.
const STRETCHES_MAX: usize = 1 << 20;
/// The shortest hole that is worth a place in the list, in bytes.
const HOLE_MIN: u64 = 4096;

/// Writes a snapshot, or a part of it, to `out` as a tar archive. Of the options only those count that say what is
/// taken, and what of an owner.
///
/// # Errors
/// As of [`restore`](super::restore), and that of `out`.
pub fn archive(
    reader: &Reader,
    snapshot: &Snapshot,
    options: &RestoreOptions,
    out: &mut dyn Write,
    context: &Context<'_>,
) -> Result<RestoreReport> {
    let filter = Filter::new(&options.include, &options.exclude)?;
    let pieces = super::pieces(snapshot, options.path.as_ref())?;
    let pieces = super::present(reader, snapshot, pieces)?;
    let job = Job::new(options, context, false)?;
    context.monitor.phase(Phase::Restore);
    let links = Links::new(options.memory_bytes / 16);
    let mut archive = Archive { job: &job, reader, out, links };
    for piece in pieces {
        if let Some(taken) = Taken::new(reader, snapshot, &filter, piece) {
            archive.root(taken)?;
        }
    }
    // Two empty blocks are the end.
    archive.put(&[0; 2 * BLOCK])?;
    archive.out.flush().map_err(|cause| archive.lost(cause))?;
    Ok(super::report(&job, reader))
}

struct Archive<'a> {
    job: &'a Job<'a>,
    reader: &'a Reader,
    out: &'a mut dyn Write,
    links: Links,
}

/// The data of a file with holes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stretches {
    /// Where each begins, and its length.
    all: Vec<(u64, u64)>,
    bytes: u64,
}

impl Archive<'_> {
    fn root(&mut self, mut taken: Taken<'_>) -> Result<()> {
        while let Some(next) = taken.next() {
            self.job.go_on()?;
            match next {
                Ok((way, entry)) => self.entry(&way, &entry)?,
                Err(error) => {
                    let error = self.job.damage(error)?;
                    self.job.problem(&taken.start(), "archive what is below", error);
                }
            }
        }
        self.links.finish_root();
        taken.end()
    }

    fn entry(&mut self, way: &[u8], entry: &Entry) -> Result<()> {
        let counts = &self.job.counts;
        if entry.kind == EntryKind::Dir {
            self.header(way, entry, EntryType::Directory, 0, Records::default())?;
            Counts::add(&counts.dirs, 1);
            return Ok(());
        }
        if let Member::Further { original, .. } = self.links.member(entry) {
            let mut records = Records::default();
            records.add(b"linkpath", &path_of(&original.way));
            self.header(way, entry, EntryType::Link, 0, records)?;
            self.job.made(&counts.links);
            return Ok(());
        }
        self.links.insert(entry, &Original::new(way, NO_FILE, None));
        let kind = match entry.kind {
            EntryKind::File => {
                self.file(way, entry)?;
                self.job.made(&counts.files);
                return Ok(());
            }
            EntryKind::Symlink => EntryType::Symlink,
            EntryKind::Fifo => EntryType::Fifo,
            EntryKind::Char => EntryType::Char,
            EntryKind::Block => EntryType::Block,
            EntryKind::Socket | EntryKind::Dir => {
                self.job.lose(way, "archive", "a tar archive has no sockets".to_owned());
                return Ok(());
            }
        };
        let mut records = Records::default();
        if kind == EntryType::Symlink {
            records.add(b"linkpath", &entry.target);
        }
        self.header(way, entry, kind, 0, records)?;
        self.job.made(&counts.other);
        Ok(())
    }

    fn file(&mut self, way: &[u8], entry: &Entry) -> Result<()> {
        let mut records = Records::default();
        let stretches = self.stretches(entry)?;
        let map = stretches.as_ref().map(|stretches| map_of(&stretches.all));
        let size = match (&stretches, &map) {
            (Some(stretches), Some(map)) => {
                records.add(b"GNU.sparse.major", b"1");
                records.add(b"GNU.sparse.minor", b"0");
                records.add(b"GNU.sparse.name", &path_of(way));
                records.add(b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
                map.len() as u64 + stretches.bytes
            }
            _ => entry.size,
        };
        self.header(way, entry, EntryType::Regular, size, records)?;
        let mut left = size;
        if let Some(map) = &map {
            self.put(map)?;
            left -= map.len() as u64;
        }
        let job = self.job;
        let is_sparse = stretches.is_some();
        let mut holes = Holes { stretches: stretches.unwrap_or_default().all, at: 0, next: 0 };
        let goes_on = || job.go_on().is_ok();
        let mut failed = None;
        for run in Content::new(self.reader, entry) {
            job.wait_for_turn()?;
            let written = match run {
                Ok(Run::Hole(bytes)) if is_sparse => {
                    let listed = holes.listed(bytes);
                    left = left.saturating_sub(listed);
                    write_zeros(self.out, listed, goes_on)
                }
                Ok(Run::Hole(bytes) | Run::Zeros(bytes)) => {
                    holes.at += bytes;
                    left = left.saturating_sub(bytes);
                    write_zeros(self.out, bytes, goes_on)
                }
                Ok(Run::Data(bytes)) => {
                    holes.at += bytes.len() as u64;
                    left = left.saturating_sub(bytes.len() as u64);
                    job.wrote(bytes.len() as u64);
                    self.out.write_all(&bytes)
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            written.map_err(|cause| self.lost(cause))?;
        }
        if let Some(error) = failed {
            let error = job.damage(error)?;
            let from = entry.size.saturating_sub(left);
            let what = format_args!(
                "{error}; in the archive it is wrong, with zeros from about byte {from} on"
            );
            job.problem(way, "archive", what);
        }
        let padding = left + size.next_multiple_of(BLOCK as u64) - size;
        write_zeros(self.out, padding, goes_on).map_err(|cause| self.lost(cause))
    }

    /// The data of a file that has holes worth the trouble.
    fn stretches(&self, entry: &Entry) -> Result<Option<Stretches>> {
        let mut found = Stretches::default();
        let (mut at, mut has_holes) = (0, false);
        for extent in MapReader::new(self.reader, entry) {
            let extent = match extent {
                Ok(extent) => extent,
                // Told when the content is read.
                Err(error) => return self.job.damage(error).map(|_| None),
            };
            let length = extent.len();
            if matches!(extent, Extent::Hole(_)) && length >= HOLE_MIN {
                has_holes = true;
            } else if length > 0 {
                // GNU tar pads each stretch to a block when it reads it, others do not: only whole blocks are
                // the same to all.
                let block = BLOCK as u64;
                let (from, to) = (at / block * block, (at + length).next_multiple_of(block));
                let to = to.min(entry.size);
                match found.all.last_mut() {
                    Some((start, bytes)) if *start + *bytes >= from => *bytes = to - *start,
                    _ => found.all.push((from, to - from)),
                }
            }
            at += length;
            if found.all.len() > STRETCHES_MAX {
                return Ok(None);
            }
        }
        Ok(has_holes.then(|| {
            // GNU tar ends the list with an empty stretch where the file ends in a hole.
            if found.all.last().is_none_or(|(start, bytes)| start + bytes < at) {
                found.all.push((at, 0));
            }
            found.bytes = found.all.iter().map(|(_, bytes)| bytes).sum();
            found
        }))
    }

    /// Writes the header of an entry, with records before it for what it has no room for.
    fn header(
        &mut self,
        way: &[u8],
        entry: &Entry,
        kind: EntryType,
        size: u64,
        mut records: Records,
    ) -> Result<()> {
        let owner = self.job.owners.are_set().then(|| self.job.owners.of(entry));
        let header = match pax::header(way, entry, owner, (kind, size), &mut records) {
            Ok(header) => header,
            Err(error) => {
                self.job.problem(way, "archive", error);
                return Ok(());
            }
        };
        if entry.flags != 0 {
            self.job.lose(way, "archive file flags of", "a tar archive has none".to_owned());
        }
        for value in xattr::values(self.reader, entry) {
            match value {
                Ok((name, value)) => {
                    records.add(&[&b"SCHILY.xattr."[..], name].concat(), &value);
                }
                Err(error) => {
                    let error = self.job.damage(error)?;
                    self.job.problem(way, "archive extended attribute of", error);
                }
            }
        }
        if !records.is_empty() {
            self.put(&records.block())?;
        }
        self.put(header.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|cause| self.lost(cause))
    }

    fn lost(&self, cause: io::Error) -> Error {
        match self.job.go_on() {
            Ok(()) => Error::local("write", &self.job.path(b""), cause),
            Err(stopped) => stopped,
        }
    }
}

/// Where a sparse file is, to tell which of its small holes were listed as data.
struct Holes {
    stretches: Vec<(u64, u64)>,
    at: u64,
    next: usize,
}

impl Holes {
    /// How many of the next `bytes`, a hole, are listed as data, and so are to be written.
    fn listed(&mut self, bytes: u64) -> u64 {
        let (from, to) = (self.at, self.at + bytes);
        self.at = to;
        let mut listed = 0;
        while let Some((start, length)) = self.stretches.get(self.next) {
            let end = start + length;
            listed += end.min(to).saturating_sub((*start).max(from));
            if end > to {
                break;
            }
            self.next += 1;
        }
        listed
    }
}

#[cfg(test)]
mod tests;
