//! Repositories whose objects are locked: nothing goes before its time, and what a thief did is undone.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::Cancel;
use lifeboat::repository::{Io, Repository};
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::Kind;
use lifeboat_repo::gc::{GcOptions, GcReport, Unused, collect};
use lifeboat_repo::locks::{RestoreOptions, When, extend, restore};
use lifeboat_repo::log::{Fold, checkpoint};
use lifeboat_store::options::{LockMode, ObjectLock};
use lifeboat_store::{ErrorKind, Store};
use lifeboat_testkit::clock::{NOON, TestClock};
use lifeboat_testkit::locked::LockedStore;
use lifeboat_testkit::tree::Scratch;

use crate::collected::forget_one;
use crate::world::{
    assert_clean, assert_restores, check_report, init_with, noise, open_with, options_of, run,
    settle,
};

const DAY: u64 = 86_400;
const PERIOD: u64 = 30 * DAY;
const LOCK: ObjectLock =
    ObjectLock { mode: LockMode::Compliance, period: Duration::from_secs(PERIOD) };

fn noon() -> u64 {
    u64::try_from(NOON.secs).unwrap()
}

/// A store that enforces locks, and a repository in it.
struct Locked {
    clock: TestClock,
    store: LockedStore,
    repository: Repository,
}

impl Locked {
    fn new() -> Self {
        let clock = TestClock::new();
        let store = LockedStore::new(&clock);
        let repository =
            init_with(Arc::new(store.clone()), Arc::new(clock.clone()), Some(LOCK)).unwrap();
        Self { clock, store, repository }
    }

    fn after(&self, days: u64) {
        self.clock.advance(Duration::from_secs(days * DAY));
    }

    fn backup(&self, source: &Scratch) -> SnapshotId {
        run(&self.repository, &options_of(source.path())).snapshot.unwrap()
    }

    fn collect(&self) -> GcReport {
        let options = GcOptions {
            delay: Duration::ZERO,
            trash_period: Duration::ZERO,
            max_unused: Unused::Bytes(0),
            ..GcOptions::default()
        };
        collect(&self.repository, &options).unwrap()
    }

    fn head(&self) -> u64 {
        Fold::load(&self.repository).unwrap().head().unwrap().number
    }

    /// The keys that are seen.
    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.repository
            .io()
            .list("", |listed| {
                keys.push(listed.key);
                Ok(())
            })
            .unwrap();
        keys
    }

    fn io(&self) -> Io {
        Io::new(Arc::new(self.store.clone())).unwrap()
    }

    /// As another process opens it.
    fn reopen(&self) -> Repository {
        open_with(Arc::new(self.store.clone()), Arc::new(self.clock.clone())).unwrap()
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.repository.io().block_on(future)
    }
}

fn source(seeds: std::ops::Range<u64>) -> Scratch {
    let scratch = Scratch::new().unwrap();
    for seed in seeds {
        fs::write(scratch.join(format!("file{seed:04}")), noise(seed, 20_000)).unwrap();
    }
    settle();
    scratch
}

fn tree(source: &Scratch) -> [PathBuf; 1] {
    [source.path().to_owned()]
}

#[test]
fn everything_that_is_put_is_locked_from_its_put() {
    let locked = Locked::new();
    locked.after(1);
    locked.backup(&source(0..10));
    for key in locked.keys() {
        let until = locked.store.lock_of(&key).expect("a lock");
        let until = until.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let is_first = key == "config" || key.starts_with("keys/");
        let put = if is_first { noon() } else { noon() + DAY };
        assert_eq!(until, put + PERIOD, "{key}");
    }
    for kind in ["config", "keys/", "packs/", "trees/", "index/", "log/"] {
        assert!(locked.keys().iter().any(|key| key.starts_with(kind)), "{kind}");
    }
    let config = locked.repository.config();
    assert_eq!(config.features.write_required, ["parity", "object-lock"]);
}

#[test]
fn a_store_that_does_not_enforce_locks_is_refused_and_nothing_is_left() {
    let clock = TestClock::new();
    let lax = LockedStore::new(&clock);
    lax.be_lax();
    let refused = |store: Arc<dyn Store>| {
        let error = init_with(store, Arc::new(clock.clone()), Some(LOCK)).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
        error.to_string()
    };
    let said = refused(Arc::new(lax.clone()));
    assert!(said.contains("a lock could be shortened"), "{said}");
    assert!(lax.all_versions().is_empty());
    let said = refused(lifeboat_store::mem());
    assert!(said.contains("S3 and its like"), "{said}");
}

