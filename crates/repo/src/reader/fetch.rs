//! Fetching: many frames with few requests, several of them at once.
//!
//! Knows ranges of packs. Frames that lie close together come with one request, the bytes between
//! them thrown away; what one damaged or truncated place spoils is that frame alone. The runtime
//! carries the bytes, and the threads that take them open and inflate them: a byte is touched by one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lifeboat_codec::seal::ObjectOpener;
use lifeboat_format::key::ObjectKey;
use tokio::sync::watch;

use super::frame::Opened;
use super::location::FrameRef;
use super::mended::is_damage;
use super::{Reader, lock};
use crate::error::{Error, Result};
use crate::io::Request;

/// A fetch has at least so many requests under way, if it has work for them, ...
const REQUESTS_MIN: u64 = 8;
/// ... as long as each is at least so many bytes long.
const RANGE_MIN: u64 = 1 << 20;

/// Two frames with at most so many bytes between them come with one request: it takes a store longer
/// to answer another one than to send these.
pub(super) const GAP_MAX: u64 = 64 << 10;

/// Some frames of one pack, in the order in which they lie, that come with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) pack: ObjectKey,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) frames: Vec<FrameRef>,
}

/// A group on its way.
type Flying = Request<Result<(Arc<ObjectOpener>, Bytes)>>;

/// Many frames on their way: as many requests at once as may be held in memory, in the order in which
/// the frames lie. Threads share it, and each opens and inflates what it takes; requests go out again
/// as that is done. Letting it go gives up what was not taken.
#[derive(Debug)]
pub struct Fetch {
    reader: Reader,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is told at once: frames that are kept, and those that can't be what their records say.
    ready: VecDeque<(FrameRef, Result<Bytes>)>,
    waiting: VecDeque<Group>,
    flying: VecDeque<(Group, Flying)>,
    /// The pack of the last group that was asked for, and when the first of its groups is there.
    leader: Option<(ObjectKey, watch::Receiver<()>)>,
    /// The bytes of all groups that were asked for and are not done.
    bytes: u64,
}

/// What a thread has taken.
enum Taken {
    Ready(FrameRef, Result<Bytes>),
    Flying(Group, Flying),
}

impl Reader {
    /// Begins to fetch every different frame of `frames`, with at most `bytes_max` bytes on their way
    /// or not yet inflated, unless a single request needs more.
    pub fn fetch(&self, mut frames: Vec<FrameRef>, bytes_max: u64) -> Fetch {
        frames.sort_unstable();
        frames.dedup();
        let mut state = State::default();
        let mut missing = Vec::with_capacity(frames.len());
        for frame in frames {
            match (self.kept(&frame), frame.check()) {
                (Some(bytes), _) => state.ready.push_back((frame, Ok(bytes))),
                (None, Err(error)) => state.ready.push_back((frame, Err(error))),
                (None, Ok(())) => missing.push(frame),
            }
        }
        state.waiting = groups(missing, self.range_max(bytes_max)).into();
        let fetch = Fetch { reader: self.clone(), bytes_max, state: Mutex::new(state) };
        fetch.top_up(&mut lock(&fetch.state));
        fetch
    }

    /// The longest request of a fetch that may hold `bytes_max` bytes.
    pub(super) fn range_max(&self, bytes_max: u64) -> u64 {
        self.shared.range_max.min((bytes_max / REQUESTS_MIN).max(RANGE_MIN))
    }

    /// Fetches, opens and inflates one frame.
    pub(super) fn fetch_one(&self, frame: &FrameRef) -> Result<Bytes> {
        let group = Group::of(*frame);
        self.shared
            .io
            .block_on(self.fetch_range(&group, None))
            .map_err(|cause| Error::new(cause.kind(), "read", frame).because(cause))
            .and_then(|(opener, bytes)| self.inflate(&opener, frame, &bytes, group.start))
            .or_else(|error| self.by_parity(frame, error))
    }
}

