//! The plan: goes through the snapshot in path order, makes what has no content, opens what has,
//! and says in windows what is to be written.
//!
//! Runs on a thread of its own, one window ahead of the writer. Knows where things go, not where
//! chunks are.

mod node;

use std::sync::Arc;

use crossbeam_channel::Sender;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan::Scan;

use super::filter::{Choice, Filter};
use super::finish;
use super::job::Job;
use super::links::{Links, Member};
use super::open_file::OpenFile;
use super::place::{self, Piece};
use super::way::Way;
use super::window::{LeftDir, Limits, Link, Place, Window, Zeros};
use crate::error::Result;
use crate::target::dir::Target;
use crate::target::{Dir, Node, file};

/// The most zeros that are allocated in one step, in bytes, so that a cancelled run ends soon.
const ZEROS_MAX: u64 = 1 << 30;

/// Makes what a snapshot has, and plans what is written into it.
pub(super) struct Planner<'a> {
    job: &'a Job<'a>,
    source: &'a Reader,
    filter: &'a Filter,
    limits: Limits,
    send: Sender<Window>,
    window: Window,
    way: Way,
    links: Links,
    /// The entry of the directory whose members go directly into the target, where that takes it.
    top: Option<Box<Entry>>,
    fresh: bool,
    /// Files and bytes so far.
    planned: (u64, u64),
}

