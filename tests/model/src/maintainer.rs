//! What a maintainer stores: live chunks of a pack that has dead ones (repack), and the records of
//! several segments in one (compaction).
//!
//! Neither removes anything: the old objects are a collector's business, later.

use crate::{
    Protocol,
    log::{Fold, Number},
    mutants::Mutant,
    run::{Plan, needed},
    set::Set,
    setup::Job,
    state::{Actor, Object, State},
};

/// Copies what is live in the first pack that has something dead.
pub(crate) fn repack(
    model: &Protocol,
    state: &State,
    actor: usize,
    fold: &Fold,
    head: Number,
    gone: Set,
) -> Option<Plan> {
    let Actor::Run(run) = &state.actors[actor] else { return None };
    let own = run.own - gone;
    if !run.at_start() && own == run.own {
        return Some(Plan { own, ..Plan::default() });
    }
    let needed = needed(model, fold, head);
    let usable = (fold.counts - fold.condemned).iter();
    usable.into_iter().find_map(|name| match state.contents.of(name) {
        Object::Pack(chunks) if chunks.meets(needed) && !(chunks - needed).is_empty() => {
            Some(Plan { chunks: chunks & needed, ..Plan::default() })
        }
        _ => None,
    })
}

/// Writes the records of all segments anew, but those of packs that are deleted.
pub(crate) fn compact(
    model: &Protocol,
    state: &State,
    actor: usize,
    fold: &Fold,
    gone: Set,
) -> Option<Plan> {
    let Actor::Run(run) = &state.actors[actor] else { return None };
    let own = run.own - gone;
    if !run.at_start() && merge_is_void(fold, run.merges) {
        // Somebody else has merged the same, or collected it.
        return None;
    }
    if !run.at_start() && own == run.own {
        return Some(Plan { own, merges: run.merges, ..Plan::default() });
    }
    let merges = fold.counts & (state.contents.segments() - fold.merged);
    let mut packs = Set::NONE;
    for segment in merges.iter() {
        if let Object::Segment(of) = state.contents.of(segment) {
            packs |= of & fold.counts;
        }
    }
    if model.is(Mutant::DropsCondemned) {
        packs -= fold.condemned;
    }
    let several = merges.iter().count() > 1 && !packs.is_empty();
    several.then_some(Plan { packs, merges, ..Plan::default() })
}

/// Whether a merge of these segments would not count.
pub(crate) fn merge_is_void(fold: &Fold, merges: Set) -> bool {
    merges.meets(fold.merged) || !(merges - fold.counts).is_empty()
}

/// Whether the pack that it is about to put has chunks that can't be read any more.
pub(crate) fn lost_its_source(model: &Protocol, state: &State, actor: usize, name: u8) -> bool {
    let Object::Pack(wanted) = state.contents.of(name) else { return false };
    if !matches!(model.setup.job(actor), Some(Job::Repack)) {
        return false;
    }
    let others = state.present - Set::of(name);
    let held = others.iter().fold(Set::NONE, |held, other| match state.contents.of(other) {
        Object::Pack(chunks) => held | chunks,
        _ => held,
    });
    !(wanted - held).is_empty()
}
