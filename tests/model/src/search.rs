//! Searching through a model, and what was found.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::{Protocol, properties, trace};

/// What a search has found.
#[derive(Debug)]
pub struct Found {
    /// How many states there are.
    pub states: usize,
    /// How many steps the longest of the shortest ways to a state has.
    pub depth: usize,
    /// How long it took.
    pub seconds: f64,
    /// Whether all states were seen, and everything holds.
    pub exhausted: bool,
    /// What does happen of what has to happen sometimes.
    pub seen: BTreeSet<&'static str>,
    /// What does not hold always, with the way there.
    pub failure: Option<Failure>,
}

/// A property that does not hold, and why.
#[derive(Debug)]
pub struct Failure {
    /// The property.
    pub property: &'static str,
    /// One step a line.
    pub trace: String,
    /// How many states there are on the way.
    pub length: usize,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it does not hold that {}:\n{}", self.property, self.trace)
    }
}

/// Which states are looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those that are fewest steps away.
    Broad,
    /// Those farthest away, which needs less memory: 16 bytes for each state that was seen.
    Deep,
}

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Which states come first.
    pub order: Order,
    /// How many threads search. The checker looks at the time only when it shares work, so that a limit of
    /// time asks for two at least.
    pub threads: usize,
    /// When it ends at the latest.
    pub time: Option<Duration>,
}

/// Searches for a failure that is as few steps away as any.
#[must_use]
pub fn shortest(model: &Protocol) -> Found {
    let mut best =
        found(model.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs());
    // The checker looks at some states more when it has a failure, and tells the last.
    while let Some(failure) = &best.failure {
        let nearer = model.clone().checker().finish_when(HasDiscoveries::AnyFailures);
        let nearer = found(nearer.target_max_depth(failure.length).spawn_bfs());
        if nearer.failure.is_none() {
            break;
        }
        best = nearer;
    }
    best
}

/// Searches until everything was seen, something does not hold, or the time is over.
#[must_use]
pub fn search(model: Protocol, limits: Limits) -> Found {
    let started = Instant::now();
    let mut checker = model.checker().threads(limits.threads);
    checker = checker.finish_when(HasDiscoveries::AnyFailures);
    if let Some(time) = limits.time {
        checker = checker.timeout(time);
    }
    let mut found = match limits.order {
        Order::Broad => found(checker.spawn_bfs()),
        Order::Deep => found(checker.spawn_dfs()),
    };
    found.seconds = started.elapsed().as_secs_f64();
    let in_time = limits.time.is_none_or(|time| started.elapsed() < time);
    found.exhausted = in_time && found.failure.is_none();
    found
}

/// Waits for a search to end. A thread that panics ends the whole, since the model has an error then.
fn found(checker: impl Checker<Protocol>) -> Found {
    let checker = checker.join();
    let mut found = Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds: 0.0,
        exhausted: false,
        seen: BTreeSet::new(),
        failure: None,
    };
    let mut discoveries = checker.discoveries();
    for property in properties::all() {
        let Some(path) = discoveries.remove(property.name) else { continue };
        if property.expectation == Expectation::Always {
            let path = path.into_vec();
            let length = path.len();
            // Of several the one that is found soonest.
            if found.failure.as_ref().is_none_or(|known| length < known.length) {
                let trace = trace::trace(checker.model(), path);
                found.failure = Some(Failure { property: property.name, trace, length });
            }
        } else {
            found.seen.insert(property.name);
        }
    }
    found
}
