//! A repository of three snapshots, copies of it, and what each must restore to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat::backup::{BackupOptions, Outcome, backup};
use lifeboat::repository::{
    Entropy, InitOptions, Io, KeyFile, NewSlot, OpenOptions, Repository, Secret32, SlotSecret,
    SystemClock, Unlock, View, init, open,
};
use lifeboat::restore::{Origin, RestoreOptions, restore};
use lifeboat::{Context, Error};
use lifeboat_format::id::{RepositoryId, SnapshotId};
use lifeboat_format::snapshot::Snapshot;
use lifeboat_repo::check::{CheckOptions, CheckReport};
use lifeboat_repo::log::{Fold, checkpoint};
use lifeboat_repo::repair::snapshots::RepairReport;
use lifeboat_store::Store;
use lifeboat_testkit::tree::Scratch;

const MEMORY_BYTES: u64 = 64 << 20;
const KEY: [u8; 32] = [7; 32];
const ID: RepositoryId = RepositoryId([9; 16]);

/// What files there are, by their whole path.
type Files = BTreeMap<String, Vec<u8>>;

/// An intact repository.
pub(crate) struct Base {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) scratch: Scratch,
    pub(crate) snapshots: BTreeMap<SnapshotId, Files>,
}

pub(crate) fn open_in(store: &Arc<dyn Store>) -> Result<Repository, Error> {
    let file = KeyFile { repository: ID, key: Secret32::new(KEY), config: None, slot: None };
    let options = OpenOptions {
        entropy: Entropy::os(),
        clock: Arc::new(SystemClock::new()),
        memory_bytes: MEMORY_BYTES,
        remembered: None,
        exclusive: false,
    };
    Ok(open(Io::new(Arc::clone(store))?, &Unlock::KeyFile(Box::new(file)), &options)?)
}

/// All keys below a prefix, in order.
pub(crate) fn keys(store: &Arc<dyn Store>, prefix: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let io = Io::new(Arc::clone(store)).unwrap();
    io.list(prefix, |listed| {
        keys.push(listed.key);
        Ok(())
    })
    .unwrap();
    keys.sort();
    keys
}

/// The same objects in another store.
pub(crate) fn copy_of(store: &Arc<dyn Store>) -> Arc<dyn Store> {
    let (from, copy) = (Io::new(Arc::clone(store)).unwrap(), lifeboat_store::mem());
    let to = Io::new(Arc::clone(&copy)).unwrap();
    for key in keys(store, "") {
        let key = key.parse().unwrap();
        to.put_new(&key, from.get(&key).unwrap().into()).unwrap();
    }
    copy
}

pub(crate) fn check(repository: &Repository) -> CheckReport {
    let options = CheckOptions { read_data: true, threads: 1, ..CheckOptions::default() };
    lifeboat_repo::check::check(repository, &options, &|_| {}).unwrap()
}

/// Bytes that no other seed has and nobody compresses.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    lifeboat_testkit::entropy::entropy(seed).fill(&mut bytes).unwrap();
    bytes
}

impl Base {
    /// A full snapshot and two further ones, a checkpoint of the log behind the second; data packs with so much parity.
    pub(crate) fn new(data_permille: u16) -> Self {
        let store = lifeboat_store::mem();
        let clock = Arc::new(SystemClock::new());
        // The same packs in each run, so that the same bits flip.
        let entropy = lifeboat_testkit::entropy::entropy(1);
        let mut options = InitOptions::new(entropy, clock, MEMORY_BYTES, "test").unwrap();
        options.repository = ID;
        let secret = SlotSecret::KeyFile(Secret32::new(KEY));
        options.slots.push(NewSlot { label: "test".to_owned(), secret });
        (options.chunker.min, options.chunker.avg, options.chunker.max) =
            (1 << 10, 4 << 10, 16 << 10);
        (options.frame_bytes, options.tree_frame_bytes) = (16 << 10, 8 << 10);
        options.pack_bytes = 64 << 10;
        options.parity.data_permille = data_permille;
        let repository = init(Io::new(Arc::clone(&store)).unwrap(), &options).unwrap();
        let scratch = Scratch::new().unwrap();
        let mut base = Self { store, scratch, snapshots: BTreeMap::new() };
        for round in 0..3_u64 {
            for number in 0..6 {
                let len = 9000 * usize::try_from(number + 1).unwrap();
                base.write(&format!("new {round}/{number}"), &noise(10 * round + number, len));
            }
            base.write("changing", &noise(1000 + round, 40_000));
            base.back_up(&repository);
            if round == 1 {
                let fold = Fold::load(&repository).unwrap();
                assert!(checkpoint::write(&repository, &fold).unwrap());
            }
        }
        base
    }

