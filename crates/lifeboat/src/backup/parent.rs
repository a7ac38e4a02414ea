//! Parents: the earlier snapshots that a run compares files with.
//!
//! *incremental* takes the newest snapshot of the source, *differential* the newest full one, *full*
//! none. A checkpoint of an interrupted run that is newer than all whole snapshots comes first, unless
//! the run means to compare with less than that one did: what it covers is taken from it, and what it
//! does not from the parent. Entries are streamed beside the walk, in the same order, in constant memory:
//! a thread for each parent reads and decodes them ahead, in batches, and frees what comes back of them.
//!
//! A parent is a help and never a need: what can't be read of it is read anew from the source, and so is
//! a file of which the repository has lost what says where its content lies.

use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use lifeboat_format::id::{ChunkId, SnapshotId};
use lifeboat_format::snapshot::{Root, Snapshot, SnapshotKind};
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Entry, Extent, PathKey};
use lifeboat_repo::index::Index;
use lifeboat_repo::log::Fold;
use lifeboat_repo::open::Repository;
use lifeboat_repo::reader::{ChunkKind, Reader};
use lifeboat_repo::snapshots::{self, Snapshots, Standing};
use lifeboat_repo::stand;
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan::Scan;
use lifeboat_repo::tree::{ChunkSource, TreeRoot};

use super::options::{BackupOptions, Detect};
use super::unit::Spent;
use crate::error::{Kind, Result};

/// How many entries of a parent travel at once, and how many such batches are ahead of the walk.
const BATCH_ENTRIES: usize = 256;
const BATCHES: usize = 4;

/// The snapshots that a run compares with.
pub(super) struct Parents {
    checkpoint: Option<Snapshot>,
    base: Option<Snapshot>,
    /// The kind that the run's own snapshot will have.
    kind: SnapshotKind,
    reader: Reader,
    index: Arc<Index>,
    /// Whether something that counted is lost or may go, so that a parent may reach what nobody finds.
    doubtful: bool,
}

impl Parents {
    /// Chooses among the snapshots of the source; `doubtful` is whether entries of the log or segments
    /// of the index are lost, or a collection has taken what a parent reaches.
    ///
    /// # Errors
    /// When the snapshots can't be read.
    pub(super) fn choose(
        repository: &Repository,
        fold: &Fold,
        options: &BackupOptions,
        source_key: &str,
        index: Arc<Index>,
        doubtful: bool,
    ) -> Result<Self> {
        let snapshots = Snapshots::load(repository, fold)?;
        // By its first record, which other marks do not make newer. One that is superseded is the newest of all
        // only if those after it are forgotten; it may be gone with them.
        let is_comparable = |known: &&snapshots::Known| {
            known.snapshot.source_key == source_key
                && known.snapshot.replaces.is_none()
                && !matches!(known.standing, Standing::Superseded(_))
                && snapshots.forgotten_by(known).is_none()
        };
        let own: Vec<&Snapshot> =
            snapshots.all().iter().filter(is_comparable).map(|known| &known.snapshot).collect();
        // What a collection under way may take of it is looked for.
        let is_protected = |parent: &Snapshot| {
            let entry = snapshots.all().iter().find(|known| known.snapshot.id == parent.id);
            entry.is_some_and(|known| stand::is_protected(fold, &parent.id, known.entry))
        };
        let whole = |snapshot: &&&Snapshot| !snapshot.is_checkpoint();
        let base = match options.detect {
            Detect::Full => None,
            Detect::Incremental => own.iter().rfind(whole),
            Detect::Differential => {
                own.iter().rfind(|snapshot| whole(snapshot) && snapshot.kind == SnapshotKind::Full)
            }
        };
        let kind = match (options.detect, base) {
            // Without anything to compare with every file is read, which is what full means.
            (Detect::Full, _) | (_, None) => SnapshotKind::Full,
            (Detect::Incremental, Some(_)) => SnapshotKind::Incremental,
            (Detect::Differential, Some(_)) => SnapshotKind::Differential,
        };
        // The newest of all, if it is a checkpoint that was made as this run would have made it. An
        // incremental run takes whatever was found last, however that was.
        let checkpoint = own.last().filter(|snapshot| {
            let same_way = snapshot.kind == kind && snapshot.parent == base.map(|base| base.id);
            snapshot.is_checkpoint() && (same_way || kind == SnapshotKind::Incremental)
        });
        let doubtful = doubtful
            || [base, checkpoint].into_iter().flatten().any(|parent| !is_protected(parent));
        Ok(Self {
            checkpoint: checkpoint.map(|snapshot| (*snapshot).clone()),
            base: base.map(|snapshot| (*snapshot).clone()),
            kind,
            reader: Reader::new(
                repository.io().clone(),
                Arc::clone(repository.keyring()),
                Arc::<Index>::clone(&index),
                repository.memory_bytes() / 16,
            ),
            index,
            doubtful,
        })
    }

    pub(super) fn kind(&self) -> &SnapshotKind {
        &self.kind
    }

    /// The snapshot that is compared with.
    pub(super) fn base(&self) -> Option<SnapshotId> {
        self.base.as_ref().map(|snapshot| snapshot.id)
    }

    /// The checkpoint that the run goes on from.
    pub(super) fn resumed(&self) -> Option<SnapshotId> {
        self.checkpoint.as_ref().map(|snapshot| snapshot.id)
    }

    /// Files and bytes of the snapshot that is compared with: the best guess of what there will be.
    pub(super) fn estimate(&self) -> Option<(u64, u64)> {
        let stats = &self.base.as_ref()?.stats;
        Some((stats.files + stats.dirs + stats.other, stats.bytes))
    }

