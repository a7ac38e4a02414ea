use super::*;
use crate::browse::testing::{Shop, dir, key, plain, snapshot};

fn door(name: &str) -> Arc<Door> {
    let shop = Shop::new();
    let root = shop.root("/r", &[("", dir())]);
    let shown =
        Arc::new(Shown::new(&snapshot(1, "h", "2026-01-02T03:04:05Z", &[], vec![root]), false));
    Arc::new(Door { shelf: Shelf::Ids, group: None, name: name.to_owned(), shown })
}

fn inside(door: &Arc<Door>, path: &str) -> Place {
    Place::Inside(Arc::clone(door), key(path))
}

#[test]
fn a_number_stays_and_is_held_as_often_as_it_was_looked_up() {
    let (numbers, door) = (Numbers::default(), door("a"));
    let number = numbers.number(&inside(&door, "/r/x"), None);
    assert!(numbers.place(number).is_none());
    assert_eq!(numbers.keep(inside(&door, "/r/x"), None).number, number);
    assert_eq!(numbers.keep(inside(&door, "/r/x"), None).number, number);
    assert_ne!(numbers.keep(inside(&door, "/r/y"), None).number, number);
    numbers.let_go(number, 1);
    assert!(numbers.place(number).is_some());
    numbers.let_go(number, 1);
    assert!(numbers.place(number).is_none());
    assert_eq!(numbers.len(), 1);
    assert_eq!(numbers.keep(inside(&door, "/r/x"), None).number, number);
    // More than there were, and nobody: neither does any harm.
    numbers.let_go(number, 100);
    numbers.let_go(12345, 1);
    assert_eq!(numbers.len(), 1);
    let (key, top) = numbers.place(TOP).unwrap();
    assert!(matches!(*top, Place::Top) && key.number == TOP);
    assert_eq!(numbers.number(&Place::Top, None), TOP);
}

#[test]
fn names_of_one_file_have_one_number_and_others_not() {
    let (numbers, first, second) = (Numbers::default(), door("a"), door("b"));
    let linked = Entry { links: 2, inode: 7, ..plain() };
    let number = |door, path, entry: &Entry| numbers.number(&inside(door, path), Some(entry));
    assert_eq!(number(&first, "/r/x", &linked), number(&first, "/r/y", &linked));
    let alone = Entry { links: 1, ..linked.clone() };
    assert_ne!(number(&first, "/r/x", &alone), number(&first, "/r/y", &alone));
    let other = Entry { inode: 8, ..linked.clone() };
    assert_ne!(number(&first, "/r/x", &linked), number(&first, "/r/y", &other));
    assert_ne!(number(&first, "/r/x", &linked), number(&second, "/r/x", &linked));
    let directory = Entry { links: 2, inode: 7, ..dir() };
    assert_ne!(number(&first, "/r/x", &directory), number(&first, "/r/y", &directory));
}

#[test]
fn places_whose_numbers_meet_are_told_apart() {
    let kept = |check| Kept { place: Arc::new(Place::Top), lookups: 1, check };
    let mut table = HashMap::from([(10, kept(1)), (11, kept(2)), (u64::MAX, kept(3))]);
    assert_eq!(free(&table, 10, 1), 10);
    assert_eq!(free(&table, 10, 2), 11);
    assert_eq!(free(&table, 10, 9), 12);
    assert_eq!(free(&table, u64::MAX, 9), TOP + 1);
    table.clear();
    assert_eq!(free(&table, 10, 9), 10);
}

#[test]
fn paths_for_messages() {
    let door = door("a");
    assert_eq!(door.path(&key("r/x")), b"/ids/a/r/x");
    assert_eq!(door.shown.id, SnapshotId([1; 16]));
}
