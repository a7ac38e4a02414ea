//! Whoever adds objects: look, upload, append; and deciding again when overtaken (docs/protocol.md,
//! "The writer" and P11).
//!
//! What the run wants to store is its job's business: `writer.rs`, `maintainer.rs`, `replicator.rs`.
//! Invariant: at the append, everything that the run's snapshot reaches is located by the fold at
//! its head together with what its commit names (P8).

use crate::{
    Protocol,
    append::{self, Appends},
    log::{Fold, Number, Says, deleted},
    maintainer,
    mutants::Mutant,
    replicator,
    set::Set,
    setup::Job,
    state::{Actor, Object, State, Step},
    writer,
};

/// How often a run stores again what was deleted under it, or starts anew, before it gives up.
pub const TRIES: u8 = 2;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// It has not looked yet.
    Start,
    /// It has to put these, the lowest first: a pack, then its segment (P7).
    Puts(Set),
    /// It can append.
    Ready,
    /// It does not know whether it has appended.
    Unsure,
    /// It has committed, found nothing to do, or given up.
    Done,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Where it is.
    pub at: At,
    /// The head that it has folded.
    pub head: Number,
    /// Objects of others in which it found chunks that it needs.
    pub uses: Set,
    /// Objects that it has put, or is about to.
    pub own: Set,
    /// Whether it takes over its parent's chunks without looking for them.
    pub reuses: bool,
    /// Segments whose records it has merged.
    pub merges: Set,
    /// How many names it has used up.
    pub tries: u8,
    /// How often it has started anew.
    pub run: u8,
}

impl Run {
    /// One that has done nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at: At::Start,
            head: 0,
            uses: Set::NONE,
            own: Set::NONE,
            reuses: false,
            merges: Set::NONE,
            tries: 0,
            run: 0,
        }
    }

    /// Whether this is its first look.
    pub(crate) fn at_start(&self) -> bool {
        self.at == At::Start
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

/// What a job finds that it has to store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// Objects of others that it relies on.
    pub(crate) uses: Set,
    /// Its own objects that are still of use.
    pub(crate) own: Set,
    /// Chunks for a new pack.
    pub(crate) chunks: Set,
    /// Packs that a new segment has to locate besides.
    pub(crate) packs: Set,
    /// Segments that the new one has the records of.
    pub(crate) merges: Set,
    /// Whether it takes over its parent's chunks unseen.
    pub(crate) reuses: bool,
}

/// What it can do.
pub(crate) fn steps(state: &State, run: &Run, out: &mut Vec<Step>) {
    match run.at {
        At::Start => out.push(Step::Look),
        At::Puts(names) => out.extend(names.iter().next().map(Step::Put)),
        At::Ready => append::steps(state, out),
        At::Unsure => out.push(Step::ReadBack),
        At::Done => {}
    }
    let begun = !matches!(run.at, At::Start | At::Done);
    if begun && state.crashes > 0 {
        out.push(Step::Crash);
    }
}

/// Looks for the first time.
pub(crate) fn look(model: &Protocol, state: &mut State, actor: usize) {
    let head = state.head();
    decide(model, state, actor, head, Set::NONE);
}

/// Puts one object.
pub(crate) fn put(model: &Protocol, state: &mut State, actor: usize, name: u8) {
    let lost = maintainer::lost_its_source(model, state, actor, name);
    let Some(run) = run_of(state, actor) else { return };
    if lost {
        // What it wanted to copy has vanished under it: it looks again.
        *run = Run { tries: run.tries, run: run.run, ..Run::new() };
        return;
    }
    if let At::Puts(names) = run.at {
        let left = names - Set::of(name);
        run.at = if left.is_empty() { At::Ready } else { At::Puts(left) };
    }
    state.present |= Set::of(name);
}

/// Starts anew: what it had put is garbage, and its names are used up.
pub(crate) fn crash(state: &mut State, actor: usize) {
    state.crashes -= 1;
    let Some(run) = run_of(state, actor) else { return };
    *run = Run { tries: run.tries, run: run.run + 1, ..Run::new() };
}

/// Looks again: somebody was faster (P11).
pub(crate) fn overtaken(model: &Protocol, state: &mut State, actor: usize) {
    let Actor::Run(run) = &state.actors[actor] else { return };
    let (from, to) = (run.head, state.head());
    let gone = gone_since(model, state, run, from, to);
    let fold = model.fold(state, to);
    // What was merged since is located elsewhere now: what it relies on has other names.
    let merged = if model.is(Mutant::OldPlace) { Set::NONE } else { fold.merged };
    let again = gone.meets(run.uses | run.own)
        || merged.meets(run.uses)
        || run.reuses && !writer::parent_is_protected(model, state, actor, from, to)
        || maintainer::merge_is_void(&fold, run.merges)
        || model.setup.snapshot(actor).is_some_and(|snapshot| fold.known.has(snapshot));
    let Some(run) = run_of(state, actor) else { return };
    if again {
        decide(model, state, actor, to, gone);
    } else {
        run.head = to;
        run.at = At::Ready;
    }
}

