use std::fs;

use tempfile::TempDir;

use super::*;
use crate::target::dir::Target;

fn begun(target: &TempDir, boot: &str) -> Begin {
    begun_of(target, "all", boot)
}

fn begun_of(target: &TempDir, scope: &str, boot: &str) -> Begin {
    let target = Target::open(target.path()).unwrap();
    begin_in(&target.dir, scope, target.fresh, boot).unwrap()
}

fn facts(begin: &Begin) -> (bool, bool, bool) {
    (begin.journal.is_some(), begin.start.resumes, begin.start.distrusts)
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
    assert_eq!(facts(&begun(&target, "unknown")), (true, false, true));
}

#[test]
fn what_cannot_be_read_is_not_believed() {
    for text in ["", "{}", "nonsense"] {
        let target = TempDir::new().unwrap();
        fs::write(target.path().join(NAME), text).unwrap();
        assert_eq!(facts(&begun(&target, "a")), (true, false, true), "{text:?}");
    }
}

#[test]
fn several_at_once_have_one_each() {
    let target = TempDir::new().unwrap();
    let mut all: Vec<Begin> = (0..COUNT_MAX).map(|_| begun(&target, "a")).collect();
    assert!(all.iter().all(|begin| facts(begin) == (true, false, false)));
    assert_eq!(facts(&begun(&target, "a")), (false, false, false));
    drop(all.swap_remove(0));
    assert_eq!(facts(&begun(&target, "a")), (true, true, false));
}

#[test]
fn another_restore_does_not_end_it() {
    let target = TempDir::new().unwrap();
    assert!(begun(&target, "a").start.fresh);
    begun_of(&target, "part", "b").journal.unwrap().end().unwrap();
    let part = begun_of(&target, "part", "b");
    assert_eq!(facts(&part), (true, false, true));
    assert!(!part.start.fresh);
    drop(part);
    let again = begun(&target, "b");
    assert_eq!(facts(&again), (true, true, true));
    assert!(again.start.fresh, "as it was when it began");
    again.journal.unwrap().end().unwrap();
    // What the part, cut off a moment ago, still distrusts is its own.
    begun_of(&target, "part", "b").journal.unwrap().end().unwrap();
    assert_eq!(facts(&begun(&target, "b")), (true, false, false));
}

#[test]
fn what_others_put_there_is_not_written_to() {
    let (target, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::hard_link(&secret, target.path().join(NAME)).unwrap();
    let dir = Target::open(target.path()).unwrap().dir;
    assert!(begin_in(&dir, "all", false, "a").unwrap_err().to_string().contains("remove it"));
    fs::remove_file(target.path().join(NAME)).unwrap();
    std::os::unix::fs::symlink(&secret, target.path().join(NAME)).unwrap();
    assert!(begin_in(&dir, "all", false, "a").is_err());
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
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
