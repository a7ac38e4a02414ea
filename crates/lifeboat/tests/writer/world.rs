//! Repositories with small chunks and packs over any store, and what every test asks of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use lifeboat::backup::{BackupOptions, BackupReport, Outcome, backup};
use lifeboat::monitor::Monitor;
use lifeboat::repository::{
    Clock, Entropy, InitOptions, Io, KeyFile, NewSlot, OpenOptions, Repository, Secret32,
    SlotSecret, SystemClock, Unlock, View, init, open,
};
use lifeboat::restore::{Origin, RestoreOptions, restore};
use lifeboat::{Cancel, Context, Error};
use lifeboat_format::id::{RepositoryId, SnapshotId};
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_repo::check::{CheckOptions, CheckReport, check};
use lifeboat_store::Store;
use lifeboat_store::options::ObjectLock;
use lifeboat_testkit::same_tree::{Aspect, Difference, assert_same_tree_except, differences};
use lifeboat_testkit::tree::Scratch;

const MEMORY_BYTES: u64 = 64 << 20;
const KEY: [u8; 32] = [7; 32];
const ID: RepositoryId = RepositoryId([9; 16]);

/// A new repository in `store`; many chunks, frames and packs come of little data.
pub(crate) fn init_in(store: Arc<dyn Store>) -> Repository {
    init_with(store, Arc::new(SystemClock::new()), None).unwrap()
}

/// The same by another clock, its objects locked.
pub(crate) fn init_with(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lock: Option<ObjectLock>,
) -> Result<Repository, lifeboat_repo::Error> {
    let mut options = InitOptions::new(Entropy::os(), clock, MEMORY_BYTES, "test")?;
    options.lock = lock;
    options.repository = ID;
    let secret = SlotSecret::KeyFile(Secret32::new(KEY));
    options.slots.push(NewSlot { label: "test".to_owned(), secret });
    (options.chunker.min, options.chunker.avg, options.chunker.max) = (1 << 10, 4 << 10, 16 << 10);
    (options.frame_bytes, options.tree_frame_bytes) = (16 << 10, 8 << 10);
    options.pack_bytes = 64 << 10;
    init(Io::new(store)?, &options)
}

/// The repository that is in `store`, as a process of its own would open it.
pub(crate) fn open_in(store: Arc<dyn Store>) -> Result<Repository, Error> {
    open_with(store, Arc::new(SystemClock::new()))
}

