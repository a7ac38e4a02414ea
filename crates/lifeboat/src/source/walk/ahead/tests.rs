use std::fs;

use lifeboat_testkit::tree::Scratch;

use super::*;
use crate::source::dir::DirPool;
use crate::source::stat::Devices;
use crate::source::walk::start::Start;

/// One without threads: what is taken, the taker makes.
fn alone() -> Ahead {
    let shared = Arc::new(Shared::new(&[b"mark".to_vec()], &Cancel::new()));
    Ahead { shared, threads: Vec::new() }
}

fn handle(scratch: &Scratch, name: &str) -> Arc<DirHandle> {
    let start = Start::new(&scratch.join(name)).unwrap();
    let (dir, stat) = start.look(DirPool::new(8), &mut Devices::default()).unwrap();
    DirHandle::child(&dir, &start.name, &stat)
}

fn names(listed: Listed) -> Vec<String> {
    let Listed::Whole(looked) = listed else { panic!("{listed:?}") };
    assert!(looked.stats.iter().all(Result::is_ok));
    looked.names.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

#[test]
fn what_nobody_has_begun_is_made_by_who_takes_it_and_what_is_dropped_by_nobody() {
    let scratch = Scratch::new().unwrap();
    for name in ["a/2", "a/1", "a/mark", "b/3"] {
        fs::create_dir_all(scratch.join(name)).unwrap();
    }
    let ahead = alone();
    let first = ahead.directory(b"a".to_vec(), handle(&scratch, "a"));
    let second = ahead.directory(b"b".to_vec(), handle(&scratch, "b"));
    assert_eq!(ahead.shared.lock().waiting.len(), 2);
    drop(second);
    assert_eq!(ahead.shared.lock().waiting.len(), 1);
    let listed = first.take();
    assert!(matches!(&listed, Listed::Whole(looked) if looked.found == [true]), "{listed:?}");
    assert_eq!(names(listed), ["1", "2", "mark"]);
    assert_eq!(ahead.shared.lock().waiting.len(), 0);
}

#[test]
fn threads_leave_the_first_to_the_walk_and_make_the_rest_in_its_order() {
    let scratch = Scratch::new().unwrap();
    let ahead = alone();
    let announced = ["c", "a", "b"].map(|name| {
        fs::create_dir_all(scratch.join(name)).unwrap();
        ahead.directory(name.as_bytes().to_vec(), handle(&scratch, name))
    });
    let second = |expected: &str| {
        let task = ahead.shared.lock().take_second().unwrap();
        assert!(task.dir.fd().is_ok());
        let left = Vec::from_iter(ahead.shared.lock().waiting.keys().cloned());
        assert!(!left.contains(&expected.as_bytes().to_vec()), "{left:?}");
    };
    second("b");
    second("c");
    assert!(ahead.shared.lock().take_second().is_none());
    drop(announced);
}

#[test]
fn a_listing_is_small_and_a_failure_is_told() {
    let scratch = Scratch::new().unwrap();
    fs::create_dir(scratch.join("many")).unwrap();
    for number in 0..=LIST_NAMES_MAX {
        fs::write(scratch.join("many").join(number.to_string()), "").unwrap();
    }
    let ahead = Ahead::new(2, &[], &Cancel::new()).unwrap();
    let many = handle(&scratch, "many");
    assert!(matches!(ahead.list(&many), Listed::Many));
    fs::remove_file(scratch.join("many/0")).unwrap();
    // A directory may be read twice.
    assert_eq!(names(ahead.list(&many)).len(), LIST_NAMES_MAX);
    fs::create_dir(scratch.join("gone")).unwrap();
    let gone = handle(&scratch, "gone");
    fs::remove_dir(scratch.join("gone")).unwrap();
    assert!(matches!(ahead.list(&gone), Listed::Failed(_)));
    let mut two = Arena::default();
    two.push(b"1");
    two.push(b"absent");
    let Listed::Whole(looked) = ahead.stretch(b"many\x001".to_vec(), many, two).take() else {
        panic!("a stretch is whole");
    };
    assert!(looked.stats[0].is_ok() && looked.stats[1].is_err());
    let mut one = Arena::default();
    one.push(b"in");
    let Listed::Whole(looked) = ahead.stretch(b"gone\0in".to_vec(), gone, one).take() else {
        panic!("a stretch is whole");
    };
    assert!(looked.stats[0].is_err());
}

/// The walk would wait for ever for what a thread had begun when it panicked.
#[test]
fn a_thread_that_ends_early_leaves_a_failure() {
    let scratch = Scratch::new().unwrap();
    for name in ["a", "b"] {
        fs::create_dir(scratch.join(name)).unwrap();
    }
    let ahead = alone();
    let _first = ahead.directory(b"a".to_vec(), handle(&scratch, "a"));
    let second = ahead.directory(b"b".to_vec(), handle(&scratch, "b"));
    let task = ahead.shared.lock().take_second().unwrap();
    drop(Begun { task: &task, listed: None });
    assert!(matches!(second.take(), Listed::Failed(_)));
}

#[test]
fn whoever_is_cancelled_looks_at_nothing_more() {
    let scratch = Scratch::new().unwrap();
    fs::write(scratch.join("file"), "").unwrap();
    let cancel = Cancel::new();
    let ahead = Ahead { shared: Arc::new(Shared::new(&[], &cancel)), threads: Vec::new() };
    let dir = handle(&scratch, ".");
    assert_eq!(names(ahead.list(&dir)), ["file"]);
    cancel.cancel();
    let Listed::Whole(looked) = ahead.list(&dir) else { panic!("it can be read") };
    assert!(looked.stats.iter().all(Result::is_err));
}