#[test]
fn a_copy_where_nothing_can_be_locked_is_read_and_not_written() {
    let locked = Locked::new();
    let source = source(0..5);
    let id = locked.backup(&source);
    let copy = lifeboat_store::mem();
    for key in locked.keys() {
        let bytes = locked.block_on(locked.store.get(&key)).unwrap();
        locked.block_on(copy.put_new(&key, bytes.into())).unwrap();
    }
    let opened = open_with(copy, Arc::new(locked.clock.clone())).unwrap();
    assert_restores(&opened, id, &tree(&source));
    let error = opened.require_writable().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("are to be locked"), "{error}");
}

#[test]
fn what_is_deleted_stays_until_its_lock_ends_and_goes_then() {
    let locked = Locked::new();
    let (kept, gone) = (source(0..10), source(100..120));
    let stays = locked.backup(&kept);
    let goes = locked.backup(&gone);
    locked.after(1);
    forget_one(&locked.repository, goes);
    let before = locked.keys();
    let report = locked.collect();
    assert!(report.deleted.bytes > 20 * 20_000, "{report:?}");
    assert_eq!(report.removed.objects, 0, "{report:?}");
    assert_eq!(
        (report.locked.objects, report.locked.bytes),
        (report.deleted.objects, report.deleted.bytes)
    );
    // What was indexed anew meanwhile has replaced a segment or two: all of it was put at noon or a day later.
    assert_eq!(report.locked.first_free, noon() + PERIOD, "{report:?}");
    assert!(report.locked.last_free <= noon() + DAY + PERIOD, "{report:?}");
    assert!(before.iter().all(|key| locked.keys().contains(key)), "nothing is even hidden");
    // The next day nothing is asked for, condemned or deleted again.
    locked.after(1);
    let (asked, removals, head) = (locked.store.asked(), locked.store.removals(), locked.head());
    let again = locked.collect();
    assert_eq!((again.condemned.objects, again.deleted.objects), (0, 0), "{again:?}");
    assert_eq!(again.locked, report.locked);
    assert_eq!((locked.store.asked(), locked.store.removals()), (asked, removals));
    assert_eq!(locked.head(), head, "nothing new to say");
    assert_clean(&locked.repository);
    // Their time has come, though others are locked for longer meanwhile.
    locked.after(28);
    let last = locked.collect();
    assert_eq!(last.removed.objects, report.deleted.objects, "{last:?}");
    assert_eq!((last.locked.objects, last.condemned.objects), (0, 0), "{last:?}");
    let left: Vec<String> = locked.store.all_versions().into_iter().map(|(key, _)| key).collect();
    let packs = left.iter().filter(|key| key.starts_with("packs/")).count();
    let seen = locked.keys().iter().filter(|key| key.starts_with("packs/")).count();
    assert_eq!(packs, seen, "no version and no marker is left of them");
    assert_clean(&locked.repository);
    assert_restores(&locked.reopen(), stays, &tree(&kept));
}

#[test]
fn what_was_extended_is_known_to_be_locked_for_longer() {
    let locked = Locked::new();
    let (kept, gone) = (source(0..10), source(100..110));
    let stays = locked.backup(&kept);
    let goes = locked.backup(&gone);
    locked.after(20);
    let first = locked.collect();
    let locks = first.locks.unwrap();
    assert!(locks.extended > 0 && locks.until == noon() + 20 * DAY + PERIOD, "{first:?}");
    forget_one(&locked.repository, goes);
    let report = locked.collect();
    assert!(report.deleted.bytes > 10 * 20_000, "{report:?}");
    assert_eq!(report.locked.last_free, noon() + 20 * DAY + PERIOD, "{report:?}");
    let fold = Fold::load(&locked.repository).unwrap();
    assert!(checkpoint::write(&locked.repository, &fold).unwrap());
    let from_checkpoint = Fold::load(&locked.repository).unwrap();
    assert_eq!(from_checkpoint.entries_read(), 0);
    assert_eq!(from_checkpoint.locks(), fold.locks());
    let asked = locked.store.asked();
    // Older than the period of its put, and locked all the same: what the log says is enough, also from a checkpoint.
    locked.after(20);
    let again = locked.collect();
    assert_eq!((again.condemned.objects, again.removed.objects), (0, 0), "{again:?}");
    assert!(again.locked.objects >= report.locked.objects, "{again:?}");
    assert_eq!(locked.store.asked(), asked);
    locked.after(11);
    let last = locked.collect();
    assert_eq!(last.locked.objects, 0, "{last:?}");
    assert!(last.removed.bytes > 10 * 20_000, "{last:?}");
    assert_restores(&locked.reopen(), stays, &tree(&kept));
    assert_clean(&locked.repository);
}

