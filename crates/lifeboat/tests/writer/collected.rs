//! Collections: what nobody needs is freed, whatever goes on beside it, and nothing else.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat::backup::{BackupOptions, BackupReport, backup};
use lifeboat::monitor::Monitor;
use lifeboat::repository::{Repository, View};
use lifeboat::{Cancel, Context, Kind};
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_repo::check::{CheckOptions, check};
use lifeboat_repo::forget::{Guards, Why, forget, undo};
use lifeboat_repo::gc::{GcOptions, Unused, collect};
use lifeboat_repo::log::{Fold, LiveObject, checkpoint, commit};
use lifeboat_store::{ErrorKind, Verb};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};
use lifeboat_testkit::hook::{Call, HookStore};
use lifeboat_testkit::tree::Scratch;

use crate::world::{
    assert_clean, assert_complete, assert_restores, init_in, mem_repository, noise, open_in,
    options_of, plain_copy, run, settle,
};

/// Everything at once: what is forgotten and what nobody names goes now.
fn now() -> GcOptions {
    GcOptions {
        delay: Duration::ZERO,
        trash_period: Duration::ZERO,
        max_unused: Unused::Bytes(0),
        threads: 2,
        ..GcOptions::default()
    }
}

pub(crate) fn forget_one(repository: &Repository, id: SnapshotId) {
    let mut fold = Fold::load(repository).unwrap();
    let choose = |_: &Fold, _: &_| Ok(vec![id]);
    let gone = forget(repository, &mut fold, &Guards::OFF, &Why::default(), choose).unwrap();
    assert_eq!(gone, [id]);
}

fn live(repository: &Repository) -> Vec<SnapshotId> {
    let view = View::load(repository).unwrap();
    view.snapshots.live().map(|known| known.snapshot.id).collect()
}

/// The bytes of all packs, tree packs and segments in the store, and how many there are.
fn stored(repository: &Repository) -> (u64, u64) {
    let mut stored = (0, 0);
    for prefix in ["packs/", "trees/", "index/"] {
        let add = |listed: lifeboat_store::Listed| {
            stored = (stored.0 + listed.size, stored.1 + 1);
            Ok(())
        };
        repository.io().list(prefix, add).unwrap();
    }
    stored
}

/// Some files of noise, each of another seed.
fn fill(root: &Path, seeds: std::ops::Range<u64>) {
    fs::create_dir_all(root).unwrap();
    for seed in seeds {
        fs::write(root.join(format!("file{seed:04}")), noise(seed, 20_000)).unwrap();
    }
    settle();
}

fn source(seeds: std::ops::Range<u64>) -> Scratch {
    let scratch = Scratch::new().unwrap();
    fill(scratch.path(), seeds);
    scratch
}

/// A repository of these trees alone, to compare sizes with.
fn fresh_size(trees: &[&Path]) -> u64 {
    let repository = mem_repository();
    for tree in trees {
        run(&repository, &options_of(tree));
    }
    stored(&repository).0
}

