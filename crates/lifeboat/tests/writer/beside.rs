//! What goes on beside a collection, in the very calls in which it hurts. The simulation has found each of these.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lifeboat::Kind;
use lifeboat::backup::Outcome;
use lifeboat::repository::Repository;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::forget::{Why, undo};
use lifeboat_repo::gc::{GcOptions, GcReport, Unused, collect};
use lifeboat_repo::log::Fold;
use lifeboat_repo::snapshots::{TagEdit, tag};
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{Store, Verb};
use lifeboat_testkit::fault::Moment;
use lifeboat_testkit::hook::{Call, HookStore};
use lifeboat_testkit::tree::Scratch;

use crate::collected::forget_one;
use crate::world::{
    StopAfter, assert_clean, assert_complete, assert_restores, assert_restores_beginning, init_in,
    noise, open_in, options_of, run, settle,
};

/// Everything goes now, orphans too.
fn collect_all(repository: &Repository) -> GcReport {
    let options = GcOptions {
        delay: Duration::ZERO,
        trash_period: Duration::ZERO,
        max_unused: Unused::Bytes(0),
        ..GcOptions::default()
    };
    collect(repository, &options).unwrap()
}

/// A repository with a snapshot, and a way to it in whose calls something else can be done.
fn hooked() -> (Arc<dyn Store>, HookStore, Repository) {
    let store = lifeboat_store::mem();
    // Where the log is empty there is nothing that a mark could be made at.
    run(&init_in(Arc::clone(&store)), &options_of(source(900..901).path()));
    let hooks = HookStore::new(Arc::clone(&store));
    let repository = open_in(Arc::new(hooks.clone())).unwrap();
    (store, hooks, repository)
}

fn call(verb: Option<Verb>, prefix: &str, number: u64, moment: Moment) -> Call {
    Call { verb, prefix: prefix.to_owned(), number, moment }
}

fn source(seeds: std::ops::Range<u64>) -> Scratch {
    let scratch = Scratch::new().unwrap();
    for seed in seeds {
        std::fs::write(scratch.join(format!("file{seed:04}")), noise(seed, 20_000)).unwrap();
    }
    settle();
    scratch
}

/// A run looks into its own index segment, which a collector has taken for an orphan: it failed at that, and not only at
/// its commit, where it would have begun anew.
#[test]
fn a_backup_goes_on_when_its_own_segment_is_gone() {
    for prefix in ["packs/", "trees/", "index/"] {
        let (store, hooks, repository) = hooked();
        let source = source(0..30);
        let (tell, told) = mpsc::channel();
        hooks.hook(call(Some(Verb::Put), prefix, 1, Moment::After), move || {
            tell.send(collect_all(&open_in(store).unwrap())).unwrap();
        });
        let report = run(&repository, &options_of(source.path()));
        let collected = told.recv().unwrap();
        assert!(collected.orphans.objects > 0, "{collected:?}");
        assert_complete(&report);
        assert_clean(&repository);
        assert_restores(&repository, report.snapshot.unwrap(), &[source.path().to_owned()]);
    }
}

/// A run that is asked to stop looks what a collection has taken before its checkpoint, and took it that it was asked to
/// stop for a reason not to look.
#[test]
fn an_interrupted_backup_keeps_what_it_has_done() {
    let (store, hooks, repository) = hooked();
    let source = source(0..1000);
    let (tell, told) = mpsc::channel();
    hooks.hook(call(Some(Verb::Put), "log/", 1, Moment::Before), move || {
        tell.send(collect_all(&open_in(store).unwrap())).unwrap();
    });
    let report = StopAfter::files(600).run(&repository, &options_of(source.path()));
    assert!(told.recv().unwrap().orphans.objects > 0);
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert_clean(&repository);
    if let Some(id) = report.snapshot {
        assert_restores_beginning(&repository, id, &[source.path().to_owned()]);
    }
    let report = run(&repository, &options_of(source.path()));
    assert_complete(&report);
    assert_restores(&repository, report.snapshot.unwrap(), &[source.path().to_owned()]);
}

