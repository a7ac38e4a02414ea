use proptest::prelude::*;

use super::*;
use lifeboat_format::tree::{NOTE_CHANGED_WHILE_READ, NOTE_METADATA_INCOMPLETE};

const MTIME: Time = Time { secs: 1_000, nanos: 5 };
const CTIME: Time = Time { secs: 2_000, nanos: 7 };
const STARTED: Time = Time { secs: 3_000, nanos: 0 };

fn now() -> Stat {
    let empty = Stat::imagined(EntryKind::File);
    Stat { size: 100, mtime: MTIME, ctime: CTIME, inode: 42, device: 1, ..empty }
}

fn parent() -> Entry {
    let (mtime, ctime) = (MTIME, CTIME);
    Entry { size: 100, mtime, ctime, inode: 42, device: 1, ..Entry::default() }
}

fn strict(parent: &Entry, now: &Stat) -> bool {
    unchanged(parent, now, STARTED, &Criteria::default())
}

#[test]
fn the_same_is_unchanged() {
    assert!(strict(&parent(), &now()));
}

#[test]
fn every_difference_counts() {
    let later = |time: Time| Time { nanos: time.nanos + 1, ..time };
    let differing = [
        Stat { size: 101, ..now() },
        Stat { mtime: later(MTIME), ..now() },
        Stat { mtime: Time { secs: 999, nanos: 5 }, ..now() },
        Stat { ctime: later(CTIME), ..now() },
        Stat { inode: 43, ..now() },
        Stat { device: 0, ..now() },
        Stat { kind: EntryKind::Fifo, ..now() },
    ];
    for stat in differing {
        assert!(!strict(&parent(), &stat), "{stat:?}");
    }
    assert!(!strict(&Entry { kind: EntryKind::Dir, ..parent() }, &now()));
    for notes in [NOTE_CHANGED_WHILE_READ, NOTE_METADATA_INCOMPLETE, 128] {
        assert!(!strict(&Entry { notes, ..parent() }, &now()));
    }
}

#[test]
fn what_says_nothing_is_not_asked() {
    let other_inode = Stat { inode: 1, device: 9, ..now() };
    let other_ctime = Stat { ctime: Time { secs: 9_999, nanos: 1 }, ..now() };
    let inode = Criteria { ignore_inode: true, ignore_ctime: false };
    let ctime = Criteria { ignore_inode: false, ignore_ctime: true };
    assert!(unchanged(&parent(), &other_inode, STARTED, &inode));
    assert!(!unchanged(&parent(), &other_inode, STARTED, &ctime));
    // Neither its difference nor its lying after the start counts.
    assert!(unchanged(&parent(), &other_ctime, STARTED, &ctime));
    assert!(!unchanged(&parent(), &other_ctime, STARTED, &inode));
}

#[test]
fn times_within_the_grain_of_the_start_are_not_trusted() {
    let at = |mtime: Time, started: Time| {
        let parent = Entry { mtime, ctime: mtime, ..parent() };
        unchanged(&parent, &Stat { mtime, ctime: mtime, ..now() }, started, &Criteria::default())
    };
    let time = |secs, nanos| Time { secs, nanos };
    // 20 ms where there are nanoseconds.
    assert!(!at(time(100, 980_000_000), time(101, 0)));
    assert!(at(time(100, 979_999_999), time(101, 0)));
    assert!(!at(time(101, 1), time(101, 0)));
    assert!(!at(time(500, 1), time(101, 0)));
    // 2 s where there are none.
    assert!(!at(time(100, 0), time(102, 0)));
    assert!(at(time(100, 0), time(102, 1)));
    // Either time may be the newest.
    let newer_ctime = Stat { ctime: time(2_999, 999_999_999), ..now() };
    let parent = Entry { ctime: newer_ctime.ctime, ..parent() };
    assert!(!strict(&parent, &newer_ctime));
    let newer_mtime = Stat { mtime: time(2_999, 999_999_999), ..now() };
    let parent = Entry { mtime: newer_mtime.mtime, ctime: CTIME, ..parent };
    assert!(!strict(&parent, &newer_mtime));
}

/// A clock that steps by `grain`: what a file system writes down at `nanos`.
fn stamp(nanos: i64, grain: i64) -> Time {
    let stamp = nanos.div_euclid(grain) * grain;
    let nanos = u32::try_from(stamp.rem_euclid(1_000_000_000)).unwrap();
    Time { secs: stamp.div_euclid(1_000_000_000), nanos }
}

proptest! {
    /// A file is written, a backup begins and reads it, and it is written again at any moment after
    /// that, with the same length: never is it taken for unchanged.
    #[test]
    fn a_write_after_the_reading_is_never_missed(
        written in 0_i64..10_000_000_000,
        start_after in 0_i64..5_000_000_000,
        read_after in 0_i64..100_000_000,
        again_after in 0_i64..5_000_000_000,
        // Of the kernel's ticks, and of FAT.
        grain in prop::sample::select(vec![1_i64, 1_000_000, 4_000_000, 10_000_000, 2_000_000_000]),
        ignore_ctime: bool,
    ) {
        let started = written + start_after;
        let read = started + read_after;
        let again = read + again_after;
        let criteria = Criteria { ignore_inode: false, ignore_ctime };
        let (first, second) = (stamp(written, grain), stamp(again, grain));
        let parent = Entry { mtime: first, ctime: first, ..parent() };
        let now = Stat { mtime: second, ctime: second, ..now() };
        prop_assert!(!unchanged(&parent, &now, stamp(started, 1), &criteria));
    }

    /// A file that was left alone for three seconds before the backup is never read twice.
    #[test]
    fn a_quiet_file_is_unchanged(
        written in 0_i64..10_000_000_000,
        start_after in 3_000_000_000_i64..9_000_000_000,
        grain in prop::sample::select(vec![1_i64, 1_000_000, 4_000_000, 10_000_000, 2_000_000_000]),
    ) {
        let time = stamp(written, grain);
        let parent = Entry { mtime: time, ctime: time, ..parent() };
        let now = Stat { mtime: time, ctime: time, ..now() };
        let started = stamp(written + start_after, 1);
        prop_assert!(unchanged(&parent, &now, started, &Criteria::default()));
    }
}
