//! A repository with one snapshot whose source has changed since: what a fault may hit, and what must be
//! left when it has.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat::backup::{BackupOptions, BackupReport, backup};
use lifeboat::repository::View;
use lifeboat::restore::{Origin, RestoreOptions, RestoreReport, restore};
use lifeboat::{Context, Error};
use lifeboat_format::id::SnapshotId;
use lifeboat_store::Store;
use lifeboat_testkit::crash::{CrashStore, Image};
use lifeboat_testkit::same_tree::{Aspect, assert_same_tree_except};
use lifeboat_testkit::tree::Scratch;

use crate::world::{
    assert_clean, assert_complete, assert_restores, assert_restores_beginning, in_time, init_in,
    noise, open_in, plain_copy, run, settle, snapshot,
};

/// Two roots, so that a run has several steps after each of which it may commit.
pub(crate) struct Scene {
    pub(crate) image: Image,
    pub(crate) first: SnapshotId,
    before: [PathBuf; 2],
    now: [PathBuf; 2],
    _scratch: Scratch,
}

fn roots_of(source: &Path) -> [PathBuf; 2] {
    [source.join("one"), source.join("two")]
}

fn options(roots: &[PathBuf]) -> BackupOptions {
    BackupOptions::new(roots.to_vec(), "host")
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new().unwrap();
        let source = scratch.join("source");
        fs::create_dir_all(source.join("one")).unwrap();
        fs::create_dir_all(source.join("two/dir")).unwrap();
        fs::write(source.join("one/a"), noise(1, 20_000)).unwrap();
        fs::write(source.join("two/dir/same"), noise(5, 5_000)).unwrap();
        fs::write(source.join("two/gone"), "gone").unwrap();
        fs::write(source.join("two/z"), noise(2, 50_000)).unwrap();
        settle();
        let store = CrashStore::new();
        let repository = init_in(Arc::new(store.clone()));
        let now = roots_of(&source);
        let first = run(&repository, &options(&now)).snapshot.unwrap();
        let before = roots_of(&plain_copy(&source, &scratch, "before"));
        fs::write(source.join("one/a"), noise(3, 30_000)).unwrap();
        fs::remove_file(source.join("two/gone")).unwrap();
        symlink("nowhere", source.join("two/y")).unwrap();
        fs::write(source.join("two/z"), [noise(2, 50_000), noise(4, 90_000)].concat()).unwrap();
        settle();
        Self { image: store.durable(), first, before, now, _scratch: scratch }
    }

    /// One run as a process of its own, with several commits.
    pub(crate) fn attempt(&self, store: Arc<dyn Store>) -> Result<BackupReport, Error> {
        let checkpoint_interval = Duration::ZERO;
        let options = BackupOptions { checkpoint_interval, ..options(&self.now) };
        in_time(move || {
            let repository = open_in(store)?;
            backup(&repository, &options, &Context { threads: 1, ..Context::default() })
        })
    }

    /// Restores the first snapshot as a process of its own.
    pub(crate) fn fetch(
        &self,
        store: Arc<dyn Store>,
        target: PathBuf,
    ) -> Result<RestoreReport, Error> {
        let first = self.first;
        in_time(move || {
            let view = View::load(&open_in(store)?)?;
            let origin = Origin { reader: &view.reader, locate: &*view.index };
            let mut options = RestoreOptions::new(target);
            options.sync = false;
            let context = Context { threads: 1, ..Context::default() };
            restore(origin, &snapshot(&view, first), &options, &context)
        })
    }

    /// What [`Scene::fetch`] has restored to `target` is what was backed up.
    pub(crate) fn assert_fetched(&self, target: &Path) {
        for (tree, root) in self.before.iter().zip(&self.now) {
            let restored = target.join(root.strip_prefix("/").unwrap());
            assert_same_tree_except(tree, &restored, &[Aspect::Holes]);
        }
    }

    /// Everything committed is whole, and the next run is too. How many checkpoints there were, and how
    /// many whole snapshots besides the first.
    pub(crate) fn assert_recovers(&self, store: Arc<dyn Store>) -> (usize, usize) {
        let repository = open_in(store).unwrap();
        assert_clean(&repository);
        let left = self.assert_live(&repository);
        assert_complete(&run(&repository, &options(&self.now)));
        assert_clean(&repository);
        let (checkpoints, whole) = self.assert_live(&repository);
        assert_eq!((checkpoints, whole), (0, left.1 + 1), "the next run supersedes checkpoints");
        left
    }

    fn assert_live(&self, repository: &lifeboat::repository::Repository) -> (usize, usize) {
        let view = View::load(repository).unwrap();
        let (mut checkpoints, mut whole) = (0, 0);
        for known in view.snapshots.live() {
            let id = known.snapshot.id;
            if known.snapshot.is_checkpoint() {
                checkpoints += 1;
                assert_restores_beginning(repository, id, &self.now);
            } else if id == self.first {
                assert_restores(repository, id, &self.before);
            } else {
                whole += 1;
                assert_restores(repository, id, &self.now);
            }
        }
        (checkpoints, whole)
    }
}
