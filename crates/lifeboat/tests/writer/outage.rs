//! A store that goes away at every call that a backup makes and does not come back: the run fails with
//! the reason and soon, and the next one is as if nothing had been.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lifeboat::Kind;
use lifeboat_store::layer::meter::Meter;
use lifeboat_store::layer::retry::RetryOptions;
use lifeboat_store::options::StoreOptions;
use lifeboat_store::stack::over_service;
use lifeboat_store::{ErrorKind, Store};
use lifeboat_testkit::fault::{FaultStore, Rule};

use crate::faults::{at_every_call, calls};
use crate::scene::Scene;
use crate::world::assert_complete;

/// How many retries a run may be ahead of its successes.
pub(crate) const BUDGET: u32 = 20;

/// Retries that take no time.
pub(crate) fn retries() -> RetryOptions {
    let pause = Duration::from_micros(100);
    RetryOptions {
        attempts_max: 6,
        pause_first: pause,
        pause_max: pause,
        budget_retries: BUDGET,
        // However slow the machine is.
        budget_refill: Duration::ZERO,
        ..RetryOptions::default()
    }
}

/// All layers that a service has above it, over `store`.
pub(crate) fn layered(store: FaultStore) -> Arc<dyn Store> {
    let mut options = StoreOptions::new(Arc::new(|| SystemTime::UNIX_EPOCH));
    options.layers.retry = retries();
    over_service(Arc::new(store), &options, Meter::new()).store
}

#[test]
fn a_store_that_goes_away_fails_a_backup_within_the_budget() {
    let scene = Scene::new();
    let calls = calls(&scene);
    let mut failed = 0;
    let reached = at_every_call(|call, moment| {
        let store = FaultStore::new(Arc::new(scene.image.reopen()));
        store.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment).forever());
        let result = scene.attempt(layered(store.clone()));
        let injected = store.injected();
        match result {
            // The call that was to fail never came.
            Ok(report) => {
                assert_complete(&report);
                assert_eq!(injected, 0, "call {call}");
            }
            Err(error) => {
                failed += 1;
                assert_eq!(error.kind(), Kind::Unavailable, "call {call}: {error}");
                assert!(error.to_string().contains("injected"), "call {call}: {error}");
            }
        }
        // Each call once, and the budget of all; how many calls a run makes differs.
        assert!(injected <= 2 * calls + u64::from(BUDGET), "{injected}");
        store.heal();
        scene.assert_recovers(Arc::new(store));
        injected
    });
    assert!(failed > reached, "{failed} of {} failed", 2 * reached);
}
