//! What a search begins with: the repository as it is, who works on it, and how far it goes.

use crate::{
    collector::{Collector, Prefers},
    keeper::{Keeper, Wish},
    log::{Entry, Number, Says},
    run::{Run, TRIES},
    set::Set,
    state::{Actor, Contents, Object, State},
};

/// What somebody does who adds objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Makes a snapshot.
    Backup {
        /// The snapshot.
        snapshot: u8,
        /// The snapshot whose chunks it takes over unseen.
        parent: Option<u8>,
    },
    /// Brings a snapshot of another repository.
    Replicate {
        /// The snapshot.
        snapshot: u8,
    },
    /// Copies what is live in a pack with dead chunks.
    Repack,
    /// Merges all segments.
    Compact,
}

/// An actor's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Adds objects.
    Run(Job),
    /// Marks so many times, and closes condemns.
    Collector(u8, Prefers),
    /// Has these wishes, each once, in any order. There is one at most.
    Keeper(Vec<Wish>),
}

/// A commit that is there from the beginning: a pack, a segment that locates it, snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The pack's chunks.
    pub chunks: Set,
    /// The snapshots.
    pub snapshots: Set,
}

/// Where a search begins and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// What it is about.
    pub name: &'static str,
    /// The chunks of each snapshot.
    pub snapshots: Vec<Set>,
    /// The commits that are there.
    pub base: Vec<Base>,
    /// The snapshots that are hidden.
    pub hidden: Set,
    /// Who works.
    pub parts: Vec<Part>,
    /// How many entries the log may get.
    pub longest: Number,
    /// How many answers may be lost.
    pub losable: u8,
    /// How many crashes there may be.
    pub crashes: u8,
    /// For how many entries a snapshot stays in the trash.
    pub trash: Number,
}

impl Setup {
    /// The state at the beginning.
    #[must_use]
    pub fn state(&self) -> State {
        let runs = self.parts.iter().filter(|part| matches!(part, Part::Run(_))).count();
        let runs = u8::try_from(runs).expect("a model has few actors");
        let mut contents = Contents::new(self.first_name() + runs * TRIES * 2);
        let mut log = Vec::new();
        for (name, base) in (0..).step_by(2).zip(&self.base) {
            contents.put(name, Object::Pack(base.chunks));
            contents.put(name + 1, Object::Segment(Set::of(name)));
            let objects = Set::all(&[name, name + 1]);
            let (relied, merged) = (Set::NONE, Set::NONE);
            log.push(Says::Commit { objects, relied, merged, snapshots: base.snapshots });
        }
        log.extend(self.hidden.iter().map(Says::Forget));
        let entry = |says| Entry { actor: u8::MAX, run: 0, says };
        State {
            log: log.into_iter().map(entry).collect(),
            present: (0..self.first_name()).collect(),
            contents,
            late: vec![None; self.parts.len()],
            actors: self.parts.iter().map(actor).collect(),
            losable: self.losable,
            crashes: self.crashes,
            freed: 0,
            deceived: false,
        }
    }

    /// The first name that is not taken from the beginning.
    fn first_name(&self) -> u8 {
        2 * u8::try_from(self.base.len()).expect("a model has few commits")
    }

    /// The names of a pack and a segment, for one of an actor's tries.
    pub(crate) fn names(&self, actor: usize, tried: u8) -> (u8, u8) {
        let runs = self.parts[..actor].iter().filter(|part| matches!(part, Part::Run(_))).count();
        let runs = u8::try_from(runs).expect("a model has few actors");
        let pack = self.first_name() + (runs * TRIES + tried) * 2;
        (pack, pack + 1)
    }

    /// All chunks of these snapshots.
    #[must_use]
    pub fn chunks_of(&self, snapshots: Set) -> Set {
        snapshots
            .iter()
            .fold(Set::NONE, |all, snapshot| all | self.snapshots[usize::from(snapshot)])
    }

    pub(crate) fn job(&self, actor: usize) -> Option<Job> {
        match self.parts[actor] {
            Part::Run(job) => Some(job),
            _ => None,
        }
    }

    /// The snapshot that an actor makes.
    pub(crate) fn snapshot(&self, actor: usize) -> Option<u8> {
        match self.job(actor)? {
            Job::Backup { snapshot, .. } | Job::Replicate { snapshot } => Some(snapshot),
            Job::Repack | Job::Compact => None,
        }
    }

    pub(crate) fn prefers(&self, actor: usize) -> Prefers {
        match self.parts[actor] {
            Part::Collector(_, prefers) => prefers,
            _ => Prefers::First,
        }
    }

    pub(crate) fn wish(&self, place: u8) -> Wish {
        let wishes = self.parts.iter().find_map(|part| match part {
            Part::Keeper(wishes) => Some(wishes),
            _ => None,
        });
        wishes.expect("only a keeper has wishes")[usize::from(place)]
    }
}

fn actor(part: &Part) -> Actor {
    match part {
        Part::Run(_) => Actor::Run(Run::new()),
        Part::Collector(marks, _) => Actor::Collector(Collector::new(*marks)),
        Part::Keeper(wishes) => Actor::Keeper(Keeper::new(wishes.len())),
    }
}
