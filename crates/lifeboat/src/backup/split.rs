//! Splitting: a large file read, cut, hashed and stored by all workers at once, with the same result as
//! by one.
//!
//! The file is divided into windows of equal length; each is a task that any worker may take. A task
//! that begins in the middle of data does not know where the last cut before it is. But a cut depends on
//! nothing but the bytes since the last one, and two sequences of cuts that meet once are the same from
//! there on. So a task begins some chunks before its window, as if there were a cut, and by the window's
//! beginning has mostly met the true sequence. Its own are the chunks that begin in the window. The worker that
//! the file was given to takes the results in order and compares: where a window's chunks do not begin at
//! the very cut that the one before ended with, it does that window again from there, as one worker would.
//! What came of the wrong cuts is stored and never named.
//!
//! Whoever waits for a result works on tasks meanwhile, so nobody waits for somebody who waits.
//!
//! Invariants: extents and hash are those that one worker would have found. As many windows are under way
//! as keep all workers busy, not more.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use lifeboat_codec::hash::{PartHash, PartHasher, join_parts};
use lifeboat_format::index::PackKind;
use lifeboat_format::tree::Extent;
use lifeboat_repo as repo;
use lifeboat_repo::packer::Framer;

use super::content::{self, End, Sink};
use super::worker::{Worker, extent_of};
use crate::error::{Kind, Result};
use crate::source::read::{OpenFile, Segment, Segments};

/// So many of the longest chunks before its window a task begins.
const WARM_CHUNKS: u64 = 4;
/// A window has room for so many of them, so that what is read twice is next to nothing.
const WINDOW_CHUNKS: u64 = 128;

/// A window of a file, for whoever has time.
pub(super) struct Task {
    stretch: Stretch,
    reply: Sender<Result<Done>>,
}

/// A window of a file, and how it is taken in.
#[derive(Clone)]
struct Stretch {
    file: Arc<OpenFile>,
    number: u64,
    window: Range<u64>,
    /// All segments of the file that the window has a part of, whole.
    segments: Vec<Segment>,
    /// Where the chunks begin, if that is known.
    start: Option<u64>,
    is_hashed: bool,
}

/// What came of a window.
struct Done {
    /// Where its extents begin, and where they end: at the borders of the window, or behind.
    begin: u64,
    end: u64,
    extents: Vec<Extent>,
    chunks: u64,
    /// Bytes of the window that were read.
    read_bytes: u64,
    hash: Option<PartHash>,
    outcome: Outcome,
}

/// How a task ended.
enum Outcome {
    Whole,
    /// The file has become shorter.
    Short,
    /// The run was asked to stop.
    Stopped,
    Failed(io::Error),
}

/// What came of a file.
pub(super) struct SplitDone {
    pub(super) chunks: u64,
    pub(super) read_bytes: u64,
    /// The hash of the content, if it was wanted and the file stayed as long as it was.
    pub(super) hash: Option<[u8; 32]>,
    /// Whether the run was asked to stop.
    pub(super) is_stopped: bool,
}

/// How the workers of a run share tasks.
pub(super) struct Crew {
    tasks: Receiver<Task>,
    /// Kept for as long as this worker may be given a file.
    hand: Option<Arc<Sender<Task>>>,
    /// How many workers there are.
    threads: usize,
    window_bytes: u64,
}

impl Crew {
    /// The part of one of so many workers that cut chunks of at most `chunk_max` bytes.
    pub(super) fn new(
        tasks: Receiver<Task>,
        hand: Arc<Sender<Task>>,
        threads: usize,
        chunk_max: u32,
    ) -> Self {
        // A power of two, for the sake of the hash: 64 MiB with chunks of the usual sizes.
        let window_bytes = (WINDOW_CHUNKS * u64::from(chunk_max)).next_power_of_two();
        Self { tasks, hand: Some(hand), threads, window_bytes }
    }

    /// Whether a file of this size is worth it.
    pub(super) fn splits(&self, size: u64) -> bool {
        self.threads > 1 && size >= 2 * self.window_bytes
    }

    /// The tasks of all; they end when no worker may be given a file any more.
    pub(super) fn tasks(&self) -> &Receiver<Task> {
        &self.tasks
    }

    /// This worker will be given no more files.
    pub(super) fn only_helps(&mut self) {
        self.hand = None;
    }
}