    fn root(&self) -> PathBuf {
        self.scratch.join("src")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn options(&self) -> BackupOptions {
        BackupOptions::new(vec![self.root()], "host")
    }

    pub(crate) fn back_up(&mut self, repository: &Repository) -> lifeboat::backup::BackupReport {
        // So that the next run trusts the times of files.
        std::thread::sleep(Duration::from_millis(40));
        let context = Context { threads: 1, ..Context::default() };
        let report = backup(repository, &self.options(), &context).unwrap();
        assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.problems);
        let files = files_below(&self.root(), &self.root());
        self.snapshots.insert(report.snapshot.unwrap(), files);
        report
    }

    /// Every snapshot restores to what was backed up, but for just these paths.
    pub(crate) fn assert_restores(
        &self,
        repository: &Repository,
        lost: &BTreeMap<String, BTreeSet<String>>,
        what: &str,
    ) {
        let view = View::load(repository).unwrap();
        for (id, files) in &self.snapshots {
            let snapshot = view.snapshots.in_log_order().find(|snapshot| snapshot.id == *id);
            let snapshot = snapshot.unwrap_or_else(|| panic!("{what}: snapshot {id} is gone"));
            let restored = self.restored(&view, snapshot);
            let failed: BTreeSet<String> = files
                .iter()
                .filter(|(path, bytes)| restored.get(*path) != Some(*bytes))
                .map(|(path, _)| path.clone())
                .collect();
            let named = lost.get(&id.to_string()).cloned().unwrap_or_default();
            assert_eq!(failed, named, "{what}: snapshot {id}");
        }
    }

    /// What was repaired has all that is not left out, and the others are as they were.
    pub(crate) fn assert_repaired(
        &self,
        repository: &Repository,
        report: &RepairReport,
        what: &str,
    ) {
        let view = View::load(repository).unwrap();
        let live: BTreeSet<SnapshotId> =
            view.snapshots.live().map(|known| known.snapshot.id).collect();
        let find = |id| view.snapshots.in_log_order().find(|of| of.id == id).unwrap();
        let mut wanted: BTreeSet<SnapshotId> = self.snapshots.keys().copied().collect();
        for repaired in &report.repaired {
            wanted.remove(&repaired.snapshot);
            let Some(new) = repaired.new else { continue };
            wanted.insert(new);
            let left: BTreeSet<&String> = repaired.left_out.iter().map(|left| &left.path).collect();
            let mut files = self.snapshots[&repaired.snapshot].clone();
            files.retain(|path, _| !left.contains(path));
            assert!(self.restored(&view, find(new)) == files, "{what}: {repaired:?}");
        }
        assert_eq!(live, wanted, "{what}");
    }

    /// The files that a restore brings, by the path that they had.
    fn restored(&self, view: &View, snapshot: &Snapshot) -> Files {
        let target = self.scratch.join("restored");
        if target.exists() {
            std::fs::remove_dir_all(&target).unwrap();
        }
        let origin = Origin { reader: &view.reader, locate: &*view.index };
        let mut options = RestoreOptions::new(target.clone());
        options.sync = false;
        let context = Context { threads: 1, ..Context::default() };
        restore(origin, snapshot, &options, &context).unwrap();
        let root = target.join(self.root().strip_prefix("/").unwrap());
        if root.exists() { files_below(&root, &self.root()) } else { Files::new() }
    }
}

/// The files below a directory, as if it were `root`.
fn files_below(dir: &Path, root: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let place = root.join(path.file_name().unwrap());
        match path.is_dir() {
            true => files.extend(files_below(&path, &place)),
            false => drop(
                files.insert(place.to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()),
            ),
        }
    }
    files
}
