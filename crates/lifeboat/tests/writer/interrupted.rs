//! Runs that are asked to stop: what they leave, and what the next run makes of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat::backup::{BackupOptions, BackupReport, Detect, Outcome};
use lifeboat::repository::{Repository, View};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::{SnapshotKind, Stats};
use lifeboat_repo::snapshots::Standing;
use lifeboat_testkit::tree::{Scratch, is_root};

use crate::world::{
    StopAfter, assert_clean, assert_complete, assert_restores, assert_restores_beginning,
    mem_repository, noise, options_of, run, settle, snapshot,
};

const FILES: u64 = 600;
const FILE_BYTES: u64 = 300;

/// Several units of small files, each other than all the rest, and a large one in the middle.
fn source() -> Scratch {
    let scratch = Scratch::new().unwrap();
    for number in 0..FILES {
        let dir = scratch.join(format!("dir{}", number / 100));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("file{number:04}")), noise(number, FILE_BYTES)).unwrap();
    }
    fs::write(scratch.join("dir3/large"), noise(1 << 40, 5_000_000)).unwrap();
    settle();
    scratch
}

/// Changes every third file, and says how many bytes these have.
fn change_some(root: &Path) -> u64 {
    let mut bytes = 0;
    for number in (0..FILES).step_by(3) {
        let path = root.join(format!("dir{}/file{number:04}", number / 100));
        fs::write(path, noise((1 << 20) + number, FILE_BYTES + 1)).unwrap();
        bytes += FILE_BYTES + 1;
    }
    settle();
    bytes
}

/// The only root.
fn roots_of(source: &Scratch) -> [PathBuf; 1] {
    [source.path().to_owned()]
}

fn stats_of(repository: &Repository, id: SnapshotId) -> Stats {
    snapshot(&View::load(repository).unwrap(), id).stats
}

fn live(repository: &Repository) -> Vec<SnapshotId> {
    let view = View::load(repository).unwrap();
    view.snapshots.live().map(|known| known.snapshot.id).collect()
}

/// Stops a run after so many files, which must leave a checkpoint of some of them.
fn stopped(repository: &Repository, options: &BackupOptions, files: u64) -> BackupReport {
    let report = StopAfter::files(files).run(repository, options);
    assert_eq!(report.outcome, Outcome::Interrupted);
    let view = View::load(repository).unwrap();
    let checkpoint = snapshot(&view, report.snapshot.unwrap());
    assert!(checkpoint.is_checkpoint());
    assert!(checkpoint.stats.files > 0 && checkpoint.stats.files < FILES, "{:?}", checkpoint.stats);
    assert_clean(repository);
    report
}

#[test]
fn the_next_run_reads_only_what_the_checkpoint_has_not() {
    let (source, repository) = (source(), mem_repository());
    let options = options_of(source.path());
    let first = stopped(&repository, &options, 300);
    let checkpoint = first.snapshot.unwrap();
    assert!(assert_restores_beginning(&repository, checkpoint, &roots_of(&source)) > 0);
    let done = stats_of(&repository, checkpoint);

    let next = run(&repository, &options);
    assert_complete(&next);
    assert_eq!(
        (next.kind, next.resumed, next.parent),
        (SnapshotKind::Full, Some(checkpoint), None)
    );
    assert_eq!(next.stats.files_unchanged, done.files);
    assert_eq!(next.stats.read_bytes, next.stats.bytes - done.bytes);
    // Beyond the checkpoint, units were read and stored already; none of that counts any more.
    assert!(next.stats.new_bytes <= next.stats.read_bytes, "{:?}", next.stats);
    assert_restores(&repository, next.snapshot.unwrap(), &roots_of(&source));
    assert_clean(&repository);

    let view = View::load(&repository).unwrap();
    let standing = view.snapshots.all().iter().map(|known| known.standing).collect::<Vec<_>>();
    assert_eq!(standing, [Standing::Superseded(next.snapshot.unwrap()), Standing::Live]);
    let after = run(&repository, &options);
    assert_eq!((after.resumed, after.parent), (None, next.snapshot));
    assert_eq!(after.stats.read_bytes, 0);
}

#[test]
fn beyond_the_checkpoint_the_parent_answers() {
    for files in [300, 560] {
        let (source, repository) = (source(), mem_repository());
        let options = options_of(source.path());
        let base = run(&repository, &options).snapshot;
        let changed = change_some(source.path());
        let stop = stopped(&repository, &options, files);
        assert_eq!((stop.kind, stop.parent), (SnapshotKind::Incremental, base));
        let done = stats_of(&repository, stop.snapshot.unwrap());
        let next = run(&repository, &options);
        assert_eq!((next.resumed, next.parent), (stop.snapshot, base));
        assert_eq!(next.stats.read_bytes, changed - done.read_bytes);
        assert_restores(&repository, next.snapshot.unwrap(), &roots_of(&source));
        assert_clean(&repository);
    }
}

