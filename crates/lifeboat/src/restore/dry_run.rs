//! The dry run: counts what a restore would write, and writes nothing.
//!
//! Reads trees, but no content: of that it counts the requests. What is in the way in the target is not
//! looked at.

use std::sync::atomic::Ordering;

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::Extent;
use lifeboat_format::tree::{Entry, EntryKind};
use lifeboat_repo::reader::{FrameRef, RequestCount};
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan::Scan;

use super::filter::{Choice, Choices, Filter};
use super::job::{Counts, Job};
use super::links::{Links, Member, Original};
use super::place::{self, Piece};
use super::window::Limits;
use super::{FLYING_PART, NO_FILE, Origin};
use crate::error::Result;

pub(super) fn count(
    job: &Job<'_>,
    origin: Origin<'_>,
    snapshot: &Snapshot,
    filter: &Filter,
    pieces: Vec<Piece>,
) -> Result<u64> {
    let mut content = Content::new(job, origin);
    let mut links = Links::new(job.options.memory_bytes / 16);
    for piece in pieces {
        let root = &snapshot.roots[piece.root];
        let Some(id) = root.tree else { continue };
        let root = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
        let absolute = piece.absolute(&piece.start);
        let mut choices = Choices::new(filter, &absolute);
        let mut scan = Scan::new(origin.reader, &root).range(&piece.start);
        let mut found = false;
        while let Some(next) = scan.next() {
            job.go_on()?;
            found = true;
            let (key, entry) = match next {
                Ok(next) => next,
                Err(error) => {
                    job.problem(piece.way(&absolute), "restore below", job.damage(error)?);
                    continue;
                }
            };
            let is_dir = entry.kind == EntryKind::Dir;
            let choice = choices.choose(&piece.absolute(&key), &key, is_dir);
            if choice == Choice::Take && add(job, &mut links, &entry) {
                content.add(&entry)?;
            }
            if is_dir
                && choice == Choice::Skip
                && let Some(end) = key.subtree_end()
            {
                scan.seek(end);
            }
        }
        if !found {
            return Err(place::not_found(&absolute));
        }
        links.finish_root();
    }
    Ok(content.requests())
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
        let flying_max = self.job.options.memory_bytes / FLYING_PART;
        self.origin.reader.count_requests(frames, flying_max, &mut self.count);
        (self.files, self.bytes) = (0, 0);
    }

    fn requests(mut self) -> u64 {
        self.end();
        self.count.requests()
    }
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
