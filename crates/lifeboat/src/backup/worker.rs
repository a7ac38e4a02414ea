//! The working stage: a unit is read, cut, hashed, claimed and framed by one thread.
//!
//! Each worker has one buffer and one cutter for its life. Knows files and chunks; no paths but those
//! of its problems, and no order: results carry their unit's number.

use crossbeam_channel::{Receiver, Sender};
use lifeboat_codec::cut::{Cutter, Params};
use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::index::PackKind;
use lifeboat_format::tree::{
    Entry, EntryKind, Extent, INLINE_MAX, NOTE_CHANGED_WHILE_READ, NOTE_METADATA_INCOMPLETE,
};
use lifeboat_repo::open::Repository;
use lifeboat_repo::packer::Framer;
use lifeboat_repo::tree::map::MapBuilder;
use lifeboat_repo::tree::xattr;

use super::Job;
use super::options::BackupStats;
use super::unit::{Arrival, Before, Step, Unit, UnitDone};
use crate::error::Result;
use crate::report::Problem;
use crate::source::meta::{Meta, MetaReader};
use crate::source::read::{OpenFile, Segment, changed, open_file};
use crate::source::stat::{BLOCK_BYTES, Stat};
use crate::source::walk::WalkItem;

/// How much of a file is read at once, in bytes: several chunks, and still hot when they are hashed.
const STRETCH_BYTES: usize = 4 << 20;

/// Works on units until there are no more, or nobody wants the results.
///
/// # Errors
/// What ends the run: the repository could not be read or written.
pub(super) fn work(
    job: Job<'_>,
    meta: &MetaReader,
    units: &Receiver<Unit>,
    results: &Sender<Arrival>,
) -> Result<()> {
    let chunker = &job.repository.config().chunker;
    let params = Params::new(chunker.min, chunker.avg, chunker.max).map_err(|cause| {
        lifeboat_repo::Error::codec("cut as the configuration says", job.repository.id(), cause)
    })?;
    let mut worker = Worker::new(job, meta, &params);
    let mut end = End { results, is_early: true };
    for unit in units {
        let Some(done) = worker.unit(unit)? else { return Ok(()) };
        if results.send(Arrival::Unit(done)).is_err() {
            // Another stage has failed.
            return Ok(());
        }
    }
    end.is_early = false;
    Ok(())
}

/// Tells the sequence that a unit will never arrive, however the worker ended: cancelled, with an error
/// or a panic. Without it the walk would wait for room in the window, and the sequence for the unit.
struct End<'a> {
    results: &'a Sender<Arrival>,
    is_early: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if self.is_early {
            // If nobody listens any more, nobody waits either.
            let _listened = self.results.send(Arrival::Stopped).is_ok();
        }
    }
}

struct Worker<'a> {
    job: Job<'a>,
    meta: &'a MetaReader,
    cutter: Cutter,
    buffer: Vec<u8>,
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
    fn new(job: Job<'a>, meta: &'a MetaReader, params: &Params) -> Self {
        let cutter = Cutter::new(params, job.repository.keyring().cut_key());
        Self { job, meta, cutter, buffer: Vec::new(), stats: BackupStats::default() }
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
                    entries.push((key, *entry));
                }
                Step::Meta(item) => {
                    if let Some(entry) = self.metadata(&item, None, &mut framers)? {
                        self.stats.count(&entry);
                        self.job.context.monitor.advance(1, 0);
                        entries.push((item.key, entry));
                    }
                }
                Step::Touched(item, parents) => {
                    if let Some(entry) = self.touched(&item, *parents, &mut framers)? {
                        self.stats.count_unchanged(&entry);
                        self.job.context.monitor.advance(1, entry.size);
                        entries.push((item.key, entry));
                    }
                }
                Step::Read(item, before) => match self.file(&item, before, &mut framers)? {
                    Some(Content::Read(entry)) => entries.push((item.key, *entry)),
                    Some(Content::Cancelled) => {
                        whole = false;
                        break;
                    }
                    None => {}
                },
            }
        }
        let (number, root, stats) = (unit.number, unit.root, self.stats);
        Ok(whole.then_some(UnitDone { number, root, entries, stats }))
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
        let file = match open_file(item) {
            Ok(file) => file,
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
        file: &OpenFile,
        entry: &mut Entry,
        framers: &mut Framers,
    ) -> Result<Result<bool, Problem>> {
        let repository: &'a Repository = self.job.repository;
        let ids = repository.keyring().ids();
        let mut map = MapBuilder::new(ids, &mut framers.tree);
        let mut hasher = is_worth_hashing(file.stat()).then(ContentHasher::new);
        let mut chunks = 0;
        // What says that it is empty may be one of the kernel's files, which have no size but content.
        let unsized_data = Segment { offset: 0, len: u64::MAX, is_hole: false };
        let unsized_data = (file.stat().size == 0).then_some(Ok(unsized_data));
        for segment in file.segments().chain(unsized_data) {
            let segment = match segment {
                Ok(segment) => segment,
                Err(error) => return Ok(Err(item.problem("find the holes of", error))),
            };
            if segment.is_hole {
                if let Some(hasher) = &mut hasher {
                    hasher.update_zeros(segment.len);
                }
                map.push(Extent::Hole(segment.len))?;
                continue;
            }
            let mut data = Data {
                worker: self,
                framer: &mut framers.data,
                map: &mut map,
                hasher: &mut hasher,
            };
            match data.segment(item, file, segment)? {
                Ok(Some(count)) => chunks += count,
                Ok(None) => return Ok(Ok(false)),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        let built = map.finish()?;
        entry.size = built.size;
        entry.content = built.content;
        entry.content_depth = built.depth;
        // The id of an only chunk says the same.
        entry.content_hash = hasher.filter(|_| chunks > 1).map(|hasher| hasher.finish());
        Ok(Ok(true))
    }
}

/// Whether the hash of the whole content is kept: not where it would mostly be one of holes, which take
/// as long to hash as data; the chunks' own ids are checked all the same.
fn is_worth_hashing(stat: &Stat) -> bool {
    stat.blocks.saturating_mul(BLOCK_BYTES) >= stat.size / 2
}

/// Where the bytes of one file go.
struct Data<'f, 'a, 't> {
    worker: &'f mut Worker<'a>,
    framer: &'f mut Framer,
    map: &'f mut MapBuilder<'a, &'t mut Framer>,
    hasher: &'f mut Option<ContentHasher>,
}

