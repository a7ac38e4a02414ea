//! Runs that end in the middle while every stage waits for another: none may hang.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat::backup::{Outcome, backup};
use lifeboat::monitor::Monitor;
use lifeboat::{Cancel, Context, Kind};
use lifeboat_store::Verb;
use lifeboat_testkit::fault::{FaultStore, Rule};
use lifeboat_testkit::tree::Scratch;

use crate::world::{
    assert_clean, assert_complete, in_time, init_in, noise, options_of, run, settle,
};

/// More unchanged files than fit into the window, behind one that has changed.
fn source() -> Scratch {
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("a"), "before").unwrap();
    for number in 0..27 * 256 {
        fs::write(scratch.join(format!("b{number:05}")), "").unwrap();
    }
    settle();
    scratch
}

/// Does something as soon as the first byte is read, when all others had time to run into the window.
struct AtFirstByte<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Monitor for AtFirstByte<F> {
    fn advance(&self, _files: u64, bytes: u64) {
        let act = if bytes > 0 { self.0.lock().unwrap().take() } else { None };
        if let Some(act) = act {
            std::thread::sleep(Duration::from_millis(500));
            act();
        }
    }
}

fn monitor(act: impl FnOnce() + Send) -> AtFirstByte<impl FnOnce() + Send> {
    AtFirstByte(Mutex::new(Some(act)))
}

#[test]
fn a_run_that_is_stopped_with_a_full_window_ends() {
    let source = source();
    let repository = init_in(lifeboat_store::mem());
    run(&repository, &options_of(source.path()));
    fs::write(source.join("a"), [7; 100]).unwrap();
    let (again, options) = (repository.clone(), options_of(source.path()));
    let report = in_time(move || {
        let cancel = Cancel::new();
        let monitor = monitor(|| cancel.cancel());
        let context =
            Context { monitor: &monitor, cancel: cancel.clone(), threads: 1, ..Context::default() };
        backup(&again, &options, &context).unwrap()
    });
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert_complete(&run(&repository, &options_of(source.path())));
    assert_clean(&repository);
}

#[test]
fn a_run_that_fails_with_a_full_window_tells_why() {
    let source = source();
    let store = FaultStore::new(lifeboat_store::mem());
    let repository = init_in(Arc::new(store.clone()));
    run(&repository, &options_of(source.path()));
    // Several packs, so that the worker hears of the first one while it is at work.
    fs::write(source.join("a"), noise(1, 1 << 20)).unwrap();
    let (again, options, faulty) = (repository.clone(), options_of(source.path()), store.clone());
    let error = in_time(move || {
        let rule = Rule::on(Verb::Put).below("packs/").forever();
        let monitor = monitor(|| faulty.add(rule));
        let context = Context { monitor: &monitor, threads: 1, ..Context::default() };
        backup(&again, &options, &context).unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("injected by the test"), "{error}");
    store.heal();
    assert_clean(&repository);
    assert_complete(&run(&repository, &options_of(source.path())));
}
