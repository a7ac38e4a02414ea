//! Numbers of places: what each stands for, as long as the asker knows it.
//!
//! A number is made of what the place is, so it stays the same for the life of the mount, also after the
//! asker has let go of it, and a listing can tell numbers of what is not kept. Names of one hard link
//! have one number. Knows places, not what is there.
//!
//! Memory: what is kept is what the asker has looked up and not let go, some hundred bytes and the
//! path for each. A kernel keeps some KiB for each of them, and lets go when memory is wanted.

use std::collections::HashMap;
use std::collections::hash_map::{Entry as Slot, RandomState};
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, PoisonError, RwLock};

use lifeboat_format::id::SnapshotId;
use lifeboat_format::time::Time;
use lifeboat_format::tree::{Entry, EntryKind, PathKey};

use super::catalogue::Shelf;
use super::shown::Shown;

/// The number of the topmost directory.
pub const TOP: u64 = 1;

/// What a place is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The directory above all.
    Top,
    /// A directory in it.
    Shelf(Shelf),
    /// The snapshots of one host or tag.
    Group(Shelf, String),
    /// A link beside snapshots to one of them: the directory, its name, and where it leads.
    Link(Shelf, Option<String>, String, String),
    /// A path in a snapshot, which hangs in this place.
    Inside(Arc<Door>, PathKey),
}

/// A name under which a snapshot hangs. A directory can be in one place only, so each name of a snapshot
/// has places of its own.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) shelf: Shelf,
    pub(super) group: Option<String>,
    pub(super) name: String,
    pub(super) shown: Arc<Shown>,
}

impl Door {
    /// The absolute path of `path` in this snapshot, below the topmost directory, for messages.
    pub(super) fn path(&self, path: &PathKey) -> Vec<u8> {
        let group = self.group.iter().map(String::as_str);
        let above = [self.shelf.name()].into_iter().chain(group).chain([self.name.as_str()]);
        let names = above.map(str::as_bytes).chain(path.components());
        names.flat_map(|name| [b"/", name].concat()).collect()
    }
}

/// By what places are told apart.
#[derive(Hash)]
enum Identity<'a> {
    Top,
    Shelf(Shelf),
    Group(Shelf, &'a str),
    Link(Shelf, Option<&'a str>, &'a str, &'a str),
    Path(DoorIdentity<'a>, &'a [u8]),
    /// A file with several names: the root, and what the file system said of it.
    Inode(DoorIdentity<'a>, usize, (u32, u64, Time, u64)),
}

type DoorIdentity<'a> = (Shelf, Option<&'a str>, &'a str, SnapshotId);

/// A number, and what tells the place from another one that may get the number when this one was let go: what
/// is remembered of places is remembered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) number: u64,
    check: u64,
}

/// The numbers that the asker knows.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    kept: RwLock<HashMap<u64, Kept>>,
    // Unknown to whoever chooses file names, so that nobody can make two of them meet.
    keys: (RandomState, RandomState),
}

#[derive(Debug)]
struct Kept {
    place: Arc<Place>,
    lookups: u64,
    /// Another hash of what it is: two places of one number are told apart by it.
    check: u64,
}

impl Numbers {
    /// The number of a place, without keeping it.
    pub(super) fn number(&self, place: &Place, entry: Option<&Entry>) -> u64 {
        let (number, check) = self.hashes(place, entry);
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        free(&kept, number, check)
    }

    /// The number of a place, which is kept until it is let go as often as this was called.
    pub(super) fn keep(&self, place: Place, entry: Option<&Entry>) -> Key {
        let (number, check) = self.hashes(&place, entry);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let number = free(&kept, number, check);
        match kept.entry(number) {
            Slot::Occupied(mut there) => there.get_mut().lookups += 1,
            Slot::Vacant(free) => {
                free.insert(Kept { place: Arc::new(place), lookups: 1, check });
            }
        }
        Key { number, check }
    }

    /// What the number stands for; `None` if it is not kept.
    pub(super) fn place(&self, number: u64) -> Option<(Key, Arc<Place>)> {
        if number == TOP {
            return Some((Key { number, check: 0 }, Arc::new(Place::Top)));
        }
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(&number);
        found.map(|kept| (Key { number, check: kept.check }, Arc::clone(&kept.place)))
    }

    /// Lets go of a number that was looked up so many times.
    pub(super) fn let_go(&self, number: u64, lookups: u64) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Occupied(mut there) = kept.entry(number) {
            let left = there.get().lookups.saturating_sub(lookups);
            there.get_mut().lookups = left;
            if left == 0 {
                there.remove();
            }
        }
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn hashes(&self, place: &Place, entry: Option<&Entry>) -> (u64, u64) {
        let identity = identity(place, entry);
        if matches!(identity, Identity::Top) {
            return (TOP, 0);
        }
        // 0 is nobody, and 1 is the top.
        let (first, second) = &self.keys;
        (first.hash_one(&identity).max(TOP + 1), second.hash_one(&identity))
    }
}

/// The number, or the first behind it that is not kept by another place.
fn free(kept: &HashMap<u64, Kept>, mut number: u64, check: u64) -> u64 {
    while kept.get(&number).is_some_and(|there| there.check != check) {
        number = number.wrapping_add(1).max(TOP + 1);
    }
    number
}

fn identity<'a>(place: &'a Place, entry: Option<&Entry>) -> Identity<'a> {
    match place {
        Place::Top => Identity::Top,
        Place::Shelf(shelf) => Identity::Shelf(*shelf),
        Place::Group(shelf, group) => Identity::Group(*shelf, group),
        Place::Link(shelf, group, name, target) => {
            Identity::Link(*shelf, group.as_deref(), name, target)
        }
        Place::Inside(door, path) => {
            let Door { shelf, group, name, shown } = &**door;
            let of_door = (*shelf, group.as_deref(), name.as_str(), shown.id);
            let linked = |entry: &&Entry| {
                entry.links > 1 && entry.inode != 0 && entry.kind != EntryKind::Dir
            };
            match (entry.filter(linked), shown.place(path)) {
                (Some(entry), Some(place)) => {
                    // A number that was used again during the backup is another file.
                    let inode = (entry.device, entry.inode, entry.ctime, entry.size);
                    Identity::Inode(of_door, place.root, inode)
                }
                _ => Identity::Path(of_door, path.as_bytes()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