#[test]
fn a_run_may_be_stopped_again_and_again() {
    let (source, repository) = (source(), mem_repository());
    let options = options_of(source.path());
    let (mut read, mut checkpoint, mut rounds) = (0, None, 0);
    let last = loop {
        let report = StopAfter::files(300 * (rounds + 1)).run(&repository, &options);
        assert_eq!(report.resumed, checkpoint);
        if report.outcome == Outcome::Complete {
            break report;
        }
        read += stats_of(&repository, report.snapshot.unwrap()).read_bytes;
        checkpoint = report.snapshot;
        assert_eq!(live(&repository), [checkpoint.unwrap()]);
        rounds += 1;
    };
    assert!(rounds >= 2, "{rounds}");
    // Each byte is in just one of the runs that count.
    assert_eq!(read + last.stats.read_bytes, last.stats.bytes);
    assert_restores(&repository, last.snapshot.unwrap(), &roots_of(&source));
    assert_clean(&repository);
}

#[test]
fn stopped_before_anything_was_done_there_is_nothing() {
    let (source, repository) = (source(), mem_repository());
    let report = StopAfter::files(1).run(&repository, &options_of(source.path()));
    assert_eq!((report.outcome, report.snapshot), (Outcome::Interrupted, None));
    let stop = StopAfter::files(1);
    stop.cancel.cancel();
    let report = stop.run(&repository, &options_of(source.path()));
    assert_eq!((report.outcome, report.snapshot), (Outcome::Interrupted, None));
    assert_eq!(live(&repository), []);
}

#[test]
fn a_large_file_is_begun_anew() {
    let (source, repository) = (source(), mem_repository());
    // In the middle of the large file: what is before it is kept.
    let before = 400 * FILE_BYTES;
    let report = StopAfter::bytes(before + 4_000_000).run(&repository, &options_of(source.path()));
    assert_eq!(report.outcome, Outcome::Interrupted);
    let next = run(&repository, &options_of(source.path()));
    assert_complete(&next);
    assert_restores(&repository, next.snapshot.unwrap(), &roots_of(&source));
    assert_clean(&repository);
}

/// One file that takes longer than the time a run is given: no entry is done, yet what was stored of
/// it counts, so that every run gets further.
#[test]
fn what_was_stored_of_an_only_file_is_not_stored_again() {
    const BYTES: u64 = 24_000_000;
    let (source, repository) = (Scratch::new().unwrap(), mem_repository());
    let file = source.join("image");
    fs::write(&file, noise(7, BYTES)).unwrap();
    settle();
    let options = options_of(&file);
    let report = StopAfter::bytes(16_000_000).run(&repository, &options);
    assert_eq!((report.outcome, report.snapshot), (Outcome::Interrupted, None));
    assert!(report.stats.new_bytes > 8_000_000, "{:?}", report.stats);
    assert_clean(&repository);
    let next = run(&repository, &options);
    assert_complete(&next);
    assert_eq!(next.stats.read_bytes, BYTES);
    assert_eq!(next.stats.new_bytes, BYTES - report.stats.new_bytes);
    assert_clean(&repository);
}

#[test]
fn with_an_interval_of_zero_every_step_is_kept() {
    let (source, repository) = (source(), mem_repository());
    let often = BackupOptions { checkpoint_interval: Duration::ZERO, ..options_of(source.path()) };
    // One worker, so that no step waits for another one.
    let report = StopAfter::files(u64::MAX).run(&repository, &often);
    assert_complete(&report);
    assert_clean(&repository);
    let view = View::load(&repository).unwrap();
    let all: Vec<_> = view.snapshots.in_log_order().cloned().collect();
    let (last, checkpoints) = all.split_last().unwrap();
    assert!(checkpoints.len() >= 3, "{}", checkpoints.len());
    assert!(!last.is_checkpoint());
    let mut missing = usize::MAX;
    for checkpoint in checkpoints {
        assert!(checkpoint.is_checkpoint());
        let fewer = assert_restores_beginning(&repository, checkpoint.id, &roots_of(&source));
        assert!(fewer < missing, "each goes further than the one before");
        missing = fewer;
    }
    assert_restores(&repository, last.id, &roots_of(&source));
    assert_eq!(live(&repository), [last.id]);
    // In the end it is the same tree as one that was made in a single go.
    let other = mem_repository();
    let single = run(&other, &options_of(source.path()));
    let (a, b) =
        (&last.roots[0], &snapshot(&View::load(&other).unwrap(), single.snapshot.unwrap()));
    assert_eq!((a.entries, a.bytes), (b.roots[0].entries, b.roots[0].bytes));
}