#[test]
fn locks_are_extended_once_half_of_the_period_is_over_and_not_again() {
    let locked = Locked::new();
    let source = source(0..10);
    let id = locked.backup(&source);
    let gc_nothing = locked.collect();
    assert_eq!(gc_nothing.locks.unwrap().extended, 0);
    // Those of the trial that `init` made.
    let (extended_before, asked_before) = (locked.store.extended(), locked.store.asked());
    locked.after(16);
    let keys = locked.keys();
    let (head, until) = (locked.head(), noon() + 16 * DAY + PERIOD);
    let mut fold = Fold::load(&locked.repository).unwrap();
    let extended =
        |fold: &mut Fold, when| extend(&locked.repository, fold, when, &Cancel::new()).unwrap();
    let report = extended(&mut fold, When::Due);
    assert_eq!((report.extended, report.until, report.missing), (keys.len() as u64, until, 0));
    assert_eq!(
        locked.store.extended() - extended_before,
        keys.len() as u64,
        "a request for each, once"
    );
    assert_eq!((locked.head(), locked.store.asked()), (head + 1, asked_before), "one note");
    for key in keys {
        let shown = locked.store.lock_of(&key).unwrap();
        assert_eq!(shown.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), until, "{key}");
    }
    // Who opens it now finds that in the log.
    let reopened = locked.reopen();
    let mut fold = Fold::load(&reopened).unwrap();
    let again = extended(&mut fold, When::Due);
    assert_eq!((again.extended, again.until), (0, until));
    assert_eq!(locked.head(), head + 1);
    // Nothing goes, weeks after its own period.
    locked.after(20);
    let ours = locked.store.all_versions();
    // The object of the trial was locked for minutes.
    for (key, version) in ours.into_iter().filter(|(key, _)| !key.starts_with("probe/")) {
        let locking = locked.store.locking().unwrap();
        let removed = locked.block_on(locking.delete_version(&key, &version));
        // The note itself came later, and has not ended either.
        assert_eq!(removed.unwrap_err().kind(), ErrorKind::Denied, "{key}");
    }
    assert_restores(&locked.reopen(), id, &tree(&source));
}

#[test]
fn what_is_missing_is_told_and_nothing_is_noted() {
    let locked = Locked::new();
    locked.backup(&source(0..10));
    let pack = locked.keys().into_iter().find(|key| key.starts_with("packs/")).unwrap();
    locked.block_on(locked.store.delete(&pack)).unwrap();
    locked.after(16);
    let head = locked.head();
    let mut fold = Fold::load(&locked.repository).unwrap();
    let report = extend(&locked.repository, &mut fold, When::Due, &Cancel::new()).unwrap();
    assert_eq!((report.missing, report.until), (1, noon() + PERIOD));
    assert_eq!(locked.head(), head);
    assert_eq!(restore(&locked.io(), &RestoreOptions::default()).unwrap().unhidden.objects, 1);
    let report = extend(&locked.repository, &mut fold, When::Due, &Cancel::new()).unwrap();
    assert_eq!((report.missing, locked.head()), (0, head + 1));
}

