//! Hard links: which names belong to one file, and where that file was made.
//!
//! Used by the planning thread alone; what it hands out is shared. The table is bounded: a group is
//! dropped when all its names have been seen, and when there is no more room, the names of further
//! groups are restored as files of their own, which the report says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_format::tree::{Entry, EntryKind};

use super::place;
use crate::target::{Dir, Fault, FileId};

/// What a group takes in memory beside its path, in bytes; an estimate from above.
const GROUP_BYTES: u64 = 512;

/// The first restored name of a file that has several.
#[derive(Debug)]
pub(super) struct Original {
    /// Its way below the target.
    pub(super) way: Vec<u8>,
    /// What was made there.
    pub(super) id: FileId,
    /// Flags that are set when the file has all its names, since it can get none with them.
    pub(super) seal: Option<u32>,
    lost: AtomicBool,
}

impl Original {
    pub(super) fn new(way: &[u8], id: FileId, seal: Option<u32>) -> Arc<Self> {
        Arc::new(Self { way: way.to_vec(), id, seal, lost: AtomicBool::new(false) })
    }

    /// Notes that its content could not be restored, so that it gets no further names.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether its content could not be restored.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// The directory that it was made in, and its name there.
    ///
    /// # Errors
    /// When the way can't be gone again.
    pub(super) fn find(&self, target: &Dir) -> Result<(Dir, &[u8]), Fault> {
        let (dir, name) = place::split(&self.way);
        Ok((target.descend(place::names(dir))?, name))
    }
}

/// What an entry is among the names of its file.
#[derive(Debug)]
pub(super) enum Member {
    /// The only name, or the first to be restored: the file is made.
    First,
    /// A further name of a file made before; `last` when no more are to come.
    Further { original: Arc<Original>, last: bool },
    /// One of several names, for which there is no room in the table.
    Unplaced,
}

/// Files with several names: their file system, inode and kind.
type Group = (u32, u64, EntryKind);

/// The groups that have names to come, of one root.
#[derive(Debug)]
pub(super) struct Links {
    groups: HashMap<Group, Known>,
    bytes: u64,
    bytes_max: u64,
}

#[derive(Debug)]
struct Known {
    original: Arc<Original>,
    to_come: u64,
    bytes: u64,
}

impl Links {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { groups: HashMap::new(), bytes: 0, bytes_max }
    }

    /// What this entry is, and that it has been seen.
    pub(super) fn member(&mut self, entry: &Entry) -> Member {
        let Some(group) = group(entry) else { return Member::First };
        let Some(known) = self.groups.get_mut(&group) else {
            return if self.bytes < self.bytes_max { Member::First } else { Member::Unplaced };
        };
        known.to_come = known.to_come.saturating_sub(1);
        let original = Arc::clone(&known.original);
        let last = known.to_come == 0;
        if last && let Some(known) = self.groups.remove(&group) {
            self.bytes -= known.bytes;
        }
        Member::Further { original, last }
    }

    /// Whether the entry is one of several names of its file.
    pub(super) fn has_group(entry: &Entry) -> bool {
        group(entry).is_some()
    }

    /// Remembers what was made for the first name of a file with several; false where there is no
    /// room.
    pub(super) fn insert(&mut self, entry: &Entry, original: &Arc<Original>) -> bool {
        let Some(group) = group(entry) else { return false };
        if self.bytes >= self.bytes_max {
            return false;
        }
        let bytes = GROUP_BYTES + original.way.len() as u64;
        let to_come = entry.links.saturating_sub(1);
        self.bytes += bytes;
        let known = Known { original: Arc::clone(original), to_come, bytes };
        if let Some(before) = self.groups.insert(group, known) {
            self.bytes -= before.bytes;
        }
        true
    }

    /// Forgets all groups, and gives those files whose last flags are still to be set.
    pub(super) fn finish_root(&mut self) -> Vec<Arc<Original>> {
        self.bytes = 0;
        let groups = self.groups.drain();
        groups.map(|(_, known)| known.original).filter(|one| one.seal.is_some()).collect()
    }
}

fn group(entry: &Entry) -> Option<Group> {
    let linked = entry.links > 1 && entry.kind != EntryKind::Dir;
    linked.then_some((entry.device, entry.inode, entry.kind))
}

#[cfg(test)]
mod tests;
