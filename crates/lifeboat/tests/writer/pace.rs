//! Pace: backup, restore and check ask before each unit, wait as long as they are told, come to the same
//! end, and stop at once when they are asked to while they wait.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat::backup::{Outcome, backup};
use lifeboat::repository::{Repository, View};
use lifeboat::restore::{Origin, RestoreOptions, restore};
use lifeboat::{Cancel, Context, Error, Kind, Pace, Pacer};
use lifeboat_repo::check::{CheckOptions, CheckReport, check};
use lifeboat_testkit::tree::Scratch;

use crate::world::{
    assert_clean, assert_complete, assert_restores, in_time, mem_repository, noise, options_of,
    settle,
};

/// Lets every thread on at its second question; from the unit `held` on never, and then asks the run to
/// stop after some more questions.
#[derive(Debug)]
struct Slow {
    asked: AtomicU64,
    begun: AtomicU64,
    held: u64,
    cancel: Cancel,
}

impl Slow {
    fn new(held: u64) -> Arc<Self> {
        let (asked, begun) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { asked, begun, held, cancel: Cancel::new() })
    }

    fn context(self: &Arc<Self>, threads: usize) -> Context<'static> {
        let (cancel, pace) = (self.cancel.clone(), Pace::by(Arc::<Self>::clone(self)));
        Context { cancel, threads, pace, ..Context::default() }
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Pacer for Slow {
    fn ask(&self) -> Option<Duration> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if self.begun() >= self.held {
            if asked > 2 * self.held + 5 {
                self.cancel.cancel();
            }
            return Some(Duration::from_secs(3600));
        }
        if asked.is_multiple_of(2) {
            return Some(Duration::from_millis(1));
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// 22 MiB in one file, and 40 small ones in a unit.
fn source(scratch: &Scratch) -> PathBuf {
    let root = scratch.join("root");
    fs::create_dir_all(root.join("small")).unwrap();
    for number in 0..40 {
        fs::write(root.join(format!("small/{number}")), noise(number, 3000)).unwrap();
    }
    fs::write(root.join("large"), noise(99, 22 << 20)).unwrap();
    settle();
    root
}

fn back_up(repository: &Repository, root: &Path, slow: &Arc<Slow>, threads: usize) -> Outcome {
    let report = backup(repository, &options_of(root), &slow.context(threads)).unwrap();
    if report.outcome == Outcome::Complete {
        assert_complete(&report);
        assert_restores(repository, report.snapshot.unwrap(), &[root.to_owned()]);
        assert_clean(repository);
    }
    report.outcome
}

fn bring_back(repository: &Repository, target: &Path, slow: &Arc<Slow>) -> Result<u64, Error> {
    let view = View::load(repository).unwrap();
    let known = view.snapshots.live().next().unwrap();
    let origin = Origin { reader: &view.reader, locate: &*view.index };
    let options = RestoreOptions { sync: false, ..RestoreOptions::new(target) };
    restore(origin, &known.snapshot, &options, &slow.context(1)).map(|report| report.bytes)
}

fn read_back(
    repository: &Repository,
    slow: &Arc<Slow>,
) -> Result<CheckReport, lifeboat_repo::Error> {
    let Context { cancel, pace, .. } = slow.context(1);
    let options = CheckOptions { read_data: true, threads: 1, cancel, pace };
    check(repository, &options, &|_| {})
}

#[test]
fn it_is_asked_for_each_unit_and_nothing_is_lost() {
    in_time(|| {
        let scratch = Scratch::new().unwrap();
        let root = source(&scratch);
        let repository = mem_repository();
        let slow = Slow::new(u64::MAX);
        assert_eq!(back_up(&repository, &root, &slow, 1), Outcome::Complete);
        // A question for each stretch of the large file but its first, and one for each unit: small files
        // are not asked for one by one.
        assert!((6..=12).contains(&slow.begun()), "{}", slow.begun());

        let (slow, target) = (Slow::new(u64::MAX), scratch.join("back"));
        assert_eq!(bring_back(&repository, &target, &slow).unwrap(), (22 << 20) + 40 * 3000);
        assert!(slow.begun() > 5, "{}", slow.begun());

        let slow = Slow::new(u64::MAX);
        let report = read_back(&repository, &slow).unwrap();
        let (packs, segments) = (report.counts.packs_read, report.counts.segments);
        assert!(report.is_clean() && slow.begun() == packs + segments, "{slow:?} {report:?}");
    });
}

#[test]
fn windows_of_a_large_file_wait_on_every_worker() {
    in_time(|| {
        let scratch = Scratch::new().unwrap();
        let root = source(&scratch);
        let slow = Slow::new(u64::MAX);
        // Windows have 2 MiB here.
        assert_eq!(back_up(&mem_repository(), &root, &slow, 3), Outcome::Complete);
        assert!(slow.begun() >= 11, "{}", slow.begun());
    });
}

#[test]
fn a_run_that_waits_stops_at_once() {
    in_time(|| {
        let scratch = Scratch::new().unwrap();
        let root = source(&scratch);
        for threads in [1, 3] {
            // Before the first unit, and in the middle of the large file.
            for held in [0, 3] {
                let slow = Slow::new(held);
                let outcome = back_up(&mem_repository(), &root, &slow, threads);
                assert_eq!(outcome, Outcome::Interrupted, "{threads} {held}");
                assert!((held..held + threads as u64).contains(&slow.begun()), "{slow:?}");
            }
        }
        let repository = mem_repository();
        back_up(&repository, &root, &Slow::new(u64::MAX), 2);
        let error = bring_back(&repository, &scratch.join("none"), &Slow::new(1)).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
        assert_eq!(read_back(&repository, &Slow::new(1)).unwrap_err().kind(), Kind::Cancelled);
    });
}
