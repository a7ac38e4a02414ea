//! The protocol holds in all states of the small searches, and not because nothing happens there.

use std::collections::BTreeSet;

use protocol_model::{
    Protocol, properties,
    search::{Limits, Order, search},
    setups,
};

/// Two threads, since this test takes longer than the others beside it.
const LIMITS: Limits = Limits { order: Order::Broad, threads: 2, time: None };

#[test]
fn the_protocol_holds_in_all_states_of_the_small_searches() {
    let mut seen = BTreeSet::new();
    for setup in setups::small() {
        let name = setup.name;
        let found = search(Protocol { setup, mutant: None }, LIMITS);
        println!(
            "{name}: {} states, {} steps deep, {:.1} s",
            found.states, found.depth, found.seconds
        );
        if let Some(failure) = &found.failure {
            panic!("{name}: {failure}");
        }
        assert!(found.exhausted, "{name}");
        assert!(
            found.seen.contains(properties::DELETES),
            "{name}: a search in which nothing is deleted"
        );
        assert!(
            found.seen.contains(properties::SPARES),
            "{name}: a search in which nothing is spared"
        );
        seen.extend(found.seen);
    }
    for happens in [properties::RELIES, properties::AGAIN] {
        assert!(seen.contains(happens), "it never happens that {happens}");
    }
}

#[test]
fn large_searches_begin_with_states_that_hold() {
    let time = Some(std::time::Duration::from_millis(300));
    for setup in setups::large() {
        let name = setup.name;
        let found = search(Protocol { setup, mutant: None }, Limits { time, ..LIMITS });
        assert!(found.failure.is_none(), "{name}: {}", found.failure.unwrap());
    }
}
