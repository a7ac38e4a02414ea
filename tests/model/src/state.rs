//! The state of the model: the store, the log, and what each actor has in its head.
//!
//! Knows no rules. What an actor may do next is in the actor's own module; what is asked of a state
//! is in `properties.rs`.

use crate::{
    collector::{self, Collector},
    keeper::Keeper,
    log::{Entry, Number},
    run::{self, Run},
    set::Set,
};

/// An object of the store. It never changes, so that what a fold says of it holds even when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A name that nothing was put under yet.
    Nothing,
    /// Chunks.
    Pack(Set),
    /// The packs that it locates all chunks of.
    Segment(Set),
}

/// What was put under each name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contents(Vec<Object>);

impl Contents {
    /// This many names, with nothing under them.
    #[must_use]
    pub fn new(names: u8) -> Self {
        Self(vec![Object::Nothing; usize::from(names)])
    }

    /// What was put under this name.
    #[must_use]
    pub fn of(&self, name: u8) -> Object {
        self.0[usize::from(name)]
    }

    /// Puts an object.
    pub fn put(&mut self, name: u8, object: Object) {
        self.0[usize::from(name)] = object;
    }

    /// The names that are segments.
    #[must_use]
    pub fn segments(&self) -> Set {
        self.names(|object| matches!(object, Object::Segment(_)))
    }

    /// The names whose objects are such.
    pub fn names(&self, such: impl Fn(Object) -> bool) -> Set {
        (0..).zip(&self.0).filter(|(_, object)| such(**object)).map(|(name, _)| name).collect()
    }
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The log.
    pub log: Vec<Entry>,
    /// What was put.
    pub contents: Contents,
    /// What of it is there.
    pub present: Set,
    /// Everybody.
    pub actors: Vec<Actor>,
    /// Creates that are under way for longer than their actors waited, one for each actor at most: an
    /// earlier one that still could succeed has the same number, so it would only meet its successor.
    pub late: Vec<Option<(Number, Entry)>>,
    /// How many answers may still be lost.
    pub losable: u8,
    /// How many actors may still crash.
    pub crashes: u8,
    /// Numbers of the log below this one can be created again; only ever in a mutant.
    pub freed: Number,
    /// Somebody was told of a success that was none.
    pub deceived: bool,
}

impl State {
    /// The head of the log.
    #[must_use]
    pub fn head(&self) -> Number {
        Number::try_from(self.log.len()).expect("the log of a model is short")
    }

    /// Drops what can have no effect any more, so that states which differ in nothing else are one.
    pub(crate) fn forget_what_is_over(&mut self) {
        let (head, freed) = (self.head(), self.freed);
        for late in &mut self.late {
            if late.as_ref().is_some_and(|(number, _)| *number < head && *number >= freed) {
                *late = None;
            }
        }
        for actor in &mut self.actors {
            match actor {
                Actor::Run(run) if run.at == run::At::Done => {
                    *run = Run { at: run.at, tries: run.tries, ..Run::new() };
                }
                Actor::Collector(collector) if collector.at == collector::At::Idle => {
                    (collector.head, collector.mark) = (0, 0);
                }
                Actor::Keeper(keeper) if keeper.wish.is_none() => keeper.head = 0,
                _ => {}
            }
        }
    }

    /// The entries from one head to another.
    #[must_use]
    pub fn between(&self, from: Number, to: Number) -> &[Entry] {
        &self.log[usize::from(from)..usize::from(to)]
    }
}

/// Somebody who works on the repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever adds objects: a writer, a maintainer, a replicator.
    Run(Run),
    /// Whoever frees space.
    Collector(Collector),
    /// Whoever hides and shows snapshots.
    Keeper(Keeper),
}

/// A step of one actor, or of the world around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Folds the log to its head and decides.
    Look,
    /// Looks in order to forget, restore or hold.
    Keep(u8),
    /// Looks in order to close this condemn.
    Close(Number),
    /// Looks for what was deleted and is still there.
    Sweep,
    /// Lists the objects of the store.
    List,
    /// Puts an object.
    Put(u8),
    /// Creates the log's next entry, and gets an answer.
    Append,
    /// Asks for it, and gets none; it may yet come about.
    AppendUnanswered,
    /// A create comes about, or is refused, that nobody waits for any more.
    Land,
    /// Looks what became of an append without an answer.
    ReadBack,
    /// Removes an object.
    Remove(u8),
    /// Forgets everything and starts anew.
    Crash,
    /// Frees the numbers of the log but the last.
    Free,
}
