//! Backups over a store in memory: what is read, what is stored, what is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_codec::{Entropy, SystemClock};
use lifeboat_format::keys::Secret32;
use lifeboat_format::snapshot::SnapshotKind;
use lifeboat_repo::index::Index;
use lifeboat_repo::io::Io;
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::{InitOptions, Repository, init};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::slots::{NewSlot, SlotSecret};
use lifeboat_repo::snapshots::Snapshots;
use lifeboat_testkit::same_tree::assert_same_tree;
use tempfile::TempDir;

use super::{BackupOptions, BackupReport, Detect, Outcome, backup};
use crate::context::Context;
use crate::restore::{Origin, RestoreOptions, RestoreReport, restore};

const MEMORY_BYTES: u64 = 128 << 20;

fn repository() -> Repository {
    let io = Io::new(lifeboat_store::mem()).unwrap();
    let clock = Arc::new(SystemClock::new());
    let mut options = InitOptions::new(Entropy::os(), clock, MEMORY_BYTES, "test").unwrap();
    let secret = SlotSecret::KeyFile(Secret32::new([7; 32]));
    options.slots.push(NewSlot { label: "test".to_owned(), secret });
    init(io, &options).unwrap()
}

fn options(root: &Path) -> BackupOptions {
    BackupOptions::new(vec![root.to_owned()], "host")
}

fn run(repository: &Repository, options: &BackupOptions) -> BackupReport {
    backup(repository, options, &Context::default()).unwrap()
}

fn restore_latest(repository: &Repository, target: &Path) -> RestoreReport {
    let fold = Fold::load(repository).unwrap();
    let index = Arc::new(Index::load(repository, &fold).unwrap());
    let snapshots = Snapshots::load(repository, &fold).unwrap();
    let snapshot = &snapshots.live().next_back().unwrap().snapshot;
    let reader = Reader::new(
        repository.io().clone(),
        Arc::clone(repository.keyring()),
        Arc::clone(&index) as _,
        16 << 20,
    );
    let origin = Origin { reader: &reader, locate: &*index };
    restore(origin, snapshot, &RestoreOptions::new(target), &Context::default()).unwrap()
}

/// A directory of some files, settled so that their times are trusted.
fn some_files() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..300_u32 {
        let sub = dir.path().join(format!("dir{}", n % 7));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(format!("file{n}")), format!("{n} ").repeat(n as usize)).unwrap();
    }
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n ^ (n >> 7)).to_le_bytes()).collect();
    fs::write(dir.path().join("large"), large).unwrap();
    settle();
    dir
}

fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

fn target() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    (dir, target)
}

#[test]
fn what_was_backed_up_comes_back() {
    let (source, repository) = (some_files(), repository());
    let report = run(&repository, &options(source.path()));
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!(report.kind, SnapshotKind::Full);
    assert_eq!((report.stats.files, report.stats.files_new, report.stats.dirs), (301, 301, 8));
    assert_eq!(report.stats.read_bytes, report.stats.bytes);
    let (_dir, target) = target();
    let restored = restore_latest(&repository, &target);
    assert!(restored.is_complete(), "{restored:?}");
    let below = source.path().strip_prefix("/").unwrap();
    assert_same_tree(source.path(), &target.join(below));
}

#[test]
fn the_second_time_nothing_is_read_and_nothing_stored() {
    let (source, repository) = (some_files(), repository());
    let first = run(&repository, &options(source.path()));
    let second = run(&repository, &options(source.path()));
    assert_eq!(second.parent, first.snapshot);
    assert_eq!(second.kind, SnapshotKind::Incremental);
    assert_eq!(second.stats.files_unchanged, 301);
    assert_eq!((second.stats.read_bytes, second.stats.stored_objects), (0, 0));
}

#[test]
fn a_full_backup_reads_everything_and_stores_nothing_twice() {
    let (source, repository) = (some_files(), repository());
    run(&repository, &options(source.path()));
    let again = BackupOptions { detect: Detect::Full, ..options(source.path()) };
    let report = run(&repository, &again);
    assert_eq!(report.kind, SnapshotKind::Full);
    assert_eq!(report.stats.read_bytes, report.stats.bytes);
    assert_eq!((report.stats.new_bytes, report.stats.stored_objects), (0, 0));
}

#[test]
fn a_differential_backup_compares_with_the_newest_full_one() {
    let (source, repository) = (some_files(), repository());
    let full = run(&repository, &options(source.path()));
    fs::write(source.path().join("one"), "1").unwrap();
    settle();
    run(&repository, &options(source.path()));
    fs::write(source.path().join("two"), "2").unwrap();
    let differential = BackupOptions { detect: Detect::Differential, ..options(source.path()) };
    let report = run(&repository, &differential);
    assert_eq!(report.kind, SnapshotKind::Differential);
    assert_eq!(report.parent, full.snapshot);
    assert_eq!(report.stats.files_new, 2);
}

#[test]
fn what_cannot_be_read_makes_the_snapshot_partial() {
    let (source, repository) = (some_files(), repository());
    let roots = vec![source.path().to_owned(), PathBuf::from("/no/such/place")];
    let report = run(&repository, &BackupOptions::new(roots, "host"));
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.problems.count, 1);
    assert!(report.problems.first[0].path.contains("/no/such/place"), "{report:?}");
    if !lifeboat_testkit::tree::is_root() {
        let secret = source.path().join("secret");
        fs::write(&secret, "x").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(run(&repository, &options(source.path())).outcome, Outcome::Partial);
    }
}

#[test]
fn without_any_root_there_is_no_snapshot() {
    let repository = repository();
    let missing = options(Path::new("/no/such/place"));
    let error = backup(&repository, &missing, &Context::default()).unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::NotFound);
    assert_eq!(Fold::load(&repository).unwrap().snapshots().len(), 0);
}

#[test]
fn a_dry_run_counts_and_stores_nothing() {
    let (source, repository) = (some_files(), repository());
    let dry = BackupOptions { dry_run: true, ..options(source.path()) };
    let report = run(&repository, &dry);
    assert_eq!(report.snapshot, None);
    assert!(report.stats.new_bytes > 0);
    assert_eq!(report.stats.stored_objects, 0);
    assert_eq!(Fold::load(&repository).unwrap().snapshots().len(), 0);
}
