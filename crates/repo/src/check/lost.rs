//! What is known to be lost: whole packs, and single chunks of packs.
//!
//! Knows names and places in a report, and finds out what can't be had from packs that are in doubt; bounded, since a
//! repository may be damaged all over.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use crate::cancel::Cancel;
use crate::check::data::{Outcome, Reading, read_object};
use crate::check::is_of_the_object;
use crate::error::{Error, Kind, Result};
use crate::index::{Index, location};
use crate::open::Repository;
use crate::reader::{ChunkKind, Location, Reader};

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

/// Finds out what can't be had of packs whose own tables can't be read, each with its problem's place: what the index says is
/// in them is read, chunk by chunk.
///
/// # Errors
/// The store's, where they say nothing of a pack, and those of the index.
pub(crate) fn find_unlisted(
    repository: &Repository,
    index: &Arc<Index>,
    packs: &HashMap<ObjectKey, Option<usize>>,
    lost: &mut Lost,
) -> Result<()> {
    if packs.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::new();
    index.for_each(|_, record, pack| {
        let key = pack.key();
        let standing = index.standing(&key);
        let both = [Some(key), Some(standing).filter(|standing| *standing != key)];
        for key in both.into_iter().flatten().filter(|key| packs.contains_key(key)) {
            let mut at = location(record, pack);
            at.frame.pack = key;
            wanted.push((at, record.id));
        }
        Ok(())
    })?;
    wanted.sort_unstable_by_key(|(at, _)| (at.frame, at.offset));
    let (io, keyring) = (repository.io().clone(), Arc::clone(repository.keyring()));
    let memory = repository.memory_bytes() / 16;
    let reader = Reader::new(io, keyring, Arc::<Index>::clone(index), memory);
    for (at, id) in wanted {
        let kinds: &[ChunkKind] = match at.frame.pack {
            ObjectKey::Tree(_) => &[ChunkKind::Node, ChunkKind::Meta],
            _ => &[ChunkKind::Data],
        };
        let mut can_be_had = false;
        for kind in kinds {
            match reader.read_copy(*kind, id, &at) {
                Ok(_) => can_be_had = true,
                Err(error) if is_of_the_object(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if !can_be_had {
            let place = packs.get(&at.frame.pack).copied().flatten();
            lost.chunk(id, at.frame.pack, place);
        }
    }
    Ok(())
}

/// What can't be had from these packs, which are read whole; one without a length is not there.
///
/// # Errors
/// The store's, where they say nothing of a pack; [`Kind::Cancelled`].
pub(crate) fn find_lost(
    repository: &Repository,
    index: &Arc<Index>,
    packs: &[(ObjectKey, Option<u64>)],
    threads: usize,
    cancel: &Cancel,
) -> Result<Lost> {
    let reading = Reading::of(repository, threads);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Lost::default()));
    let unlisted = Mutex::new(HashMap::new());
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
                    if findings.is_unlisted {
                        let mut unlisted = unlisted.lock().unwrap_or_else(PoisonError::into_inner);
                        unlisted.insert(*key, None);
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
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let unlisted = unlisted.into_inner().unwrap_or_else(PoisonError::into_inner);
    find_unlisted(repository, index, &unlisted, &mut found)?;
    Ok(found)
}
