use std::fs;

use super::*;
use crate::same_tree::{assert_same_tree_except, differences};

#[test]
fn the_awkward_tree_can_be_built_listed_and_removed() {
    let scratch = Scratch::new().unwrap();
    let skipped = Awkward { depth: 1500, members: 100 }.build(scratch.path()).unwrap();
    if is_root() {
        assert!(skipped.is_empty(), "root on this file system can do without: {skipped:?}");
    }
    let found = list(scratch.path()).unwrap();
    assert!(found.iter().any(|found| found.path.len() > 4 * 1500));
    assert!(found.len() > 1700);
    let path = scratch.path().to_owned();
    drop(scratch);
    assert!(!path.exists());
}

#[test]
fn a_seed_makes_one_tree_and_its_edits() {
    let (a, b) = (Scratch::new().unwrap(), Scratch::new().unwrap());
    for tree in [&a, &b] {
        random(tree.path(), 42, &Shape::default()).unwrap();
        let done = edit(tree.path(), 7, 60).unwrap();
        assert_eq!(done.len(), 60);
    }
    // The times are those of the making.
    assert_same_tree_except(a.path(), b.path(), &[crate::same_tree::Aspect::Mtime]);
    edit(a.path(), 8, 5).unwrap();
    assert!(!differences(a.path(), b.path()).unwrap().is_empty());
    let c = Scratch::new().unwrap();
    random(c.path(), 43, &Shape::default()).unwrap();
    assert!(fs::read_dir(c.path()).unwrap().count() > 0);
    assert!(!differences(a.path(), c.path()).unwrap().is_empty());
}
