use std::collections::BTreeSet;
use std::fs::File;

use proptest::prelude::*;

use super::*;

fn all(mut names: Names) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    let mut name = Vec::new();
    while names.next(&mut name).unwrap() {
        list.push(name.clone());
    }
    assert!(!names.next(&mut name).unwrap(), "the end stays the end");
    list
}

fn room(sort_bytes: usize, keep_bytes: usize) -> Room {
    Room { sort_bytes, keep_bytes }
}

fn read(
    dir: &std::path::Path,
    room: Room,
    watched: &[Vec<u8>],
    spill: &mut Spill,
) -> Listing<Names> {
    let fd = OwnedFd::from(File::open(dir).unwrap());
    Names::read(&fd, room, watched, spill).unwrap()
}

#[test]
fn a_directory_is_read_whole_and_sorted_by_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a", "a.txt", "B", "é", "a-b", "zz"] {
        File::create(dir.path().join(name)).unwrap();
    }
    let watched = [b"zz".to_vec(), b"none".to_vec()];
    let listing =
        read(dir.path(), room(1 << 20, 1 << 20), &watched, &mut Spill::new("/nowhere".into()));
    assert!(listing.error.is_none());
    assert_eq!(listing.found, [true, false]);
    let expected = ["B", "a", "a-b", "a.txt", "b", "zz", "é"].map(|name| name.as_bytes().to_vec());
    assert_eq!(all(listing.names), expected);
}

#[test]
fn beyond_the_limit_names_are_sorted_outside_memory_and_the_file_is_a_stack() {
    let dir = tempfile::tempdir().unwrap();
    let expected: BTreeSet<Vec<u8>> = (0..3000)
        .map(|i| format!("{:x}-name", i * 2_654_435_761_u64 % 4_294_967_291).into_bytes())
        .collect();
    for name in &expected {
        File::create(dir.path().join(std::str::from_utf8(name).unwrap())).unwrap();
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut spill = Spill::new(scratch.path().to_owned());
    let outer = read(dir.path(), room(1000, 0), &[], &mut spill).names;
    assert!(matches!(outer, Names::Runs(_)));
    let between = spill.end();
    let inner = read(dir.path(), room(1 << 20, 5000), &[], &mut spill).names;
    assert!(spill.end() > between);
    let expected = Vec::from_iter(expected);
    assert_eq!(all(inner), expected);
    spill.truncate(between).unwrap();
    assert_eq!(spill.end(), between);
    assert_eq!(all(outer), expected);
}

#[test]
fn a_spill_file_that_cannot_be_made_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        File::create(dir.path().join(name)).unwrap();
    }
    let fd = OwnedFd::from(File::open(dir.path()).unwrap());
    Names::read(&fd, room(1, 1), &[], &mut Spill::new("/nowhere/at/all".into())).unwrap_err();
}

proptest! {
    #[test]
    fn any_names_come_sorted_and_once_whatever_the_limit(
        names in prop::collection::vec(prop::collection::vec(1_u8..=255, 1..20), 0..200),
        sort_bytes in 0_usize..2000,
        keep_bytes in 0_usize..2000,
    ) {
        let mut spill = Spill::new("/tmp".into());
        let mut sorter = Sorter::new(room(sort_bytes, keep_bytes), &mut spill);
        for name in &names {
            sorter.push(name).unwrap();
        }
        let expected = Vec::from_iter(names.into_iter().collect::<BTreeSet<_>>());
        prop_assert_eq!(all(sorter.finish().unwrap()), expected);
    }
}
