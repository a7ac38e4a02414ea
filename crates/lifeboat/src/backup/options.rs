//! What a backup is asked to do, and what it says when it is done.
//!
//! Plain data; what makes no sense is refused before anything is read.

use std::path::PathBuf;
use std::time::Duration;

use lifeboat_codec::compress::Compression;
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::snapshot::SnapshotKind;
use lifeboat_format::time::Time;
use serde::Serialize;

use crate::report::Problems;
use crate::source::exclude::ExcludeOptions;
use crate::source::read::Caching;
use crate::source::unchanged::Criteria;

/// How many seconds of work an interrupted run loses at most, unless asked otherwise.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);

/// How changed files are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detect {
    /// Reads every file; what is stored already is found by its content.
    Full,
    /// Takes what is unchanged against the newest snapshot of the source without reading it.
    #[default]
    Incremental,
    /// Takes what is unchanged against the newest full snapshot of the source without reading it.
    Differential,
}

/// What to back up, and how.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Directories, files or other things, each a root of the snapshot. Absolute.
    pub roots: Vec<PathBuf>,
    /// Absolute paths that are taken with all that is below them, as parts of the root `/`.
    pub selected: Vec<PathBuf>,
    /// The name of the source; by default it is known by its host and roots.
    pub source: Option<String>,
    /// The host that the snapshot is said to be of.
    pub host: String,
    /// Words to find the snapshot by.
    pub tags: Vec<String>,
    /// The time that the snapshot is said to be of; by default that of the clock.
    pub time: Option<Time>,
    /// Until when the snapshot can't be forgotten.
    pub hold_until: Option<Time>,
    /// How changed files are found.
    pub detect: Detect,
    /// What counts as unchanged.
    pub criteria: Criteria,
    /// What is left out.
    pub excludes: ExcludeOptions,
    /// Does not enter other file systems.
    pub one_file_system: bool,
    /// What reading does to the page cache.
    pub caching: Caching,
    /// Reads, cuts and compresses, but stores nothing and commits nothing.
    pub dry_run: bool,
    /// Opens every frame again before it is stored, and compares.
    pub verify_encode: bool,
    /// How hard to compress, and who says so.
    pub compression: Compression,
    /// How often the work done so far is made to count.
    pub checkpoint_interval: Duration,
    /// What the snapshot says wrote it, such as `lifeboat 0.1.0`.
    pub tool: String,
}

impl BackupOptions {
    /// The defaults for these roots on this host.
    pub fn new(roots: Vec<PathBuf>, host: impl Into<String>) -> Self {
        Self {
            roots,
            selected: Vec::new(),
            source: None,
            host: host.into(),
            tags: Vec::new(),
            time: None,
            hold_until: None,
            detect: Detect::default(),
            criteria: Criteria::default(),
            excludes: ExcludeOptions::default(),
            one_file_system: false,
            caching: Caching::default(),
            dry_run: false,
            verify_encode: true,
            compression: Compression::default(),
            checkpoint_interval: CHECKPOINT_INTERVAL,
            tool: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that was asked for is in the snapshot.
    Complete,
    /// The snapshot stands, but something is missing from it: see the problems.
    Partial,
    /// The run was asked to stop; what was done so far is kept and the next run goes on from there.
    Interrupted,
}

/// What a backup did.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// How it ended.
    pub outcome: Outcome,
    /// The snapshot (of an interrupted run: its checkpoint); none of a dry run, or where nothing was
    /// done before the interruption.
    pub snapshot: Option<SnapshotId>,
    /// The run.
    pub run: RunId,
    /// How changed files were found: `full` where there was nothing to compare with.
    pub kind: SnapshotKind,
    /// The snapshot that was compared with.
    pub parent: Option<SnapshotId>,
    /// The checkpoint of an earlier run that this one went on from.
    pub resumed: Option<SnapshotId>,
    /// Counts and sizes.
    pub stats: BackupStats,
    /// What went wrong.
    pub problems: Problems,
    /// The head of the log as the run left it, for [`OpenOptions::remembered`](lifeboat_repo::open::OpenOptions).
    #[serde(skip)]
    pub head: Option<lifeboat_repo::log::Head>,
    /// From the first look at the source to the commit, in seconds.
    pub seconds: f64,
}

impl BackupStats {
    /// Adds what a unit counted of the source.
    pub(super) fn add(&mut self, unit: &Self) {
        self.files += unit.files;
        self.dirs += unit.dirs;
        self.others += unit.others;
        self.files_new += unit.files_new;
        self.files_changed += unit.files_changed;
        self.files_unchanged += unit.files_unchanged;
        self.bytes += unit.bytes;
        self.read_bytes += unit.read_bytes;
    }
}

/// Counts and sizes of a backup; sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BackupStats {
    /// Regular files in the snapshot.
    pub files: u64,
    /// Directories in the snapshot.
    pub dirs: u64,
    /// Symbolic links, devices, sockets and fifos in the snapshot.
    pub others: u64,
    /// Files that the parent does not have.
    pub files_new: u64,
    /// Files that were read because they differ from the parent's.
    pub files_changed: u64,
    /// Files that were taken from the parent without reading them.
    pub files_unchanged: u64,
    /// The lengths of all files in the snapshot.
    pub bytes: u64,
    /// File data read from the source.
    pub read_bytes: u64,
    /// Data chunks that were new to the repository, before compression.
    pub new_bytes: u64,
    /// How many they are.
    pub new_chunks: u64,
    /// The sealed frames of those data chunks, before they are packed.
    pub data_frame_bytes: u64,
    /// Everything that was put into the store: packs, trees, index.
    pub stored_bytes: u64,
    /// Objects put into the store, the commit not counted.
    pub stored_objects: u64,
    /// Tree nodes and other metadata that was new, before compression.
    pub new_metadata_bytes: u64,
}
