//! The index made of the packs again: every segment that is damaged or lost, and packs that no segment speaks of.
//!
//! As healing does it, but that packs which can't be read are given up: their chunks are lost to the index, and segments that
//! spoke of them do not keep a collector from its work any more.

use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;

use crate::cancel::Cancel;
use crate::error::{Kind, Result};
use crate::heal::{HealReport, Rebuild, Unread, require_healer};
use crate::index::Index;
use crate::log::Fold;
use crate::open::Repository;

/// Which segments are rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segments {
    /// Those of which something can't be read.
    Damaged,
    /// All.
    All,
}

/// The segments that a repair would rebuild, in the order in which they answer. All of each is read.
///
/// # Errors
/// The store's, where they say nothing of a segment.
pub fn doubtful(
    repository: &Repository,
    fold: &Fold,
    segments: Segments,
) -> Result<Vec<ObjectKey>> {
    let all = fold.segments();
    if segments == Segments::All {
        return Ok(all.into_iter().map(|segment| segment.key).collect());
    }
    let nothing = Index::of_segments(repository, fold, &[], |_lost| ());
    let read = repository.io().each_of(&all, |segment| nothing.read_through(segment));
    let mut damaged = Vec::new();
    for (segment, outcome) in all.iter().zip(read) {
        match outcome {
            Ok(()) => {}
            Err(error)
                if matches!(error.kind(), Kind::Corrupt | Kind::NotFound)
                    || error.is_unreadable() =>
            {
                damaged.push(segment.key);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

/// Rebuilds these segments, which count, and what else turns out to be damaged on the way.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*; the store's; [`Kind::Cancelled`].
pub fn repair(
    repository: &Repository,
    fold: &mut Fold,
    segments: Vec<ObjectKey>,
    cancel: &Cancel,
) -> Result<HealReport> {
    require_healer(repository, fold)?;
    let run = RunId(repository.random()?);
    Rebuild { repository, run, unread: Unread::IsGivenUp, cancel }.segments(fold, segments)
}
