//! What is known to be lost: whole packs, and single chunks of packs.
//!
//! Knows names and places in a report, and finds out what can't be had from packs that are in doubt; bounded, since a
//! repository may be damaged all over.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use crate::cancel::Cancel;
use crate::check::data::{Outcome, Reading, read_object};
use crate::error::{Error, Kind, Result};
use crate::open::Repository;
use crate::reader::Location;

/// Lost chunks that are remembered one by one, at some 100 bytes each.
const CHUNKS_MAX: usize = 200_000;

/// Packs and chunks that can't be had, each with its problem's place in the report.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    packs: HashMap<ObjectKey, Option<usize>>,
    chunks: HashMap<ChunkId, Vec<(ObjectKey, Option<usize>)>>,
}

impl Lost {
    /// Nothing of this pack can be had.
    pub(super) fn pack(&mut self, pack: ObjectKey, place: Option<usize>) {
        self.packs.entry(pack).or_insert(place);
    }

    /// This copy of a chunk can't be had.
    pub(super) fn chunk(&mut self, id: ChunkId, pack: ObjectKey, place: Option<usize>) {
        if self.chunks.len() < CHUNKS_MAX {
            self.chunks.entry(id).or_default().push((pack, place));
        }
    }

    /// Whether there is nothing lost, so that nobody need ask about single copies.
    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.chunks.is_empty()
    }

    /// Whether nothing of this pack can be had.
    pub(super) fn has_pack(&self, pack: &ObjectKey) -> bool {
        self.packs.contains_key(pack)
    }

    /// The packs of which anything can't be had.
    pub(crate) fn damaged_packs(&self) -> HashSet<ObjectKey> {
        let of_chunks = self.chunks.values().flatten().map(|(pack, _)| *pack);
        self.packs.keys().copied().chain(of_chunks).collect()
    }

    /// The problem that makes this copy of a chunk unreadable: `Some` if there is one, with its place.
    #[expect(clippy::option_option, reason = "lost or not, and then reported one by one or not")]
    pub(crate) fn copy(&self, id: &ChunkId, at: &Location) -> Option<Option<usize>> {
        let pack = &at.frame.pack;
        if let Some(place) = self.packs.get(pack) {
            return Some(*place);
        }
        let (_, place) = self.chunks.get(id)?.iter().find(|(lost, _)| lost == pack)?;
        Some(*place)
    }
}

/// What can't be had from these packs, which are read whole; one without a length is not there.
///
/// # Errors
/// The store's, where they say nothing of a pack; [`Kind::Cancelled`].
pub(crate) fn find_lost(
    repository: &Repository,
    packs: &[(ObjectKey, Option<u64>)],
    threads: usize,
    cancel: &Cancel,
) -> Result<Lost> {
    let reading = Reading::of(repository, threads);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Lost::default()));
    let work = || -> Result<()> {
        let mut checker = reading.checker(repository);
        while let Some((key, size)) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancel.is_cancelled() {
                return Err(
                    Error::new(Kind::Cancelled, "read", key).because("it was asked to stop")
                );
            }
            let outcome = match size {
                Some(size) => Some(read_object(&mut checker, *key, *size, |_| Ok(Vec::new()))?),
                None => None,
            };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Some(Outcome::Pack(findings)) => {
                    if findings.is_lost {
                        found.pack(*key, None);
                    }
                    findings.lost.into_iter().for_each(|id| found.chunk(id, *key, None));
                }
                Some(Outcome::Segment(_)) => {}
                Some(Outcome::Unreadable(_)) | None => found.pack(*key, None),
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..reading.threads).map(|_| scope.spawn(work)).collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ends.collect::<Vec<_>>().into_iter().collect::<Result<()>>()
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}
