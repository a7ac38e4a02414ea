//! Marks that are kept: a collection reads only what came since the last one, and frees as much as any other.
//!
//! Built for tests, the collector compares what it has marked by differences with a full mark, each time.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat::Cancel;
use lifeboat::repository::Repository;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::check::CheckReport;
use lifeboat_repo::forget::{Why, undo};
use lifeboat_repo::gc::{GcOptions, GcReport, KeepMarks, Unused, collect};
use lifeboat_repo::heal::heal;
use lifeboat_repo::log::Fold;
use lifeboat_store::Store;
use lifeboat_testkit::tree::Scratch;

use crate::collected::forget_one;
use crate::world::{
    assert_clean, assert_restores, check_report, init_in, mem_repository, noise, open_in,
    options_of, run, settle,
};

/// Kept in memory.
#[derive(Debug, Default)]
struct Marks(Mutex<Option<Vec<u8>>>);

impl KeepMarks for Marks {
    fn load(&self, bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
        let bytes = self.0.lock().unwrap().clone();
        Ok(bytes.filter(|bytes| bytes.len() as u64 <= bytes_max))
    }

    fn save(&self, bytes: &[u8]) -> std::io::Result<()> {
        *self.0.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }
}

fn options(marks: &Arc<Marks>, dry_run: bool) -> GcOptions {
    GcOptions {
        delay: Duration::ZERO,
        trash_period: Duration::ZERO,
        max_unused: Unused::Bytes(0),
        marks: Some(Arc::<Marks>::clone(marks)),
        dry_run,
        ..GcOptions::default()
    }
}

fn collected(repository: &Repository, marks: &Arc<Marks>) -> GcReport {
    collect(repository, &options(marks, false)).unwrap()
}

fn planned(repository: &Repository, marks: &Arc<Marks>) -> GcReport {
    collect(repository, &options(marks, true)).unwrap()
}

/// Many files, so that their tree has many nodes.
fn source() -> Scratch {
    let scratch = Scratch::new().unwrap();
    for number in 0..2000 {
        write(scratch.path(), number, number);
    }
    settle();
    scratch
}

fn write(root: &Path, number: u64, seed: u64) {
    let folder = root.join(format!("folder{:02}", number / 50));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("file{number:04}")), noise(seed, 600)).unwrap();
}

fn nodes(report: &CheckReport) -> u64 {
    report.counts.tree_nodes
}

#[test]
fn only_new_nodes_are_read() {
    let (source, repository, marks) = (source(), mem_repository(), Arc::default());
    run(&repository, &options_of(source.path()));
    let all = nodes(&check_report(&repository, false));
    // Where nodes end depends on the keys, which are drawn anew each time.
    assert!(all > 8, "{all} nodes");
    let first = planned(&repository, &marks);
    assert_eq!((first.nodes_read, first.by_differences), (all, false));
    let again = planned(&repository, &marks);
    assert_eq!((again.nodes_read, again.by_differences), (0, true));
    write(source.path(), 700, 9999);
    settle();
    run(&repository, &options_of(source.path()));
    let new = nodes(&check_report(&repository, false)) - all;
    assert!(new > 0 && new * 2 < all, "{new} new nodes of {all}");
    let second = planned(&repository, &marks);
    assert_eq!((second.nodes_read, second.by_differences), (new, true));
    assert_eq!(second.used_bytes, planned(&repository, &Arc::default()).used_bytes);
}

/// What was kept stays of use when a collection has repacked, merged and removed what it speaks of: segments that were merged,
/// and where there are too few for that, segments of which all packs went.
#[test]
fn marks_follow_what_is_written_anew() {
    for days in [3, 20] {
        let (source, repository, marks) = (source(), mem_repository(), Arc::default());
        let mut snapshots = Vec::new();
        for day in 0..days {
            for number in (day..2000).step_by(97) {
                write(source.path(), number, 10_000 + day * 2000 + number);
            }
            settle();
            snapshots.push(run(&repository, &options_of(source.path())).snapshot.unwrap());
        }
        let last = snapshots.pop().unwrap();
        for snapshot in snapshots {
            forget_one(&repository, snapshot);
        }
        let freed = collected(&repository, &marks);
        assert!(freed.repacked.objects > 0 && freed.removed.objects > days, "{freed:?}");
        let again = collected(&repository, &marks);
        assert_eq!((again.nodes_read, again.by_differences), (0, true), "{days}: {again:?}");
        assert_eq!(again.condemned.objects, 0, "{again:?}");
        assert_clean(&repository);
        assert_restores(&repository, last, &[source.path().to_owned()]);
    }
}