/// The same by another clock.
pub(crate) fn open_with(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Repository, Error> {
    let key = Secret32::new(KEY);
    let file = KeyFile { repository: ID, key, config: None, slot: None };
    let options = OpenOptions {
        entropy: Entropy::os(),
        clock,
        memory_bytes: MEMORY_BYTES,
        remembered: None,
        exclusive: false,
    };
    Ok(open(Io::new(store)?, &Unlock::KeyFile(Box::new(file)), &options)?)
}

pub(crate) fn mem_repository() -> Repository {
    init_in(lifeboat_store::mem())
}

/// What to back up, as one source whatever its place.
pub(crate) fn options_of(root: &Path) -> BackupOptions {
    BackupOptions::new(vec![root.to_owned()], "host")
}

pub(crate) fn run(repository: &Repository, options: &BackupOptions) -> BackupReport {
    backup(repository, options, &Context { threads: 2, ..Context::default() }).unwrap()
}

/// A monitor that asks the run to stop once so many files and bytes are done.
pub(crate) struct StopAfter {
    pub(crate) cancel: Cancel,
    files: u64,
    bytes: u64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    threads: usize,
}

impl StopAfter {
    pub(crate) fn files(files: u64) -> Self {
        Self::new(files, u64::MAX)
    }

    pub(crate) fn bytes(bytes: u64) -> Self {
        Self::new(u64::MAX, bytes)
    }

    fn new(files: u64, bytes: u64) -> Self {
        let (files_done, bytes_done) = (AtomicU64::new(0), AtomicU64::new(0));
        // With one worker, units are done in order, and the same ones in every run.
        Self { cancel: Cancel::new(), files, bytes, files_done, bytes_done, threads: 1 }
    }

    pub(crate) fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Backs up until then.
    pub(crate) fn run(&self, repository: &Repository, options: &BackupOptions) -> BackupReport {
        let (cancel, threads) = (self.cancel.clone(), self.threads);
        let context = Context { monitor: self, cancel, threads, ..Context::default() };
        backup(repository, options, &context).unwrap()
    }
}

impl Monitor for StopAfter {
    fn advance(&self, files: u64, bytes: u64) {
        let files = self.files_done.fetch_add(files, Ordering::Relaxed) + files;
        let bytes = self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if files >= self.files || bytes >= self.bytes {
            self.cancel.cancel();
        }
    }
}

pub(crate) fn check_report(repository: &Repository, read_data: bool) -> CheckReport {
    let options = CheckOptions { read_data, threads: 1, ..CheckOptions::default() };
    check(repository, &options, &|_| {}).unwrap()
}

/// Everything that the log counts is there and whole.
pub(crate) fn assert_clean(repository: &Repository) {
    let report = check_report(repository, true);
    assert!(report.is_clean(), "{:#?}", report.problems);
}

/// The snapshot of this id, whatever its standing.
pub(crate) fn snapshot(view: &View, id: SnapshotId) -> Snapshot {
    view.snapshots.in_log_order().find(|snapshot| snapshot.id == id).unwrap().clone()
}

/// Restores all of a snapshot; where its roots are then.
pub(crate) fn restored(view: &View, snapshot: &Snapshot, scratch: &Scratch) -> Vec<PathBuf> {
    let origin = Origin { reader: &view.reader, locate: &*view.index };
    let mut options = RestoreOptions::new(scratch.join(snapshot.id.to_string()));
    options.sync = false;
    let context = Context { threads: 1, ..Context::default() };
    let report = restore(origin, snapshot, &options, &context).unwrap();
    assert!(report.is_complete(), "{:#?}", report.problems);
    let place = |root: &Root| {
        let path = std::str::from_utf8(&root.path).unwrap();
        options.target.join(path.strip_prefix('/').unwrap())
    };
    snapshot.roots.iter().map(place).collect()
}

/// The snapshot's roots restore to what `trees` are. Copies have other holes than their originals.
pub(crate) fn assert_restores(repository: &Repository, id: SnapshotId, trees: &[PathBuf]) {
    let (view, scratch) = (View::load(repository).unwrap(), Scratch::new().unwrap());
    let roots = restored(&view, &snapshot(&view, id), &scratch);
    assert_eq!(roots.len(), trees.len());
    for (tree, root) in trees.iter().zip(&roots) {
        assert_same_tree_except(tree, root, &[Aspect::Holes]);
    }
}

/// A checkpoint's roots restore to a beginning of each of `trees`: nothing else is in it, and what is in
/// it is the same. Returns how many things of the trees it has not.
pub(crate) fn assert_restores_beginning(
    repository: &Repository,
    id: SnapshotId,
    trees: &[PathBuf],
) -> usize {
    let (view, scratch) = (View::load(repository).unwrap(), Scratch::new().unwrap());
    let roots = restored(&view, &snapshot(&view, id), &scratch);
    trees.iter().zip(&roots).map(|(tree, root)| assert_beginning(tree, root)).sum()
}

fn assert_beginning(tree: &Path, root: &Path) -> usize {
    let is_later = |difference: &Difference| {
        difference.aspect == Aspect::Presence && difference.detail.starts_with("only in the first")
    };
    let (later, others): (Vec<_>, Vec<_>) = differences(tree, root)
        .unwrap()
        .into_iter()
        .filter(|difference| !matches!(difference.aspect, Aspect::Holes | Aspect::Links))
        .partition(is_later);
    assert!(others.is_empty(), "{others:#?}");
    later.len()
}

/// Bytes that no other seed has and nobody compresses.
pub(crate) fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    lifeboat_testkit::entropy::entropy(seed).fill(&mut bytes).unwrap();
    bytes
}

/// A copy of `tree` that nothing of ours has made.
pub(crate) fn plain_copy(tree: &Path, scratch: &Scratch, name: &str) -> PathBuf {
    let copy = scratch.join(name);
    let status = Command::new("cp").arg("-a").arg(tree).arg(&copy).status().unwrap();
    assert!(status.success());
    copy
}

/// Lets the clock of file times go by, so that the next backup trusts them.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}

/// What `work` returns, unless it hangs.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let result = work();
        done.send(()).unwrap();
        result
    });
    if wait.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it hangs");
    }
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(crate) fn assert_complete(report: &BackupReport) {
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.problems);
}
