//! What is asked of every state.
//!
//! "In the end" is not asked as a temporal property: a checker of those takes the end of a path for the end
//! of time, and overlooks cycles. Instead every state is asked what would become of it if everybody
//! stopped for good there, and collectors came back afterwards, alone. That asks more: whoever stops
//! anywhere can't keep garbage from being collected.

use stateright::Property;

use crate::{
    Protocol,
    collector::{self, Prefers},
    log::{Entry, Says},
    run::TRIES,
    state::{Actor, Object, State},
};

/// Whatever is shown, or could be, is located and there.
pub const WHOLE: &str = "every snapshot that is shown, or can be restored, is whole";
/// What is held is shown.
pub const HELD: &str = "a held snapshot is never hidden";
/// Nobody believes what is not so.
pub const TRUE: &str = "nobody is told of a success that was none";
/// It stays so.
pub const LASTS: &str = "whoever stops wherever: later collections leave every snapshot whole";
/// Garbage goes.
pub const FREED: &str = "whoever stops wherever: later collections free all that is unreachable";
/// Not all deletes are empty.
pub const DELETES: &str = "something is deleted";
/// Sparing happens.
pub const SPARES: &str = "a delete spares something that was condemned";
/// Relying happens.
pub const RELIES: &str = "a commit relies on something that is condemned";
/// P11 happens.
pub const AGAIN: &str = "something is stored again";

/// All that is asked: what holds always, and what happens sometimes, so that it does not hold for nothing.
#[must_use]
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(WHOLE, whole),
        Property::always(HELD, held),
        Property::always(TRUE, |_, state: &State| !state.deceived),
        Property::always(LASTS, |model, state| whole(model, &collected(model, state))),
        Property::always(FREED, freed),
        Property::sometimes(DELETES, |_, state: &State| {
            last(state, |says| matches!(says, Says::Delete { objects, .. } if !objects.is_empty()))
        }),
        Property::sometimes(SPARES, spares),
        Property::sometimes(RELIES, |_, state: &State| {
            last(state, |says| matches!(says, Says::Commit { relied, .. } if !relied.is_empty()))
        }),
        Property::sometimes(AGAIN, |_, state: &State| {
            state.actors.iter().any(|actor| matches!(actor, Actor::Run(run) if run.tries == TRIES))
        }),
    ]
}

fn last(state: &State, such: impl Fn(&Says) -> bool) -> bool {
    state.log.last().is_some_and(|entry| such(&entry.says))
}

fn spares(_: &Protocol, state: &State) -> bool {
    last(state, |says| match *says {
        Says::Delete { closes, objects, .. } => {
            crate::log::condemned(&state.log, closes) != objects
        }
        _ => false,
    })
}

fn whole(model: &Protocol, state: &State) -> bool {
    let fold = model.fold(state, state.head());
    let there = fold.counts & state.present;
    model
        .setup
        .chunks_of(fold.restorable())
        .iter()
        .all(|chunk| fold.places(&state.contents, chunk).iter().any(|place| place.within(there)))
}

fn held(model: &Protocol, state: &State) -> bool {
    let fold = model.fold(state, state.head());
    !fold.held.meets(fold.hidden | fold.gone)
}

fn freed(model: &Protocol, state: &State) -> bool {
    let end = collected(model, state);
    let fold = model.fold(&end, end.head());
    let needed = model.setup.chunks_of(fold.visible());
    let packs = end.contents.names(|o| matches!(o, Object::Pack(chunks) if chunks.meets(needed)));
    let packs = packs & fold.counts;
    let segments = end.contents.names(|o| matches!(o, Object::Segment(of) if of.meets(packs)));
    let reachable = packs | (segments & (fold.counts - fold.merged));
    (end.present - reachable).is_empty()
}

/// The state after collections that nobody disturbs, when the trash period of all that is hidden is over:
/// first of what is condemned, then of everything.
fn collected(model: &Protocol, state: &State) -> State {
    let mut end = state.clone();
    loop {
        for number in model.fold(&end, end.head()).open {
            let decision = collector::decide(model, &end, end.head(), number, 0);
            let (objects, gone) = (decision.objects, decision.gone);
            says(&mut end, Says::Delete { closes: number, objects, gone });
        }
        end.present -= model.fold(&end, end.head()).deleted;
        let mark = end.head();
        let (objects, dead) = collector::mark(model, &end, mark, Prefers::First, 0);
        if objects.is_empty() {
            return end;
        }
        says(&mut end, Says::Condemn { mark, objects, dead });
        // What a mark condemns is less each time, or nothing would ever be done.
        if end.log.len() > state.log.len() + 12 {
            return end;
        }
    }
}

fn says(state: &mut State, says: Says) {
    state.log.push(Entry { actor: u8::MAX, run: 0, says });
}
