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
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use crate::faults::calls;
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
    for call in 1..=calls {
        for moment in [Moment::Before, Moment::After] {
            let store = FaultStore::new(Arc::new(scene.image.reopen()));
            store.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment).forever());
            match scene.attempt(layered(store.clone())) {
                // The order of calls may differ a little from run to run, so that the last may not come.
                Ok(report) => {
                    assert_complete(&report);
                    assert_eq!(store.injected(), 0, "call {call}");
                }
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.kind(), Kind::Unavailable, "call {call}: {error}");
                    assert!(error.to_string().contains("injected"), "call {call}: {error}");
                }
            }
            assert!(store.injected() <= calls + u64::from(BUDGET), "{}", store.injected());
            store.heal();
            scene.assert_recovers(Arc::new(store));
        }
    }
    // Where none did, the call that was to fail never came: see above.
    assert!(failed > calls, "{failed} of {} failed", 2 * calls);
}
