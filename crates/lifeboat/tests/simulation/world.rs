//! The world of one history: a store, the handles on it, the sources, and the book of what should be there.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lifeboat::Error;
use lifeboat::repository::{
    Clock, InitOptions, Io, KeyFile, NewSlot, OpenOptions, Repository, Secret32, SlotSecret,
    SystemClock, Unlock, init, open,
};
use lifeboat_codec::Time;
use lifeboat_format::id::{RepositoryId, SnapshotId};
use lifeboat_repo::gc::KeepMarks;
use lifeboat_store::Store;
use lifeboat_testkit::dice::Dice;
use lifeboat_testkit::entropy::entropy;

use crate::history::SOURCES;
use crate::source::{Files, ROOTS, Source};

const MEMORY_BYTES: u64 = 64 << 20;
const KEY: [u8; 32] = [7; 32];
const ID: RepositoryId = RepositoryId([9; 16]);
/// By how much the clock is ahead of files and objects, so that all are old enough to be trusted, in seconds.
const AHEAD_S: i64 = 24 * 3600;
/// So many machines collect and keep their marks; some collections keep none.
const MACHINES: usize = 2;
/// A delay that is not over by then.
pub(crate) const LONG: Duration = Duration::from_secs(10 * 24 * 3600);

/// Everything that a history is about.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) store: Arc<dyn Store>,
    /// The handle that only looks, beside all others.
    pub(crate) admin: Repository,
    pub(crate) sources: Mutex<Vec<Source>>,
    /// Of the machines on which collections run.
    machines: [Arc<Marks>; MACHINES],
    book: Mutex<Book>,
}

/// What a collector's machine keeps of its marks.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Option<Vec<u8>>>);

impl KeepMarks for Marks {
    fn load(&self, _bytes_max: u64) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn save(&self, bytes: &[u8]) -> std::io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.to_vec());
        Ok(())
    }
}

/// What should be there, and what was done.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// What was in the source when this backup was begun; its snapshots have its number as a tag.
    pub(crate) attempts: Vec<[Files; ROOTS]>,
    /// Snapshots that somebody was told of and nobody has begun to forget since.
    pub(crate) sure: HashSet<SnapshotId>,
    /// How often somebody has begun to forget it.
    pub(crate) forgotten: HashMap<SnapshotId, u64>,
    pub(crate) findings: Vec<String>,
    pub(crate) trace: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let store = lifeboat_store::mem();
        let admin = init_in(Arc::clone(&store), seed);
        let mut dice = Dice::new(!seed);
        let sources = (0..SOURCES).map(|_| Source::new(&mut dice)).collect();
        let (machines, book) = (Default::default(), Mutex::default());
        Self { seed, store, admin, sources: Mutex::new(sources), machines, book }
    }

    /// Where the collection of this step keeps marks.
    pub(crate) fn marks(&self, step: u64) -> Option<Arc<dyn KeepMarks>> {
        let machine = Dice::new(self.seed ^ (step << 20)).below(MACHINES as u64 + 1);
        let marks = self.machines.get(usize::try_from(machine).unwrap())?;
        Some(Arc::<Marks>::clone(marks))
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The repository as the program of a step opens it.
    pub(crate) fn open(&self, store: Arc<dyn Store>, step: u64) -> Result<Repository, Error> {
        let key = Secret32::new(KEY);
        let file = KeyFile { repository: ID, key, config: None, slot: None };
        let options = OpenOptions {
            entropy: entropy(Dice::new(self.seed ^ (step << 40)).next()),
            clock: Arc::new(Ahead(SystemClock::new())),
            memory_bytes: MEMORY_BYTES,
            remembered: None,
            exclusive: false,
        };
        Ok(open(Io::new(store)?, &Unlock::KeyFile(Box::new(file)), &options)?)
    }

    /// Takes down what must not be.
    pub(crate) fn find(&self, what: String) {
        let mut book = self.book();
        book.trace.push(format!("FOUND: {what}"));
        book.findings.push(what);
    }

    pub(crate) fn note(&self, what: String) {
        self.book().trace.push(what);
    }

    /// The roots of a source as they are now, and the number of a new attempt to back them up.
    pub(crate) fn attempt(&self, source: u64) -> (Vec<PathBuf>, usize) {
        let sources = self.sources();
        let source = &sources[usize::try_from(source).unwrap()];
        let mut book = self.book();
        book.attempts.push(source.files.clone());
        (source.roots(), book.attempts.len() - 1)
    }
}

/// A new repository of many small packs.
pub(crate) fn init_in(store: Arc<dyn Store>, seed: u64) -> Repository {
    let clock = Arc::new(Ahead(SystemClock::new()));
    let mut options = InitOptions::new(entropy(seed), clock, MEMORY_BYTES, "test").unwrap();
    options.repository = ID;
    let secret = SlotSecret::KeyFile(Secret32::new(KEY));
    options.slots.push(NewSlot { label: "test".to_owned(), secret });
    (options.chunker.min, options.chunker.avg, options.chunker.max) = (1 << 9, 1 << 10, 4 << 10);
    (options.frame_bytes, options.tree_frame_bytes) = (4 << 10, 2 << 10);
    options.pack_bytes = 8 << 10;
    init(Io::new(store).unwrap(), &options).unwrap()
}

/// The system's clock, but for its date.
#[derive(Debug)]
struct Ahead(SystemClock);

impl Clock for Ahead {
    fn now(&self) -> Time {
        let now = self.0.now();
        Time { secs: now.secs + AHEAD_S, ..now }
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}
