//! Which snapshots live: what they reach must stay.
//!
//! Knows the log's word and the store's times; a clock decides nothing but how long ago something was forgotten.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use lifeboat_format::id::{ChunkId, SnapshotId};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::snapshot::Snapshot;

use crate::error::{Error, Kind, Result};
use crate::log::Fold;
use crate::open::Repository;
use crate::snapshots::{Known, Snapshots, Standing, Unreadable};

/// The snapshots of a log, told apart.
#[derive(Debug, Default)]
pub(super) struct Living {
    /// Those that are shown, held, or forgotten not long enough ago; and the number of the entry of each.
    pub(super) live: Vec<(u64, Snapshot)>,
    /// The others.
    pub(super) dead: Vec<(u64, Snapshot)>,
    /// Those that nobody can read, and that were forgotten long enough ago.
    unreadable: Vec<SnapshotId>,
}

impl Living {
    /// As things are at the head of this fold.
    ///
    /// # Errors
    /// When a snapshot can't be read: what it reaches is then not known.
    pub(super) fn of(repository: &Repository, fold: &Fold, trash: Duration) -> Result<Self> {
        let snapshots = Snapshots::load(repository, fold)?;
        let mut living = Self::default();
        let mut ages = HashMap::new();
        for Unreadable { id, reason, .. } in snapshots.unreadable() {
            let is_gone = match fold.hidden(id) {
                Some(entry) if !is_held(repository, fold, id) => age(repository, entry)? >= trash,
                _ => false,
            };
            if !is_gone {
                return Err(Error::new(Kind::Corrupt, "read snapshot", id)
                    .because(reason.clone())
                    .hint("nothing is collected while nobody knows what it needs: use a key that reads it, or forget it by its whole id with --yes-really and let the trash period pass"));
            }
            living.unreadable.push(*id);
        }
        for known in snapshots.all() {
            let lives = lives(repository, fold, &snapshots, known, trash, &mut ages)?;
            let of_kind = if lives { &mut living.live } else { &mut living.dead };
            of_kind.push((known.entry, known.snapshot.clone()));
        }
        Ok(living)
    }

    /// The root nodes of those that live.
    pub(super) fn trees(&self) -> BTreeSet<ChunkId> {
        let roots = self.live.iter().flat_map(|(_, snapshot)| &snapshot.roots);
        roots.filter_map(|root| root.tree).collect()
    }

    /// The ids of those that do not live.
    pub(super) fn dead_ids(&self) -> Vec<SnapshotId> {
        self.dead.iter().map(|(_, snapshot)| snapshot.id).chain(self.unreadable.clone()).collect()
    }
}

fn lives(
    repository: &Repository,
    fold: &Fold,
    snapshots: &Snapshots,
    known: &Known,
    trash: Duration,
    ages: &mut HashMap<u64, Duration>,
) -> Result<bool> {
    if is_held(repository, fold, &known.snapshot.id) {
        return Ok(true);
    }
    let Some(entry) = snapshots.forgotten_by(known) else {
        // A later one has taken the place of a checkpoint; what it holds is in that or was not wanted any more.
        return Ok(!matches!(known.standing, Standing::Superseded(_)));
    };
    let age = match ages.get(&entry) {
        Some(age) => *age,
        None => *ages.entry(entry).or_insert(age(repository, entry)?),
    };
    Ok(age < trash)
}

fn is_held(repository: &Repository, fold: &Fold, id: &SnapshotId) -> bool {
    let now = u64::try_from(repository.clock().now().secs).unwrap_or(0);
    fold.hold(id).is_some_and(|hold| hold.until.holds_at(now))
}

/// How long an entry of the log has been there, by the store's own time.
pub(super) fn age(repository: &Repository, number: u64) -> Result<Duration> {
    Ok(since(repository, repository.io().head(&ObjectKey::Log(number))?.modified))
}

/// How long ago that was; nothing where it has not come yet.
pub(super) fn since(repository: &Repository, then: SystemTime) -> Duration {
    let now = repository.clock().now();
    let now = Duration::new(u64::try_from(now.secs).unwrap_or(0), now.nanos);
    let then = then.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(then)
}
