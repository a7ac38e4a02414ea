//! A store that fails once, at every call that a backup makes: the run fails with the reason or is
//! right all the same, and the next one is as if nothing had been.

use std::sync::Arc;

use lifeboat::Kind;
use lifeboat_store::{ErrorKind, Verb};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use crate::outage::layered;
use crate::scene::Scene;
use crate::world::assert_complete;

/// One case for each call, failed before and after its effect, as far as there are calls: how many a run
/// makes depends on how often it comes to a checkpoint. `case` says how many calls failed.
pub(crate) fn at_every_call(mut case: impl FnMut(u64, Moment) -> u64) -> u64 {
    let mut call = 0;
    loop {
        call += 1;
        let failed = [Moment::Before, Moment::After].map(|moment| case(call, moment));
        if failed == [0, 0] {
            return call - 1;
        }
    }
}

/// How many calls a whole backup makes at least, opening the repository included.
const CALLS: u64 = 20;

/// How many calls a whole backup makes this time, opening the repository included.
pub(crate) fn calls(scene: &Scene) -> u64 {
    let store = FaultStore::new(Arc::new(scene.image.reopen()));
    assert_complete(&scene.attempt(Arc::new(store.clone())).unwrap());
    let used: Vec<_> = Verb::ALL.into_iter().filter(|&verb| store.calls(verb) > 0).collect();
    println!("a backup makes {} calls: {used:?}", store.all_calls());
    for verb in
        [Verb::Put, Verb::PutSoon, Verb::Sync, Verb::Get, Verb::GetRange, Verb::Head, Verb::List]
    {
        assert!(used.contains(&verb), "{used:?}");
    }
    let removes = [Verb::Delete, Verb::DeleteMany];
    assert!(!used.iter().any(|verb| removes.contains(verb)), "a backup removes nothing: {used:?}");
    let puts = store.calls(Verb::Put) + store.calls(Verb::PutSoon);
    assert!(puts >= 8, "{puts} puts");
    assert!(store.all_calls() >= CALLS, "{}", store.all_calls());
    store.all_calls()
}

#[test]
fn a_single_failure_anywhere_harms_nothing() {
    let scene = Scene::new();
    calls(&scene);
    let (mut failed, mut checkpoints) = (0, 0);
    let reached = at_every_call(|call, moment| {
        let store = FaultStore::new(Arc::new(scene.image.reopen()));
        store.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment));
        match scene.attempt(Arc::new(store.clone())) {
            Ok(report) => assert_complete(&report),
            Err(error) => {
                failed += 1;
                assert_eq!(error.kind(), Kind::Unavailable, "call {call}: {error}");
                assert!(error.to_string().contains("injected"), "call {call}: {error}");
            }
        }
        let injected = store.injected();
        store.heal();
        checkpoints += scene.assert_recovers(Arc::new(store)).0;
        injected
    });
    assert!(reached >= CALLS, "{reached}");
    assert!(failed > reached / 2, "{failed} of {reached}");
    assert!(checkpoints > 0);
}

#[test]
fn what_a_store_refuses_for_good_is_told_as_it_is() {
    let scene = Scene::new();
    let kinds = [(ErrorKind::NoSpace, Kind::NoSpace), (ErrorKind::Denied, Kind::Denied)];
    for prefix in ["packs/", "trees/", "index/", "log/"] {
        for (cause, kind) in kinds {
            let store = FaultStore::new(Arc::new(scene.image.reopen()));
            let rule = Rule::on(Verb::Put).below(prefix).forever();
            store.add(rule.fails(cause, Moment::Before));
            let error = scene.attempt(Arc::new(store.clone())).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(prefix), "{error}");
            store.heal();
            assert_eq!(scene.assert_recovers(Arc::new(store)), (0, 0));
        }
    }
}

#[test]
fn with_retries_a_single_failure_is_not_even_noticed() {
    let scene = Scene::new();
    let reached = at_every_call(|call, moment| {
        let store = FaultStore::new(Arc::new(scene.image.reopen()));
        store.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment));
        assert_complete(&scene.attempt(layered(store.clone())).unwrap());
        let injected = store.injected();
        store.heal();
        // Once in the log, however often it was put.
        assert_eq!(scene.assert_recovers(Arc::new(store)), (0, 1), "call {call}");
        injected
    });
    assert!(reached >= CALLS, "{reached}");
}
