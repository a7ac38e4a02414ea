//! Merging: many small index segments become one, so that a repository of many backups opens with few
//! requests.
//!
//! Each backup adds a segment, most of them small. When there are enough small ones, the newest of those
//! that stand in a row are written anew as one, and an entry of the log says which ones it stands for.
//! Knows segments and how many records they have; not what the chunks are.
//!
//! Invariants: a merge is of neighbours in the order in which segments answer, and takes their place,
//! so the record that counts stays the same. No record is lost: of several of one chunk the further ones
//! go to segments of their own, which answer behind the first. Nothing is removed: a part that others
//! have opened goes on answering. A merge takes no more records than the writer gathers for a segment anyway,
//! so memory is bounded. Merging is never needed: where it fails, a later run tries again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use lifeboat_codec::compress::Level;
use lifeboat_format::id::{ChunkId, RunId};
use lifeboat_format::index::{GENERATION, IndexRecord, PackRecord};
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::SigningRole;
use lifeboat_store::Payload;

use super::write::{SealedSegment, SegmentDraft};
use super::{Index, is_damage};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::log::{Decision, EntryDraft, Fold, append};
use crate::open::Repository;

/// So many small segments, and one more for each large one, are too many.
pub const SMALL_MAX: usize = 16;
/// At least so many of a row go into a merge, if there are so many and there is room. More do while they have no
/// more records than those taken already: then a record is written anew only as often as the number of
/// records doubles.
const PARTS_MIN: usize = 8;
/// And at most so many, so that an entry of the log has room for their names.
const PARTS_MAX: usize = 1024;

/// How to merge.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// The zstd level.
    pub level: Level,
    /// The most records of a merge. A segment of more than half as many is not small.
    pub records_max: usize,
    /// Leaves the rest to a later run.
    pub cancel: Cancel,
}

/// Merges small segments if there are too many, and the keys may; how many merges that took.
///
/// # Errors
/// The store's. A segment that is damaged is left out. What was merged before an error counts.
pub fn merge_small(
    repository: &Repository,
    fold: &mut Fold,
    index: &Index,
    run: RunId,
    options: &MergeOptions,
) -> Result<u64> {
    if !may_merge(repository, fold) {
        return Ok(0);
    }
    let mut unfit: HashSet<ObjectKey> = HashSet::new();
    let mut merges = 0;
    while !options.cancel.is_cancelled() {
        let open = index.by_key();
        let segments: Vec<ObjectKey> =
            fold.segments().into_iter().map(|(segment, _)| segment).collect();
        let count = |segment: &ObjectKey| match unfit.contains(segment) {
            true => None,
            false => open.get(segment).map(|(_, count)| *count),
        };
        let counts: Vec<Option<u64>> = segments.iter().map(count).collect();
        let Some(range) = plan(&counts, options.records_max as u64) else { break };
        let parts = &segments[range];
        let places: Vec<usize> = parts.iter().filter_map(|part| Some(open.get(part)?.0)).collect();
        let drafts = match gather(repository, index, &places)? {
            Ok(drafts) => drafts,
            Err((at, error)) => {
                let part = parts[at];
                tracing::warn!(%error, "{part} is not merged with others");
                unfit.insert(part);
                continue;
            }
        };
        // Where most chunks are in all of them nothing is gained.
        if drafts.len() > parts.len() / 2 {
            break;
        }
        let seal = |draft: SegmentDraft| draft.seal(repository, options.level);
        let merged: Vec<SealedSegment> = drafts.into_iter().map(seal).collect::<Result<_>>()?;
        if !put(repository, fold, run, parts, &merged)? {
            break;
        }
        for segment in &merged {
            index.add(repository, segment.key, segment.object.size)?;
        }
        merges += 1;
    }
    Ok(merges)
}

/// Whether everybody will believe a merge, and sees what this fold sees.
fn may_merge(repository: &Repository, fold: &Fold) -> bool {
    let signer = repository.keyring().signer(&SigningRole::Maintain);
    signer.is_ok_and(|signer| repository.grants(&signer.public(), &SigningRole::Maintain))
        && repository.require_writable().is_ok()
        && fold.require_appendable().is_ok()
        && fold.void_count() == 0
}

