//! The working stage: a unit is read, cut, hashed, claimed and framed by one thread.
//!
//! Each worker has one buffer and one cutter for its life. Knows files and chunks; no paths but those
//! of its problems, and no order: results carry their unit's number.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, select};
use lifeboat_codec::cut::{Cutter, Params};
use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::index::PackKind;
use lifeboat_format::tree::{
    Entry, EntryKind, Extent, INLINE_MAX, NOTE_CHANGED_WHILE_READ, NOTE_METADATA_INCOMPLETE,
};
use lifeboat_repo::open::Repository;
use lifeboat_repo::packer::Framer;
use lifeboat_repo::tree::map::{ContentMap, MapBuilder};
use lifeboat_repo::tree::xattr;

use super::Job;
use super::content::{self, End, Sink};
use super::options::BackupStats;
use super::split::Crew;
use super::unit::{Arrival, Before, Step, Unit, UnitDone};
use crate::error::{Error, Result};
use crate::report::Problem;
use crate::source::meta::{Meta, MetaReader};
use crate::source::read::{OpenFile, Segment, changed, open_file};
use crate::source::stat::{BLOCK_BYTES, Stat};
use crate::source::walk::WalkItem;

/// Works on units until there are no more, or nobody wants the results.
///
/// # Errors
/// What ends the run: the repository could not be read or written.
pub(super) fn work(
    job: Job<'_>,
    meta: &MetaReader,
    units: &Receiver<Unit>,
    results: &Sender<Arrival>,
    crew: Crew,
) -> Result<()> {
    let chunker = &job.repository.config().chunker;
    let params = Params::new(chunker.min, chunker.avg, chunker.max).map_err(|cause| {
        lifeboat_repo::Error::codec("cut as the configuration says", job.repository.id(), cause)
    })?;
    let mut worker = Worker::new(job, meta, &params, crew);
    let mut last_word = LastWord { results, is_early: true };
    let tasks = worker.crew.tasks().clone();
    loop {
        let unit = select! {
            recv(units) -> unit => unit,
            recv(tasks) -> task => {
                if let Ok(task) = task {
                    worker.help(task);
                }
                continue;
            }
        };
        let Ok(unit) = unit else { break };
        if !job.context.pace.wait(|| Ok::<_, Error>(!job.context.cancel.is_cancelled()))? {
            return Ok(());
        }
        let Some(done) = worker.unit(unit)? else { return Ok(()) };
        if results.send(Arrival::Unit(done)).is_err() {
            // Another stage has failed.
            return Ok(());
        }
    }
    // Others may still be at a large file.
    worker.crew.only_helps();
    for task in &tasks {
        worker.help(task);
    }
    last_word.is_early = false;
    Ok(())
}

/// Tells the sequence that a unit will never arrive, however the worker ended: cancelled, with an error
/// or a panic. Without it the walk would wait for room in the window, and the sequence for the unit.
struct LastWord<'a> {
    results: &'a Sender<Arrival>,
    is_early: bool,
}

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        if self.is_early {
            // If nobody listens any more, nobody waits either.
            let _listened = self.results.send(Arrival::Stopped).is_ok();
        }
    }
}

pub(super) struct Worker<'a> {
    pub(super) job: Job<'a>,
    meta: &'a MetaReader,
    pub(super) cutter: Cutter,
    pub(super) buffer: Vec<u8>,
    pub(super) crew: Crew,
    stats: BackupStats,
}

/// The frames that a unit's chunks go to.
struct Framers {
    data: Framer,
    tree: Framer,
}

/// What became of a file's content.
enum Content {
    Read(Box<Entry>),
    /// The run was asked to stop.
    Cancelled,
}

impl<'a> Worker<'a> {
    fn new(job: Job<'a>, meta: &'a MetaReader, params: &Params, crew: Crew) -> Self {
        let cutter = Cutter::new(params, job.repository.keyring().cut_key());
        Self { job, meta, cutter, buffer: Vec::new(), crew, stats: BackupStats::default() }
    }

