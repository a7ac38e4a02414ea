//! What a replicator stores: what the target lacks of a snapshot of another repository.
//!
//! It works by snapshot id: what the target has known, shown or hidden or gone, it does not bring again.

use crate::{
    Protocol,
    log::{Fold, Number},
    run::Plan,
    set::Set,
    state::State,
    writer,
};

/// What it stores; nothing if the target knows the snapshot.
pub(crate) fn plan(
    model: &Protocol,
    state: &State,
    actor: usize,
    fold: &Fold,
    head: Number,
    gone: Set,
) -> Option<Plan> {
    // It looks into the target as a writer does, which passes over what is known; only its chunks come from
    // elsewhere.
    writer::plan(model, state, actor, fold, head, gone)
}