/// How the scan goes on after an entry.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Entry,
    /// Behind everything below this directory.
    Behind(PathKey),
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        source: &'a Reader,
        filter: &'a Filter,
        target: Target,
        send: Sender<Window>,
    ) -> Self {
        let memory = job.options.memory_bytes;
        Self {
            job,
            source,
            filter,
            limits: Limits::new(memory),
            send,
            window: Window::default(),
            way: Way::new(Arc::new(target.dir)),
            links: Links::new(memory / 16),
            top: None,
            fresh: target.fresh,
            planned: (0, 0),
        }
    }

    /// Plans all pieces, in their order, and sends the last window.
    ///
    /// # Errors
    /// What ends the run; what was planned and not sent is undone then.
    pub(super) fn run(mut self, snapshot: &Snapshot, pieces: Vec<Piece>) -> Result<()> {
        for piece in pieces {
            let root = &snapshot.roots[piece.root];
            if let Some(id) = root.tree {
                let (level, entries, bytes) = (root.level, root.entries, root.bytes);
                self.piece(&TreeRoot { id, level, entries, bytes }, piece)?;
            }
            self.window.seals.extend(self.links.finish_root());
        }
        let mut left = Vec::new();
        self.way.leave_all(self.job, &mut left)?;
        self.add_dirs(left)?;
        if let Some(entry) = self.top.take() {
            let dir = Arc::clone(self.way.target());
            self.window.add_dir(LeftDir { dir, way: Vec::new(), entry });
        }
        if self.window.is_empty() { Ok(()) } else { self.send() }
    }

    fn piece(&mut self, root: &TreeRoot, mut piece: Piece) -> Result<()> {
        let absolute = piece.absolute(&piece.start);
        let above = place::absolute_path(place::split(&absolute).0);
        self.way.begin(self.filter.choose_dir(&above));
        let mut scan = Scan::new(self.source, root).range(&piece.start);
        let mut is_first = true;
        while let Some(next) = scan.next() {
            self.job.go_on()?;
            let (key, entry) = match next {
                Ok(next) => next,
                Err(error) => {
                    let error = self.job.damage(error)?;
                    self.job.problem(piece.way(&absolute), "restore below", error);
                    is_first = false;
                    continue;
                }
            };
            if std::mem::take(&mut is_first) {
                if key != piece.start {
                    return Err(place::not_found(&absolute));
                }
                if entry.kind != EntryKind::Dir {
                    piece.is_single_file();
                }
            }
            if let Next::Behind(dir) = self.entry(&piece, &key, Box::new(entry))?
                && let Some(end) = dir.subtree_end()
            {
                scan.seek(end);
            }
        }
        if is_first { Err(place::not_found(&absolute)) } else { Ok(()) }
    }

    fn entry(&mut self, piece: &Piece, key: &PathKey, entry: Box<Entry>) -> Result<Next> {
        let absolute = piece.absolute(key);
        let way = piece.way(&absolute);
        let (dir, name) = place::split(way);
        let is_dir = entry.kind == EntryKind::Dir;
        let mut left = Vec::new();
        self.way.go_to(self.job, dir, &mut left)?;
        self.add_dirs(left)?;
        let choice = if self.filter.takes_all() {
            Choice::Take
        } else {
            let path = place::absolute_path(&absolute);
            self.filter.choose(&path, is_dir, self.way.choice())
        };
        match (is_dir, choice) {
            (true, Choice::Skip) => return Ok(Next::Behind(key.clone())),
            (false, Choice::Skip | Choice::Below) => return Ok(Next::Entry),
            (true, _) if name.is_empty() => {
                self.way.begin(choice);
                self.top = (self.fresh && choice == Choice::Take).then_some(entry);
            }
            (true, _) => {
                self.way.push(name, Some(entry), choice);
                if choice == Choice::Take && self.way.enter(self.job)?.is_none() {
                    return Ok(Next::Behind(key.clone()));
                }
            }
            (false, Choice::Take) => self.member(way, entry)?,
        }
        Ok(Next::Entry)
    }

    /// Makes what is not a directory.
    fn member(&mut self, way: &[u8], entry: Box<Entry>) -> Result<()> {
        let Some(dir) = self.way.enter(self.job)? else { return Ok(()) };
        self.planned = (self.planned.0 + 1, self.planned.1.saturating_add(entry.size));
        match self.links.member(&entry) {
            Member::Further { original, last } => {
                if last && original.seal.is_some() {
                    self.window.seals.push(Arc::clone(&original));
                }
                self.window.add_link(Link { original, dir, way: way.to_vec() });
                return self.send_if_full();
            }
            Member::Unplaced => {
                let why = "there are too many hard links for the memory that is allowed, so it \
                           was restored as a file of its own; allow more memory";
                self.job.problem(way, "link", why);
            }
            Member::First => {}
        }
        if entry.kind == EntryKind::File {
            self.file(dir, way, entry)
        } else {
            self.node(&dir, way, &entry)
        }
    }

    /// Makes a file and plans its content.
    fn file(&mut self, dir: Arc<Dir>, way: &[u8], entry: Box<Entry>) -> Result<()> {
        let node = match Node::create_file(&dir, place::split(way).1) {
            Ok(node) => node,
            Err(fault) => return self.job.fault(way, fault),
        };
        self.job.meta.prepare(&node, entry.flags);
        let original = self.original(way, &entry, &node);
        let extents = MapReader::new(self.source, &entry);
        let (size, entry) = (entry.size, without_content(entry));
        let open = Arc::new(OpenFile::new(node, dir, way.to_vec(), entry, original));
        if size > 0
            && let Err(fault) = file::set_size(&open.node, size)
        {
            open.fail(self.job, fault)?;
        }
        let (mut at, mut in_windows) = (0, false);
        for extent in extents {
            if open.is_damaged() {
                break;
            }
            match extent {
                Ok(extent) => {
                    let length = extent.len();
                    in_windows |= self.extent(&open, at, extent)?;
                    at += length;
                }
                Err(error) => open.damage(self.job, self.job.damage(error)?),
            }
        }
        if in_windows {
            self.end_part(&open, size, true)
        } else {
            finish::end_part(self.job, self.source, &open, size, true)
        }
    }

    /// Plans one extent, and says whether it is one for a window. What can be written at once is.
    fn extent(&mut self, open: &Arc<OpenFile>, at: u64, extent: Extent) -> Result<bool> {
        let end = at + extent.len();
        match extent {
            Extent::Hole(bytes) => {
                self.job.context.monitor.advance(0, bytes);
                return Ok(false);
            }
            Extent::Inline(bytes) => {
                match file::write_at(&open.node, &bytes, at) {
                    Ok(()) => self.job.wrote(bytes.len() as u64),
                    Err(fault) => open.fail(self.job, fault)?,
                }
                return Ok(false);
            }
            Extent::Zeros(_) => {
                let mut from = at;
                while from < end {
                    let bytes = (end - from).min(ZEROS_MAX);
                    let part = self.window.part(open);
                    self.window.add_zeros(Zeros { part, at: from, bytes });
                    from += bytes;
                    self.end_part_if_full(open, from)?;
                }
            }
            Extent::Chunk { id, offset, length } => {
                let part = self.window.part(open);
                self.window.add_place(Place { id, part, from: offset, length, at });
                self.end_part_if_full(open, end)?;
            }
        }
        Ok(true)
    }

    fn end_part_if_full(&mut self, open: &Arc<OpenFile>, end: u64) -> Result<()> {
        if self.window.is_full(&self.limits) { self.end_part(open, end, false) } else { Ok(()) }
    }

    /// Notes how far the window reaches into this file.
    fn end_part(&mut self, open: &Arc<OpenFile>, end: u64, last: bool) -> Result<()> {
        self.window.end_part(open, end, last);
        self.send_if_full()
    }

    fn add_dirs(&mut self, left: Vec<LeftDir>) -> Result<()> {
        for dir in left {
            self.window.add_dir(dir);
            self.send_if_full()?;
        }
        Ok(())
    }

    fn send_if_full(&mut self) -> Result<()> {
        if self.window.is_full(&self.limits) { self.send() } else { Ok(()) }
    }

    /// Hands the window over, and waits while the writer is not done with the one before.
    fn send(&mut self) -> Result<()> {
        if !self.job.is_whole {
            self.job.context.monitor.expect(self.planned.0, self.planned.1);
        }
        let window = std::mem::take(&mut self.window);
        if self.send.send(window).is_err() {
            // The writer has ended, and says why.
            self.job.stop();
            return self.job.go_on();
        }
        Ok(())
    }
}

fn without_content(mut entry: Box<Entry>) -> Box<Entry> {
    entry.content = Vec::new();
    entry
}