impl Data<'_, '_, '_> {
    /// Takes one stretch of data in; how many chunks it made, or `None` when asked to stop.
    fn segment(
        &mut self,
        item: &WalkItem,
        file: &OpenFile,
        segment: Segment,
    ) -> Result<Result<Option<u64>, Problem>> {
        let mut buffer = std::mem::take(&mut self.worker.buffer);
        let taken = self.stretches(item, file, segment, &mut buffer);
        self.worker.buffer = buffer;
        taken
    }

    fn stretches(
        &mut self,
        item: &WalkItem,
        file: &OpenFile,
        segment: Segment,
        buffer: &mut Vec<u8>,
    ) -> Result<Result<Option<u64>, Problem>> {
        let (mut offset, end) = (segment.offset, segment.offset + segment.len);
        let (mut kept, mut chunks) = (0, 0);
        loop {
            if self.worker.job.context.cancel.is_cancelled() {
                return Ok(Ok(None));
            }
            let wanted = usize::try_from(end - offset).unwrap_or(STRETCH_BYTES).min(STRETCH_BYTES);
            if buffer.len() < kept + wanted {
                buffer.resize(kept + wanted, 0);
            }
            let fresh = match file.read_at(offset, &mut buffer[kept..kept + wanted]) {
                Ok(fresh) => fresh,
                Err(error) => return Ok(Err(item.problem("read", error))),
            };
            if let Some(hasher) = self.hasher {
                hasher.update(&buffer[kept..kept + fresh]);
            }
            self.worker.stats.read_bytes += fresh as u64;
            self.worker.job.context.monitor.advance(0, fresh as u64);
            offset += fresh as u64;
            // Less than was asked for: the file has become shorter, and ends here.
            let at_end = offset == end || fresh < wanted;
            let filled = kept + fresh;
            let (done, count) = self.cut(&buffer[..filled], at_end)?;
            chunks += count;
            if at_end {
                return Ok(Ok(Some(chunks)));
            }
            buffer.copy_within(done..filled, 0);
            kept = filled - done;
            // A checkpoint must not wait for the end of a large file.
            self.framer.yield_to_flush()?;
            self.map.sink_mut().yield_to_flush()?;
        }
    }

    /// Cuts what can be cut; how many bytes and chunks that were.
    fn cut(&mut self, data: &[u8], at_end: bool) -> Result<(usize, u64)> {
        let (mut done, mut chunks) = (0, 0);
        if at_end && self.map.size() == 0 && data.len() <= INLINE_MAX {
            if !data.is_empty() {
                self.map.push(Extent::Inline(data.to_vec()))?;
            }
            return Ok((data.len(), 0));
        }
        while let Some(length) = self.worker.cutter.next(&data[done..], at_end) {
            let chunk = &data[done..done + length];
            done += length;
            chunks += 1;
            self.map.push(self.worker.chunk(chunk, self.framer)?)?;
        }
        Ok((done, chunks))
    }
}

impl Worker<'_> {
    /// The extent that one chunk becomes.
    fn chunk(&self, chunk: &[u8], framer: &mut Framer) -> Result<Extent> {
        if chunk.iter().all(|byte| *byte == 0) {
            return Ok(Extent::Zeros(chunk.len() as u64));
        }
        let id = self.job.repository.keyring().ids().data(chunk);
        framer.offer(id, chunk)?;
        let length =
            u32::try_from(chunk.len()).expect("chunks are shorter than the cutter's limit");
        Ok(Extent::Chunk { id, offset: 0, length })
    }
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
