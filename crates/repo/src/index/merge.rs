//! Merging: index segments are written anew as fewer or as others, so that a repository of many backups
//! opens with few requests, and a look-up in a large one asks few segments.
//!
//! Each backup adds a segment. When there are enough small ones, the newest of those that stand in a row
//! become one. When there are enough large ones, they become others which are each for a part of the
//! ids; and these, when there are enough of them for the same ids, the same again. An entry of the log says
//! which ones they stand for. Knows segments, their sizes and their records; not what the chunks are.
//!
//! Invariants: a merge is of neighbours in the order in which segments answer, and takes their place,
//! so the record that counts stays the same. No record is lost: of several of one chunk the further ones
//! go to segments of their own, which answer behind the first. Nothing is removed: a part that others
//! have opened goes on answering. A merge holds no more than some hundred thousand records at a time, whatever ids somebody
//! has made up, so memory is bounded; what it does is the same on every machine. Merging is never needed: where it
//! fails, a later run tries again.

pub(crate) mod drafts;
mod plan;

use std::collections::HashSet;

use lifeboat_codec::compress::Level;
use lifeboat_format::id::RunId;
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;
use lifeboat_store::Payload;

use self::drafts::Drafts;
use self::plan::{Candidate, How, Plan, plan};
use super::write::{SealedSegment, SegmentDraft};
use super::{Index, Segment, is_damage};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Fold, LiveSegment};
use crate::open::Repository;

/// How large a segment becomes at most by being merged, in bytes: of some 140,000 records.
pub const TARGET_BYTES: u64 = 8 << 20;
/// The most records of one segment: one of [`TARGET_BYTES`] has fewer, unless somebody has made its ids up.
const RECORDS_MAX: u64 = 256 << 10;
/// About so many records are put together at once, and then added to their segment.
const TOGETHER_MAX: u64 = 40 << 10;

/// How to merge.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// The zstd level.
    pub level: Level,
    /// How large a segment becomes at most, in bytes. One of more than half as many is not small, one of more
    /// than a quarter heavy. [`TARGET_BYTES`] but in tests: all who merge should agree.
    pub target: u64,
    /// After so many tries the rest is left to a later run.
    pub merges_max: u64,
    /// Leaves the rest to a later run.
    pub cancel: Cancel,
}

/// What came of trying to merge.
enum Made {
    /// These, for these ids.
    Segments(Vec<(SealedSegment, IdPrefix)>),
    /// As many as there were: most chunks are in all of them.
    NothingGained,
    /// The part at this place can't be merged.
    Unfit(usize, Error),
    Cancelled,
}

/// Merges segments while there are too many, and the keys may; how many merges that took.
///
/// # Errors
/// The store's. A segment that is damaged is left out. What was merged before an error counts.
pub fn merge_segments(
    repository: &Repository,
    fold: &mut Fold,
    index: &Index,
    run: RunId,
    options: &MergeOptions,
) -> Result<u64> {
    if !may_merge(repository, fold) {
        return Ok(0);
    }
    let mut is_fresh = false;
    let (mut tries, mut merges) = (0, 0);
    while tries < options.merges_max && !options.cancel.is_cancelled() {
        let unfit = index.unfit();
        let segments = fold.segments();
        let candidates: Vec<Candidate> = segments
            .iter()
            .map(|LiveSegment { key, object, prefix }| Candidate {
                prefix: *prefix,
                size: object.size,
                is_fit: !unfit.contains(key),
            })
            .collect();
        let Some(plan) = plan(&candidates, options.target) else { break };
        // Where several merge at once, all but one would do it for nothing.
        if !is_fresh {
            is_fresh = true;
            if fold.refresh(repository.io())? {
                if !may_merge(repository, fold) {
                    break;
                }
                continue;
            }
        }
        let parts: Vec<LiveSegment> = plan.parts.iter().map(|place| segments[*place]).collect();
        let merge = Merge { repository, index, parts: &parts, plan: &plan, options };
        tries += 1;
        let merged = match merge.make()? {
            Made::Segments(merged) => merged,
            // Others may be worth it.
            Made::NothingGained => {
                index.add_unfit(parts.iter().map(|part| part.key));
                continue;
            }
            Made::Unfit(at, error) => {
                let part = parts[at].key;
                tracing::warn!(%error, "{part} is not merged with others");
                index.add_unfit([part]);
                continue;
            }
            Made::Cancelled => break,
        };
        if !take(repository, fold, index, run, &parts, &merged)? {
            break;
        }
        merges += 1;
    }
    Ok(merges)
}