#[test]
fn what_only_forgotten_snapshots_need_is_freed() {
    let (source, repository) = (source(0..40), mem_repository());
    let options = options_of(source.path());
    let first = run(&repository, &options).snapshot.unwrap();
    // Every other file is another one the next day, so that every pack is used in part.
    for seed in (0..40).step_by(2) {
        fs::remove_file(source.join(format!("file{seed:04}"))).unwrap();
        fs::write(source.join(format!("new{seed:04}")), noise(1000 + seed, 20_000)).unwrap();
    }
    settle();
    let second = run(&repository, &options).snapshot.unwrap();
    let before = stored(&repository);
    // Nothing is forgotten, so nothing goes.
    let report = collect(&repository, &now()).unwrap();
    assert_eq!((report.deleted.objects, report.dead_snapshots), (0, 0), "{report:?}");
    assert_eq!(stored(&repository), before);

    forget_one(&repository, first);
    // It can still be had back.
    let kept = GcOptions { trash_period: Duration::from_secs(3600), ..now() };
    let report = collect(&repository, &kept).unwrap();
    assert_eq!((report.deleted.objects, report.dead_snapshots), (0, 0), "{report:?}");
    let report = collect(&repository, &GcOptions { dry_run: true, ..now() }).unwrap();
    assert!(report.condemned.bytes > 0 && report.repacked.bytes > 0, "{report:?}");
    assert_eq!(stored(&repository), before);

    let report = collect(&repository, &now()).unwrap();
    assert_eq!((report.live_snapshots, report.spared.objects), (1, 0), "{report:?}");
    assert!(report.removed.bytes > 20 * 20_000, "{report:?}");
    assert_eq!(live(&repository), [second]);
    assert_clean(&repository);
    assert_restores(&repository, second, &[source.path().to_owned()]);
    let (left, fresh) = (stored(&repository).0, fresh_size(&[source.path()]));
    assert!(left <= fresh + fresh / 20, "{left} bytes are left, {fresh} are needed");
    // A forgotten snapshot that is gone is nowhere any more, and the next run finds nothing to do.
    let all = View::load(&repository).unwrap().snapshots.all().len();
    assert_eq!(all, 1);
    let again = collect(&repository, &now()).unwrap();
    assert_eq!((again.condemned.objects, again.removed.objects), (0, 0), "{again:?}");
    // And so does the next backup.
    let third = run(&repository, &options);
    assert_eq!((third.stats.files_unchanged, third.stats.new_chunks), (40, 0), "{:?}", third.stats);
}

/// What a run has stored and not named yet is taken for left over, at any of its looks into the index; and the log's
/// checkpoint, from which the log is read then, does not say when something was collected.
#[test]
fn a_backup_begins_anew_though_a_checkpoint_hides_the_collection() {
    let (source, other) = (source(0..20), source(100..105));
    for number in 1..8 {
        let below = lifeboat_store::mem();
        let store = HookStore::new(Arc::clone(&below));
        let repository = init_in(Arc::new(store.clone()));
        let first = run(&repository, &options_of(other.path())).snapshot.unwrap();
        let call = |verb, prefix: &str, number| {
            let prefix = prefix.to_owned();
            Call { verb: Some(verb), prefix, number, moment: Moment::Before }
        };
        let beside = open_in(Arc::clone(&below)).unwrap();
        store.hook(call(Verb::Put, "index/", 1), move || {
            forget_one(&beside, first);
            assert!(collect(&beside, &now()).unwrap().removed.objects > 0);
        });
        let beside = open_in(below).unwrap();
        store.hook(call(Verb::Get, "index/", number), move || {
            collect(&beside, &now()).unwrap();
            checkpoint::write(&beside, &Fold::load(&beside).unwrap()).unwrap();
        });
        let report = run(&repository, &options_of(source.path()));
        assert_complete(&report);
        assert_clean(&repository);
        assert_restores(&repository, report.snapshot.unwrap(), &[source.path().to_owned()]);
    }
}

/// A collection that comes between removes what the check was about to read.
#[test]
fn what_is_collected_during_a_check_is_no_damage() {
    for (collections, is_told) in [(1, true), (7, true), (8, false)] {
        let below = lifeboat_store::mem();
        let store = HookStore::new(Arc::clone(&below));
        let repository = init_in(Arc::new(store.clone()));
        let beside = open_in(below).unwrap();
        for number in 0..9 {
            run(&repository, &options_of(source(100 * number..100 * number + 5).path()));
        }
        for number in 1..=collections {
            let beside = beside.clone();
            let prefix = "checkpoints/".to_owned();
            // The log has been read by then, and nothing else.
            let call = Call { verb: Some(Verb::List), prefix, number, moment: Moment::Before };
            store.hook(call, move || {
                forget_one(&beside, live(&beside)[0]);
                assert!(collect(&beside, &now()).unwrap().removed.objects > 0);
            });
        }
        let options = CheckOptions { read_data: true, ..CheckOptions::default() };
        match check(&repository, &options, &|_| {}) {
            Ok(report) => assert!(is_told && report.is_clean(), "{collections}: {report:?}"),
            Err(error) => assert!(!is_told && error.kind() == Kind::Unavailable, "{error}"),
        }
    }
}