/// What was deleted from one head to another, as far as the run takes notice.
fn gone_since(model: &Protocol, state: &State, run: &Run, from: Number, to: Number) -> Set {
    let gone = deleted(state.between(from, to));
    match model.mutant {
        Some(Mutant::BlindRetry) => Set::NONE,
        Some(Mutant::PacksOnly) => gone - state.contents.segments(),
        Some(Mutant::IgnoresOwn) => gone - run.own,
        _ => gone,
    }
}

/// Decides from the fold at a head what has to be stored (again).
fn decide(model: &Protocol, state: &mut State, actor: usize, head: Number, gone: Set) {
    let fold = model.fold(state, head);
    let plan = match model.setup.job(actor) {
        None => None,
        Some(Job::Backup { .. }) => writer::plan(model, state, actor, &fold, head, gone),
        Some(Job::Replicate { .. }) => replicator::plan(model, state, actor, &fold, head, gone),
        Some(Job::Repack) => maintainer::repack(model, state, actor, &fold, head, gone),
        Some(Job::Compact) => maintainer::compact(model, state, actor, &fold, gone),
    };
    let chunks = plan.map_or(Set::NONE, |plan| plan.chunks);
    let (pack, segment) = model.setup.names(actor, next_names(model, state, actor, chunks));
    let Some(run) = run_of(state, actor) else { return };
    run.head = head;
    let Some(plan) = plan else {
        run.at = At::Done;
        return;
    };
    run.uses = plan.uses;
    run.own = plan.own;
    run.reuses = plan.reuses;
    run.merges = plan.merges;
    if plan.chunks.is_empty() && plan.packs.is_empty() {
        run.at = At::Ready;
        return;
    }
    if run.tries == TRIES {
        run.at = At::Done;
        return;
    }
    run.tries += 1;
    let new_pack = if plan.chunks.is_empty() { Set::NONE } else { Set::of(pack) };
    let puts = new_pack | Set::of(segment);
    run.own |= puts;
    run.at = At::Puts(puts);
    if !new_pack.is_empty() {
        state.contents.put(pack, Object::Pack(plan.chunks));
    }
    state.contents.put(segment, Object::Segment(plan.packs | new_pack));
}

/// Which of its names a run takes for a new pack: each only once (P1).
fn next_names(model: &Protocol, state: &State, actor: usize, chunks: Set) -> u8 {
    let Actor::Run(run) = &state.actors[actor] else { return 0 };
    let same = |tried: &u8| {
        let (pack, _) = model.setup.names(actor, *tried);
        state.contents.of(pack) == Object::Pack(chunks)
    };
    // A name that is only a hash is the same for the same bytes.
    let hashed = (0..run.tries).find(same).filter(|_| model.is(Mutant::NameTwice));
    hashed.unwrap_or(run.tries).min(TRIES - 1)
}

/// What it appends, decided from the fold at its head.
pub(crate) fn says(model: &Protocol, state: &State, actor: usize, run: &Run) -> Says {
    let condemned = model.fold(state, run.head).condemned;
    let relied = if model.is(Mutant::RelyNothing) { Set::NONE } else { run.uses & condemned };
    if model.is(Mutant::DeleteAdds) && !run.merges.is_empty() {
        return Says::Swap { removes: run.merges, adds: run.own };
    }
    Says::Commit {
        objects: run.own,
        relied,
        merged: run.merges,
        snapshots: model.setup.snapshot(actor).map_or(Set::NONE, Set::of),
    }
}

/// It was told that its entry is in the log.
pub(crate) fn appended(model: &Protocol, state: &mut State, actor: usize) {
    let known = model.fold(state, state.head()).known;
    let told = model.setup.snapshot(actor);
    state.deceived |= told.is_some_and(|snapshot| !known.has(snapshot));
    if let Some(run) = run_of(state, actor) {
        run.at = At::Done;
    }
}

/// The run of an actor that is one.
pub(crate) fn run_of(state: &mut State, actor: usize) -> Option<&mut Run> {
    match &mut state.actors[actor] {
        Actor::Run(run) => Some(run),
        _ => None,
    }
}

impl Appends for Run {
    fn head(&self) -> Number {
        self.head
    }

    fn run(&self) -> u8 {
        self.run
    }

    fn set_unsure(&mut self, unsure: bool) {
        self.at = if unsure { At::Unsure } else { At::Ready };
    }
}

/// The fold's chunks that live snapshots need, at this head.
pub(crate) fn needed(model: &Protocol, fold: &Fold, head: Number) -> Set {
    model.setup.chunks_of(fold.live(head, model.setup.trash))
}
