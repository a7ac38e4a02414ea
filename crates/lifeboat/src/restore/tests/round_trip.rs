//! From a source through a repository and back: nothing differs.

use std::path::Path;
use std::sync::Arc;

use lifeboat_codec::{Entropy, SystemClock};
use lifeboat_format::keys::Secret32;
use lifeboat_repo::io::Io;
use lifeboat_repo::open::{InitOptions, Repository, init};
use lifeboat_repo::slots::{NewSlot, SlotSecret};
use lifeboat_repo::view::View;
use lifeboat_testkit::same_tree::assert_same_tree;
use lifeboat_testkit::tree::{Awkward, Scratch, Shape, is_root, random};

use crate::backup::{BackupOptions, backup};
use crate::context::Context;
use crate::restore::{Origin, RestoreOptions, RestoreReport, restore};

fn repository() -> Repository {
    let io = Io::new(lifeboat_store::mem()).unwrap();
    let clock = Arc::new(SystemClock::new());
    let mut options = InitOptions::new(Entropy::os(), clock, 128 << 20, "test").unwrap();
    let secret = SlotSecret::KeyFile(Secret32::new([7; 32]));
    options.slots.push(NewSlot { label: "test".to_owned(), secret });
    init(io, &options).unwrap()
}

fn back_and_forth(source: &Path, options: &RestoreOptions) -> RestoreReport {
    let (repository, context) = (repository(), Context::default());
    let backup_options = BackupOptions::new(vec![source.to_owned()], "host");
    let saved = backup(&repository, &backup_options, &context).unwrap();
    assert_eq!(saved.problems.first, []);
    let view = View::load(&repository).unwrap();
    let origin = Origin { reader: &view.reader, locate: &*view.index };
    let snapshot = &view.snapshots.live().next_back().unwrap().snapshot;
    let restored = restore(origin, snapshot, options, &context).unwrap();
    assert_eq!(restored.problems.first, []);
    assert_eq!(restored.notices, [""; 0]);
    let made = restored.files + restored.links + restored.other;
    assert_eq!(made, saved.stats.files + saved.stats.others);
    restored
}

#[test]
fn everything_awkward_comes_back() {
    let (source, target) = (Scratch::new().unwrap(), Scratch::new().unwrap());
    let left_out = Awkward::default().build(source.path()).unwrap();
    let options = RestoreOptions { sync: false, ..RestoreOptions::new(target.path()) };
    back_and_forth(source.path(), &options);
    let root = target.join(source.path().strip_prefix("/").unwrap());
    assert_same_tree(source.path(), &root);
    // Without privileges some kinds can be neither made nor restored.
    assert!(left_out.len() < 10 || !is_root(), "{left_out:?}");
}

#[test]
fn a_random_tree_comes_back_within_little_memory() {
    let (source, target) = (Scratch::new().unwrap(), Scratch::new().unwrap());
    let shape = Shape { dirs: 100, files: 1500, ..Shape::default() };
    random(source.path(), 1, &shape).unwrap();
    let path = crate::restore::testing::key(source.path().to_str().unwrap());
    back_and_forth(
        source.path(),
        &RestoreOptions {
            path: Some(path),
            memory_bytes: 4 << 20,
            ..RestoreOptions::new(target.path())
        },
    );
    assert_same_tree(source.path(), target.path());
}
