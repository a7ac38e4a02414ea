//! Several writers and a checker at once, each as a process of its own would be.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lifeboat::backup::{BackupOptions, BackupReport, Outcome, backup};
use lifeboat::repository::View;
use lifeboat::{Context, Error, Kind};
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::check::{CheckOptions, check};
use lifeboat_repo::log::Fold;
use lifeboat_store::Store;
use lifeboat_store::layer::retry::{RetryOptions, RetryStore};
use lifeboat_testkit::fault::{FaultStore, Toxics};
use lifeboat_testkit::tree::{Scratch, Shape, edit, random};

use crate::world::{assert_clean, assert_restores, init_in, open_in, options_of, plain_copy};

const WRITERS: u64 = 3;
const ROUNDS: u64 = 4;
const SHAPE: Shape = Shape { dirs: 6, files: 30, file_bytes_max: 100_000 };

/// What one writer has committed, with a copy of what it was.
type Kept = Vec<(SnapshotId, PathBuf)>;

fn write(number: u64, store: &dyn Fn() -> Arc<dyn Store>, scratch: &Scratch) -> Kept {
    let source = scratch.join(format!("source{number}"));
    std::fs::create_dir(&source).unwrap();
    // The same files for all, at first.
    random(&source, 40, &SHAPE).unwrap();
    let mut kept = Kept::new();
    for round in 0..ROUNDS {
        let report = loop {
            match back_up(store(), &source) {
                Ok(report) => break report,
                // A list that breaks off in the middle is not repeated below us.
                Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
            }
        };
        assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.problems);
        let copy = plain_copy(&source, scratch, &format!("copy{number}-{round}"));
        kept.push((report.snapshot.unwrap(), copy));
        // Half of the edits are those of the others, too.
        edit(&source, round, 5).unwrap();
        edit(&source, 1000 * (number + 1) + round, 5).unwrap();
    }
    kept
}

fn back_up(store: Arc<dyn Store>, source: &std::path::Path) -> Result<BackupReport, Error> {
    let repository = open_in(store)?;
    let options = BackupOptions { checkpoint_interval: Duration::ZERO, ..options_of(source) };
    backup(&repository, &options, &Context { threads: 1, ..Context::default() })
}

/// Checks beside the writers until they are done; how often that was.
fn watch(store: &dyn Fn() -> Arc<dyn Store>, done: &AtomicBool) -> u64 {
    let options = CheckOptions { read_data: true, threads: 1, ..CheckOptions::default() };
    let mut checks = 0;
    loop {
        // At least once when all is quiet again.
        let last = done.load(Ordering::Acquire);
        match open_in(store()).and_then(|repository| Ok(check(&repository, &options, &|_| {})?)) {
            Ok(report) => {
                assert!(report.is_clean(), "{:#?}", report.problems);
                checks += 1;
            }
            Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
        }
        if last && checks > 0 {
            return checks;
        }
    }
}

fn all_at_once(store: &(dyn Fn() -> Arc<dyn Store> + Sync)) {
    let scratch = Scratch::new().unwrap();
    init_in(store());
    let done = AtomicBool::new(false);
    let kept: Vec<Kept> = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(store, &done));
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let scratch = &scratch;
                scope.spawn(move || write(number, store, scratch))
            })
            .collect();
        let kept = writers.into_iter().map(|writer| writer.join());
        let kept: Vec<_> = kept.collect();
        done.store(true, Ordering::Release);
        assert!(watcher.join().unwrap() > 0);
        kept.into_iter().map(Result::unwrap).collect()
    });
    let repository = open_in(store()).unwrap();
    assert_chains(&repository);
    for (id, copy) in kept.iter().flatten() {
        assert_restores(&repository, *id, std::slice::from_ref(copy));
    }
    assert_eq!(kept.iter().flatten().count() as u64, WRITERS * ROUNDS);
}

/// No entry is void or missing, and each snapshot of the one key names the one before it.
fn assert_chains(repository: &lifeboat::repository::Repository) {
    let fold = Fold::load_all(repository).unwrap();
    assert_eq!((fold.void_count(), fold.gap()), (0, None));
    assert_eq!(fold.entries_read(), fold.next_number());
    let view = View::load(repository).unwrap();
    let mut before = None;
    for (number, known) in view.snapshots.all().iter().enumerate() {
        assert_eq!(known.snapshot.sequence, number as u64 + 1);
        assert_eq!(known.snapshot.previous, before);
        before = Some(known.sealed_hash);
    }
}

#[test]
fn writers_and_a_checker_do_not_disturb_each_other() {
    let store = lifeboat_store::mem();
    all_at_once(&|| Arc::clone(&store));
    assert_clean(&open_in(store).unwrap());
}

#[test]
fn not_even_over_a_store_that_fails_now_and_then() {
    let faulty = FaultStore::new(lifeboat_store::mem());
    init_then_poison(&faulty);
    let pause = Duration::from_millis(1);
    let retrying = |seed| {
        let options =
            RetryOptions { pause_first: pause, pause_max: pause, seed, ..RetryOptions::default() };
        RetryStore::new(Arc::new(faulty.clone()), options)
    };
    all_at_once(&|| Arc::new(retrying(faulty.all_calls())));
    assert!(faulty.injected() > 20, "{}", faulty.injected());
    faulty.heal();
    assert_clean(&open_in(Arc::new(faulty)).unwrap());
}

fn init_then_poison(faulty: &FaultStore) {
    faulty.poison(Toxics { seed: 77, fail_per_mille: 20, flip_per_mille: 0 });
}
