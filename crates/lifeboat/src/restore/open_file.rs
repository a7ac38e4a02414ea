//! A file that is being restored: made, open, and its content on the way.
//!
//! Shared by the threads that write its ranges. Until it is finished it is marked (see [`crate::target`]): whatever
//! ends a run, no file is left that looks restored and is not, and the next run goes on with it.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::tree::Entry;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::job::Job;
use super::links::Original;
use super::place;
use super::window::entry_weight;
use crate::error::Result;
use crate::target::{Dir, Fault, Node, fault, file};

/// How much is read back at once, in bytes.
const READ_BYTES: usize = 128 << 10;

/// How many zeros are hashed between two looks at the cancel token, in bytes.
const ZEROS_STEP: u64 = 256 << 20;

/// A file whose content is being written.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) node: Node,
    pub(super) dir: Arc<Dir>,
    pub(super) way: Vec<u8>,
    /// The entry without its content.
    pub(super) entry: Box<Entry>,
    /// What further names of it are linked to.
    pub(super) original: Option<Arc<Original>>,
    hash: Option<Mutex<Hash>>,
    damaged: AtomicBool,
}

/// The hash of the content up to a place.
#[derive(Debug)]
struct Hash {
    hasher: ContentHasher,
    done: u64,
}

impl OpenFile {
    pub(super) fn new(
        node: Node,
        dir: Arc<Dir>,
        way: Vec<u8>,
        entry: Box<Entry>,
        original: Option<Arc<Original>>,
    ) -> Self {
        let hash =
            entry.content_hash.map(|_| Mutex::new(Hash { hasher: ContentHasher::new(), done: 0 }));
        Self { node, dir, way, entry, original, hash, damaged: AtomicBool::new(false) }
    }

    /// Whether its content is compared with what is there before it is written.
    pub(super) fn is_found(&self) -> bool {
        !self.node.is_made()
    }

    /// Writes bytes of its content, and says whether they were there already.
    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> fault::Result<bool> {
        match self.is_found() {
            true => file::overwrite_at(&self.node, bytes, at),
            false => file::write_at(&self.node, bytes, at).map(|()| false),
        }
    }

    /// Notes, once, why it can't be restored.
    pub(super) fn damage(&self, job: &Job<'_>, error: impl std::fmt::Display) {
        if self.damaged.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(original) = &self.original {
            original.lose();
        }
        let end = match (self.is_found(), job.was_cut()) {
            (true, _) => "the file that was there is now unfinished",
            (false, true) => "the file is unfinished: restore again to go on with it",
            (false, false) => "the file was left out",
        };
        job.problem(&self.way, "restore", format_args!("{error}; {end}"));
    }

    /// Notes that a step on it failed, or ends the run where every further file would fail alike.
    pub(super) fn fail(&self, job: &Job<'_>, fault: Fault) -> Result<()> {
        if fault.ends_run() {
            return Err(fault.into_error(&job.path(&self.way)));
        }
        self.damage(job, fault);
        Ok(())
    }

    /// Whether it can't be restored.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// Ends it where it can't be restored: what this run made is taken away, unless it only could not be had now.
    pub(super) fn give_up(&self, job: &Job<'_>) -> Result<(), Fault> {
        if self.is_found() || job.was_cut() {
            return Ok(());
        }
        self.node.remove(&self.dir, place::split(&self.way).1)
    }

    /// Hashes what was written up to `end`, where the entry has a hash to compare with.
    ///
    /// The content is read back, since its chunks come in the order of their packs; it comes from
    /// the page cache, as it was written in this window.
    pub(super) fn hash_until(&self, job: &Job<'_>, end: u64) -> Result<()> {
        let Some(hash) = &self.hash else { return Ok(()) };
        let mut hash = hash.lock().unwrap_or_else(PoisonError::into_inner);
        let span = end.saturating_sub(hash.done);
        let mut buffer = vec![0; usize::try_from(span).unwrap_or(READ_BYTES).min(READ_BYTES)];
        while hash.done < end && !self.is_damaged() {
            job.go_on()?;
            match self.read_on(&mut hash, end, &mut buffer) {
                Ok(()) => {}
                Err(errno) => {
                    let cause = std::io::Error::from(errno);
                    if cause.kind() != ErrorKind::Interrupted {
                        self.damage(job, format_args!("reading it back: {cause}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the content that was hashed is what the entry says.
    pub(super) fn hash_agrees(&self) -> bool {
        match (&self.hash, &self.entry.content_hash) {
            (Some(hash), Some(wanted)) => {
                let hash = hash.lock().unwrap_or_else(PoisonError::into_inner);
                hash.done == self.entry.size && hash.hasher.finish() == *wanted
            }
            _ => true,
        }
    }

    /// What it takes in memory, in bytes.
    pub(super) fn weight(&self) -> u64 {
        (size_of::<Self>() + 2 * self.way.len() + 256) as u64 + entry_weight(&self.entry)
    }

    fn read_on(&self, hash: &mut Hash, end: u64, buffer: &mut [u8]) -> rustix::io::Result<()> {
        let fd = self.node.as_fd();
        // What is a hole need not be read.
        let data = match rustix::fs::seek(fd, SeekFrom::Data(hash.done)) {
            Ok(data) => data.min(end),
            Err(Errno::NXIO) => end,
            Err(_) => hash.done,
        };
        if data > hash.done {
            let zeros = (data - hash.done).min(ZEROS_STEP);
            hash.hasher.update_zeros(zeros);
            hash.done += zeros;
            return Ok(());
        }
        let wanted = usize::try_from(end - hash.done).unwrap_or(usize::MAX).min(buffer.len());
        let read = rustix::io::pread(fd, &mut buffer[..wanted], hash.done)?;
        if read == 0 {
            return Err(Errno::IO);
        }
        hash.hasher.update(&buffer[..read]);
        hash.done += read as u64;
        Ok(())
    }
}
