//! The dry run: counts what a restore would write, and writes nothing.
//!
//! Reads trees, but of content only a sample, if that is asked for, to tell how long all of it takes: requests and bytes
//! are counted. What is in the target already is not looked at.

use std::sync::atomic::Ordering;
use std::time::Instant;

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::Extent;
use lifeboat_format::tree::{Entry, EntryKind};
use lifeboat_repo::reader::{FrameRef, RequestCount};
use lifeboat_repo::tree::map::MapReader;

use super::filter::Filter;
use super::job::{Counts, Job};
use super::links::{Links, Member, Original};
use super::place::Piece;
use super::taken::Taken;
use super::window::Limits;
use super::{FLYING_PART, FetchEstimate, NO_FILE, Origin};
use crate::error::Result;

pub(super) fn count(
    job: &Job<'_>,
    origin: Origin<'_>,
    snapshot: &Snapshot,
    filter: &Filter,
    pieces: Vec<Piece>,
) -> Result<FetchEstimate> {
    let mut content = Content::new(job, origin);
    let mut links = Links::new(job.options.memory_bytes / 16);
    for piece in pieces {
        let Some(mut taken) = Taken::new(origin.reader, snapshot, filter, piece) else { continue };
        while let Some(next) = taken.next() {
            job.go_on()?;
            match next {
                Ok((_, entry)) if add(job, &mut links, &entry) => content.add(&entry)?,
                Ok(_) => {}
                Err(error) => {
                    job.problem(&taken.start(), "restore below", job.damage(error)?);
                }
            }
        }
        taken.end()?;
        links.finish_root();
    }
    content.estimate()
}

/// The content of files, gathered as the windows of a restore gather it.
struct Content<'a> {
    job: &'a Job<'a>,
    origin: Origin<'a>,
    limits: Limits,
    frames: Vec<FrameRef>,
    files: usize,
    bytes: u64,
    count: RequestCount,
    /// Some of the frames, to be fetched once to see how long they take.
    sample: Vec<FrameRef>,
    sample_bytes: u64,
}

impl<'a> Content<'a> {
    fn new(job: &'a Job<'a>, origin: Origin<'a>) -> Self {
        Self {
            job,
            origin,
            limits: Limits::new(job.options.memory_bytes),
            frames: Vec::new(),
            files: 0,
            bytes: 0,
            count: RequestCount::default(),
            sample: Vec::new(),
            sample_bytes: 0,
        }
    }

    /// Adds what the file's content takes; what is lost of it takes nothing.
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let Origin { reader, locate } = self.origin;
        for extent in MapReader::new(reader, entry) {
            match extent {
                Ok(Extent::Chunk { id, length, .. }) => {
                    match locate.locate(&id) {
                        Ok(found) => self.frames.extend(found.map(|found| found.frame)),
                        Err(error) => drop(self.job.damage(error)?),
                    }
                    self.bytes += u64::from(length);
                    self.end_if_full();
                }
                Ok(_) => {}
                Err(error) => drop(self.job.damage(error)?),
            }
        }
        self.files += usize::from(entry.size > 0);
        self.end_if_full();
        Ok(())
    }

    fn end_if_full(&mut self) {
        let Limits { open, places, content, .. } = self.limits;
        if self.files >= open || self.frames.len() >= places || self.bytes >= content {
            self.end();
        }
    }

    fn end(&mut self) {
        let frames = std::mem::take(&mut self.frames);
        for frame in &frames {
            if self.sample_bytes >= self.job.options.sample_bytes {
                break;
            }
            if self.sample.last() != Some(frame) {
                self.sample_bytes += u64::from(frame.sealed_len);
                self.sample.push(*frame);
            }
        }
        let flying_max = self.job.options.memory_bytes / FLYING_PART;
        self.origin.reader.count_requests(frames, flying_max, &mut self.count);
        (self.files, self.bytes) = (0, 0);
    }

    fn estimate(mut self) -> Result<FetchEstimate> {
        self.end();
        let (requests, bytes) = (self.count.requests(), self.count.bytes());
        Ok(FetchEstimate { requests, bytes, seconds: self.seconds(bytes)? })
    }

    /// How long so many bytes take, by those of the sample.
    fn seconds(&self, bytes: u64) -> Result<Option<f64>> {
        if self.sample.is_empty() {
            return Ok(None);
        }
        let mut one = RequestCount::default();
        let flying_max = self.job.options.memory_bytes / FLYING_PART;
        self.origin.reader.count_requests(self.sample.clone(), flying_max, &mut one);
        let begun = Instant::now();
        let fetch = self.origin.reader.fetch(self.sample.clone(), flying_max);
        // What can't be read takes its time, too; the restore itself says what it is.
        while fetch.next(|_, _| Ok(()))? {
            self.job.go_on()?;
        }
        Ok(Some(begun.elapsed().as_secs_f64() * as_f64(bytes) / as_f64(one.bytes().max(1))))
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate needs no more than 53 bits")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Counts what is made for the entry, and says whether that is a file with content of its own.
fn add(job: &Job<'_>, links: &mut Links, entry: &Entry) -> bool {
    let counts = &job.counts;
    match (entry.kind, links.member(entry)) {
        (EntryKind::Dir, _) => Counts::add(&counts.dirs, 1),
        (_, Member::Further { .. }) => Counts::add(&counts.links, 1),
        (kind, _) => {
            links.insert(entry, &Original::new(b"", NO_FILE, None));
            if kind == EntryKind::File {
                Counts::add(&counts.files, 1);
                // Unlike a restore's own count, with holes: where they are is not read.
                counts.bytes.fetch_add(entry.size, Ordering::Relaxed);
                return true;
            }
            Counts::add(&counts.other, 1);
        }
    }
    false
}
