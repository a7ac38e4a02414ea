use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use futures::TryStreamExt as _;

pub(crate) use self::liar::{Liar, Lie};
use super::*;
use crate::local::LocalStore;
use crate::{ErrorKind, mem};

mod liar;

const PREFIX: &str = "probe/0123456789abcdef/";
const SPEED_BYTES: u64 = 1 << 20;

/// The clock that the stores of these tests have, too.
#[expect(clippy::disallowed_methods, reason = "the time that the stores under test give objects")]
fn now() -> Now {
    Arc::new(SystemTime::now)
}

fn options() -> ProbeOptions {
    ProbeOptions::new(PREFIX, SPEED_BYTES, 1, now())
}

async fn keys(store: &Arc<dyn Store>) -> Vec<String> {
    let listed = store.list("").await.unwrap().map_ok(|listed| listed.key);
    listed.try_collect().await.unwrap()
}

/// The report about a store that breaks a promise, and the grade of the finding about it.
async fn found(lie: Lie, subject: Subject) -> (ProbeReport, Grade) {
    let store = Liar::store(lie);
    let report = probe(&store, &options(), &Unwatched).await.unwrap();
    let grade = report.finding(subject).unwrap_or_else(|| panic!("{report:#?}")).grade;
    assert!(report.grade() >= grade);
    (report, grade)
}