    /// `None` when the run was asked to stop in the middle.
    fn unit(&mut self, unit: Unit) -> Result<Option<UnitDone>> {
        let mut framers = Framers {
            data: self.job.packer.framer(PackKind::Data)?,
            tree: self.job.packer.framer(PackKind::Tree)?,
        };
        self.stats = BackupStats::default();
        let mut entries = Vec::with_capacity(unit.steps.len());
        let mut whole = true;
        for step in unit.steps {
            if self.job.context.cancel.is_cancelled() {
                whole = false;
                break;
            }
            match step {
                Step::Ready(key, entry) => {
                    self.stats.count_unchanged(&entry);
                    self.job.context.monitor.advance(1, entry.size);
                    entries.push((key, entry));
                }
                Step::Meta(item) => {
                    if let Some(entry) = self.metadata(&item, None, &mut framers)? {
                        self.stats.count(&entry);
                        self.job.context.monitor.advance(1, 0);
                        entries.push((item.key, Box::new(entry)));
                    }
                }
                Step::Touched(item, parents) => {
                    if let Some(entry) = self.touched(&item, *parents, &mut framers)? {
                        self.stats.count_unchanged(&entry);
                        self.job.context.monitor.advance(1, entry.size);
                        entries.push((item.key, Box::new(entry)));
                    }
                }
                Step::Read(item, before) => match self.file(&item, before, &mut framers)? {
                    Some(Content::Read(entry)) => entries.push((item.key, entry)),
                    Some(Content::Cancelled) => {
                        whole = false;
                        break;
                    }
                    None => {}
                },
            }
        }
        let (number, root, maker, stats) = (unit.number, unit.root, unit.maker, self.stats);
        Ok(whole.then_some(UnitDone { number, root, entries, stats, maker }))
    }

    /// The entry of something as far as its metadata go; `None` when it can't be had.
    fn metadata(
        &self,
        item: &WalkItem,
        opened: Option<&OpenFile>,
        framers: &mut Framers,
    ) -> Result<Option<Entry>> {
        match self.meta.read(item, opened) {
            Ok(Meta { mut entry, long_xattrs, problems }) => {
                if !problems.is_empty() {
                    // So that the next run looks again, and does not call its snapshot complete.
                    entry.notes |= NOTE_METADATA_INCOMPLETE;
                }
                for problem in problems {
                    self.job.problems.add(problem);
                }
                if !long_xattrs.is_empty() {
                    let mut attributes = std::mem::take(&mut entry.xattrs);
                    attributes.extend(long_xattrs);
                    let ids = self.job.repository.keyring().ids();
                    xattr::attach(&mut entry, attributes, ids, &mut framers.tree)?;
                }
                Ok(Some(entry))
            }
            Err(problem) => {
                self.job.problems.add(problem);
                Ok(None)
            }
        }
    }

    /// A file with the parent's content and its present metadata.
    fn touched(
        &self,
        item: &WalkItem,
        parents: Entry,
        framers: &mut Framers,
    ) -> Result<Option<Entry>> {
        let entry = self.metadata(item, None, framers)?;
        Ok(entry.map(|entry| Entry {
            size: parents.size,
            content: parents.content,
            content_depth: parents.content_depth,
            content_hash: parents.content_hash,
            notes: entry.notes | parents.notes,
            ..entry
        }))
    }

    /// Reads one file; `None` when that is not possible, which is a problem.
    fn file(
        &mut self,
        item: &WalkItem,
        before: Before,
        framers: &mut Framers,
    ) -> Result<Option<Content>> {
        let file = match open_file(item, self.job.options.caching) {
            Ok(file) => Arc::new(file),
            Err(problem) => return Ok(self.refuse(problem)),
        };
        let Some(mut entry) = self.metadata(item, Some(&file), framers)? else { return Ok(None) };
        match self.content(item, &file, &mut entry, framers)? {
            Ok(true) => {}
            Ok(false) => return Ok(Some(Content::Cancelled)),
            Err(problem) => return Ok(self.refuse(problem)),
        }
        match file.stat_now() {
            Ok(after) if changed(file.stat(), &after) => {
                entry.notes |= NOTE_CHANGED_WHILE_READ;
                let what = "it changed while it was read; the snapshot has parts of both versions";
                self.job.problems.add(item.problem("read", what));
            }
            Ok(_) => {}
            Err(error) => {
                entry.notes |= NOTE_CHANGED_WHILE_READ;
                self.job.problems.add(item.problem("look again at", error));
            }
        }
        self.stats.count(&entry);
        match before {
            Before::New => self.stats.files_new += 1,
            Before::Changed => self.stats.files_changed += 1,
        }
        self.job.context.monitor.advance(1, 0);
        Ok(Some(Content::Read(Box::new(entry))))
    }