/// A snapshot that a mark took for dead was shown again, given other marks, and forgotten in both forms. The delete took
/// what they reach, and said that the first is gone; the second could be brought back, of nothing.
#[test]
fn other_marks_given_beside_a_collection_keep_their_content() {
    let (_, _, repository) = hooked();
    let source = source(0..16);
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    forget_one(&repository, first);
    let slow = Duration::from_secs(24 * 3600);
    let mark = GcOptions { delay: slow, trash_period: Duration::ZERO, ..GcOptions::default() };
    assert!(collect(&repository, &mark).unwrap().condemned.objects > 0);
    let (mut fold, why) = (Fold::load(&repository).unwrap(), Why::default());
    undo(&repository, &mut fold, &[first], None, &why).unwrap();
    let edit = TagEdit { add: vec!["mark".to_owned()], ..TagEdit::default() };
    let second = tag(&repository, &mut fold, first, &edit).unwrap().new;
    forget_one(&repository, second);
    collect_all(&repository);
    fold.refresh(repository.io()).unwrap();
    if undo(&repository, &mut fold, &[second], None, &why).is_ok() {
        assert_restores(&repository, second, &[source.path().to_owned()]);
    }
    assert_clean(&repository);
}

/// A collector reads by an index whose segments and packs another one removes meanwhile: it failed at that.
#[test]
fn a_collection_goes_on_when_another_one_is_faster() {
    // They share some files, so that packs are emptied.
    let (old, new) = (source(0..16), source(8..24));
    let mut number = 0;
    loop {
        number += 1;
        let (store, hooks, repository) = hooked();
        let first = run(&repository, &options_of(old.path())).snapshot.unwrap();
        let second = run(&repository, &options_of(new.path())).snapshot.unwrap();
        forget_one(&repository, first);
        let done = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&done);
        hooks.hook(call(None, "", number, Moment::Before), move || {
            collect_all(&open_in(store).unwrap());
            tell.store(true, Ordering::Relaxed);
        });
        collect_all(&repository);
        assert_clean(&repository);
        assert_restores(&repository, second, &[new.path().to_owned()]);
        if !done.load(Ordering::Relaxed) {
            break;
        }
    }
    assert!(number > 10, "{number}");
}

/// A run's own `delete` was taken for another's, so that a collection which can't read a tree began anew, and said so later.
#[test]
fn a_collection_does_not_begin_anew_for_its_own_entries() {
    let store = RecordStore::new(lifeboat_store::mem());
    let repository = init_in(Arc::new(store.clone()));
    let (old, new) = (source(0..16), source(50..66));
    let first = run(&repository, &options_of(old.path())).snapshot.unwrap();
    run(&repository, &options_of(new.path()));
    forget_one(&repository, first);
    let slow = Duration::from_secs(24 * 3600);
    let mark = GcOptions { delay: slow, trash_period: Duration::ZERO, ..GcOptions::default() };
    assert!(collect(&repository, &mark).unwrap().condemned.objects > 0);
    let fold = Fold::load(&repository).unwrap();
    let is_tree = |key: &&ObjectKey| matches!(key, ObjectKey::Tree(_)) && !fold.is_condemned(key);
    for key in fold.objects().keys().filter(is_tree) {
        repository.io().delete(key).unwrap();
    }
    let now = GcOptions { delay: Duration::ZERO, ..mark };
    let lists = |work: &dyn Fn()| {
        store.clear();
        work();
        let lists = store.keys(Verb::List);
        lists.iter().filter(|prefix| prefix.starts_with("checkpoints")).count()
    };
    let fold_once = lists(&|| drop(Fold::load(&repository).unwrap()));
    // The first has something to delete, the second has not; each folds the log once.
    for _ in 0..2 {
        let collected = lists(&|| {
            assert_eq!(collect(&repository, &now).unwrap_err().kind(), Kind::NotFound);
        });
        assert!(fold_once > 0 && collected == fold_once, "{collected}, {fold_once}");
    }
    assert!(Fold::load(&repository).unwrap().condemns().is_empty());
}
