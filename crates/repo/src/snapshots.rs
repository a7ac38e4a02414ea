//! Snapshots as the log has them: opened, put in order, filtered and found by what a user types.
//!
//! Knows sealed snapshots and how one hides another; nothing of trees, of files, or of how the log is
//! kept. What can't be opened is listed beside the others, never left out in silence.
//!
//! Invariants: nothing is hidden by a signature that has no right to it. A checkpoint gives way to a
//! later snapshot of the same source, and a snapshot to one that `replaces` it (docs/format.md), only
//! if the later is by the same key or by one with the role *maintain*: a node that was taken over can
//! add snapshots and hide none but its own. A record that replaces another has the same roots, or it
//! replaces nothing. What a maintainer has forgotten is left out wherever others are shown, and nothing
//! that it had taken the place of comes back.

mod filter;
mod find;
mod forms;
mod tag;

use std::collections::HashMap;

use lifeboat_codec::hash::object_hash;
use lifeboat_codec::seal::{NO_EXTRA, Subject, open_envelope, seal_envelope};
use lifeboat_format::entry::ListedSnapshot;
use lifeboat_format::envelope::{ObjectType, Preamble};
use lifeboat_format::id::{ObjectHash, PublicKey, SnapshotId};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::snapshot::{Root, Snapshot};

use crate::error::{Error, Kind, Result};
use crate::log::{Fold, Hold, SnapshotRecord, VoidEntry};
use crate::open::Repository;

pub use self::filter::Filter;
pub use self::forms::Forms;
pub use self::tag::{TAG_BYTES_MAX, TAGS_MAX, TagEdit, Tagged, check_tag, tag};

/// All snapshots of a log, in its order.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    known: Vec<Known>,
    unreadable: Vec<Unreadable>,
    /// Which record has taken the place of which by other marks, forgotten or not.
    replaced: HashMap<SnapshotId, SnapshotId>,
    /// The last entry of the log that is damaged or missing: it may have had a newer snapshot.
    damage: Option<VoidEntry>,
}

/// One opened snapshot and where it stands.
#[derive(Clone, Debug)]
pub struct Known {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The number of the log entry that it is in.
    pub entry: u64,
    /// The key that signed the entry.
    pub author: PublicKey,
    /// BLAKE3 of the sealed snapshot, for its writer's next one.
    pub sealed_hash: ObjectHash,
    /// Whether another has taken its place.
    pub standing: Standing,
    /// What holds it, or held it until a time.
    pub hold: Option<Hold>,
}

/// Whether a snapshot is one of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// It was a checkpoint, and its source has this later snapshot.
    Superseded(SnapshotId),
    /// Its marks were changed: this one has them, and the same content.
    Replaced(SnapshotId),
    /// A maintainer has forgotten it: it is hidden, and its space may be freed.
    Forgotten {
        /// The number of the log entry that says so.
        entry: u64,
    },
}

/// A snapshot that can't be opened.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its id, as the entry gives it.
    pub id: SnapshotId,
    /// The number of the log entry that it is in.
    pub entry: u64,
    /// Why.
    pub reason: String,
}

impl Known {
    /// Whether no other has taken its place, and nobody has forgotten it.
    pub fn is_live(&self) -> bool {
        self.standing == Standing::Live
    }
}

impl Snapshots {
    /// Opens every snapshot of the fold.
    ///
    /// # Errors
    /// [`Kind::Denied`] when the keys can't open snapshots at all. One that is damaged or newer is no
    /// error, it is [`Snapshots::unreadable`].
    pub fn load(repository: &Repository, fold: &Fold) -> Result<Self> {
        let mut snapshots = Self { damage: fold.last_damage().cloned(), ..Self::default() };
        for record in fold.snapshots() {
            match open(repository, record) {
                Ok(snapshot) => snapshots.known.push(Known {
                    snapshot,
                    entry: record.entry,
                    author: record.author,
                    sealed_hash: object_hash(&record.sealed),
                    standing: Standing::Live,
                    hold: fold.hold(&record.id),
                }),
                Err(error) if error.kind() == Kind::Denied => return Err(error),
                Err(error) => snapshots.unreadable.push(Unreadable {
                    id: record.id,
                    entry: record.entry,
                    reason: error.to_string(),
                }),
            }
        }
        snapshots.settle(
            |author| repository.grants(author, &SigningRole::Maintain),
            |id| fold.hidden(id),
        );
        Ok(snapshots)
    }

    /// All that could be opened, and how they stand, in the order of the log.
    pub fn all(&self) -> &[Known] {
        &self.known
    }

    /// All that could be opened, whatever their standing, in the order of the log.
    pub fn in_log_order(&self) -> impl DoubleEndedIterator<Item = &Snapshot> {
        self.known.iter().map(|known| &known.snapshot)
    }