fn assert_all_good(report: &ProbeReport) {
    assert_eq!(report.grade(), Grade::Good, "{report:#?}");
    let expected = Capabilities {
        conditional_create: Some(true),
        read_after_write: Some(true),
        list_after_write: Some(true),
        ranges: Some(true),
        deletes: Some(Deletes::Allowed),
        deleted_name_is_free: Some(true),
        ..Capabilities::default()
    };
    assert_eq!(report.capabilities, expected);
    assert_eq!((report.left.len(), report.is_stopped), (0, false));
    assert!(report.clock_ahead_ms.unwrap().abs() < 60_000);
    assert!(report.latency.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_directories_are_fit() {
    let directory = tempfile::tempdir().unwrap();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(directory.path()).unwrap());
    for store in [mem(), local] {
        let report = probe(&store, &options(), &Unwatched).await.unwrap();
        assert_all_good(&report);
        let speed = report.speed.unwrap();
        // 16 objects of 64 KiB and their headers; a quarter of them alone.
        assert_eq!((speed.object_bytes, speed.at_once), (65_536, 8));
        let moved = |rate: Rate| rate.bytes / speed.object_bytes;
        assert_eq!((moved(speed.put_one), moved(speed.put_many)), (4, 12));
        assert_eq!(
            (speed.get_one.bytes, speed.get_many.bytes),
            (speed.put_one.bytes, speed.put_many.bytes)
        );
        assert_eq!(keys(&store).await, Vec::<String>::new(), "a probe clears up after itself");
    }
}

#[tokio::test]
async fn a_quick_probe_makes_few_requests() {
    let counted = crate::layer::record::RecordStore::new(mem());
    let store: Arc<dyn Store> = Arc::new(counted.clone());
    let options = ProbeOptions::quick(PREFIX, 1, now());
    assert_all_good(&probe(&store, &options, &Unwatched).await.unwrap());
    let calls = counted.calls().len();
    assert!((80..=110).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn creates_that_replace_are_found() {
    for lie in [Lie::Overwrites, Lie::LooksThenWrites] {
        let (report, grade) = found(lie, Subject::Create).await;
        assert_eq!(grade, Grade::OneWriter, "{report:#?}");
        assert_eq!(report.capabilities.conditional_create, Some(false));
        assert_eq!(report.left, Vec::<String>::new());
        // Everything else is as it should be, and said so.
        assert_eq!(report.grade(), Grade::OneWriter, "{report:#?}");
        let finding = report.finding(Subject::Create).unwrap();
        assert!(finding.advice.as_ref().unwrap().contains("--exclusive"));
        if lie == Lie::LooksThenWrites {
            // All 16 win, the one that comes later does not.
            assert!(finding.found.contains("128 of 136 creates of 8 names won"), "{finding:?}");
        }
    }
}

#[tokio::test]
async fn each_other_lie_is_found() {
    let expected = [
        (Lie::ReadsOtherBytes, Subject::Read, Grade::Unfit),
        (Lie::ListsLate, Subject::List, Grade::Note),
        (Lie::ShortRanges, Subject::Ranges, Grade::Unfit),
        (Lie::LenientRanges, Subject::Ranges, Grade::Unfit),
        (Lie::IsBehind, Subject::Clock, Grade::Note),
        (Lie::IgnoresDeletes, Subject::Delete, Grade::Note),
    ];
    for (lie, subject, expected) in expected {
        let (report, grade) = found(lie, subject).await;
        assert_eq!(grade, expected, "{lie:?}: {report:#?}");
    }
    let (report, _) = found(Lie::IsBehind, Subject::Clock).await;
    let behind = report.clock_ahead_ms.unwrap();
    assert!((-3_660_000..=-3_540_000).contains(&behind), "{behind}");
    let (report, _) = found(Lie::KeepsNames, Subject::Versions).await;
    assert_eq!(report.capabilities.deleted_name_is_free, Some(false));
    let (report, _) = found(Lie::IgnoresDeletes, Subject::Delete).await;
    assert_eq!(report.capabilities.deletes, Some(Deletes::Ignored));
    assert!(report.left.len() > 30, "all of it stays: {:?}", report.left);
}

#[tokio::test]
async fn locks_and_versions_are_seen() {
    let locked = ProbeOptions { locks: true, ..options() };
    let store = Liar::store(Lie::Guards);
    let report = probe(&store, &locked, &Unwatched).await.unwrap();
    assert_eq!(report.grade(), Grade::Good, "{report:#?}");
    assert_eq!((report.capabilities.locks, report.capabilities.versions), (Some(true), Some(true)));
    let finding = report.finding(Subject::Lock).unwrap();
    assert!(finding.found.contains("for 1 h"), "{finding:?}");
    // One that ignores the lock, as Garage does.
    let report = probe(&mem(), &locked, &Unwatched).await.unwrap();
    assert_eq!(report.finding(Subject::Lock).unwrap().grade, Grade::Unfit);
    assert_eq!((report.capabilities.locks, report.capabilities.versions), (Some(false), None));
    // Nobody asked.
    let report = probe(&mem(), &options(), &Unwatched).await.unwrap();
    assert_eq!((report.finding(Subject::Lock), report.capabilities.locks), (None, None));
}

#[tokio::test]
async fn a_list_of_others_is_found() {
    let store = Liar::store(Lie::ListsOthers);
    store.put_new("config", b"not of the probe".into()).await.unwrap();
    let report = probe(&store, &options(), &Unwatched).await.unwrap();
    assert_eq!(report.finding(Subject::List).unwrap().grade, Grade::Unfit);
    assert_eq!(keys(&store).await, ["config"]);
}

#[tokio::test]
async fn credentials_that_only_add_are_fine_and_what_stays_is_said() {
    let store = Liar::store(Lie::RefusesDeletes);
    let report = probe(&store, &options(), &Unwatched).await.unwrap();
    assert_eq!(report.finding(Subject::Delete).unwrap().grade, Grade::Good);
    assert_eq!(report.grade(), Grade::Note, "{report:#?}");
    let mut left = report.left.clone();
    let mut there = keys(&store).await;
    left.sort();
    there.sort();
    assert_eq!(left, there);
    assert!(report.finding(Subject::Left).unwrap().found.contains("stay in the store"));
}

#[tokio::test]
async fn credentials_that_only_read_rule_out_writing() {
    let (report, grade) = found(Lie::RefusesCreates, Subject::Create).await;
    assert_eq!(grade, Grade::ReadOnly);
    assert_eq!((report.findings.len(), report.left.len()), (1, 0), "{report:#?}");
}

#[tokio::test]
async fn a_store_that_goes_away_is_an_error_and_cleared() {
    let store = Liar::store(Lie::IsAway);
    let error = probe(&store, &options(), &Unwatched).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(keys(&store).await, Vec::<String>::new());
}

/// Stops after so many bytes.
struct Impatient {
    bytes: AtomicU64,
    after: u64,
    stopped: AtomicBool,
}

impl Watch for Impatient {
    fn moved(&self, bytes: u64) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.after {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_stopped_probe_clears_up() {
    let store = mem();
    let watch = Impatient {
        bytes: AtomicU64::new(0),
        after: SPEED_BYTES / 4,
        stopped: AtomicBool::new(false),
    };
    let report = probe(&store, &options(), &watch).await.unwrap();
    assert!(report.is_stopped);
    assert_eq!((report.speed, report.capabilities.deletes), (None, None));
    assert!(watch.bytes.load(Ordering::Relaxed) < SPEED_BYTES);
    assert_eq!(keys(&store).await, Vec::<String>::new());
}

#[test]
fn rates_are_bytes_by_time() {
    let rate = Rate { bytes: 3_000_000, time: std::time::Duration::from_millis(1500) };
    assert!((rate.bytes_per_s() - 2e6).abs() < 1.0);
}
