//! A store that fails at every call that a restore makes: the restore says so or is right all the same,
//! and the next one is as if nothing had been.

use std::sync::Arc;

use lifeboat::restore::RestoreReport;
use lifeboat::{Error, Kind};
use lifeboat_store::{ErrorKind, Verb};
use lifeboat_testkit::fault::{FaultStore, Rule};
use lifeboat_testkit::tree::Scratch;

use crate::faults::at_every_call;
use crate::outage::{BUDGET, layered};
use crate::scene::Scene;

/// How many calls a whole restore makes at least, opening the repository included.
const CALLS: u64 = 12;

/// How many calls a whole restore makes this time, opening the repository included.
fn calls(scene: &Scene) -> u64 {
    let store = FaultStore::new(Arc::new(scene.image.reopen()));
    let scratch = Scratch::new().unwrap();
    let report = scene.fetch(Arc::new(store.clone()), scratch.join("out")).unwrap();
    assert!(report.is_complete(), "{:?}", report.problems);
    scene.assert_fetched(&scratch.join("out"));
    let used: Vec<_> = Verb::ALL.into_iter().filter(|&verb| store.calls(verb) > 0).collect();
    println!("a restore makes {} calls: {used:?}", store.all_calls());
    for verb in [Verb::Get, Verb::GetRange, Verb::Head, Verb::List] {
        assert!(used.contains(&verb), "{used:?}");
    }
    let reads = [Verb::Get, Verb::GetRange, Verb::Head, Verb::List];
    assert!(used.iter().all(|verb| reads.contains(verb)), "a restore only reads: {used:?}");
    assert!(store.all_calls() >= CALLS, "{}", store.all_calls());
    store.all_calls()
}

/// Whether it was right; if not, that it says why.
fn is_right(scene: &Scene, result: Result<RestoreReport, Error>, scratch: &Scratch) -> bool {
    match result {
        Ok(report) if report.is_complete() => {
            scene.assert_fetched(&scratch.join("out"));
            true
        }
        Ok(report) => {
            assert!(report.problems.count > 0, "{report:?}");
            let mut problems = report.problems.first.iter();
            assert!(problems.all(|problem| problem.error.contains("injected")), "{report:?}");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            assert!(error.to_string().contains("injected"), "{error}");
            false
        }
    }
}

/// Restores while `rule` holds, and again without: whether the first was right, and how many calls of it
/// failed.
fn try_twice(scene: &Scene, rule: Rule, with_retries: bool) -> (bool, u64) {
    let store = FaultStore::new(Arc::new(scene.image.reopen()));
    store.add(rule);
    let scratch = Scratch::new().unwrap();
    let result = match with_retries {
        true => scene.fetch(layered(store.clone()), scratch.join("out")),
        false => scene.fetch(Arc::new(store.clone()), scratch.join("out")),
    };
    let right = is_right(scene, result, &scratch);
    let injected = store.injected();
    store.heal();
    if !right {
        let scratch = Scratch::new().unwrap();
        let again = scene.fetch(Arc::new(store.clone()), scratch.join("out"));
        assert!(is_right(scene, again, &scratch), "without faults it is right");
    }
    (right, injected)
}

#[test]
fn a_single_failure_anywhere_is_told_and_the_next_restore_is_right() {
    let scene = Scene::new();
    calls(&scene);
    let mut failed = 0;
    let reached = at_every_call(|call, moment| {
        let rule = Rule::any().call(call).fails(ErrorKind::Unavailable, moment);
        let (right, injected) = try_twice(&scene, rule, false);
        failed += u64::from(!right);
        injected
    });
    assert!(reached >= CALLS, "{reached}");
    assert!(failed > reached / 2, "{failed} of {reached}");
}

#[test]
fn with_retries_a_single_failure_is_not_even_noticed_by_a_restore() {
    let scene = Scene::new();
    let reached = at_every_call(|call, moment| {
        let rule = Rule::any().call(call).fails(ErrorKind::Unavailable, moment);
        let (right, injected) = try_twice(&scene, rule, true);
        assert!(right, "call {call}, {moment:?}");
        injected
    });
    assert!(reached >= CALLS, "{reached}");
}

#[test]
fn a_store_that_goes_away_fails_a_restore_within_the_budget() {
    let scene = Scene::new();
    let calls = calls(&scene);
    at_every_call(|call, moment| {
        let rule = Rule::any().call(call).fails(ErrorKind::Unavailable, moment).forever();
        let (right, injected) = try_twice(&scene, rule, true);
        // The call that was to fail never came.
        assert!(!right || injected == 0, "call {call}, {moment:?}");
        // What several files need may be asked for once for each.
        assert!(injected <= 2 * calls + u64::from(BUDGET), "{injected}");
        injected
    });
}
