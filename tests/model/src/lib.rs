//! The protocol of docs/protocol.md as a model, of which all states are looked at.
//!
//! Knows the rules, not the code that follows them: it depends on no crate of ours. `state.rs` has what
//! there is, `log.rs` the fold; `append.rs` is what everybody does, and `run.rs` with `writer.rs`,
//! `maintainer.rs` and `replicator.rs`, `collector.rs` and `keeper.rs` are what each does besides;
//! `properties.rs` has what must hold, `mutants.rs` the rules that can be switched off to see that each
//! is needed, `setups.rs` where the searches begin. README.md says what is modelled and what is not.
//!
//! A look, each put, each append, each removal are steps of their own, and anybody can do the next step:
//! so everybody stalls everywhere, for as long as the others like.

mod append;
pub mod collector;
pub mod keeper;
pub mod log;
mod maintainer;
pub mod mutants;
pub mod properties;
mod replicator;
pub mod run;
pub mod search;
pub mod set;
pub mod setup;
pub mod setups;
pub mod state;
mod trace;
mod writer;

use stateright::{Model, Property};

use crate::{
    log::{Fold, Gone, Number},
    mutants::Mutant,
    setup::Setup,
    state::{Actor, State, Step},
};

/// The protocol, or a mutant of it, at work somewhere.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Where it begins and ends.
    pub setup: Setup,
    /// The rule that is not followed.
    pub mutant: Option<Mutant>,
}

impl Protocol {
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The fold at a head.
    pub(crate) fn fold(&self, state: &State, head: Number) -> Fold {
        let returns = self.is(Mutant::Returns) || self.is(Mutant::OldHeadReturns);
        let gone = if returns { Gone::Returns } else { Gone::Stays };
        Fold::of(&state.log[..usize::from(head)], gone)
    }

    fn steps_of(&self, state: &State, actor: usize, out: &mut Vec<Step>) {
        match &state.actors[actor] {
            Actor::Run(run) => run::steps(state, run, out),
            Actor::Collector(collector) => collector::steps(self, state, collector, out),
            Actor::Keeper(keeper) => keeper::steps(self, state, keeper, out),
        }
        if state.late[actor].is_some() {
            out.push(Step::Land);
        }
    }

    fn step(&self, state: &mut State, actor: usize, step: Step) {
        match (step, &state.actors[actor]) {
            (Step::Append, _) => append::append(self, state, actor),
            (Step::AppendUnanswered, _) => append::append_unanswered(self, state, actor),
            (Step::Land, _) => append::land(self, state, actor),
            (Step::ReadBack, _) => append::read_back(self, state, actor),
            (Step::Free, _) => state.freed = state.head(),
            (Step::Look, Actor::Run(_)) => run::look(self, state, actor),
            (Step::Put(name), _) => run::put(self, state, actor, name),
            (Step::Crash, Actor::Run(_)) => run::crash(state, actor),
            (Step::Keep(place), _) => keeper::keep(state, actor, place),
            (step, _) => collector::step(self, state, actor, step),
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = (u8, Step);

    fn init_states(&self) -> Vec<State> {
        vec![self.setup.state()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<(u8, Step)>) {
        let mut steps = Vec::new();
        for actor in 0..state.actors.len() {
            self.steps_of(state, actor, &mut steps);
            actions.extend(steps.drain(..).map(|step| (append::author(actor), step)));
        }
        if self.is(Mutant::NumberTwice) && state.freed == 0 {
            actions.push((0, Step::Free));
        }
    }

    fn next_state(&self, last: &State, (actor, step): (u8, Step)) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, usize::from(actor), step);
        state.forget_what_is_over();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
