//! In tests alone: what was marked by differences is what a full mark makes.
//!
//! Each collection of the simulation whose marks are kept is compared so, and each of this crate's tests.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::gc::Run;
use crate::gc::living::Living;
use crate::gc::mark::{Marked, mark};
use crate::index::Index;
use crate::index::marks::Marks;

/// Marks everything, and refuses if that comes to something else.
///
/// # Errors
/// [`Kind::Internal`] then; those of the mark.
pub(in crate::gc) fn require_alike(
    run: &Run<'_>,
    index: &Arc<Index>,
    living: &Living,
    marked: &Marked,
) -> Result<()> {
    let full = mark(run, index, living, None)?;
    let segments = index.keys().len();
    let same = |one: &Marks, other: &Marks| {
        (0..segments).all(|place| trimmed(one.words(place)) == trimmed(other.words(place)))
    };
    let (one, other) = (&marked.usage, &full.usage);
    let unlike = [
        ("marks", same(&one.marks, &other.marks)),
        ("nodes", same(&marked.nodes, &full.nodes)),
        ("packs", one.packs == other.packs),
        ("segments", one.segments == other.segments),
    ];
    match unlike.into_iter().find(|(_, is_same)| !is_same) {
        None => Ok(()),
        Some((what, _)) => Err(Error::new(Kind::Internal, "mark", run.repository.io().describe())
            .because(format!("its {what} by differences are not those of a full mark"))),
    }
}

fn trimmed(words: &[u64]) -> &[u64] {
    let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    &words[..used]
}
