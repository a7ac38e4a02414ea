//! Appending, which is the same for every kind of entry (docs/protocol.md, "Appending").
//!
//! A create succeeds if the number after the head that its actor has folded is free. Its answer may be
//! lost, and the create may come about long after its actor has stopped waiting. Looking and appending are
//! steps of their own, so everybody may stall between them for as long as the others like.

use crate::{
    Protocol, collector, keeper,
    log::{Entry, Number},
    run,
    state::{Actor, State, Step},
};

/// What appending needs to know of an actor.
pub(crate) trait Appends {
    /// The head that it has folded: the number that it creates.
    fn head(&self) -> Number;
    /// Which of the actor's runs it is.
    fn run(&self) -> u8;
    /// It does not know, or knows again, whether its append has succeeded.
    fn set_unsure(&mut self, unsure: bool);
}

impl Actor {
    fn appends(&self) -> &dyn Appends {
        match self {
            Self::Run(run) => run,
            Self::Collector(collector) => collector,
            Self::Keeper(keeper) => keeper,
        }
    }

    fn set_unsure(&mut self, unsure: bool) {
        match self {
            Self::Run(run) => run.set_unsure(unsure),
            Self::Collector(collector) => collector.set_unsure(unsure),
            Self::Keeper(keeper) => keeper.set_unsure(unsure),
        }
    }
}

/// The number of an actor, as its entries bear it.
pub(crate) fn author(actor: usize) -> u8 {
    u8::try_from(actor).expect("a model has few actors")
}

/// What somebody can do who is ready to append.
pub(crate) fn steps(state: &State, out: &mut Vec<Step>) {
    out.push(Step::Append);
    if state.losable > 0 {
        out.push(Step::AppendUnanswered);
    }
}

/// Creates the next entry, and gets an answer.
pub(crate) fn append(model: &Protocol, state: &mut State, actor: usize) {
    let Some((number, entry)) = made(model, state, actor) else { return };
    if create(model, state, number, entry) {
        appended(model, state, actor, number);
    } else {
        overtaken(model, state, actor);
    }
}

/// Asks for the next entry, and stops waiting. It lands later, or never.
pub(crate) fn append_unanswered(model: &Protocol, state: &mut State, actor: usize) {
    state.losable -= 1;
    state.late[actor] = made(model, state, actor);
    state.actors[actor].set_unsure(true);
}

/// A create comes about that nobody waits for, or is refused.
pub(crate) fn land(model: &Protocol, state: &mut State, actor: usize) {
    if let Some((number, entry)) = state.late[actor].take() {
        create(model, state, number, entry);
    }
}

/// Reads the number back: an own entry there is known by its nonce (P6).
pub(crate) fn read_back(model: &Protocol, state: &mut State, actor: usize) {
    let waits = state.actors[actor].appends();
    let (number, run) = (waits.head(), waits.run());
    let found = state.log.get(usize::from(number));
    let ours = found.map(|entry| (entry.actor, entry.run) == (author(actor), run));
    state.actors[actor].set_unsure(false);
    match ours {
        Some(true) => appended(model, state, actor, number),
        Some(false) => overtaken(model, state, actor),
        None => {}
    }
}

/// The entry that the actor decides from the fold at its head, and the number for it.
fn made(model: &Protocol, state: &State, actor: usize) -> Option<(Number, Entry)> {
    let says = match &state.actors[actor] {
        Actor::Run(run) => Some(run::says(model, state, actor, run)),
        Actor::Collector(collector) => collector::says(model, state, collector),
        Actor::Keeper(keeper) => keeper::says(model, keeper),
    };
    let waits = state.actors[actor].appends();
    let entry = Entry { actor: author(actor), run: waits.run(), says: says? };
    Some((waits.head(), entry))
}

/// Whether the entry was created, as its creator is told.
fn create(model: &Protocol, state: &mut State, number: Number, entry: Entry) -> bool {
    let free = number == state.head() && number < model.setup.longest;
    if free {
        state.log.push(entry);
    }
    // A number that was freed can be taken again, where nobody looks any more.
    free || number < state.freed
}

fn appended(model: &Protocol, state: &mut State, actor: usize, number: Number) {
    match state.actors[actor] {
        Actor::Run(_) => run::appended(model, state, actor),
        Actor::Collector(_) => collector::appended(state, actor, number),
        Actor::Keeper(_) => keeper::appended(model, state, actor, number),
    }
}

fn overtaken(model: &Protocol, state: &mut State, actor: usize) {
    match state.actors[actor] {
        Actor::Run(_) => run::overtaken(model, state, actor),
        Actor::Collector(_) => collector::overtaken(model, state, actor),
        Actor::Keeper(_) => keeper::overtaken(model, state, actor),
    }
}
