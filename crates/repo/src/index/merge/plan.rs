//! Which segments to merge next, by their sizes and the ids that they are for.
//!
//! Knows sizes; not records. There are two kinds of merge. *Together*: small segments become one, for the
//! same ids, so that there are few. *Divided*: some large ones become four or more, each for its part
//! of the ids, so that of all the large ones a look-up asks few. All sizes are those of the objects, and the same
//! wherever a merge is made.

use std::collections::BTreeMap;

use lifeboat_format::index::IdPrefix;

/// So many small segments for the same ids, and one more for each other one for these, are too many.
pub(super) const SMALL_MAX: usize = 16;
/// So many heavy ones for the same ids are divided.
const HEAVY_MIN: usize = 4;
/// At least so many of a row go into a merge, if there are so many and there is room. More do while they are no
/// larger than those taken already: then a record is written anew only as often as the number of
/// records doubles.
const PARTS_MIN: usize = 8;
/// And at most so many, so that an entry of the log has room for their names.
const PARTS_MAX: usize = 1024;
/// And at most so many are divided at once, since each of them is read four times at its edges.
const DIVIDED_MAX: usize = 128;
/// And among them at most so many times the target of what was divided further before.
const DIVIDED_AGAIN_MAX: u64 = 8;

/// A segment that could be merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) prefix: IdPrefix,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Whether it may be merged: a damaged one may not, nor may others be merged across it.
    pub(super) is_fit: bool,
}

/// What to do with the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Together,
    Divided,
}

/// A merge: the places of its parts in the order in which they answer, which is that of the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) how: How,
    pub(super) prefix: IdPrefix,
    pub(super) parts: Vec<usize>,
}

/// The next merge; `target` is how large a segment becomes at most by being merged, in bytes.
pub(super) fn plan(candidates: &[Candidate], target: u64) -> Option<Plan> {
    let mut prefixes: BTreeMap<IdPrefix, usize> = BTreeMap::new();
    for candidate in candidates {
        *prefixes.entry(candidate.prefix).or_default() += 1;
    }
    let enough = prefixes.into_iter().filter(|(_, count)| *count >= HEAVY_MIN.min(SMALL_MAX));
    enough.map(|(prefix, _)| prefix).find_map(|prefix| {
        let rows = rows(candidates, prefix);
        let divided = rows.iter().find_map(|row| divide(candidates, row, prefix, target));
        let (how, parts) = match divided {
            // Their ids have a prefix that can't be longer.
            Some(_) if prefix.quarters().is_none() => return None,
            Some(parts) => (How::Divided, parts),
            None => (How::Together, together(candidates, &rows, prefix, target)?),
        };
        Some(Plan { how, prefix, parts })
    })
}

/// The rows of segments for these ids or some of them: neighbours, of all that may have some of them. What is for
/// more ids stands between rows, and so does what can't be merged.
fn rows(candidates: &[Candidate], prefix: IdPrefix) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new()];
    for (place, candidate) in candidates.iter().enumerate() {
        let is_within = prefix.covers(candidate.prefix);
        match rows.last_mut() {
            Some(row) if is_within && candidate.is_fit => row.push(place),
            _ if is_within || candidate.prefix.covers(prefix) => rows.push(Vec::new()),
            _ => {}
        }
    }
    rows
}

/// The part of a row that is to be divided: from the first for just these ids, so that what is divided answers
/// before what is not, and so before what comes later. What is for some of these ids only stands
/// between others where one was so large that it was divided further, or where one before it could not be divided;
/// then it is tried from the next one.
fn divide(
    candidates: &[Candidate],
    row: &[usize],
    prefix: IdPrefix,
    target: u64,
) -> Option<Vec<usize>> {
    let starts = (0..row.len()).filter(|at| candidates[row[*at]].prefix == prefix);
    starts.map(|start| &row[start..]).find_map(|row| divide_from(candidates, row, prefix, target))
}

fn divide_from(
    candidates: &[Candidate],
    row: &[usize],
    prefix: IdPrefix,
    target: u64,
) -> Option<Vec<usize>> {
    let (mut heavy, mut sum, mut others) = (0, 0_u64, 0_u64);
    for (at, place) in row.iter().enumerate().take(DIVIDED_MAX) {
        let Candidate { prefix: found, size, .. } = candidates[*place];
        sum = sum.saturating_add(size);
        if found != prefix {
            others = others.saturating_add(size);
            if others > DIVIDED_AGAIN_MAX * target {
                return None;
            }
            continue;
        }
        heavy += usize::from(size > target / 4);
        // Then a quarter of them is half as large as may be.
        if heavy >= HEAVY_MIN && sum >= 2 * target {
            return Some(row[..=at].to_vec());
        }
    }
    None
}

/// The newest of the longest row of small ones, if there are too many small ones.
fn together(
    candidates: &[Candidate],
    rows: &[Vec<usize>],
    prefix: IdPrefix,
    target: u64,
) -> Option<Vec<usize>> {
    let is_whole = |place: usize| candidates[place].prefix == prefix;
    let is_small = |place: usize| is_whole(place) && candidates[place].size <= target / 2;
    let all = rows.iter().flatten().filter(|place| is_whole(**place)).count();
    let small = rows.iter().flatten().filter(|place| is_small(**place)).count();
    let row = rows
        .iter()
        .flat_map(|row| row.chunk_by(|one, other| is_small(*one) == is_small(*other)))
        .filter(|row| is_small(row[0]))
        .max_by_key(|row| row.len())?;
    if small < SMALL_MAX + (all - small) || row.len() < 2 {
        return None;
    }
    let (mut start, mut sum) = (row.len(), 0);
    while start > 0 && row.len() - start < PARTS_MAX {
        let next = candidates[row[start - 1]].size;
        let is_large = row.len() - start >= PARTS_MIN && next > sum;
        if is_large || next > target - sum {
            break;
        }
        start -= 1;
        sum += next;
    }
    // Any two small ones have room.
    Some(row[start..].to_vec())
}

#[cfg(test)]
mod tests;
