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

use super::delete::Names;
use super::filter::{Choice, Filter};
use super::job::Job;
use super::links::{Links, Member};
use super::open_file::OpenFile;
use super::place::{self, Piece};
use super::there::Site;
use super::way::{Left, Way};
use super::window::{LeftDir, Limits, Link, Place, Window, Zeros};
use super::{delete, finish};
use crate::error::Result;
use crate::target::dir::Target;
use crate::target::{Dir, Node, There, file, there};

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
    /// The absolute key of what goes directly into the target.
    base: Vec<u8>,
    /// The absolute paths of all that is restored: what leads to one of them is not taken away for another.
    roots: Vec<Vec<u8>>,
    /// The number of the one that is restored now.
    root: usize,
    /// What was decided on the target itself, if it is the directory that was asked for: then the snapshot says what is
    /// in it.
    top_choice: Option<Choice>,
    /// Whether what the snapshot has not got is taken away; not once a part of it could not be read.
    deletes: bool,
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
            base: Vec::new(),
            roots: Vec::new(),
            root: 0,
            top_choice: None,
            deletes: job.options.delete,
            planned: (0, 0),
        }
    }

    /// Plans all pieces, in their order, and sends the last window.
    ///
    /// # Errors
    /// What ends the run; what was planned and not sent is undone then.
    pub(super) fn run(mut self, snapshot: &Snapshot, pieces: Vec<Piece>) -> Result<()> {
        let path = |piece: &Piece| place::absolute_path(&piece.absolute(&piece.start));
        self.roots = pieces.iter().map(path).collect();
        for (number, piece) in pieces.into_iter().enumerate() {
            // What was left to go is of the piece before.
            self.leave_all()?;
            self.root = number;
            let root = &snapshot.roots[piece.root];
            if let Some(id) = root.tree {
                let (level, entries, bytes) = (root.level, root.entries, root.bytes);
                self.piece(&TreeRoot { id, level, entries, bytes }, piece)?;
            }
            self.window.seals.extend(self.links.finish_root());
        }
        self.leave_all()?;
        if let Some(choice) = self.top_choice.filter(|_| self.deletes) {
            let names = self.way.top_names();
            self.extraneous(self.way.target(), &[], choice, names)?;
        }
        if let Some(entry) = self.top.take() {
            let dir = Arc::clone(self.way.target());
            self.window.add_dir(LeftDir { dir, way: Vec::new(), entry });
        }
        if self.window.is_empty() { Ok(()) } else { self.send() }
    }

    fn leave_all(&mut self) -> Result<()> {
        let mut left = Vec::new();
        self.way.leave_all(self.job, &mut left)?;
        self.add_dirs(left)
    }

    fn piece(&mut self, root: &TreeRoot, mut piece: Piece) -> Result<()> {
        let absolute = piece.absolute(&piece.start);
        let above = place::absolute_path(place::split(&absolute).0);
        self.way.begin(self.filter.choose_dir(&above));
        self.base = piece.base().to_vec();
        let mut scan = Scan::new(self.source, root).range(&piece.start);
        let mut is_first = true;
        while let Some(next) = scan.next() {
            self.job.go_on()?;
            let (key, entry) = match next {
                Ok(next) => next,
                Err(error) => {
                    let error = self.job.damage(error)?;
                    self.job.problem(piece.way(&absolute), "restore below", error);
                    if std::mem::take(&mut self.deletes) {
                        let why =
                            "what the snapshot has could not be read, so nothing more is deleted";
                        self.job.problem(piece.way(&absolute), "delete below", why);
                    }
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
        if self.deletes && !name.is_empty() {
            self.way.has_member(name);
        }
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
                self.top_choice = Some(choice);
                self.top = (self.job.start.fresh && choice == Choice::Take).then_some(entry);
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
                let mtime = (entry.mtime.secs, entry.mtime.nanos);
                self.window.add_link(Link { original, dir, way: way.to_vec(), mtime });
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
        let Some(node) = self.open_file(&dir, way, &entry)? else { return Ok(()) };
        let original = self.remember(way, &entry, node.id());
        let extents = MapReader::new(self.source, &entry);
        let (size, entry) = (entry.size, without_content(entry));
        let open = Arc::new(OpenFile::new(node, dir, way.to_vec(), entry, original));
        if open.is_found()
            && let Err(fault) =
                open.node.mark_unfinished().and_then(|()| file::set_size(&open.node, size))
        {
            open.fail(self.job, fault)?;
        }
        let (mut at, mut in_windows) = (0, false);
        // What is written gives a new file its size.
        let mut ends_in_hole = false;
        for extent in extents {
            if open.is_damaged() {
                break;
            }
            match extent {
                Ok(extent) => {
                    let length = extent.len();
                    ends_in_hole = matches!(extent, Extent::Hole(_));
                    in_windows |= self.extent(&open, at, extent)?;
                    at += length;
                }
                Err(error) => open.damage(self.job, self.job.damage(error)?),
            }
        }
        if ends_in_hole && let Err(fault) = file::set_size(&open.node, size) {
            open.fail(self.job, fault)?;
        }
        if in_windows {
            self.end_part(&open, size, true)
        } else {
            finish::end_part(self.job, self.source, &open, size, true)
        }
    }

    /// A file to be written, made or found; `None` where there is nothing to write.
    fn open_file(&mut self, dir: &Dir, way: &[u8], entry: &Entry) -> Result<Option<Node>> {
        let name = place::split(way).1;
        // In a directory that this run made nothing is there, so that a look would be in vain.
        if !self.is_empty(dir) {
            match self.job.site_of_file(dir, name, way, entry, self.source)? {
                Site::Closed => return Ok(None),
                Site::Found(node) => return Ok(Some(node)),
                Site::Same { there, needs_metadata } => {
                    self.same(dir, way, entry, &there, needs_metadata)?;
                    return Ok(None);
                }
                Site::Free => {}
            }
        }
        match Node::create_file(dir, name) {
            Ok(node) => {
                self.job.meta.prepare(&node, entry.flags);
                Ok(Some(node))
            }
            Err(fault) => self.job.fault(way, fault).map(|()| None),
        }
    }

    /// Whether nothing but what this run makes is in the directory.
    fn is_empty(&self, dir: &Dir) -> bool {
        dir.is_made() || (self.fresh && dir.id() == self.way.target().id())
    }

    /// Takes what is what the snapshot has as it is.
    pub(super) fn same(
        &mut self,
        dir: &Dir,
        way: &[u8],
        entry: &Entry,
        there: &There,
        needs_metadata: bool,
    ) -> Result<()> {
        let original = self.remember(way, entry, there.id);
        if needs_metadata {
            let name = place::split(way).1;
            let held = match entry.kind {
                EntryKind::File => there::open_for_metadata(dir, name, there),
                _ => there::hold(dir, name, there),
            };
            match held {
                Ok(node) => {
                    let original = original.as_deref();
                    finish::metadata(self.job, self.source, &node, dir, way, entry, original)?;
                }
                Err(fault) => self.job.fault(way, fault)?,
            }
        }
        if entry.kind == EntryKind::File {
            self.job.found(entry.size);
        }
        self.job.made(&self.job.counts.unchanged);
        Ok(())
    }

    /// Plans one extent, and says whether it is one for a window. What can be written at once is.
    fn extent(&mut self, open: &Arc<OpenFile>, at: u64, extent: Extent) -> Result<bool> {
        let end = at + extent.len();
        match extent {
            Extent::Hole(bytes) => {
                if open.is_found()
                    && let Err(fault) = file::make_hole(&open.node, at, bytes)
                {
                    open.fail(self.job, fault)?;
                }
                self.job.context.monitor.advance(0, bytes);
                return Ok(false);
            }
            Extent::Inline(bytes) => {
                match open.write_at(&bytes, at) {
                    Ok(true) => self.job.found(bytes.len() as u64),
                    Ok(false) => self.job.wrote(bytes.len() as u64),
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

    fn add_dirs(&mut self, left: Vec<Left>) -> Result<()> {
        for Left { dir, is_described, choice, names } in left {
            if self.deletes {
                self.extraneous(&dir.dir, &dir.way, choice, &names)?;
            }
            if is_described {
                self.window.add_dir(dir);
                self.send_if_full()?;
            }
        }
        Ok(())
    }

    /// Takes away what the snapshot has not got in a directory: not where something is mounted, nor where another root has
    /// more to say.
    fn extraneous(&self, dir: &Dir, way: &[u8], choice: Choice, names: &Names) -> Result<()> {
        let path = delete::path_of(&self.base, way);
        let own = self.roots.get(self.root).map_or(0, Vec::len);
        let is_of_deeper = |root: &Vec<u8>| root.len() > own && delete::leads_to(root, &path);
        if dir.is_below_mount() || self.roots.iter().any(is_of_deeper) {
            return Ok(());
        }
        let Self { job, filter, roots, .. } = self;
        delete::extraneous(job, filter, dir, (path, way), choice, (names, roots))
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
