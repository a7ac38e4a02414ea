//! The collector: mark, condemn, delete in the log, remove (docs/protocol.md, "The collector").
//!
//! Any collector may close any condemn, and any may remove what a delete took. What the mark and the delete
//! decide are functions of the log (and of one list of the store), so `properties.rs` asks them, too, what a
//! last collection would do.

use crate::{
    Protocol,
    append::{self, Appends},
    log::{Fold, Number, Place, Says, condemned},
    mutants::Mutant,
    set::Set,
    state::{Actor, Contents, Object, State, Step},
};

/// Where a collector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// It does nothing.
    Idle,
    /// It has folded, and will list the store.
    Marking,
    /// It can append a condemn of these objects, and of these snapshots as dead.
    Condemning(Set, Set),
    /// It can close this condemn.
    Deleting(Number),
    /// It removes these.
    Removing(Set),
}

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collector {
    /// Where it is.
    pub at: At,
    /// The head that it has folded.
    pub head: Number,
    /// The head of its mark.
    pub mark: Number,
    /// It does not know whether it has appended.
    pub unsure: bool,
    /// How often it may still begin to mark.
    pub marks: u8,
    /// How often it has started anew.
    pub run: u8,
}

impl Collector {
    /// One that will mark so often.
    #[must_use]
    pub const fn new(marks: u8) -> Self {
        Self { at: At::Idle, head: 0, mark: 0, unsure: false, marks, run: 0 }
    }
}

/// Which copy of a chunk a mark keeps, if nothing else decides; two programs need not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefers {
    /// The one that was committed first.
    First,
    /// The one that was committed last.
    Last,
}

/// What it can do.
pub(crate) fn steps(model: &Protocol, state: &State, collector: &Collector, out: &mut Vec<Step>) {
    if collector.unsure {
        out.push(Step::ReadBack);
        return;
    }
    match collector.at {
        At::Idle => {
            let fold = model.fold(state, state.head());
            if collector.marks > 0 && state.head() < model.setup.longest {
                out.push(Step::Look);
            }
            out.extend(fold.open.iter().map(|&number| Step::Close(number)));
            if fold.deleted.meets(state.present) {
                out.push(Step::Sweep);
            }
        }
        At::Marking => out.push(Step::List),
        At::Condemning(..) => append::steps(state, out),
        At::Deleting(number) => {
            append::steps(state, out);
            if model.is(Mutant::RemovesFirst) {
                let list = decide(model, state, collector.head, number, model.setup.trash).objects
                    & state.present;
                out.extend(list.iter().map(Step::Remove));
            }
        }
        At::Removing(list) => out.extend(list.iter().map(Step::Remove)),
    }
    if collector.at != At::Idle && state.crashes > 0 {
        out.push(Step::Crash);
    }
}

/// Takes one of the steps that only a collector has.
pub(crate) fn step(model: &Protocol, state: &mut State, actor: usize, step: Step) {
    let head = state.head();
    let Actor::Collector(collector) = &state.actors[actor] else { return };
    let mut next = collector.clone();
    match step {
        Step::Look => {
            next = Collector { at: At::Marking, head, mark: head, marks: next.marks - 1, ..next };
        }
        Step::List => {
            let (prefers, trash) = (model.setup.prefers(actor), model.setup.trash);
            let (list, dead) = mark(model, state, next.mark, prefers, trash);
            next.at = if list.is_empty() { At::Idle } else { At::Condemning(list, dead) };
        }
        Step::Close(number) => next = Collector { at: At::Deleting(number), head, ..next },
        Step::Sweep => next.at = At::Removing(model.fold(state, head).deleted & state.present),
        Step::Remove(object) => {
            state.present -= Set::of(object);
            if let At::Removing(list) = next.at {
                next.at = removing(list - Set::of(object));
            }
        }
        Step::Crash => {
            state.crashes -= 1;
            next = Collector { run: next.run + 1, ..Collector::new(next.marks) };
        }
        _ => {}
    }
    state.actors[actor] = Actor::Collector(next);
}

fn removing(list: Set) -> At {
    if list.is_empty() { At::Idle } else { At::Removing(list) }
}

/// What a mark of head m condemns, and the snapshots that it takes for dead.
pub(crate) fn mark(
    model: &Protocol,
    state: &State,
    m: Number,
    prefers: Prefers,
    trash: Number,
) -> (Set, Set) {
    let fold = model.fold(state, m);
    let live = fold.live(m, trash);
    let kept = keeps(model, state, &fold, model.setup.chunks_of(live), prefers);
    // What no entry names are orphans. What was deleted is no business of a mark.
    let candidates = (fold.counts | state.present) - fold.deleted - fold.condemned;
    (candidates - kept, fold.restorable() - live)
}

/// What has to stay for these chunks.
fn keeps(model: &Protocol, state: &State, fold: &Fold, chunks: Set, prefers: Prefers) -> Set {
    let safe = fold.counts - fold.condemned;
    let mut kept = Set::NONE;
    for chunk in chunks.iter() {
        let mut places = fold.places(&state.contents, chunk);
        if prefers == Prefers::Last {
            places.reverse();
        }
        if model.is(Mutant::EachAlone) && several_packs(&state.contents, &places) {
            continue;
        }
        let good = |within: Set| places.iter().find(|place| place.within(within));
        // What is kept of a condemned copy is no copy yet.
        match good(kept & safe).or_else(|| good(safe)) {
            Some(place) => kept |= place.0,
            // All have something condemned, which a delete will spare: the rest must then be there.
            None if !model.is(Mutant::HalfPlaces) => kept |= all(&places),
            None => {}
        }
    }
    if model.is(Mutant::SegmentAlone) {
        kept -= state
            .contents
            .names(|o| matches!(o, Object::Segment(packs) if !(packs - kept).is_empty()));
    }
    kept
}