impl Worker<'_> {
    /// Takes in all content of a file with the help of the other workers, and calls `each` with its extents in
    /// their order, and now and then without one. The inner error is the file's.
    pub(super) fn split(
        &mut self,
        file: &Arc<OpenFile>,
        is_hashed: bool,
        mut each: impl FnMut(Option<Extent>) -> Result<()>,
    ) -> Result<io::Result<SplitDone>> {
        let (size, window) = (file.stat().size, self.crew.window_bytes);
        let mut windows = Windows::new(file, size, window, is_hashed);
        let mut waiting: VecDeque<(Stretch, Receiver<Result<Done>>)> = VecDeque::new();
        let mut hashes = Vec::new();
        let mut split = SplitDone { chunks: 0, read_bytes: 0, hash: None, is_stopped: false };
        let mut at = 0;
        loop {
            // One more than there are workers, so that nobody waits for the order.
            while waiting.len() <= self.crew.threads {
                match windows.next() {
                    None => break,
                    Some(Err(error)) => return Ok(Err(error)),
                    Some(Ok(stretch)) => {
                        let answer = self.hand_out(stretch.clone());
                        waiting.push_back((stretch, answer));
                    }
                }
            }
            let Some((stretch, answer)) = waiting.pop_front() else { break };
            let mut done = self.wait(&answer)??;
            hashes.extend(done.hash);
            split.read_bytes += done.read_bytes;
            if done.begin != at && matches!(done.outcome, Outcome::Whole | Outcome::Short) {
                tracing::debug!(
                    at,
                    found = done.begin,
                    "cuts have not met: once more, from the true one"
                );
                done = self.stretch(&Stretch { start: Some(at), is_hashed: false, ..stretch })?;
            }
            split.chunks += done.chunks;
            at = done.end;
            for extent in done.extents {
                each(Some(extent))?;
            }
            each(None)?;
            match done.outcome {
                Outcome::Whole => {}
                Outcome::Short => return Ok(Ok(split)),
                Outcome::Stopped => return Ok(Ok(SplitDone { is_stopped: true, ..split })),
                Outcome::Failed(error) => return Ok(Err(error)),
            }
        }
        let is_known = is_hashed && hashes.len() as u64 == size.div_ceil(window);
        split.hash = is_known.then(|| join_parts(&hashes, window, size));
        Ok(Ok(split))
    }

    fn hand_out(&self, stretch: Stretch) -> Receiver<Result<Done>> {
        let (reply, answer) = bounded(1);
        let hand = self.crew.hand.as_ref().expect("who is given a file has not let go of it");
        hand.send(Task { stretch, reply }).expect("this worker itself listens");
        answer
    }

    /// Waits for an answer, and works meanwhile. A worker that ended without one has told, or tells, why.
    fn wait(&mut self, answer: &Receiver<Result<Done>>) -> Result<Result<Done>> {
        let given_up = || {
            repo::Error::new(Kind::Cancelled, "read", "a part of a large file")
                .because("the worker that had it has ended")
        };
        loop {
            match answer.try_recv() {
                Ok(done) => return Ok(done),
                Err(TryRecvError::Disconnected) => return Err(given_up().into()),
                Err(TryRecvError::Empty) => {}
            }
            match self.crew.tasks.try_recv() {
                Ok(task) => self.help(task),
                // Somebody has it in hand.
                Err(_) => return answer.recv().map_err(|_gone| given_up().into()),
            }
        }
    }

    /// Does a task of another worker, or one's own.
    pub(super) fn help(&mut self, task: Task) {
        let done = self.stretch(&task.stretch);
        // Who does not listen any more has been stopped.
        let _heard = task.reply.send(done).is_ok();
    }

    fn stretch(&mut self, stretch: &Stretch) -> Result<Done> {
        let job = self.job;
        let mut framer = job.packer.framer(PackKind::Data)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut window = Window {
            job,
            framer: &mut framer,
            window: stretch.window.clone(),
            first: stretch.start.unwrap_or(stretch.window.start),
            begin: None,
            extents: Vec::new(),
            chunks: 0,
            read_bytes: 0,
            // The second time nothing is hashed or counted.
            covered: if stretch.start.is_some() { u64::MAX } else { stretch.window.start },
            hasher: stretch
                .is_hashed
                .then(|| PartHasher::new(stretch.number, self.crew.window_bytes)),
        };
        let done = window.run(stretch, &self.cutter, &mut buffer);
        self.buffer = buffer;
        let (end, outcome) = done?;
        Ok(Done {
            begin: window.begin.unwrap_or(end),
            end,
            extents: window.extents,
            chunks: window.chunks,
            read_bytes: window.read_bytes,
            // Of a part of a window there is none.
            hash: window
                .hasher
                .filter(|_| window.covered == stretch.window.end)
                .map(|hasher| hasher.finish()),
            outcome,
        })
    }
}

/// The work on one window.
struct Window<'w, 'a> {
    job: super::Job<'a>,
    framer: &'w mut Framer,
    window: Range<u64>,
    /// Chunks that begin before this are not ours.
    first: u64,
    begin: Option<u64>,
    extents: Vec<Extent>,
    chunks: u64,
    read_bytes: u64,
    /// How far the window was read and hashed.
    covered: u64,
    hasher: Option<PartHasher>,
}