    fn refuse(&self, problem: Problem) -> Option<Content> {
        self.job.problems.add(problem);
        None
    }

    /// Reads, cuts, hashes and frames the content; false when the run was asked to stop. The inner
    /// error is the file's, the outer one the run's.
    fn content(
        &mut self,
        item: &WalkItem,
        file: &Arc<OpenFile>,
        entry: &mut Entry,
        framers: &mut Framers,
    ) -> Result<Result<bool, Problem>> {
        let repository: &'a Repository = self.job.repository;
        let map = MapBuilder::new(repository.keyring().ids(), &mut framers.tree);
        let is_hashed = is_worth_hashing(file.stat());
        let read = if self.crew.splits(file.stat().size) {
            // Its chunks go to the frames of whoever takes them.
            framers.data.flush()?;
            self.content_by_all(item, file, is_hashed, map)?
        } else {
            self.content_alone(item, file, is_hashed, map, &mut framers.data)?
        };
        let (map, hash) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Ok(false)),
            Err(problem) => return Ok(Err(problem)),
        };
        entry.size = map.size;
        entry.content = map.content;
        entry.content_depth = map.depth;
        entry.content_hash = hash;
        Ok(Ok(true))
    }

    fn content_by_all(
        &mut self,
        item: &WalkItem,
        file: &Arc<OpenFile>,
        is_hashed: bool,
        mut map: MapBuilder<'_, &mut Framer>,
    ) -> Result<Result<Option<Known>, Problem>> {
        let split = self.split(file, is_hashed, |extent| match extent {
            Some(extent) => Ok(map.push(extent)?),
            None => Ok(map.sink_mut().yield_to_flush()?),
        })?;
        let split = match split {
            Ok(split) if split.is_stopped => return Ok(Ok(None)),
            Ok(split) => split,
            Err(error) => return Ok(Err(item.problem("read", error))),
        };
        self.stats.read_bytes += split.read_bytes;
        Ok(Ok(Some((map.finish()?, split.hash.filter(|_| split.chunks > 1)))))
    }

    fn content_alone(
        &mut self,
        item: &WalkItem,
        file: &OpenFile,
        is_hashed: bool,
        map: MapBuilder<'_, &mut Framer>,
        framer: &mut Framer,
    ) -> Result<Result<Option<Known>, Problem>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let hasher = is_hashed.then(ContentHasher::new);
        let mut alone = Alone { job: self.job, framer, map, hasher, chunks: 0, read_bytes: 0 };
        let taken = alone.take(item, file, &self.cutter, &mut buffer);
        self.buffer = buffer;
        self.stats.read_bytes += alone.read_bytes;
        match taken? {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(problem) => return Ok(Err(problem)),
        }
        let Alone { map, hasher, chunks, .. } = alone;
        // The id of an only chunk says the same.
        let hash = hasher.filter(|_| chunks > 1).map(|hasher| hasher.finish());
        Ok(Ok(Some((map.finish()?, hash))))
    }
}

/// A file's map, and the hash of its content if it is kept.
type Known = (ContentMap, Option<[u8; 32]>);

/// Whether the hash of the whole content is kept: not where it would mostly be one of holes, which take
/// as long to hash as data; the chunks' own ids are checked all the same.
fn is_worth_hashing(stat: &Stat) -> bool {
    stat.blocks.saturating_mul(BLOCK_BYTES) >= stat.size / 2
}