/// Which segments to merge, given how many records each has in the order in which they answer; none are
/// known of one that can't be used.
fn plan(counts: &[Option<u64>], records_max: u64) -> Option<Range<usize>> {
    let is_small = |count: &Option<u64>| count.is_some_and(|n| n <= records_max / 2);
    let small = counts.iter().filter(|count| is_small(count)).count();
    let run = longest_run(counts.iter().map(is_small));
    if small < SMALL_MAX + (counts.len() - small) || run.len() < 2 {
        return None;
    }
    let (mut start, mut sum) = (run.end, 0);
    while start > run.start && run.end - start < PARTS_MAX {
        let next = counts[start - 1].unwrap_or(u64::MAX);
        let is_large = run.end - start >= PARTS_MIN && next > sum;
        if is_large || next > records_max - sum {
            break;
        }
        start -= 1;
        sum += next;
    }
    // Any two small ones have room.
    Some(start..run.end)
}

/// The longest stretch of true, the last of several.
fn longest_run(flags: impl Iterator<Item = bool>) -> Range<usize> {
    let (mut longest, mut run) = (0..0, 0..0);
    for (place, flag) in flags.enumerate() {
        run = if flag { run.start..place + 1 } else { place + 1..place + 1 };
        if run.len() >= longest.len() {
            longest = run.clone();
        }
    }
    longest
}

/// All records of the segments at these places: those that count, then the second of each chunk, and so
/// on. The inner error is of one of them, which can't be merged.
fn gather(
    repository: &Repository,
    index: &Index,
    places: &[usize],
) -> Result<Result<Vec<SegmentDraft>, (usize, Error)>> {
    let read = repository.io().each_of(places, |place| index.records_of(*place));
    let mut drafts = Drafts::default();
    for (at, records) in read.into_iter().enumerate() {
        let added = records.and_then(|records| drafts.add(repository, &records));
        match added {
            Ok(()) => {}
            Err(error) if is_damage(&error) || error.kind() == Kind::Invalid => {
                return Ok(Err((at, error)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(drafts.drafts))
}

/// What becomes of the parts of a merge.
#[derive(Default)]
struct Drafts {
    drafts: Vec<SegmentDraft>,
    /// In how many drafts there is a record of a chunk.
    copies: HashMap<ChunkId, usize>,
    /// What was said of a pack first.
    packs: HashMap<ObjectName, PackRecord>,
    /// Where a pack is in a draft.
    places: HashMap<(usize, ObjectName), u32>,
}

impl Drafts {
    /// Adds all records of a part, or refuses it.
    fn add(
        &mut self,
        repository: &Repository,
        records: &[(IndexRecord, PackRecord)],
    ) -> Result<()> {
        let refuse = |reason: &str| {
            Err(Error::new(Kind::Invalid, "merge segments of", repository.io().describe())
                .because(reason.to_owned()))
        };
        for (record, pack) in records {
            if record.generation != GENERATION {
                return refuse("it has records of another generation");
            }
            if *self.packs.entry(pack.name).or_insert(*pack) != *pack {
                return refuse("it says other things of a pack than those before it");
            }
        }
        for (record, pack) in records {
            let copies = self.copies.entry(record.id).or_default();
            let number = std::mem::replace(copies, *copies + 1);
            if number == self.drafts.len() {
                self.drafts.push(SegmentDraft { packs: Vec::new(), records: Vec::new() });
            }
            let draft = &mut self.drafts[number];
            let place = *self.places.entry((number, pack.name)).or_insert_with(|| {
                draft.packs.push(*pack);
                u32::try_from(draft.packs.len() - 1).expect("no more packs than records")
            });
            draft.records.push(IndexRecord { pack: place, ..*record });
        }
        Ok(())
    }
}

/// Makes the segments durable and says what they stand for; whether that counts.
fn put(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    parts: &[ObjectKey],
    merged: &[SealedSegment],
) -> Result<bool> {
    for segment in merged {
        repository.io().put_soon(&segment.key, Payload::from(segment.bytes.clone()))?;
    }
    repository.io().sync()?;
    let names: Vec<ObjectName> = parts.iter().filter_map(name_of).collect();
    append(repository, fold, |head| {
        // Another may have merged them meanwhile.
        if parts.iter().any(|part| head.is_merged(part)) {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::commit(run, SigningRole::Maintain);
        let objects = merged.iter().map(|segment| segment.object).collect();
        Ok(Decision::Append(EntryDraft { objects, merged: names.clone(), ..draft }))
    })?;
    Ok(merged.iter().all(|segment| fold.parts(&segment.key).len() == parts.len()))
}

fn name_of(segment: &ObjectKey) -> Option<ObjectName> {
    match segment {
        ObjectKey::Index(name) => Some(*name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