/// Writes those of these segments anew, each as one of its own, that have records of packs that are gone; how many that
/// were. They are then merged segments like any other.
///
/// # Errors
/// As [`merge_segments`].
pub fn compact_segments(
    repository: &Repository,
    fold: &mut Fold,
    index: &Index,
    run: RunId,
    options: &MergeOptions,
    wasteful: &HashSet<ObjectKey>,
) -> Result<u64> {
    if !may_merge(repository, fold) {
        return Ok(0);
    }
    let mut compacted = 0;
    for segment in fold.segments() {
        if !wasteful.contains(&segment.key) || options.cancel.is_cancelled() {
            continue;
        }
        let plan = Plan { how: How::Together, prefix: segment.prefix, parts: vec![0] };
        let parts = [segment];
        let merge = Merge { repository, index, parts: &parts, plan: &plan, options };
        match merge.make()? {
            Made::Segments(made) => {
                compacted += u64::from(take(repository, fold, index, run, &parts, &made)?);
            }
            Made::NothingGained | Made::Cancelled => {}
            Made::Unfit(_, error) => tracing::warn!(%error, "{} is left as it is", segment.key),
        }
    }
    Ok(compacted)
}

/// Makes what was merged count, and answers from it; whether that is so.
fn take(
    repository: &Repository,
    fold: &mut Fold,
    index: &Index,
    run: RunId,
    parts: &[LiveSegment],
    merged: &[(SealedSegment, IdPrefix)],
) -> Result<bool> {
    if !put(repository, fold, run, parts, merged)? {
        return Ok(false);
    }
    let made = merged.iter().map(|(segment, prefix)| LiveSegment {
        prefix: *prefix,
        ..LiveSegment::whole(segment.key, segment.object.size)
    });
    index.put_in_place(fold, parts, made);
    Ok(true)
}

/// Whether everybody will believe a merge, and sees what this fold sees.
fn may_merge(repository: &Repository, fold: &Fold) -> bool {
    let signer = repository.keyring().signer(&SigningRole::Maintain);
    signer.is_ok_and(|signer| repository.grants(&signer.public(), &SigningRole::Maintain))
        && repository.require_writable().is_ok()
        && fold.require_appendable().is_ok()
        && fold.void_count() == 0
}

/// One merge on its way.
struct Merge<'a> {
    repository: &'a Repository,
    index: &'a Index,
    parts: &'a [LiveSegment],
    plan: &'a Plan,
    options: &'a MergeOptions,
}

