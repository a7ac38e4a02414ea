use std::fs;

use tempfile::TempDir;

use super::*;
use crate::target::dir::Target;

const SNAPSHOT: SnapshotId = SnapshotId([7; 16]);

fn begun(target: &TempDir, boot: &str) -> Begin {
    begin_in(&Target::open(target.path()).unwrap().dir, SNAPSHOT, boot).unwrap()
}

fn facts(begin: &Begin) -> (bool, bool, bool) {
    (begin.journal.is_some(), begin.resumes, begin.distrusts)
}

#[test]
fn one_that_ended_leaves_nothing() {
    let target = TempDir::new().unwrap();
    let begin = begun(&target, "a");
    assert_eq!(facts(&begin), (true, false, false));
    assert!(target.path().join(NAME).exists());
    begin.journal.unwrap().end().unwrap();
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    assert_eq!(facts(&begun(&target, "b")), (true, false, false));
}

#[test]
fn one_that_was_cut_off_is_gone_on_with_and_another_boot_believes_nothing() {
    let target = TempDir::new().unwrap();
    drop(begun(&target, "a"));
    assert_eq!(facts(&begun(&target, "a")), (true, true, false));
    assert_eq!(facts(&begun(&target, "b")), (true, true, true));
    // Nor does a third, until one has come to its end.
    assert_eq!(facts(&begun(&target, "b")), (true, true, true));
    begun(&target, "b").journal.unwrap().end().unwrap();
    assert_eq!(facts(&begun(&target, "b")), (true, false, false));
    // Where boots can't be told apart, any may be another.
    drop(begun(&target, "unknown"));
    assert_eq!(facts(&begun(&target, "unknown")), (true, true, true));
}

#[test]
fn what_cannot_be_read_is_not_believed() {
    for text in ["", "{}", "nonsense"] {
        let target = TempDir::new().unwrap();
        fs::write(target.path().join(NAME), text).unwrap();
        assert_eq!(facts(&begun(&target, "a")), (true, true, true), "{text:?}");
    }
}

#[test]
fn several_at_once_have_one_each() {
    let target = TempDir::new().unwrap();
    let mut all: Vec<Begin> = (0..COUNT_MAX).map(|_| begun(&target, "a")).collect();
    assert!(all.iter().all(|begin| facts(begin) == (true, false, false)));
    assert_eq!(facts(&begun(&target, "a")), (false, false, false));
    let first = all.swap_remove(0);
    // Two are cut off: the next one takes over what both said.
    all.truncate(COUNT_MAX - 3);
    let next = begun(&target, "b");
    assert_eq!(facts(&next), (true, true, true));
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), COUNT_MAX - 1);
    drop(first);
}

#[test]
fn names() {
    for name in [".lifeboat-restore", ".lifeboat-restore.7"] {
        assert!(is_journal(name.as_bytes()));
    }
    for name in [".lifeboat-restored", ".lifeboat-restore.x", "a"] {
        assert!(!is_journal(name.as_bytes()));
    }
}
