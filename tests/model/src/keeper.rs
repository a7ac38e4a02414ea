//! The keeper: forgets, restores and holds snapshots.
//!
//! It decides from a fold, and decides again when it is overtaken: a forget of what is held meanwhile, or a
//! restore of what is gone, is not asked for any more.

use crate::{
    Protocol,
    append::{self, Appends},
    log::{Fold, Number, Says},
    mutants::Mutant,
    set::Set,
    state::{Actor, State, Step},
};

/// What it can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To hide a snapshot.
    Forget(u8),
    /// To show it again.
    Restore(u8),
    /// To make it unforgettable.
    Hold(u8),
}

/// A keeper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keeper {
    /// The wishes that are not done, as a set of their places in the setup.
    pub open: Set,
    /// The one that it is about to append.
    pub wish: Option<u8>,
    /// The head that it has folded.
    pub head: Number,
    /// It does not know whether it has appended.
    pub unsure: bool,
}

impl Keeper {
    /// One with so many wishes.
    #[must_use]
    pub fn new(wishes: usize) -> Self {
        let open = (0..).zip(0..wishes).map(|(place, _)| place).collect();
        Self { open, wish: None, head: 0, unsure: false }
    }
}

/// What it can do.
pub(crate) fn steps(model: &Protocol, state: &State, keeper: &Keeper, out: &mut Vec<Step>) {
    match keeper.wish {
        Some(_) if keeper.unsure => out.push(Step::ReadBack),
        Some(_) => append::steps(state, out),
        None => {
            let fold = model.fold(state, state.head());
            let sensible = |place: &u8| makes_sense(&fold, model.setup.wish(*place));
            out.extend(keeper.open.iter().filter(sensible).map(Step::Keep));
        }
    }
}

/// Looks, and decides to fulfil a wish.
pub(crate) fn keep(state: &mut State, actor: usize, place: u8) {
    let head = state.head();
    if let Actor::Keeper(keeper) = &mut state.actors[actor] {
        keeper.open -= Set::of(place);
        keeper.wish = Some(place);
        keeper.head = head;
    }
}

fn makes_sense(fold: &Fold, wish: Wish) -> bool {
    match wish {
        Wish::Forget(snapshot) => (fold.visible() - fold.held).has(snapshot),
        Wish::Restore(snapshot) => (fold.restorable() & fold.hidden).has(snapshot),
        Wish::Hold(snapshot) => (fold.visible() - fold.held).has(snapshot),
    }
}

/// What it appends.
pub(crate) fn says(model: &Protocol, keeper: &Keeper) -> Option<Says> {
    keeper.wish.map(|place| match model.setup.wish(place) {
        Wish::Forget(snapshot) => Says::Forget(snapshot),
        Wish::Restore(snapshot) => Says::Restore(snapshot),
        Wish::Hold(snapshot) => Says::Hold(snapshot),
    })
}

/// It was told that its entry is in the log: then what it wanted is so.
pub(crate) fn appended(model: &Protocol, state: &mut State, actor: usize, number: Number) {
    let Actor::Keeper(keeper) = &mut state.actors[actor] else { return };
    let wish = keeper.wish.take().map(|place| model.setup.wish(place));
    let fold = model.fold(state, number + 1);
    state.deceived |= match wish {
        Some(Wish::Restore(snapshot) | Wish::Hold(snapshot)) => !fold.visible().has(snapshot),
        Some(Wish::Forget(snapshot)) => fold.visible().has(snapshot),
        None => false,
    };
}

/// Somebody was faster: it decides again.
pub(crate) fn overtaken(model: &Protocol, state: &mut State, actor: usize) {
    let head = state.head();
    let fold = model.fold(state, head);
    let blind = model.is(Mutant::OldHead) || model.is(Mutant::OldHeadReturns);
    if let Actor::Keeper(keeper) = &mut state.actors[actor] {
        let wish = keeper.wish.map(|place| model.setup.wish(place));
        if !blind && !wish.is_some_and(|wish| makes_sense(&fold, wish)) {
            keeper.wish = None;
        }
        keeper.head = head;
    }
}

impl Appends for Keeper {
    fn head(&self) -> Number {
        self.head
    }

    fn run(&self) -> u8 {
        0
    }

    fn set_unsure(&mut self, unsure: bool) {
        self.unsure = unsure;
    }
}