impl Merge<'_> {
    /// Makes the segments; those of a divided merge are put as they are made, since memory would not
    /// hold all of them.
    fn make(&self) -> Result<Made> {
        let io = self.repository.io();
        let opened = io.each_of(self.parts, |part| self.index.open_for_merge(part));
        let mut open = Vec::with_capacity(opened.len());
        for (at, segment) in opened.into_iter().enumerate() {
            match segment {
                Ok(segment) => open.push(segment),
                Err(error) if is_unfit(&error) => return Ok(Made::Unfit(at, error)),
                Err(error) => return Err(error),
            }
        }
        let pieces = match self.pieces(&open) {
            Ok(pieces) => pieces,
            Err(at) => {
                let error = Error::new(Kind::Invalid, "merge", self.parts[at].key)
                    .because("too many of its ids begin alike");
                return Ok(Made::Unfit(at, error));
            }
        };
        // Before anything is put that nobody would name then.
        if self.plan.how == How::Divided
            && let Some((at, error)) = self.first_unfit(&open)?
        {
            return Ok(Made::Unfit(at, error));
        }
        let mut merged = Vec::new();
        for prefix in pieces {
            // What was put is named by nobody if the rest does not come.
            if merged.is_empty() && self.options.cancel.is_cancelled() {
                return Ok(Made::Cancelled);
            }
            let drafts = match self.gather(&open, prefix)? {
                Ok(drafts) => drafts,
                Err((at, error)) => return Ok(Made::Unfit(at, error)),
            };
            // One alone is written anew for what it need not say any more.
            let is_more = drafts.len() > (self.parts.len() / 2).max(1);
            if self.plan.how == How::Together && is_more {
                return Ok(Made::NothingGained);
            }
            for draft in drafts {
                let mut segment = draft.seal(self.repository, self.options.level)?;
                let bytes = std::mem::take(&mut segment.bytes);
                io.put_soon(&segment.key, Payload::from(bytes))?;
                segment.ids = Vec::new();
                merged.push((segment, prefix));
            }
        }
        // Parts without a record that their directories let one expect.
        Ok(if merged.is_empty() { Made::NothingGained } else { Made::Segments(merged) })
    }

    /// For which ids to make segments, so that none has too many records. The error is which part has the
    /// most of ids that begin alike, too many to be divided.
    fn pieces(&self, open: &[Opened]) -> Result<Vec<IdPrefix>, usize> {
        let is_divided = self.plan.how == How::Divided;
        let quarters = |prefix: IdPrefix| {
            let counts = open.iter().map(|segment| segment.count_within(prefix)).enumerate();
            let most = counts.max_by_key(|(_, count)| *count).map_or(0, |(at, _)| at);
            prefix.quarters().filter(|_| is_divided).ok_or(most)
        };
        let mut left = match is_divided {
            true => Vec::from(quarters(self.plan.prefix)?),
            false => vec![self.plan.prefix],
        };
        let mut pieces = Vec::new();
        while let Some(prefix) = left.pop() {
            let (mut records, mut bytes) = (0_u64, 0_u64);
            for (segment, part) in open.iter().zip(self.parts) {
                let count = segment.count_within(prefix);
                records += count;
                bytes += count * (part.object.size / segment.record_count().max(1));
            }
            if records <= RECORDS_MAX && (!is_divided || bytes <= self.options.target) {
                pieces.push(prefix);
            } else {
                left.extend(quarters(prefix)?);
            }
        }
        Ok(pieces)
    }

    /// The first part with something that can't be merged, if there is one.
    fn first_unfit(&self, open: &[Opened]) -> Result<Option<(usize, Error)>> {
        let mut packs = drafts::Packs::default();
        for (at, segment) in open.iter().enumerate() {
            if self.options.cancel.is_cancelled() {
                break;
            }
            let mut agree = true;
            let looked = segment
                .for_each_pack(&self.index.cache, |pack| agree &= packs.agree(pack))
                .and_then(|()| if agree { Ok(()) } else { Err(drafts::disagreement()) })
                .and_then(|()| segment.for_each_block(drafts::check));
            match looked {
                Ok(()) => {}
                Err(error) if is_unfit(&error) => return Ok(Some((at, error))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// All records of these ids: those that count, then the second of each chunk, and so on. The inner
    /// error is of one of the parts, which can't be merged.
    fn gather(
        &self,
        open: &[Opened],
        prefix: IdPrefix,
    ) -> Result<Result<Vec<SegmentDraft>, (usize, Error)>> {
        let io = self.repository.io();
        let mut drafts = Drafts::default();
        let mut left = vec![prefix];
        while let Some(prefix) = left.pop() {
            let count: u64 = open.iter().map(|segment| segment.count_within(prefix)).sum();
            if let Some(quarters) = prefix.quarters().filter(|_| count > TOGETHER_MAX) {
                left.extend(quarters);
                continue;
            }
            let has_some = |segment: &Opened| {
                segment.prefix().covers(prefix) || prefix.covers(segment.prefix())
            };
            let read = io.each_of(open, |segment| match has_some(segment) {
                true => segment.records_within(&self.index.cache, prefix),
                false => Ok(Vec::new()),
            });
            drafts.begin_other_ids();
            let believed = self.index.believed();
            for (at, records) in read.into_iter().enumerate() {
                let part = &self.parts[at].key;
                let left = records.map(|mut records| {
                    records.retain(|(_, pack)| believed.believes(part, &pack.key()));
                    records
                });
                match left.and_then(|records| drafts.add(&records)) {
                    Ok(()) => {}
                    Err(error) if is_unfit(&error) => return Ok(Err((at, error))),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Ok(drafts.finish()))
    }
}

type Opened = std::sync::Arc<Segment>;

/// Whether an error is about a part, and not about the store.
fn is_unfit(error: &Error) -> bool {
    is_damage(error) || error.kind() == Kind::Invalid
}

/// Makes the segments durable and says what they stand for; whether that counts.
fn put(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    parts: &[LiveSegment],
    merged: &[(SealedSegment, IdPrefix)],
) -> Result<bool> {
    if merged.is_empty() {
        return Ok(false);
    }
    repository.io().sync()?;
    let keys: Vec<ObjectKey> = parts.iter().map(|part| part.key).collect();
    let made: Vec<_> = merged.iter().map(|(segment, prefix)| (segment.object, *prefix)).collect();
    // What stands between them may not be seen where an entry means nothing.
    log::commit_merge(repository, fold, run, &keys, &made, |head| head.void_count() == 0)
}

#[cfg(test)]
mod tests;
