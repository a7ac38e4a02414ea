//! The writer: takes the windows in their order, and brings them to their end in that order.
//!
//! Within a window the chunks are fetched in the order in which they lie in their packs, many requests
//! at once; each frame is opened and inflated once, each chunk is verified and goes to all its places.
//! Then files are finished, and after them, in path order, the directories that have all their members;
//! meanwhile the next window's chunks come and are written.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;
use lifeboat_format::id::ChunkId;
use lifeboat_repo as repo;
use lifeboat_repo::reader::{ChunkKind, Fetch, Locate, Location, Reader};
use rayon::prelude::*;

use super::finish;
use super::job::Job;
use super::window::{Place, Window};
use crate::error::{Error, Kind, Result};
use crate::target::{Dir, file};

/// Writes windows.
pub(super) struct Writer<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) reader: &'a Reader,
    pub(super) locate: &'a dyn Locate,
    pub(super) target: &'a Dir,
    /// How many bytes may be on their way or not yet inflated.
    pub(super) flying_max: u64,
}

/// A window whose chunks are on their way.
pub(super) struct Begun {
    window: Window,
    /// What it needs, in the order in which it lies in the packs.
    wanted: Vec<Wanted>,
    fetch: Fetch,
}

impl Begun {
    /// The window, when all its content is written.
    pub(super) fn into_window(self) -> Window {
        self.window
    }
}

/// A chunk that a window needs, and where the list of its places begins and ends.
#[derive(Debug)]
struct Wanted {
    at: Location,
    id: ChunkId,
    places: Range<usize>,
}

