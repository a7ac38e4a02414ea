//! A store that fails once, at every call that a backup makes: the run fails with the reason or is
//! right all the same, and the next one is as if nothing had been.

use std::sync::Arc;

use lifeboat::Kind;
use lifeboat_store::{ErrorKind, Verb};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use crate::outage::layered;
use crate::scene::Scene;
use crate::world::assert_complete;

/// How many calls a whole backup makes, opening the repository included.
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
    store.all_calls()
}

#[test]
fn a_single_failure_anywhere_harms_nothing() {
    let scene = Scene::new();
    let calls = calls(&scene);
    let (mut failed, mut injected, mut checkpoints) = (0, 0, 0);
    for call in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
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
            injected += store.injected();
            store.heal();
            checkpoints += scene.assert_recovers(Arc::new(store)).0;
        }
    }
    // The order of calls may differ a little from run to run, so that the last may not come.
    assert!(injected + 8 >= 2 * calls, "{injected} of {calls}");
    assert!(failed > calls / 2, "{failed} of {calls}");
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
    let calls = calls(&scene);
    let mut injected = 0;
    for call in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            let store = FaultStore::new(Arc::new(scene.image.reopen()));
            store.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment));
            assert_complete(&scene.attempt(layered(store.clone())).unwrap());
            injected += store.injected();
            store.heal();
            // Once in the log, however often it was put.
            assert_eq!(scene.assert_recovers(Arc::new(store)), (0, 1), "call {call}");
        }
    }
    assert!(injected + 8 >= 2 * calls, "{injected} of {calls}");
}