/// Where the bytes of a file go that one worker reads.
struct Alone<'a, 'f, 'm> {
    job: Job<'a>,
    framer: &'f mut Framer,
    map: MapBuilder<'m, &'m mut Framer>,
    hasher: Option<ContentHasher>,
    chunks: u64,
    read_bytes: u64,
}

impl Alone<'_, '_, '_> {
    /// Takes in all of the file; false when the run was asked to stop.
    fn take(
        &mut self,
        item: &WalkItem,
        file: &OpenFile,
        cutter: &Cutter,
        buffer: &mut Vec<u8>,
    ) -> Result<Result<bool, Problem>> {
        // What says that it is empty may be one of the kernel's files, which have no size but content.
        let unsized_data = Segment { offset: 0, len: u64::MAX, is_hole: false };
        let unsized_data = (file.stat().size == 0).then_some(Ok(unsized_data));
        for segment in file.segments().chain(unsized_data) {
            let segment = match segment {
                Ok(segment) => segment,
                Err(error) => return Ok(Err(item.problem("find the holes of", error))),
            };
            if segment.is_hole {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update_zeros(segment.len);
                }
                self.map.push(Extent::Hole(segment.len))?;
                continue;
            }
            let data = segment.offset..segment.offset + segment.len;
            let end = data.end;
            match content::cut(file, data, end, cutter, buffer, self)? {
                Ok(End::Cut(_) | End::Short(_)) => {}
                Ok(End::Stopped) => return Ok(Ok(false)),
                Err(error) => return Ok(Err(item.problem("read", error))),
            }
        }
        Ok(Ok(true))
    }
}

impl Sink for Alone<'_, '_, '_> {
    fn read(&mut self, _at: u64, bytes: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.read_bytes += bytes.len() as u64;
        self.job.context.monitor.advance(0, bytes.len() as u64);
    }

    fn chunk(&mut self, at: u64, chunk: &[u8], is_all: bool) -> Result<()> {
        let extent = extent_of(self.job, at, chunk, is_all, self.framer)?;
        self.chunks += u64::from(!matches!(extent, Extent::Inline(_)));
        Ok(self.map.push(extent)?)
    }

    fn go_on(&mut self) -> Result<bool> {
        let Self { job, framer, map, read_bytes, .. } = self;
        let mut go_on = || {
            // A checkpoint must not wait for the end of a large file, or of a pause.
            framer.yield_to_flush()?;
            map.sink_mut().yield_to_flush()?;
            Ok(!job.context.cancel.is_cancelled())
        };
        // For the unit that the file's beginning is a part of was asked already.
        if *read_bytes == 0 { go_on() } else { job.context.pace.wait(go_on) }
    }
}

/// The extent that a chunk becomes which begins at `at`, and is or is not all that its data has.
pub(super) fn extent_of(
    job: Job<'_>,
    at: u64,
    chunk: &[u8],
    is_all: bool,
    framer: &mut Framer,
) -> Result<Extent> {
    if at == 0 && is_all && chunk.len() <= INLINE_MAX {
        return Ok(Extent::Inline(chunk.to_vec()));
    }
    if chunk.iter().all(|byte| *byte == 0) {
        return Ok(Extent::Zeros(chunk.len() as u64));
    }
    let id = job.repository.keyring().ids().data(chunk);
    framer.offer(id, chunk)?;
    let length = u32::try_from(chunk.len()).expect("chunks are shorter than the cutter's limit");
    Ok(Extent::Chunk { id, offset: 0, length })
}

impl BackupStats {
    /// Counts an entry of the snapshot.
    fn count(&mut self, entry: &Entry) {
        match entry.kind {
            EntryKind::File => {
                self.files += 1;
                self.bytes += entry.size;
            }
            EntryKind::Dir => self.dirs += 1,
            _ => self.others += 1,
        }
    }

    /// Counts an entry that was taken from the parent.
    pub(super) fn count_unchanged(&mut self, entry: &Entry) {
        self.count(entry);
        self.files_unchanged += u64::from(entry.kind == EntryKind::File);
    }
}
