//! What a backup stores: chunks that no object has which counts and is not condemned.
//!
//! A writer with a parent takes over the parent's chunks without looking where they are, so it can't name
//! the objects that it relies on. It may do so while the parent protects them.

use crate::{
    Protocol,
    log::{Fold, Number, Place, Says},
    mutants::Mutant,
    run::Plan,
    set::Set,
    setup::Job,
    state::{Actor, Contents, Object, State},
};

/// What it stores, after these objects were deleted since it last looked.
pub(crate) fn plan(
    model: &Protocol,
    state: &State,
    actor: usize,
    fold: &Fold,
    head: Number,
    gone: Set,
) -> Option<Plan> {
    let Actor::Run(run) = &state.actors[actor] else { return None };
    let snapshot = model.setup.snapshot(actor)?;
    if fold.known.has(snapshot) {
        return None;
    }
    let mut plan = Plan { own: run.own - gone, ..Plan::default() };
    let mut wanted = model.setup.chunks_of(Set::of(snapshot));
    let parents = model.setup.chunks_of(parent(model, actor));
    let first = head_of(run.at_start(), run.head, head);
    plan.reuses = (run.at_start() || run.reuses)
        && fold.visible().meets(parent(model, actor))
        && parent_is_protected(model, state, actor, first, head);
    if plan.reuses {
        wanted -= parents;
    }
    let kept = run.uses - gone;
    for chunk in wanted.iter() {
        let places = fold.places(&state.contents, chunk);
        let own = own_place(&state.contents, chunk, plan.own);
        let kept = places.iter().find(|place| place.within(kept));
        let new = places.iter().find(|place| place.within(fold.counts - fold.condemned));
        // Of what it took over it may rely on what is condemned, as long as it says so.
        let condemned = places.first().filter(|_| parents.has(chunk) && !run.at_start());
        match own.or(kept.or(new).or(condemned).copied()) {
            Some(place) => plan.uses |= place.0 - plan.own,
            None => plan.chunks |= Set::of(chunk),
        }
    }
    Some(plan)
}

fn head_of(start: bool, looked: Number, head: Number) -> Number {
    if start { head } else { looked }
}

/// Where a chunk is in what was put and is not committed yet.
fn own_place(contents: &Contents, chunk: u8, own: Set) -> Option<Place> {
    let packs =
        contents.names(|object| matches!(object, Object::Pack(chunks) if chunks.has(chunk)));
    let segments =
        |pack| contents.names(|o| matches!(o, Object::Segment(packs) if packs.has(pack)));
    (packs & own).iter().find_map(|pack| {
        let segment = (segments(pack) & own).iter().next()?;
        Some(Place(Set::of(pack) | Set::of(segment)))
    })
}

fn parent(model: &Protocol, actor: usize) -> Set {
    match model.setup.job(actor) {
        Some(Job::Backup { parent: Some(parent), .. }) => Set::of(parent),
        _ => Set::NONE,
    }
}

/// Whether the marks of all deletes since the last look, and of all condemns that are open, have kept
/// what the parent reaches.
pub(crate) fn parent_is_protected(
    model: &Protocol,
    state: &State,
    actor: usize,
    from: Number,
    to: Number,
) -> bool {
    let closed = state.between(from, to).iter().filter_map(|entry| match entry.says {
        Says::Delete { closes, .. } => Some(closes),
        _ => None,
    });
    let closed: Vec<Number> =
        if model.is(Mutant::BlindRetry) { Vec::new() } else { closed.collect() };
    let open =
        if model.is(Mutant::ParentAtDeletes) { Vec::new() } else { model.fold(state, to).open };
    closed.into_iter().chain(open).all(|number| match state.log[usize::from(number)].says {
        Says::Condemn { mark, .. } => {
            let live = model.fold(state, mark).live(mark, model.setup.trash);
            live.meets(parent(model, actor))
        }
        _ => true,
    })
}