fn several_packs(contents: &Contents, places: &[Place]) -> bool {
    (all(places) - contents.segments()).iter().count() > 1
}

fn all(places: &[Place]) -> Set {
    places.iter().fold(Set::NONE, |all, place| all | place.0)
}

/// What a delete takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub(crate) objects: Set,
    pub(crate) gone: Set,
}

/// What of the condemn with this number is gone, decided from the fold at h.
pub(crate) fn decide(
    model: &Protocol,
    state: &State,
    h: Number,
    number: Number,
    trash: Number,
) -> Decision {
    let nothing = Decision { objects: Set::NONE, gone: Set::NONE };
    let Says::Condemn { mark, objects: list, dead } = state.log[usize::from(number)].says else {
        return nothing;
    };
    let fold = model.fold(state, h);
    let live = fold.live(h, trash);
    let gone = dead & (fold.restorable() - live);
    let mut scanned = scanned(model, state, number, mark, dead) - gone;
    if model.is(Mutant::OnlyLive) {
        scanned = scanned & live;
    }
    let mut spared = (named_since(model, state, mark, h) | relied_since(state, number, h)) & list;
    let others = fold.open.iter().filter(|&&open| open != number);
    let others = others.fold(Set::NONE, |all, &open| all | condemned(&state.log, open));
    for chunk in model.setup.chunks_of(scanned & fold.restorable()).iter() {
        spared |= spares(model, state, &fold, chunk, list - spared, others) & list;
    }
    Decision { objects: list - spared, gone }
}

/// What a chunk that is needed asks to be spared, if this list goes, and maybe others.
fn spares(model: &Protocol, state: &State, fold: &Fold, chunk: u8, list: Set, others: Set) -> Set {
    let others = if model.is(Mutant::CopyInOtherPlan) { Set::NONE } else { others };
    let places = fold.places(&state.contents, chunk);
    if places.iter().any(|place| place.within(fold.counts - list - others)) {
        return Set::NONE;
    }
    match places.iter().find(|place| place.within(fold.counts - others)) {
        Some(place) => place.0,
        // Whoever closes the other condemn may keep any of them.
        None => all(&places),
    }
}

/// The snapshots whose trees a delete has to look at: those that its mark has not kept. Commits after
/// the condemn have named what they rely on, so theirs need no look.
fn scanned(model: &Protocol, state: &State, number: Number, mark: Number, dead: Set) -> Set {
    let from = if model.is(Mutant::SinceCondemn) { number } else { mark };
    let since = state.between(from, number).iter().fold(Set::NONE, |all, entry| match entry.says {
        Says::Commit { snapshots, .. } => all | snapshots,
        _ => all,
    });
    if model.is(Mutant::NoRestores) { since } else { since | dead }
}

/// What commits since a mark name: orphans when it listed them, so that it has not judged them.
fn named_since(model: &Protocol, state: &State, mark: Number, h: Number) -> Set {
    if model.is(Mutant::OrphansUnseen) {
        return Set::NONE;
    }
    state.between(mark, h).iter().fold(Set::NONE, |all, entry| match entry.says {
        Says::Commit { objects, .. } => all | objects,
        _ => all,
    })
}

/// What commits after a condemn have said that they rely on.
fn relied_since(state: &State, number: Number, h: Number) -> Set {
    state.between(number, h).iter().fold(Set::NONE, |all, entry| match entry.says {
        Says::Commit { relied, .. } => all | relied,
        _ => all,
    })
}

/// What it appends.
pub(crate) fn says(model: &Protocol, state: &State, collector: &Collector) -> Option<Says> {
    match collector.at {
        At::Condemning(objects, dead) => {
            Some(Says::Condemn { mark: collector.mark, objects, dead })
        }
        At::Deleting(number) => {
            let decision = decide(model, state, collector.head, number, model.setup.trash);
            Some(Says::Delete { closes: number, objects: decision.objects, gone: decision.gone })
        }
        At::Idle | At::Marking | At::Removing(_) => None,
    }
}

/// Its entry is in the log.
pub(crate) fn appended(state: &mut State, actor: usize, number: Number) {
    let removes = match state.log[usize::from(number)].says {
        Says::Delete { objects, .. } => objects & state.present,
        _ => Set::NONE,
    };
    if let Actor::Collector(collector) = &mut state.actors[actor] {
        collector.at = removing(removes);
    }
}

/// Somebody was faster.
pub(crate) fn overtaken(model: &Protocol, state: &mut State, actor: usize) {
    let Actor::Collector(collector) = &state.actors[actor] else { return };
    let (from, to) = (collector.head, state.head());
    let collected = state.between(from, to).iter();
    let collected = collected.filter(|entry| matches!(entry.says, Says::Condemn { .. })).count();
    let again = collected > 0 && !model.is(Mutant::CondemnAtOldMark);
    let closed = |number| !model.fold(state, to).open.contains(&number);
    let (at, mark) = match collector.at {
        At::Condemning(..) if again => (At::Marking, to),
        At::Deleting(number) if closed(number) => (At::Idle, collector.mark),
        at => (at, collector.mark),
    };
    if let Actor::Collector(collector) = &mut state.actors[actor] {
        *collector = Collector { at, mark, head: to, ..*collector };
    }
}

impl Appends for Collector {
    fn head(&self) -> Number {
        self.head
    }

    fn run(&self) -> u8 {
        self.run
    }

    fn set_unsure(&mut self, unsure: bool) {
        self.unsure = unsure;
    }
}