    /// Those that are not forgotten and that no other has taken the place of, checkpoints among them, in the order of the log.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = &Known> {
        self.known.iter().filter(|known| known.is_live())
    }

    /// Those that can't be opened.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Finds out who has taken whose place, in one pass from the newest to the oldest. What is hidden itself takes
    /// places like any other, so that nothing comes back by a forget.
    fn settle(
        &mut self,
        maintains: impl Fn(&PublicKey) -> bool,
        hidden: impl Fn(&SnapshotId) -> Option<u64>,
    ) {
        // The later snapshots of a source, and the later records that replace a snapshot.
        let mut later: HashMap<String, Vec<(PublicKey, SnapshotId)>> = HashMap::new();
        let mut replacing: HashMap<SnapshotId, Vec<Replacing>> = HashMap::new();
        for known in self.known.iter_mut().rev() {
            let author = known.author;
            let is_entitled = |later: &PublicKey| *later == author || maintains(later);
            let snapshot = &known.snapshot;
            let replaced = replacing.get(&snapshot.id).into_iter().flatten().find(|by| {
                // Whoever was taken over must not put something else in the place of what there is.
                is_entitled(&by.author) && by.roots == snapshot.roots
            });
            let superseded = later.get(&snapshot.source_key).into_iter().flatten();
            let superseded = superseded.filter(|_| snapshot.is_checkpoint());
            self.replaced.extend(replaced.map(|by| (snapshot.id, by.id)));
            known.standing = if let Some(entry) = hidden(&snapshot.id) {
                Standing::Forgotten { entry }
            } else if let Some((_, by)) = superseded.into_iter().find(|(by, _)| is_entitled(by)) {
                // With other marks or without: otherwise what it reaches would be needed for ever.
                Standing::Superseded(*by)
            } else if let Some(by) = replaced {
                Standing::Replaced(by.id)
            } else {
                Standing::Live
            };
            if let Some(old) = snapshot.replaces {
                // It is as old as what it replaces, so it supersedes nothing.
                let roots = snapshot.roots.clone();
                replacing.entry(old).or_default().push(Replacing {
                    author,
                    id: snapshot.id,
                    roots,
                });
                continue;
            }
            let of_source = later.entry(snapshot.source_key.clone()).or_default();
            if !of_source.iter().any(|(already, _)| *already == author) {
                of_source.push((author, snapshot.id));
            }
        }
    }
}

/// A record that says it stands for an earlier one.
struct Replacing {
    author: PublicKey,
    id: SnapshotId,
    roots: Vec<Root>,
}

/// The last snapshot that one writer committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSnapshot {
    /// Its place among the writer's snapshots, from 1.
    pub sequence: u64,
    /// BLAKE3 of the sealed snapshot.
    pub hash: ObjectHash,
}

impl Fold {
    /// The last snapshot that was signed with this repository's own *write* key; none if there is none,
    /// or it can't be opened.
    pub fn last_snapshot_of(&self, repository: &Repository) -> Option<LastSnapshot> {
        let own = repository.keyring().signer(&SigningRole::Write).ok()?.public();
        let record = self.snapshots().iter().rfind(|record| record.author == own)?;
        let snapshot = open(repository, record).ok()?;
        Some(LastSnapshot { sequence: snapshot.sequence, hash: object_hash(&record.sealed) })
    }
}

/// Seals a snapshot for a log entry.
///
/// # Errors
/// [`Kind::Denied`] when the keys can't seal snapshots, [`Kind::Unavailable`] without randomness.
pub fn seal(repository: &Repository, snapshot: &Snapshot) -> Result<ListedSnapshot> {
    let keyring = repository.keyring();
    let subject = Subject {
        object_type: ObjectType::Snapshot,
        epoch: keyring.newest_epoch(),
        repository: repository.id(),
    };
    let key = keyring.role_key(subject.object_type, subject.epoch)?;
    let sealed = seal_envelope(key, &subject, &NO_EXTRA, &snapshot.encode(), repository.entropy())
        .map_err(|cause| Error::codec("seal snapshot", snapshot.id, cause))?;
    Ok(ListedSnapshot { id: snapshot.id, sealed })
}

/// Opens one snapshot of the log.
pub(crate) fn open(repository: &Repository, record: &SnapshotRecord) -> Result<Snapshot> {
    const OPERATION: &str = "open snapshot";
    let place = || format!("{} in log entry {}", record.id, record.entry);
    let preamble = Preamble::decode(&record.sealed)
        .map_err(|cause| Error::format(OPERATION, place(), cause))?;
    let key = repository.keyring().role_key(ObjectType::Snapshot, preamble.epoch)?;
    let plaintext =
        open_envelope(key, ObjectType::Snapshot, repository.id(), &NO_EXTRA, &record.sealed)
            // The keys opened the repository, so what does not fit is the snapshot.
            .map_err(|cause| Error::new(Kind::Corrupt, OPERATION, place()).because(cause))?;
    let snapshot =
        Snapshot::decode(&plaintext).map_err(|cause| Error::format(OPERATION, place(), cause))?;
    if snapshot.id == record.id {
        Ok(snapshot)
    } else {
        let reason = format!("the envelope holds snapshot {}", snapshot.id);
        Err(Error::new(Kind::Corrupt, OPERATION, place()).because(reason))
    }
}

#[cfg(test)]
mod tests;