#[test]
fn after_a_forget_all_is_marked_and_freed() {
    let (source, repository, marks) = (source(), mem_repository(), Arc::default());
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    for number in 0..1000 {
        write(source.path(), number, 10_000 + number);
    }
    settle();
    let second = run(&repository, &options_of(source.path())).snapshot.unwrap();
    assert!(!planned(&repository, &marks).by_differences);
    assert!(planned(&repository, &marks).by_differences);
    forget_one(&repository, first);
    let report = collected(&repository, &marks);
    assert!(!report.by_differences && report.removed.bytes > 1000 * 600, "{report:?}");
    assert_clean(&repository);
    assert_restores(&repository, second, &[source.path().to_owned()]);
    // The tree of what was forgotten is one that lives, so nothing else is needed.
    let third = run(&repository, &options_of(source.path())).snapshot.unwrap();
    forget_one(&repository, second);
    let report = collected(&repository, &marks);
    assert_eq!((report.nodes_read, report.by_differences), (0, true), "{report:?}");
    assert_restores(&repository, third, &[source.path().to_owned()]);
}

/// A chunk whose only copy was condemned when it was marked, and that a backup has stored again since: the new copy is to stay.
#[test]
fn what_was_stored_again_is_marked_where_it_is_now() {
    let (repository, marks, empty) = (mem_repository(), Arc::default(), Scratch::new().unwrap());
    run(&repository, &options_of(empty.path()));
    let source = source();
    let first = run(&repository, &options_of(source.path())).snapshot.unwrap();
    forget_one(&repository, first);
    let slow = GcOptions { delay: Duration::from_secs(3600), ..options(&marks, false) };
    assert!(collect(&repository, &slow).unwrap().condemned.objects > 0);
    // It lives again, in condemned packs.
    let mut fold = Fold::load(&repository).unwrap();
    undo(&repository, &mut fold, &[first], None, &Why::default()).unwrap();
    planned(&repository, &marks);
    let second = run(&repository, &options_of(source.path())).snapshot.unwrap();
    planned(&repository, &marks);
    collected(&repository, &marks);
    collected(&repository, &marks);
    assert_clean(&repository);
    for snapshot in [first, second] {
        assert_restores(&repository, snapshot, &[source.path().to_owned()]);
    }
}

/// Where the segments are gone that marks speak of, all is marked anew; and marks of another repository say nothing.
#[test]
fn marks_that_are_out_of_date_or_foreign_are_not_used() {
    let source = source();
    let (store, marks) = (lifeboat_store::mem(), Arc::default());
    let repository = init_in(Arc::clone(&store));
    for day in 0..20 {
        write(source.path(), day, 10_000 + day);
        settle();
        run(&repository, &options_of(source.path()));
        if day == 9 {
            planned(&repository, &marks);
        }
    }
    // Another machine, which merges them and removes them.
    let report = collected(&open_in(Arc::clone(&store)).unwrap(), &Arc::default());
    assert!(report.removed.objects > 0, "{report:?}");
    let report = planned(&repository, &marks);
    assert!(!report.by_differences, "{report:?}");
    assert!(planned(&repository, &marks).by_differences);
    let other = mem_repository();
    run(&other, &options_of(source.path()));
    assert!(!planned(&other, &marks).by_differences);
}

/// The same objects in another store.
fn copy_of(store: &Arc<dyn Store>) -> Arc<dyn Store> {
    let (copy, from) = (lifeboat_store::mem(), open_in(Arc::clone(store)).unwrap());
    let mut keys = Vec::new();
    let add = |listed: lifeboat_store::Listed| {
        keys.push(listed.key);
        Ok(())
    };
    from.io().list("", add).unwrap();
    from.io().block_on(async {
        for key in keys {
            let bytes = store.get(&key).await.unwrap();
            copy.put_new(&key, bytes.into()).await.unwrap();
        }
    });
    copy
}

/// A pack that was healed stands in the place of the damaged one, of which nothing is needed any more.
#[test]
fn marks_are_those_of_a_healed_pack() {
    let (source, store) = (source(), lifeboat_store::mem());
    let (repository, marks) = (init_in(Arc::clone(&store)), Arc::default());
    let snapshot = run(&repository, &options_of(source.path())).snapshot.unwrap();
    planned(&repository, &marks);
    let replica = open_in(copy_of(&store)).unwrap();
    let mut fold = Fold::load(&repository).unwrap();
    let is_pack = |key: &&ObjectKey| matches!(key, ObjectKey::Pack(_) | ObjectKey::Tree(_));
    let mut packs: Vec<ObjectKey> = fold.objects().keys().filter(is_pack).copied().collect();
    packs.sort_unstable();
    let damaged: Vec<ObjectKey> = packs.into_iter().step_by(3).collect();
    for pack in &damaged {
        repository.io().delete(pack).unwrap();
    }
    let other = Fold::load(&replica).unwrap();
    heal(&repository, &mut fold, &damaged, Some((&replica, &other)), &Cancel::new()).unwrap();
    let report = planned(&repository, &marks);
    assert_eq!((report.nodes_read, report.by_differences), (0, true), "{report:?}");
    let report = collected(&repository, &marks);
    assert_eq!(report.condemned.objects, damaged.len() as u64, "{report:?}");
    assert!(planned(&repository, &marks).by_differences);
    assert_clean(&repository);
    assert_restores(&repository, snapshot, &[source.path().to_owned()]);
}