impl Window<'_, '_> {
    /// Where the extents end, and how.
    fn run(
        &mut self,
        stretch: &Stretch,
        cutter: &lifeboat_codec::cut::Cutter,
        buffer: &mut Vec<u8>,
    ) -> Result<(u64, Outcome)> {
        let mut end = self.first;
        for segment in &stretch.segments {
            let data = segment.offset..segment.offset + segment.len;
            if data.end <= end {
                continue;
            }
            let until = data.end.min(self.window.end);
            if segment.is_hole {
                let from = data.start.max(self.window.start);
                self.begin.get_or_insert(from);
                self.hole(until);
                self.extents.push(Extent::Hole(until - from));
                end = until;
                continue;
            }
            let warm = WARM_CHUNKS * cutter.max() as u64;
            let from = match stretch.start {
                Some(start) if start > data.start => start,
                Some(_) => data.start,
                None => data.start.max(self.window.start.saturating_sub(warm)),
            };
            if from >= self.window.end {
                break;
            }
            match content::cut(&stretch.file, from..data.end, until, cutter, buffer, self)? {
                Ok(End::Cut(place)) => end = place,
                Ok(End::Short(place)) => return Ok((place, Outcome::Short)),
                Ok(End::Stopped) => return Ok((end, Outcome::Stopped)),
                Err(error) => return Ok((end, Outcome::Failed(error))),
            }
        }
        Ok((end, Outcome::Whole))
    }

    fn hole(&mut self, until: u64) {
        let bytes = until.saturating_sub(self.covered);
        if let Some(hasher) = &mut self.hasher {
            hasher.update_zeros(bytes);
        }
        self.covered += bytes;
        self.job.context.monitor.advance(0, bytes);
    }
}

impl Sink for Window<'_, '_> {
    fn read(&mut self, at: u64, bytes: &[u8]) {
        // What lies in the window and was not read before.
        let end = (at + bytes.len() as u64).min(self.window.end);
        let Some(fresh) = end.checked_sub(self.covered).filter(|fresh| *fresh > 0) else { return };
        let inside = |place: u64| usize::try_from(place - at).unwrap_or(bytes.len());
        let ours = &bytes[inside(self.covered)..inside(end)];
        if let Some(hasher) = &mut self.hasher {
            hasher.update(ours);
        }
        self.covered = end;
        self.read_bytes += fresh;
        self.job.context.monitor.advance(0, fresh);
    }

    fn chunk(&mut self, at: u64, chunk: &[u8], is_all: bool) -> Result<()> {
        if at < self.first {
            return Ok(());
        }
        self.begin.get_or_insert(at);
        let extent = extent_of(self.job, at, chunk, is_all, self.framer)?;
        self.chunks += u64::from(!matches!(extent, Extent::Inline(_)));
        self.extents.push(extent);
        Ok(())
    }

    fn go_on(&mut self) -> Result<bool> {
        let Self { job, framer, .. } = self;
        job.context.pace.wait(|| {
            // A checkpoint must not wait for the end of a window, or of a pause.
            framer.yield_to_flush()?;
            Ok(!job.context.cancel.is_cancelled())
        })
    }
}

/// The windows of a file, in order, with their segments.
struct Windows<'f> {
    file: &'f Arc<OpenFile>,
    segments: std::iter::Peekable<Segments<'f>>,
    /// Segments that reach into the next window.
    open: Vec<Segment>,
    size: u64,
    window: u64,
    number: u64,
    is_hashed: bool,
}

impl<'f> Windows<'f> {
    fn new(file: &'f Arc<OpenFile>, size: u64, window: u64, is_hashed: bool) -> Self {
        let segments = file.segments().peekable();
        Self { file, segments, open: Vec::new(), size, window, number: 0, is_hashed }
    }
}

impl Iterator for Windows<'_> {
    type Item = io::Result<Stretch>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.number * self.window;
        if start >= self.size {
            return None;
        }
        let window = start..self.size.min(start + self.window);
        self.open.retain(|segment| segment.offset + segment.len > start);
        while let Some(next) = self
            .segments
            .next_if(|segment| segment.as_ref().map_or(true, |segment| segment.offset < window.end))
        {
            match next {
                Ok(segment) => self.open.push(segment),
                Err(error) => return Some(Err(error)),
            }
        }
        let number = self.number;
        self.number += 1;
        Some(Ok(Stretch {
            file: Arc::clone(self.file),
            number,
            window,
            segments: self.open.clone(),
            start: None,
            is_hashed: self.is_hashed,
        }))
    }
}