#[test]
fn what_is_condemned_waits_and_what_comes_back_is_spared() {
    let (source, repository) = (source(0..20), mem_repository());
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    let other = self::source(100..120);
    let second = run(&repository, &options_of(other.path())).snapshot.unwrap();
    forget_one(&repository, first);
    let slow = GcOptions { delay: Duration::from_secs(3600), ..now() };
    let report = collect(&repository, &slow).unwrap();
    assert!(report.condemned.objects > 0 && report.waiting == report.condemned, "{report:?}");
    assert_eq!((report.deleted.objects, report.removed.objects), (0, 0));
    // The content comes again meanwhile: it is stored anew, since what is condemned is not to be relied on.
    let copy = plain_copy(source.path(), &Scratch::new().unwrap(), "never");
    assert!(!copy.exists());
    let third = run(&repository, &options_of(source.path()));
    assert!(third.stats.new_bytes >= 20 * 20_000, "{:?}", third.stats);
    // The forgotten one is wanted again before its end.
    let mut fold = Fold::load(&repository).unwrap();
    assert_eq!(undo(&repository, &mut fold, &[first], None, &Why::default()).unwrap(), [first]);
    let report = collect(&repository, &now()).unwrap();
    assert_clean(&repository);
    assert_eq!(live(&repository), [first, second, third.snapshot.unwrap()]);
    for (id, tree) in [(first, &source), (second, &other), (third.snapshot.unwrap(), &source)] {
        assert_restores(&repository, id, &[tree.path().to_owned()]);
    }
    assert_eq!(report.waiting.objects, 0, "{report:?}");
}

type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

/// A monitor that does something once, when so many bytes are done.
struct Once<'a> {
    after: u64,
    done: Mutex<(u64, Option<Work<'a>>)>,
}

impl Monitor for Once<'_> {
    fn advance(&self, _files: u64, bytes: u64) {
        let mut done = self.done.lock().unwrap();
        done.0 += bytes;
        if done.0 >= self.after
            && let Some(work) = done.1.take()
        {
            drop(done);
            work();
        }
    }
}

/// A backup beside which `work` is done when it has come to so many bytes.
fn run_beside(
    repository: &Repository,
    options: &BackupOptions,
    after: u64,
    work: impl FnOnce() + Send,
) -> BackupReport {
    let monitor = Once { after, done: Mutex::new((0, Some(Box::new(work)))) };
    let context =
        Context { monitor: &monitor, threads: 2, cancel: Cancel::new(), ..Context::default() };
    let report = backup(repository, options, &context).unwrap();
    assert!(monitor.done.lock().unwrap().1.is_none(), "it was never done");
    report
}

/// The run has found chunks in packs of a snapshot that is forgotten and collected while it goes on, and has put packs of
/// its own, which are taken for orphans.
#[test]
fn a_backup_stores_again_what_was_taken_from_under_it() {
    let store = lifeboat_store::mem();
    let repository = init_in(Arc::clone(&store));
    let source = source(0..60);
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    // The same content under another source, without a parent: everything is found by its id.
    let elsewhere = Scratch::new().unwrap();
    let copy = plain_copy(source.path(), &elsewhere, "copy");
    fill(&copy, 100..140);
    let other = open_in(Arc::clone(&store)).unwrap();
    for after in [1, 500_000, 1_500_000] {
        let keeper = &other;
        let gone = live(&repository);
        let report = run_beside(&repository, &options_of(&copy), after, move || {
            for id in gone {
                forget_one(keeper, id);
            }
            collect(keeper, &now()).unwrap();
        });
        assert_complete(&report);
        assert_clean(&repository);
        assert_eq!(live(&repository), [report.snapshot.unwrap()]);
        assert_restores(&repository, report.snapshot.unwrap(), std::slice::from_ref(&copy));
    }
    assert!(!live(&repository).contains(&first));
}