    /// Whether the content of a parent's entry may be taken over unread: the repository has what its
    /// snapshots reach, unless parts of the log or the index or packs are lost, or a collection is under way that may take some.
    /// Then each chunk is looked for.
    pub(super) fn has_content(&self, entry: &Entry) -> bool {
        let known = |id: &ChunkId| self.index.knows(id).unwrap_or(false);
        let found = |extent| match extent {
            Ok(Extent::Chunk { id, .. }) => known(&id),
            Ok(_) => true,
            Err(_lost) => false,
        };
        let pieces = KnownPieces { index: &self.index, reader: &self.reader };
        !self.doubtful
            || (entry.moved_xattrs.values().all(|value| known(&value.id))
                && MapReader::new(&pieces, entry).all(found))
    }

    /// The entries of the root at `place` with this path, read by threads of `scope`, which free what
    /// comes out of `spent`.
    pub(super) fn entries<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        spent: &Receiver<Spent>,
        place: usize,
        path: &[u8],
        roots: usize,
    ) -> ParentEntries {
        let of = |snapshot: &Option<Snapshot>| -> Option<Stream> {
            let snapshot = snapshot.as_ref()?;
            let root = matching_root(snapshot, place, path, roots)?;
            let root = TreeRoot {
                id: root.tree?,
                level: root.level,
                entries: root.entries,
                bytes: root.bytes,
            };
            let scan = Scan::new(&self.reader, &root);
            let (batches, ahead) = bounded(BATCHES);
            let spent = spent.clone();
            scope.spawn(move || read_ahead(scan, &batches, &spent));
            Some(Stream {
                ahead,
                batch: Vec::new().into_iter(),
                next: None,
                started: snapshot.started,
            })
        };
        ParentEntries { checkpoint: of(&self.checkpoint), base: of(&self.base) }
    }
}

/// Gives only such pieces of content maps as new entries may rely on.
struct KnownPieces<'p> {
    index: &'p Index,
    reader: &'p Reader,
}

impl ChunkSource for KnownPieces<'_> {
    fn chunk(&self, kind: ChunkKind, id: ChunkId) -> lifeboat_repo::error::Result<Bytes> {
        if self.index.knows(&id)? {
            return self.reader.chunk(kind, id);
        }
        Err(lifeboat_repo::Error::new(Kind::NotFound, "find chunk", id))
    }
}

/// The root of the same path; where the source has a name, and as many roots as then, the one at the
/// same place, so that a volume may be mounted elsewhere.
fn matching_root<'s>(
    snapshot: &'s Snapshot,
    place: usize,
    path: &[u8],
    roots: usize,
) -> Option<&'s Root> {
    let same_path = snapshot.roots.iter().find(|root| root.path == path);
    same_path.or_else(|| {
        let comparable = snapshot.source.name.is_some() && snapshot.roots.len() == roots;
        snapshot.roots.get(place).filter(|_| comparable)
    })
}

/// The parents' entries of one root, asked for in path order.
pub(super) struct ParentEntries {
    checkpoint: Option<Stream>,
    base: Option<Stream>,
}

/// What a parent has of a path.
pub(super) struct Known {
    pub(super) key: PathKey,
    pub(super) entry: Box<Entry>,
    /// When the run that wrote the entry began.
    pub(super) started: Time,
}

impl ParentEntries {
    /// The newest entry of this path. Paths must be asked for in ascending order.
    pub(super) fn find(&mut self, key: &PathKey) -> Option<Known> {
        // Both move on, whoever answers.
        let newer = self.checkpoint.as_mut().and_then(|stream| stream.find(key));
        let older = self.base.as_mut().and_then(|stream| stream.find(key));
        newer.or(older)
    }

    /// Whether there are none, so that nobody frees what comes back.
    pub(super) fn is_empty(&self) -> bool {
        self.checkpoint.is_none() && self.base.is_none()
    }
}

/// Entries in path order.
type Batch = Vec<(PathKey, Box<Entry>)>;

struct Stream {
    ahead: Receiver<Batch>,
    batch: std::vec::IntoIter<(PathKey, Box<Entry>)>,
    next: Option<(PathKey, Box<Entry>)>,
    started: Time,
}

impl Stream {
    fn find(&mut self, key: &PathKey) -> Option<Known> {
        loop {
            match &self.next {
                Some((next, _)) if next > key => return None,
                Some((next, _)) if next == key => {
                    let started = self.started;
                    return self.next.take().map(|(key, entry)| Known { key, entry, started });
                }
                _ => self.next = Some(self.advance()?),
            }
        }
    }

    fn advance(&mut self) -> Option<(PathKey, Box<Entry>)> {
        loop {
            if let Some(entry) = self.batch.next() {
                return Some(entry);
            }
            // It ends with the parent.
            self.batch = self.ahead.recv().ok()?.into_iter();
        }
    }
}

/// Reads a parent to its end, or until nobody wants more of it.
fn read_ahead(mut scan: Scan<'_>, batches: &Sender<Batch>, spent: &Receiver<Spent>) {
    loop {
        let mut batch = Vec::with_capacity(BATCH_ENTRIES);
        while batch.len() < BATCH_ENTRIES
            && let Some(found) = scan.next()
        {
            match found {
                Ok((key, entry)) => batch.push((key, Box::new(entry))),
                // Damage in the parent: its files are read anew. Worth a warning, but this backup
                // lacks nothing.
                Err(error) => {
                    tracing::warn!(%error, "part of the parent snapshot can't be read");
                }
            }
        }
        if batch.is_empty() || batches.send(batch).is_err() {
            return;
        }
        spent.try_iter().for_each(drop);
    }
}
