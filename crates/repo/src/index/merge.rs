//! Merging: many small index segments become one, so that a repository of many backups opens with few
//! requests.
//!
//! Each backup adds a segment, most of them small. When enough small ones stand in a row, the newest of
//! them are written anew as one segment, and an entry of the log says which ones it stands for. Knows
//! segments and how many records they have; not what the chunks are.
//!
//! Invariants: a merge is of neighbours in the order in which segments answer, and takes their place,
//! so the record that counts stays the same. Nothing is removed: a part that others have opened goes on
//! answering. A merge takes no more records than the writer gathers for a segment anyway, so memory is
//! bounded. Merging is never needed: where it fails, a later run tries again.

use std::collections::HashMap;
use std::ops::Range;

use lifeboat_codec::compress::Level;
use lifeboat_format::id::RunId;
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::SigningRole;
use lifeboat_store::Payload;

use super::Index;
use super::write::{SealedSegment, SegmentDraft};
use crate::error::Result;
use crate::log::{Decision, EntryDraft, Fold, append};
use crate::open::Repository;

/// So many small segments in a row are merged.
pub const RUN_MAX: usize = 16;
/// At least so many of them go into a merge, if there is room. More do while they have no more records
/// than those taken already: then a record is written anew only as often as the number of records
/// doubles.
const PARTS_MIN: usize = 8;

/// How to merge.
#[derive(Clone, Copy, Debug)]
pub struct MergeOptions {
    /// The zstd level.
    pub level: Level,
    /// The most records of a merge. A segment of more than half as many is not small.
    pub records_max: usize,
}

/// Merges small segments if there are too many, and the keys may; how many merges that took.
///
/// # Errors
/// The store's, or what is damaged in a segment. What was merged before an error counts.
pub fn merge_small(
    repository: &Repository,
    fold: &mut Fold,
    index: &Index,
    run: RunId,
    options: MergeOptions,
) -> Result<u64> {
    let may = repository.keyring().signer(&SigningRole::Maintain).is_ok()
        && repository.require_writable().is_ok()
        && fold.require_appendable().is_ok();
    if !may {
        return Ok(0);
    }
    let mut merges = 0;
    loop {
        let segments: Vec<ObjectKey> =
            fold.segments().into_iter().map(|(segment, _)| segment).collect();
        let counts: Vec<Option<u64>> =
            segments.iter().map(|segment| index.record_count(segment)).collect();
        let Some(range) = plan(&counts, options.records_max as u64) else { return Ok(merges) };
        let parts = &segments[range];
        let merged = gather(index, parts)?.seal(repository, options.level)?;
        if !put(repository, fold, run, parts, &merged)? {
            return Ok(merges);
        }
        index.add(repository, merged.key, merged.object.size)?;
        merges += 1;
    }
}

/// Which segments to merge, given how many records each has in the order in which they answer; none are
/// known of one that can't be opened.
fn plan(counts: &[Option<u64>], records_max: u64) -> Option<Range<usize>> {
    let run = longest_run(counts.iter().map(|count| count.is_some_and(|n| n <= records_max / 2)));
    if run.len() < RUN_MAX {
        return None;
    }
    let (mut start, mut sum) = (run.end, 0);
    while start > run.start {
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

/// The records of these segments; of several of one chunk the first is kept when it is sealed.
fn gather(index: &Index, parts: &[ObjectKey]) -> Result<SegmentDraft> {
    let mut draft = SegmentDraft { packs: Vec::new(), records: Vec::new() };
    let mut places: HashMap<ObjectKey, u32> = HashMap::new();
    for part in parts {
        index.for_each_of(part, |record, pack| {
            let place = *places.entry(pack.key()).or_insert_with(|| {
                draft.packs.push(*pack);
                u32::try_from(draft.packs.len() - 1).expect("no more packs than records")
            });
            draft.records.push(lifeboat_format::index::IndexRecord { pack: place, ..*record });
            Ok(())
        })?;
    }
    Ok(draft)
}

/// Makes the segment durable and says what it stands for; whether that was still to be said.
fn put(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    parts: &[ObjectKey],
    merged: &SealedSegment,
) -> Result<bool> {
    repository.io().put_soon(&merged.key, Payload::from(merged.bytes.clone()))?;
    repository.io().sync()?;
    let names: Vec<ObjectName> = parts.iter().filter_map(name_of).collect();
    let appended = append(repository, fold, |head| {
        // Another may have merged them meanwhile.
        if parts.iter().any(|part| head.is_merged(part)) {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::commit(run, SigningRole::Maintain);
        let (objects, merged) = (vec![merged.object], names.clone());
        Ok(Decision::Append(EntryDraft { objects, merged, ..draft }))
    })?;
    Ok(appended.is_some())
}

fn name_of(segment: &ObjectKey) -> Option<ObjectName> {
    match segment {
        ObjectKey::Index(name) => Some(*name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