/// It is only condemned while the run goes on: the run says so, and the delete spares it, whatever was forgotten before.
#[test]
fn what_a_commit_relies_on_is_spared() {
    let store = lifeboat_store::mem();
    let repository = init_in(Arc::clone(&store));
    let source = source(0..60);
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    let elsewhere = Scratch::new().unwrap();
    let copy = plain_copy(source.path(), &elsewhere, "copy");
    let other = open_in(Arc::clone(&store)).unwrap();
    let slow = GcOptions { delay: Duration::from_secs(3600), ..now() };
    let report = run_beside(&repository, &options_of(&copy), 500_000, || {
        forget_one(&other, first);
        let report = collect(&other, &slow).unwrap();
        assert!(report.condemned.objects > 0);
    });
    assert_complete(&report);
    let collected = collect(&other, &now()).unwrap();
    assert!(collected.spared.objects > 0, "{collected:?}");
    assert_clean(&repository);
    assert_restores(&repository, report.snapshot.unwrap(), &[copy]);
    assert_eq!(live(&repository), [report.snapshot.unwrap()]);
}

/// Cut off at each of its calls, before or after that took effect, a collection leaves what the next one finishes.
#[test]
fn a_collection_may_be_cut_off_anywhere() {
    let tree = source(0..16);
    for moment in [Moment::Before, Moment::After] {
        let mut call = 0;
        loop {
            call += 1;
            let store = lifeboat_store::mem();
            let repository = init_in(Arc::clone(&store));
            let first = run(&repository, &options_of(tree.path())).snapshot.unwrap();
            let kept = source(8..24);
            let second = run(&repository, &options_of(kept.path())).snapshot.unwrap();
            forget_one(&repository, first);
            let fault = FaultStore::new(Arc::clone(&store));
            let cut = open_in(Arc::new(fault.clone())).unwrap();
            fault.add(Rule::any().call(call).fails(ErrorKind::Denied, moment));
            fault.add(Rule::any().call(call).forever().fails(ErrorKind::Denied, Moment::Before));
            let outcome = collect(&cut, &now());
            if fault.injected() == 0 {
                outcome.unwrap();
                break;
            }
            assert_clean(&repository);
            assert_restores(&repository, second, &[kept.path().to_owned()]);
            collect(&repository, &now()).unwrap();
            assert_clean(&repository);
            assert_restores(&repository, second, &[kept.path().to_owned()]);
            let (left, fresh) = (stored(&repository).0, fresh_size(&[kept.path()]));
            assert!(left <= fresh + fresh / 20, "call {call}: {left} bytes, {fresh} are needed");
        }
        assert!(call > 10, "{call}");
    }
}

/// What a segment was merged from serves where it is lost: it must not go for the sake of the lost one.
#[test]
fn nothing_goes_for_a_segment_that_is_lost() {
    let (source, repository) = (Scratch::new().unwrap(), mem_repository());
    for day in 0..20 {
        fill(source.path(), day..day + 1);
        run(&repository, &options_of(source.path()));
    }
    let fold = Fold::load(&repository).unwrap();
    let merged = fold.segments().into_iter().find(|segment| !fold.parts(&segment.key).is_empty());
    repository.io().delete(&merged.expect("there were enough to be merged").key).unwrap();
    let before = stored(&repository);
    let error = collect(&repository, &now()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert_eq!(stored(&repository), before);
    let newest = *live(&repository).last().unwrap();
    assert_restores(&repository, newest, &[source.path().to_owned()]);
}

/// Whoever may write can name an object with a pack's hash that is not there: the pack stays.
#[test]
fn a_pack_does_not_go_for_one_that_only_claims_its_bytes() {
    let (source, repository) = (source(0..10), mem_repository());
    let id = run(&repository, &options_of(source.path())).snapshot.unwrap();
    let mut fold = Fold::load(&repository).unwrap();
    let claim = |(key, live): (&ObjectKey, &LiveObject)| {
        let (kind, name) = match key {
            ObjectKey::Pack(name) => (ObjectKind::Pack, *name),
            ObjectKey::Tree(name) => (ObjectKind::Tree, *name),
            _ => return None,
        };
        let name = ObjectName { upload: [0xab; 8], ..name };
        Some(ListedObject { kind, name, size: live.size })
    };
    let claims: Vec<ListedObject> = fold.objects().iter().filter_map(claim).collect();
    assert!(claims.len() > 2);
    commit(&repository, &mut fold, RunId([1; 16]), claims, Vec::new()).unwrap();
    let before = stored(&repository);
    for _ in 0..2 {
        drop(collect(&repository, &now()));
        assert!(stored(&repository).0 >= before.0);
        assert_restores(&repository, id, &[source.path().to_owned()]);
    }
}