impl Writer<'_> {
    /// Finds the chunks of a window and asks for the first of them.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn begin(&self, mut window: Window) -> Result<Begun> {
        self.job.go_on()?;
        window.places.sort_unstable_by_key(|place| (place.id, place.part, place.at));
        let wanted = self.locate(&window)?;
        let frames = wanted.iter().map(|wanted| wanted.at.frame).collect();
        let fetch = self.reader.fetch(frames, self.flying_max);
        Ok(Begun { window, wanted, fetch })
    }

    /// Writes all content of the window, on every thread of the pool.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn content(&self, begun: &Begun) -> Result<()> {
        for zeros in &begun.window.zeros {
            self.job.go_on()?;
            let open = &begun.window.parts[zeros.part as usize].file;
            let written = match open.is_found() {
                true => file::overwrite_with_zeros(&open.node, zeros.at, zeros.bytes),
                false => file::write_zeros(&open.node, zeros.at, zeros.bytes).map(|()| false),
            };
            match written {
                Ok(true) => self.job.found(zeros.bytes),
                Ok(false) => self.job.wrote(zeros.bytes),
                Err(fault) => open.fail(self.job, fault)?,
            }
        }
        let done = rayon::broadcast(|_| {
            let taken = self.take(begun);
            if taken.is_err() {
                // The others need not go on.
                self.job.stop();
            }
            taken
        });
        first_cause(done)
    }

    /// Brings the files, links and directories of the window to their end; they are then done.
    ///
    /// # Errors
    /// What ends the run.
    pub(super) fn finish(&self, window: Window) -> Result<()> {
        window.parts.par_iter().try_for_each(|part| {
            self.job.go_on()?;
            finish::end_part(self.job, self.reader, &part.file, part.end, part.last)
        })?;
        for link in &window.links {
            finish::link(self.job, self.target, link)?;
        }
        for original in &window.seals {
            finish::seal(self.job, self.target, original)?;
        }
        for dir in &window.dirs {
            self.job.go_on()?;
            finish::dir(self.job, self.reader, dir)?;
        }
        Ok(())
    }

    /// Where the chunks of the window lie, in the order in which they lie there.
    fn locate(&self, window: &Window) -> Result<Vec<Wanted>> {
        let mut runs = Vec::new();
        let mut begin = 0;
        for run in window.places.chunk_by(|one, other| one.id == other.id) {
            runs.push(begin..begin + run.len());
            begin += run.len();
        }
        let located: Vec<Option<Wanted>> = runs
            .into_par_iter()
            .map(|places| {
                let id = window.places[places.start].id;
                match self.locate.locate(&id) {
                    Ok(Some(at)) if self.is_there(window, &places, id, &at) => Ok(None),
                    Ok(Some(at)) => Ok(Some(Wanted { at, id, places })),
                    Ok(None) => {
                        let error = repo::Error::new(Kind::NotFound, "find chunk", id)
                            .because("the index does not have it")
                            .hint("`check` says what else is missing");
                        self.heal_or_lose(window, &places, error).map(|()| None)
                    }
                    Err(error) => self.heal_or_lose(window, &places, error).map(|()| None),
                }
            })
            .collect::<Result<_>>()?;
        let mut wanted: Vec<Wanted> = located.into_iter().flatten().collect();
        wanted.sort_unstable_by_key(|wanted| (wanted.at.frame, wanted.at.offset));
        Ok(wanted)
    }

    /// Takes frames as they come, until there are no more, and writes their chunks to their places.
    fn take(&self, begun: &Begun) -> Result<()> {
        let Begun { window, wanted, fetch } = begun;
        loop {
            self.job.wait_for_turn()?;
            let mut ended = None;
            let taken = fetch.next(|frame, bytes| {
                let from = wanted.partition_point(|wanted| wanted.at.frame < *frame);
                let of_frame = wanted[from..].iter().take_while(|wanted| wanted.at.frame == *frame);
                let mut used = 0;
                for wanted in of_frame {
                    used += u64::from(wanted.at.length);
                    if let Err(error) = self.chunk(window, wanted, bytes.as_ref()) {
                        ended = Some(error);
                        return Err(repo::Error::new(Kind::Cancelled, "read", frame));
                    }
                }
                // The rest of it is likely to be of the next window.
                if let Ok(bytes) = &bytes
                    && used < u64::from(frame.raw_len)
                {
                    self.reader.keep(frame, bytes);
                }
                Ok(())
            });
            match (ended, taken) {
                (Some(error), _) => return Err(error),
                (None, Err(error)) => return Err(error.into()),
                (None, Ok(true)) => {}
                (None, Ok(false)) => return Ok(()),
            }
        }
    }

    /// Verifies one chunk of a frame and writes it to its places. Where this copy is bad, another
    /// one is tried.
    fn chunk(
        &self,
        window: &Window,
        wanted: &Wanted,
        frame: Result<&Bytes, &repo::Error>,
    ) -> Result<()> {
        let (id, at) = (wanted.id, &wanted.at);
        let chunk = match frame {
            Ok(frame) => self.reader.chunk_of_frame(ChunkKind::Data, id, at, frame).ok(),
            Err(_) => None,
        };
        let chunk = match chunk {
            Some(chunk) => Ok(chunk),
            None => self.reader.read_chunk(ChunkKind::Data, id),
        };
        match chunk {
            Ok(chunk) => {
                self.job.store_answered();
                self.place(&chunk, window, &window.places[wanted.places.clone()])
            }
            Err(error) => self.lose(window, &wanted.places, error),
        }
    }

    fn place(&self, chunk: &[u8], window: &Window, places: &[Place]) -> Result<()> {
        for place in places {
            let open = &window.parts[place.part as usize].file;
            if open.is_damaged() {
                continue;
            }
            let from = place.from as usize;
            match chunk.get(from..from.saturating_add(place.length as usize)) {
                Some(bytes) => match open.write_at(bytes, place.at) {
                    Ok(true) => self.job.found(bytes.len() as u64),
                    Ok(false) => self.job.wrote(bytes.len() as u64),
                    Err(fault) => open.fail(self.job, fault)?,
                },
                None => {
                    let id = place.id;
                    open.damage(self.job, format_args!("its map points beyond the chunk {id}"));
                }
            }
        }
        Ok(())
    }

    /// Whether all places of a chunk are in files that were there, and have its bytes already.
    fn is_there(&self, window: &Window, places: &Range<usize>, id: ChunkId, at: &Location) -> bool {
        thread_local! {
            static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let places = &window.places[places.clone()];
        // Only of a whole chunk can be told by its id whether it is there.
        let is_whole = |place: &Place| place.from == 0 && place.length == at.length;
        let of = |place: &Place| &window.parts[place.part as usize].file;
        if !places.iter().all(|place| of(place).is_found() && is_whole(place)) {
            return false;
        }
        let has = |place: &Place, bytes: &mut Vec<u8>| {
            bytes.resize(place.length as usize, 0);
            // What can't be read is written, which then says why it can't be.
            let read = file::read_at(&of(place).node, bytes, place.at);
            read.is_ok_and(|read| read == bytes.len())
                && self.reader.is_chunk(ChunkKind::Data, id, bytes)
        };
        let are_there = BYTES.with_borrow_mut(|bytes| places.iter().all(|place| has(place, bytes)));
        if are_there {
            places.iter().for_each(|place| self.job.found(u64::from(place.length)));
        }
        are_there
    }

    /// Writes a chunk that the index can't find, if there is a copy of the repository that has it.
    fn heal_or_lose(
        &self,
        window: &Window,
        places: &Range<usize>,
        error: repo::Error,
    ) -> Result<()> {
        if !self.reader.can_heal() {
            return self.lose(window, places, error);
        }
        let places_of = &window.places[places.clone()];
        match self.reader.read_chunk(ChunkKind::Data, places_of[0].id) {
            Ok(chunk) => self.place(&chunk, window, places_of),
            Err(_) => self.lose(window, places, error),
        }
    }

    /// Notes that a chunk is lost, with every file that needs it.
    fn lose(&self, window: &Window, places: &Range<usize>, error: repo::Error) -> Result<()> {
        let error = self.job.damage(error)?;
        for place in &window.places[places.clone()] {
            window.parts[place.part as usize].file.damage(self.job, &error);
        }
        Ok(())
    }
}

/// The first error that says more than that another thread had one.
pub(super) fn first_cause(done: Vec<Result<()>>) -> Result<()> {
    let mut errors: Vec<Error> = done.into_iter().filter_map(Result::err).collect();
    let own = errors.iter().position(|error| error.kind() != Kind::Cancelled).unwrap_or(0);
    if errors.is_empty() { Ok(()) } else { Err(errors.swap_remove(own)) }
}