#[test]
fn what_changes_in_between_is_read_again() {
    let (source, repository) = (source(), mem_repository());
    let options = options_of(source.path());
    stopped(&repository, &options, 300);
    fs::write(source.join("dir0/file0001"), "another text, after the checkpoint").unwrap();
    fs::write(source.join("dir0/file0001a"), "new before its end").unwrap();
    fs::remove_file(source.join("dir0/file0002")).unwrap();
    fs::write(source.join("dir5/file0550"), "another text, beyond it").unwrap();
    fs::hard_link(source.join("dir0/file0003"), source.join("dir5/link")).unwrap();
    settle();
    let next = run(&repository, &options);
    assert_complete(&next);
    assert!(next.resumed.is_some());
    assert_restores(&repository, next.snapshot.unwrap(), &roots_of(&source));
    assert_clean(&repository);
}

/// Which interrupted run which next run goes on from: (first, stopped, next, goes on).
const KINDS: [(Option<Detect>, Detect, Detect, bool); 9] = [
    (None, Detect::Full, Detect::Full, true),
    (None, Detect::Incremental, Detect::Full, true),
    (None, Detect::Full, Detect::Differential, true),
    (Some(Detect::Full), Detect::Full, Detect::Full, true),
    (Some(Detect::Full), Detect::Differential, Detect::Differential, true),
    // Whatever has been read is news to an incremental run.
    (Some(Detect::Full), Detect::Full, Detect::Incremental, true),
    (Some(Detect::Full), Detect::Differential, Detect::Incremental, true),
    // A full run reads everything itself; a differential one compares with the full one alone.
    (Some(Detect::Full), Detect::Incremental, Detect::Full, false),
    (Some(Detect::Full), Detect::Full, Detect::Differential, false),
];

#[test]
fn a_run_goes_on_from_what_its_kind_allows() {
    for case in KINDS {
        let (first, stop, next, goes_on) = case;
        let (source, repository) = (source(), mem_repository());
        let as_kind = |detect| BackupOptions { detect, ..options_of(source.path()) };
        if let Some(detect) = first {
            run(&repository, &as_kind(detect));
            change_some(source.path());
        }
        let checkpoint = stopped(&repository, &as_kind(stop), 300).snapshot;
        let report = run(&repository, &as_kind(next));
        assert_complete(&report);
        assert_eq!(report.resumed, checkpoint.filter(|_| goes_on), "{case:?}");
        if next == Detect::Full {
            let done = stats_of(&repository, checkpoint.unwrap()).bytes;
            let unread = if goes_on { done } else { 0 };
            assert_eq!(report.stats.read_bytes, report.stats.bytes - unread, "{case:?}");
        }
        assert_clean(&repository);
    }
}

#[test]
fn another_sources_checkpoint_is_left_alone() {
    let (source, repository) = (source(), mem_repository());
    let of =
        |name: &str| BackupOptions { source: Some(name.to_owned()), ..options_of(source.path()) };
    let checkpoint = stopped(&repository, &of("one"), 300).snapshot.unwrap();
    let other = run(&repository, &of("two"));
    assert_eq!(other.resumed, None);
    assert_eq!(other.stats.read_bytes, other.stats.bytes);
    assert_eq!(live(&repository), [checkpoint, other.snapshot.unwrap()]);
    assert_eq!(run(&repository, &of("one")).resumed, Some(checkpoint));
    assert_clean(&repository);
}

#[test]
fn problems_are_kept_over_an_interruption() {
    let (source, repository) = (source(), mem_repository());
    let roots = vec![PathBuf::from("/no/such/root"), source.path().to_owned()];
    let options = BackupOptions::new(roots, "host");
    if !is_root() {
        let secret = source.join("dir0/file0001");
        fs::set_permissions(secret, fs::Permissions::from_mode(0o000)).unwrap();
    }
    stopped(&repository, &options, 300);
    let next = run(&repository, &options);
    assert_eq!(next.outcome, Outcome::Partial);
    assert!(next.resumed.is_some());
    assert_eq!(next.problems.count, if is_root() { 1 } else { 2 });
    assert_clean(&repository);
}

#[test]
fn several_roots_go_on_in_the_root_where_it_stopped() {
    let (one, two, repository) = (source(), source(), mem_repository());
    let options = BackupOptions::new(vec![one.path().to_owned(), two.path().to_owned()], "host");
    let stop = StopAfter::files(900).run(&repository, &options);
    let done = stats_of(&repository, stop.snapshot.unwrap());
    assert!(done.files > FILES, "{done:?}");
    let next = run(&repository, &options);
    assert_complete(&next);
    assert_eq!(next.stats.read_bytes, next.stats.bytes - done.bytes);
    assert_restores(&repository, next.snapshot.unwrap(), &options.roots);
    assert_clean(&repository);
}
