//! Planted bugs: the simulation finds each of them.
//!
//! Each is looked for from a seed on that is known to find it soon, so that the test takes little time; where the history of
//! that seed becomes another one, the next ones are tried.

use lifeboat_repo::planted::{Planted, plant};

use crate::run::{RULES, first_finding};

/// So many histories are enough for each.
const SEEDS_MAX: u64 = 1000;

/// Where to begin.
fn first_seed(bug: Planted) -> u64 {
    match bug {
        Planted::WriterTrustsItsOwn => 159,
        Planted::DeleterLooksSinceCondemn => 94,
        Planted::DeleterMissesRelied => 40,
        Planted::RemovesFirst => 58,
        Planted::CollectorsOverlap => 877,
        _ => 0,
    }
}

/// Keeps all rules again, however the test ends.
struct Unplant;

impl Drop for Unplant {
    fn drop(&mut self) {
        plant(None);
    }
}

#[test]
fn each_planted_bug_is_found() {
    let _alone = RULES.write().unwrap();
    let _unplant = Unplant;
    let mut missed = Vec::new();
    for bug in Planted::ALL {
        plant(Some(bug));
        let first = first_seed(bug);
        let (found, runs) = first_finding(first..first + SEEDS_MAX);
        match found {
            Some((seed, outcome)) => {
                println!("{bug:?}: seed {seed}, the {runs}th: {}", outcome.findings[0]);
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