impl Fetch {
    /// Takes what comes next, waits for it, and calls `each` with every frame of it, inflated, or with
    /// the reason why it can't be read. False when nothing was left to take.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn next(&self, each: impl FnMut(&FrameRef, Result<Bytes>) -> Result<()>) -> Result<bool> {
        self.next_by(|raw| raw, Reader::inflate, each)
    }

    /// As [`next`](Self::next), with each frame also as it lies in its pack: for who stores it again as it is.
    ///
    /// # Errors
    /// What `each` returns.
    pub(crate) fn next_as_it_is(
        &self,
        each: impl FnMut(&FrameRef, Result<Opened>) -> Result<()>,
    ) -> Result<bool> {
        self.next_by(|raw| Opened { raw, packed: None }, Reader::open_as_it_is, each)
    }

    /// Frames that are kept or made again are made into what is wanted by `of_raw`, others by `open`.
    fn next_by<T>(
        &self,
        of_raw: impl Fn(Bytes) -> T,
        open: impl Fn(&Reader, &ObjectOpener, &FrameRef, &Bytes, u64) -> Result<T>,
        mut each: impl FnMut(&FrameRef, Result<T>) -> Result<()>,
    ) -> Result<bool> {
        let taken = {
            let mut state = lock(&self.state);
            match state.ready.pop_front() {
                Some((frame, bytes)) => Some(Taken::Ready(frame, bytes)),
                None => {
                    state.flying.pop_front().map(|(group, flying)| Taken::Flying(group, flying))
                }
            }
        };
        match taken {
            None => return Ok(false),
            Some(Taken::Ready(frame, bytes)) => each(&frame, bytes.map(of_raw))?,
            Some(Taken::Flying(group, flying)) => {
                let answer = flying.wait(&self.reader.shared.io, group.pack).flatten();
                let done = self.open(&group, answer, &of_raw, &open, &mut each);
                let mut state = lock(&self.state);
                state.bytes -= group.len();
                self.top_up(&mut state);
                done?;
            }
        }
        Ok(true)
    }

    /// Sends out what may be on its way besides what is.
    fn top_up(&self, state: &mut State) {
        while let Some(next) = state.waiting.front()
            && (state.bytes == 0 || state.bytes + next.len() <= self.bytes_max)
            && let Some(group) = state.waiting.pop_front()
        {
            state.bytes += group.len();
            let (reader, wanted) = (self.reader.clone(), group.clone());
            // The first of a pack's groups brings what opens all of them.
            let leads = state.leader.as_ref().is_none_or(|(pack, _)| *pack != group.pack);
            let (leading, leader) = if leads {
                let (leading, done) = watch::channel(());
                state.leader = Some((group.pack, done));
                (Some(leading), None)
            } else {
                (None, state.leader.as_ref().map(|(_, done)| done.clone()))
            };
            let flying = async move {
                let fetched = reader.fetch_range(&wanted, leader).await;
                drop(leading);
                fetched
            };
            let flying = self.reader.shared.io.begin(flying);
            state.flying.push_back((group, flying));
        }
    }

    fn open<T>(
        &self,
        group: &Group,
        answer: Result<(Arc<ObjectOpener>, Bytes)>,
        of_raw: &impl Fn(Bytes) -> T,
        open: &impl Fn(&Reader, &ObjectOpener, &FrameRef, &Bytes, u64) -> Result<T>,
        each: &mut impl FnMut(&FrameRef, Result<T>) -> Result<()>,
    ) -> Result<()> {
        match answer {
            Ok((opener, bytes)) => group.frames.iter().try_for_each(|frame| {
                let opened = open(&self.reader, &opener, frame, &bytes, group.start);
                let mended = |error| self.reader.by_parity(frame, error).map(of_raw);
                each(frame, opened.or_else(mended))
            }),
            // A pack that was cut off still has the frames before the cut, one with parity perhaps all.
            Err(error) if is_damage(&error) => group
                .frames
                .iter()
                .try_for_each(|frame| each(frame, self.reader.fetch_one(frame).map(of_raw))),
            Err(error) => {
                let error = Arc::new(error);
                group.frames.iter().try_for_each(|frame| {
                    let cause = Arc::clone(&error);
                    each(frame, Err(Error::new(error.kind(), "read", frame).because(cause)))
                })
            }
        }
    }
}

impl Group {
    fn len(&self) -> u64 {
        self.end - self.start
    }

    fn of(frame: FrameRef) -> Self {
        let (start, end) = (u64::from(frame.offset), frame.end());
        Self { pack: frame.pack, start, end, frames: vec![frame] }
    }
}

/// Puts together what comes with one request of at most `range_max` bytes, or of one larger frame.
/// The frames are sorted by pack and offset.
pub(super) fn groups(frames: Vec<FrameRef>, range_max: u64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for frame in frames {
        let (start, end) = (u64::from(frame.offset), frame.end());
        match groups.last_mut() {
            Some(group)
                if group.pack == frame.pack
                    && start <= group.end + GAP_MAX
                    && end.max(group.end) - group.start <= range_max =>
            {
                group.end = group.end.max(end);
                group.frames.push(frame);
            }
            _ => groups.push(Group::of(frame)),
        }
    }
    groups
}