#[test]
fn a_thief_with_the_right_to_delete_destroys_nothing() {
    let locked = Locked::new();
    let (one, other) = (source(0..10), source(100..110));
    let ids = [locked.backup(&one), locked.backup(&other)];
    let locking = locked.store.locking().unwrap();
    for (key, version) in
        locked.store.all_versions().into_iter().filter(|(key, _)| !key.starts_with("probe/"))
    {
        let removed = locked.block_on(locking.delete_version(&key, &version));
        assert_eq!(removed.unwrap_err().kind(), ErrorKind::Denied, "{key}");
    }
    // What can't be removed is hidden, covered, hidden again; and his own versions are locked, by him.
    for (number, key) in locked.keys().into_iter().enumerate() {
        if number % 3 != 0 {
            locked.block_on(locked.store.delete(&key)).unwrap();
        }
        if number % 3 != 1 {
            locked.store.overwrite(&key, format!("ransom {number}"));
            if number % 2 == 0 {
                let forever = std::time::UNIX_EPOCH + Duration::from_secs(noon() + 1000 * PERIOD);
                locked.block_on(locking.extend(&key, LOCK, forever)).unwrap();
            }
        }
    }
    assert!(open_with(Arc::new(locked.store.clone()), Arc::new(locked.clock.clone())).is_err());
    let io = locked.io();
    let planned =
        restore(&io, &RestoreOptions { dry_run: true, ..RestoreOptions::default() }).unwrap();
    assert!(open_with(Arc::new(locked.store.clone()), Arc::new(locked.clock.clone())).is_err());
    let report = restore(&io, &RestoreOptions::default()).unwrap();
    assert!(report.unhidden.objects > 0 && report.uncovered.objects > 0, "{report:?}");
    assert_eq!((report.unhidden, report.uncovered), (planned.unhidden, planned.uncovered));
    assert!(report.lost.is_empty() && report.slots_left.is_empty(), "{report:?}");
    let reopened = locked.reopen();
    assert_clean(&reopened);
    for (id, source) in ids.into_iter().zip([&one, &other]) {
        assert_restores(&reopened, id, &tree(source));
    }
    // There is nothing more to do, and work goes on.
    let again = restore(&io, &RestoreOptions::default()).unwrap();
    assert_eq!((again.unhidden.objects, again.uncovered.objects), (0, 0), "{again:?}");
    let third = run(&reopened, &options_of(one.path())).snapshot.unwrap();
    assert_restores(&reopened, third, &tree(&one));
}

#[test]
fn what_was_put_first_under_another_hash_is_not_brought_back() {
    let locked = Locked::new();
    let source = source(0..10);
    let id = locked.backup(&source);
    let pack = locked.keys().into_iter().find(|key| key.starts_with("packs/")).unwrap();
    let right = locked.block_on(locked.store.get(&pack)).unwrap();
    // Its lock has ended, and the thief has put his own before somebody has put the right one back.
    locked.after(31);
    let locking = locked.store.locking().unwrap();
    locked.block_on(lifeboat_store::locking::delete_for_good(&*locking, &pack)).unwrap();
    locked.store.overwrite(&pack, "ransom");
    locked.store.overwrite(&pack, "more ransom");
    let lost = restore(&locked.io(), &RestoreOptions::default()).unwrap();
    assert_eq!(lost.lost, [pack.as_str()]);
    assert!(!check_report(&locked.repository, true).is_clean());
    locked.store.overwrite(&pack, right);
    locked.store.overwrite(&pack, "ransom again");
    let report = restore(&locked.io(), &RestoreOptions::default()).unwrap();
    assert_eq!((report.lost.len(), report.uncovered.objects), (0, 1), "{report:?}");
    assert_clean(&locked.repository);
    assert_restores(&locked.repository, id, &tree(&source));
}

#[test]
fn a_slot_that_was_removed_comes_back_only_if_it_is_the_last_or_asked_for() {
    let locked = Locked::new();
    locked.backup(&source(0..2));
    let slot = locked.keys().into_iter().find(|key| key.starts_with("keys/")).unwrap();
    let other = format!("keys/{}", "ab".repeat(16));
    locked.block_on(locked.store.put_new(&other, b"another".into())).unwrap();
    locked.block_on(locked.store.delete(&other)).unwrap();
    let restored = |keys| {
        let options = RestoreOptions { keys, ..RestoreOptions::default() };
        let report = restore(&locked.io(), &options).unwrap();
        (report.unhidden.objects, report.slots_left)
    };
    assert_eq!(restored(false), (0, vec![other.clone()]));
    assert_eq!(restored(true), (1, Vec::new()));
    locked.block_on(locked.store.delete(&other)).unwrap();
    locked.block_on(locked.store.delete(&slot)).unwrap();
    assert_eq!(restored(false), (2, Vec::new()), "nothing would open it");
    locked.reopen();
}
