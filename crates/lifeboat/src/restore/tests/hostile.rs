//! Snapshots and neighbours that mean harm: nothing is written outside the target.
//!
//! Names that no file can have, a wrong order and impossible numbers are refused by the decoder of trees (its own tests show it);
//! what it lets pass, and what others do in the target meanwhile, is shown here.

use std::os::unix::fs::symlink as link_to;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;

/// A root with directories of small files, and links in it to everywhere.
fn many_files(outside: &Path) -> Stored {
    let mut shelf = Shelf::new();
    let outside = outside.to_str().unwrap();
    let mut entries = vec![("".to_owned(), dir())];
    for number in 0..40 {
        entries.push((format!("d{number:02}"), dir()));
        for file in 0..30 {
            let chunk = shelf.chunk(&bytes(file, 200 + usize::from(file)));
            entries.push((format!("d{number:02}/f{file:02}"), shelf.file(vec![chunk])));
        }
    }
    for (name, target) in
        [("absolute", outside), ("cycle-a", "cycle-b"), ("cycle-b", "cycle-a"), ("up", "../../..")]
    {
        entries.push((format!("links/{name}"), symlink(target)));
    }
    entries.push(("links".to_owned(), dir()));
    let entries: Vec<(&str, Entry)> =
        entries.iter().map(|(path, entry)| (path.as_str(), entry.clone())).collect();
    shelf.root("/r", &entries);
    shelf.store()
}

/// Swaps directories of the target for links to `outside` and back, as fast as it can.
fn swap(root: &Path, outside: &Path, goes_on: &AtomicBool, swaps: &AtomicU64) {
    while goes_on.load(Ordering::Relaxed) {
        for number in 0..40 {
            let (dir, aside) = (root.join(format!("d{number:02}")), root.join("aside"));
            if fs::rename(&dir, &aside).is_ok() {
                if link_to(outside, &dir).is_ok() {
                    swaps.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                    // The restore may have put a directory there again.
                    drop(fs::remove_file(&dir));
                }
                if fs::rename(&aside, &dir).is_err() {
                    drop(fs::remove_dir_all(&aside));
                }
            }
        }
    }
}

#[test]
fn directories_that_are_swapped_for_links_lead_nowhere() {
    let outside = TempDir::new().unwrap();
    let stored = many_files(outside.path());
    let (goes_on, swaps) = (AtomicBool::new(true), AtomicU64::new(0));
    let target = TempDir::new().unwrap();
    let root = target.path().join("r");
    fs::create_dir(&root).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&root, outside.path(), &goes_on, &swaps));
        for round in 0..12 {
            // In place, anew, with what is there taken away: whatever way, the end is a report.
            let asked = RestoreOptions {
                delete: round % 2 == 0,
                overwrite: if round % 3 == 0 { Overwrite::Always } else { Overwrite::IfChanged },
                verify: round % 4 == 0,
                ..options(target.path())
            };
            if let Err(error) = run(&stored, &asked) {
                assert!(error.to_string().contains(target.path().to_str().unwrap()), "{error}");
            }
        }
        goes_on.store(false, Ordering::Relaxed);
    });
    assert!(swaps.load(Ordering::Relaxed) > 20, "{swaps:?}");
    assert_eq!(names(outside.path()), [""; 0]);
    // Left alone, it comes to a good end.
    let asked = RestoreOptions { delete: true, ..options(target.path()) };
    assert_eq!(run(&stored, &asked).unwrap().problems.first, []);
    assert_eq!(names(&root).len(), 41);
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn links_that_the_snapshot_has_are_never_gone_through() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("precious"), "precious").unwrap();
    // A first snapshot plants a link where a second one has a directory, and the other way round.
    let mut shelf = Shelf::new();
    shelf.root("/r", &[("", dir()), ("x", symlink(outside.path().to_str().unwrap()))]);
    let first = shelf.store();
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let file = shelf.file(vec![chunk]);
    shelf.root("/r", &[("", dir()), ("x", dir()), ("x/precious", file)]);
    let second = shelf.store();
    let target = TempDir::new().unwrap();
    for delete in [false, true] {
        let asked = RestoreOptions { delete, ..options(target.path()) };
        assert!(run(&first, &asked).unwrap().problems.count <= 1);
        assert_eq!(run(&second, &asked).unwrap().problems.count, 0);
        assert_eq!(fs::read(target.path().join("r/x/precious")).unwrap(), bytes(1, 100));
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"precious");
    }
    // With --delete what a link points to is not what goes.
    let asked = RestoreOptions { delete: true, ..options(target.path()) };
    run(&first, &asked).unwrap();
    assert_eq!(names(outside.path()), ["precious"]);
    let mut shelf = Shelf::new();
    shelf.root("/r", &[("", dir())]);
    assert_eq!(run(&shelf.store(), &asked).unwrap().deleted, 1);
    assert_eq!(names(outside.path()), ["precious"]);
}

#[test]
fn hard_links_go_only_to_what_this_run_has_restored() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let mut shelf = Shelf::new();
    let chunk = shelf.chunk(&bytes(1, 100));
    let linked = Entry { inode: 7, links: 2, ..shelf.file(vec![chunk]) };
    shelf.root("/r", &[("", dir()), ("a", linked.clone()), ("b", linked)]);
    let stored = shelf.store();
    // What is there under the first name is another's file, with a name outside.
    let target = TempDir::new().unwrap();
    fs::create_dir(target.path().join("r")).unwrap();
    fs::hard_link(&secret, target.path().join("r/a")).unwrap();
    let report = run_whole(&stored, target.path());
    assert_eq!((report.files, report.links), (1, 1));
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(fs::metadata(&secret).unwrap().nlink(), 1);
    assert_eq!(fs::metadata(target.path().join("r/b")).unwrap().nlink(), 2);
}

#[test]
fn devices_are_refused_with_a_message_where_they_may_not_be_made() {
    let mut shelf = Shelf::new();
    let device = |major, minor| Entry {
        kind: EntryKind::Char,
        rdev: Some(lifeboat_format::tree::Device { major, minor }),
        ..own()
    };
    shelf.root(
        "/r",
        &[("", dir()), ("null", device(1, 3)), ("strange", device(u32::MAX, u32::MAX))],
    );
    let target = TempDir::new().unwrap();
    let report = run(&shelf.store(), &options(target.path())).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(report.problems.count, if is_root { 1 } else { 2 }, "{report:?}");
    assert_eq!(names(&target.path().join("r")).len(), usize::from(is_root));
}
