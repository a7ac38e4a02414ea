//! Snapshots as a tree of numbered places, for reading only: what a mount shows.
//!
//! Below the top are `ids`, `snapshots` (by time), `hosts` and `tags`, each with a link `latest`; below a
//! snapshot its roots at their absolute paths. Everything that a kernel asks of a file system is here:
//! look-ups, listings from any position, attributes, and bytes from any offset. Knows snapshots, trees
//! and content; no kernel, no protocol and no cache of theirs. Threads share one.
//!
//! Invariants: no byte is given out that was not verified, and damage is an error for whoever needs what is
//! damaged, told once in the log; memory is bounded by the shares below, by what is open (each a few
//! hundred KiB at most) and by the places that the asker knows ([`Browser::let_go`]).

mod attributes;
mod catalogue;
mod dir;
mod file;
mod numbers;
mod shown;

#[cfg(test)]
mod testing;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lifeboat_format::tree::{Entry, EntryKind, PathKey};
use lifeboat_repo as repo;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::xattr;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use self::catalogue::{Catalogue, LATEST, Row, Shelf};
use self::dir::{Member, not_a_directory};
use self::file::{Chunks, Content};
use self::numbers::{Door, Key, Numbers, Place};
use self::shown::Found;
use crate::error::{Error, Kind};
use crate::report::escape;

pub use self::attributes::{Attributes, Owner};
pub use self::catalogue::ToShow;
pub use self::dir::OpenDir;
pub use self::file::{OpenFile, Seek};
pub use self::numbers::TOP;

/// The part of the memory budget for entries that were looked up, so that whoever opens a file after
/// listing it needs no second way down the tree.
const ENTRIES_PART: u64 = 32;
/// Maps of files that were closed; whoever opens one again need not look for its pieces anew. With all
/// that a map keeps, some 20 MiB.
const CONTENTS_KEPT: usize = 32;
/// Texts of damage that were told, so that each is told once.
const TOLD_MAX: usize = 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The number stands for nothing: the asker has let go of it, or never had it.
    Stale,
    /// What is asked for can't be read, which the log tells.
    Lost(Error),
}

/// An answer.
pub type Answer<T> = Result<T, Failure>;

/// A place, and what was seen there.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its number, the same for the life of the browser.
    pub number: u64,
    /// What it looks like.
    pub attributes: Attributes,
    /// For how long this can be relied on.
    pub lasts: Lasts,
}

/// For how long what was told of a place stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// For ever: it lies in a snapshot.
    Always,
    /// Until other snapshots are shown.
    AsLongAsShown,
    /// Not at all: nobody has looked at it yet. A listing of many snapshots does not read all their trees.
    UntilLookedAt,
}

/// What a listing tells of a member.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its position; a listing can go on at the next.
    pub position: u64,
    /// Its name.
    pub name: &'a [u8],
    /// What it is. Its number is not kept.
    pub seen: Seen,
    member: &'a Member,
}

/// Snapshots to be looked at.
#[derive(Debug)]
pub struct Browser {
    chunks: Chunks,
    catalogue: RwLock<Arc<Catalogue>>,
    numbers: Numbers,
    entries: Cache<Key, Arc<Entry>, ByMemory>,
    contents: Cache<Key, Arc<Content>>,
    owner: Owner,
    told: Mutex<HashSet<u64>>,
}

#[derive(Clone, Debug)]
struct ByMemory;

impl Weighter<Key, Arc<Entry>> for ByMemory {
    fn weight(&self, _key: &Key, entry: &Arc<Entry>) -> u64 {
        let xattrs = entry.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64);
        let moved = entry.moved_xattrs.keys().map(|name| name.len() + 96);
        let content = entry.content.len() * size_of::<lifeboat_format::tree::Extent>();
        let rest = entry.target.len() + entry.user.len() + entry.group.len() + content;
        (rest + xattrs.sum::<usize>() + moved.sum::<usize>() + size_of::<Entry>() + 128) as u64
    }
}

impl Browser {
    /// Shows these snapshots, in the order of the log. Directories that no backup has belong to `owner`;
    /// entries that are kept take a part of `memory_bytes`, beside what `reader` keeps.
    pub fn new<'s>(
        reader: Reader,
        snapshots: impl Iterator<Item = ToShow<'s>>,
        owner: Owner,
        memory_bytes: u64,
    ) -> Self {
        let entries_bytes = memory_bytes / ENTRIES_PART;
        let entries_count = usize::try_from(entries_bytes / 512).unwrap_or(usize::MAX);
        Self {
            chunks: Chunks::new(reader),
            catalogue: RwLock::new(Arc::new(Catalogue::new(snapshots))),
            numbers: Numbers::default(),
            entries: Cache::with_weighter(entries_count, entries_bytes, ByMemory),
            contents: Cache::new(CONTENTS_KEPT),
            owner,
            told: Mutex::default(),
        }
    }

    /// Shows these snapshots from now on, and reads with this reader. Places that are kept stay what they
    /// are, also of snapshots that are no longer shown.
    pub fn renew<'s>(&self, reader: Reader, snapshots: impl Iterator<Item = ToShow<'s>>) {
        let new = Arc::new(Catalogue::new(snapshots));
        self.chunks.replace(reader);
        *self.catalogue.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// How many snapshots are shown.
    pub fn snapshots(&self) -> usize {
        self.catalogue().len()
    }

    /// How many places are kept.
    pub fn kept(&self) -> usize {
        self.numbers.len()
    }

    /// Whether it is a directory above the snapshots, so that another look at the log may change it.
    pub fn is_above_snapshots(&self, number: u64) -> bool {
        let place = self.numbers.place(number);
        place.is_some_and(|(_, place)| !matches!(*place, Place::Inside(..)))
    }

    /// The member of this name; `None` when there is none. Its number is kept until it is let go.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn look_up(&self, directory: u64, name: &[u8]) -> Answer<Option<Seen>> {
        let (_, place) = self.place(directory)?;
        let catalogue = self.catalogue();
        let found = match &*place {
            Place::Top => shelf(name).map(|shelf| (Place::Shelf(shelf), None)),
            Place::Shelf(shelf) => on_shelf(&catalogue, *shelf, name).map(|place| (place, None)),
            Place::Group(shelf, group) => {
                in_row(&catalogue, *shelf, Some(group), name).map(|place| (place, None))
            }
            Place::Link(..) => None,
            Place::Inside(door, path) => match path.child(name) {
                Ok(path) => Some((Place::Inside(Arc::clone(door), path), None)),
                // No entry can have such a name.
                Err(_cause) => None,
            },
        };
        let Some((place, entry)) = found else { return Ok(None) };
        let Some((attributes, entry)) = self.look(&place, entry)? else { return Ok(None) };
        Ok(Some(self.keep(place, entry, attributes)))
    }

    /// Lets go of a place that was looked up, or kept, so many times.
    pub fn let_go(&self, number: u64, lookups: u64) {
        self.numbers.let_go(number, lookups);
    }

    /// Keeps what a listing told, as if it had been looked up.
    pub fn keep_listed(&self, listed: &Listed<'_>) -> Seen {
        let Member { place, entry, .. } = listed.member;
        let kept = self.keep(place.clone(), entry.clone(), listed.seen.attributes);
        Seen { lasts: listed.seen.lasts, ..kept }
    }

    /// What a place looks like.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn see(&self, number: u64) -> Answer<Seen> {
        let (key, place) = self.place(number)?;
        let (attributes, _) = self.look_again(key, &place)?;
        Ok(Seen { number, attributes, lasts: lasts(&place) })
    }

    /// Where a symbolic link points; empty for what is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn link_target(&self, number: u64) -> Answer<Vec<u8>> {
        let (key, place) = self.place(number)?;
        if let Place::Link(.., target) = &*place {
            return Ok(target.as_bytes().to_vec());
        }
        let (_, entry) = self.look_again(key, &place)?;
        Ok(entry.map(|entry| entry.target.clone()).unwrap_or_default())
    }

    /// The names of the extended attributes.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn xattr_names(&self, number: u64) -> Answer<Vec<Vec<u8>>> {
        let (key, place) = self.place(number)?;
        let (_, entry) = self.look_again(key, &place)?;
        let names = |entry: Arc<Entry>| {
            entry.xattrs.keys().chain(entry.moved_xattrs.keys()).cloned().collect()
        };
        Ok(entry.map(names).unwrap_or_default())
    }

    /// The value of an extended attribute; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn xattr(&self, number: u64, name: &[u8]) -> Answer<Option<Vec<u8>>> {
        let (key, place) = self.place(number)?;
        let (_, Some(entry)) = self.look_again(key, &place)? else { return Ok(None) };
        if let Some(value) = entry.xattrs.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(moved) = entry.moved_xattrs.get(name) else { return Ok(None) };
        let only = Entry {
            moved_xattrs: [(name.to_vec(), *moved)].into_iter().collect(),
            ..Entry::default()
        };
        let reader = self.chunks.reader();
        let value = xattr::values(&reader, &only).next().transpose();
        let value = value.map_err(|error| self.lost(&self.path(&place), error))?;
        Ok(value.map(|(_, value)| value))
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_dir(&self, number: u64) -> Answer<OpenDir> {
        let (key, place) = self.place(number)?;
        let catalogue = self.catalogue();
        let path = self.path(&place);
        let above = self.numbers.number(&above(&place), None);
        let numbers = (number, above);
        let members = match &*place {
            Place::Inside(door, below) => {
                let (attributes, entry) = self.look_again(key, &place)?;
                if attributes.kind != EntryKind::Dir {
                    return Err(Failure::Lost(not_a_directory(&path).into()));
                }
                return Ok(OpenDir::inside(numbers, door, below, entry.as_deref()));
            }
            Place::Link(..) => return Err(Failure::Lost(not_a_directory(&path).into())),
            Place::Top => {
                Shelf::ALL.map(|shelf| Member::above(shelf.name(), Place::Shelf(shelf))).to_vec()
            }
            Place::Shelf(shelf) => match catalogue.groups(*shelf) {
                Some(groups) => groups
                    .keys()
                    .map(|name| Member::above(name, Place::Group(*shelf, name.clone())))
                    .collect(),
                None => row_members(&catalogue, *shelf, None),
            },
            Place::Group(shelf, group) => row_members(&catalogue, *shelf, Some(group)),
        };
        Ok(OpenDir::listed(numbers, path, members))
    }

    /// Gives the members of a directory from `position` on to `each`, until it returns false.
    ///
    /// # Errors
    /// [`Failure::Lost`] where only the end is left, when something was lost on the way.
    pub fn list(
        &self,
        directory: &OpenDir,
        position: u64,
        each: &mut dyn FnMut(&Listed<'_>) -> bool,
    ) -> Answer<()> {
        let reader = self.chunks.reader();
        let listed = directory.read(&reader, position, &mut |position, member| {
            let (attributes, lasts) = match (&member.place, &member.entry) {
                (place, Some(entry)) => (Attributes::of(entry), lasts(place)),
                (Place::Inside(door, path), None) => {
                    let attributes = Attributes::made_up(self.owner, door.shown.time);
                    let is_looked_at = !path.is_root();
                    let lasts = if is_looked_at { Lasts::Always } else { Lasts::UntilLookedAt };
                    (attributes, lasts)
                }
                (place, None) => (self.above_snapshots(place), Lasts::AsLongAsShown),
            };
            let number = self.numbers.number(&member.place, member.entry.as_deref());
            let seen = Seen { number, attributes, lasts };
            each(&Listed { position, name: &member.name, seen, member })
        });
        listed.map_err(|error| self.lost(&directory.path, error))
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_file(&self, number: u64) -> Answer<OpenFile> {
        let (key, place) = self.place(number)?;
        let (_, entry) = self.look_again(key, &place)?;
        let path = self.path(&place);
        let Some(entry) = entry.filter(|entry| entry.kind == EntryKind::File) else {
            let error = repo::Error::new(Kind::Invalid, "open", escape(&path));
            return Err(Failure::Lost(error.because("it is not a regular file").into()));
        };
        let content = self.contents.get(&key).unwrap_or_else(|| {
            let content = Arc::new(Content::new(&entry));
            self.contents.insert(key, Arc::clone(&content));
            content
        });
        Ok(OpenFile::new(content, path))
    }

    /// Bytes of a file from `offset` on: `length`, or as many as there are before the end.
    ///
    /// # Errors
    /// [`Failure::Lost`] when any of them can't be read.
    pub fn read(&self, file: &OpenFile, offset: u64, length: u32) -> Answer<Vec<u8>> {
        file.read(&self.chunks, offset, length).map_err(|error| self.lost(&file.path, error))
    }

    /// Where in a file, from `offset` on, there is what is looked for; `None` when there is no more.
    ///
    /// # Errors
    /// [`Failure::Lost`] when the file's map can't be read.
    pub fn seek(&self, file: &OpenFile, offset: u64, what: Seek) -> Answer<Option<u64>> {
        file.seek(&self.chunks, offset, what).map_err(|error| self.lost(&file.path, error))
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn place(&self, number: u64) -> Answer<(Key, Arc<Place>)> {
        self.numbers.place(number).ok_or(Failure::Stale)
    }

    fn keep(&self, place: Place, entry: Option<Arc<Entry>>, attributes: Attributes) -> Seen {
        let lasts = lasts(&place);
        let key = self.numbers.keep(place, entry.as_deref());
        if let Some(entry) = entry {
            self.entries.insert(key, entry);
        }
        Seen { number: key.number, attributes, lasts }
    }

    /// What there is at a place that is kept.
    fn look_again(&self, key: Key, place: &Place) -> Answer<(Attributes, Option<Arc<Entry>>)> {
        let kept = self.entries.get(&key);
        let was_kept = kept.is_some();
        let (attributes, entry) = self.look(place, kept)?.ok_or(Failure::Stale)?;
        if let Some(entry) = entry.as_ref().filter(|_| !was_kept) {
            self.entries.insert(key, Arc::clone(entry));
        }
        Ok((attributes, entry))
    }

    /// What there is at a place; `None` when there is nothing.
    fn look(
        &self,
        place: &Place,
        kept: Option<Arc<Entry>>,
    ) -> Answer<Option<(Attributes, Option<Arc<Entry>>)>> {
        if let Some(entry) = kept {
            return Ok(Some((Attributes::of(&entry), Some(entry))));
        }
        let Place::Inside(door, path) = place else {
            return Ok(Some((self.above_snapshots(place), None)));
        };
        let found = door.shown.find(&self.chunks.reader(), path);
        let found = found.map_err(|error| self.lost(&door.path(path), error))?;
        Ok(found.map(|found| match found {
            Found::Entry(entry) => (Attributes::of(&entry), Some(entry)),
            Found::MadeUp => (Attributes::made_up(self.owner, door.shown.time), None),
        }))
    }

    /// What a place looks like that leads to snapshots.
    fn above_snapshots(&self, place: &Place) -> Attributes {
        let time = self.catalogue().time;
        match place {
            Place::Link(.., target) => {
                Attributes::made_up_link(self.owner, time, target.as_bytes())
            }
            _ => Attributes::made_up(self.owner, time),
        }
    }

    /// The path of a place below the top, for messages.
    fn path(&self, place: &Place) -> Vec<u8> {
        match place {
            Place::Top => b"/".to_vec(),
            Place::Shelf(shelf) => format!("/{}", shelf.name()).into_bytes(),
            Place::Group(shelf, group) => format!("/{}/{group}", shelf.name()).into_bytes(),
            Place::Link(shelf, Some(group), name, _) => {
                format!("/{}/{group}/{name}", shelf.name()).into_bytes()
            }
            Place::Link(shelf, None, name, _) => format!("/{}/{name}", shelf.name()).into_bytes(),
            Place::Inside(door, path) => door.path(path),
        }
    }

    /// Tells what is lost, each damage once.
    fn lost(&self, path: &[u8], error: repo::Error) -> Failure {
        let mut hasher = DefaultHasher::new();
        error.to_string().hash(&mut hasher);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        if told.insert(hasher.finish()) {
            tracing::warn!(path = %escape(path), %error, "something can't be read");
        }
        Failure::Lost(error.into())
    }
}

impl Member {
    fn above(name: &str, place: Place) -> Self {
        Self { name: name.as_bytes().to_vec(), place, entry: None }
    }
}

/// What lies in a snapshot never changes; which snapshot a name stands for may.
fn lasts(place: &Place) -> Lasts {
    match place {
        Place::Inside(_, path) if !path.is_root() => Lasts::Always,
        _ => Lasts::AsLongAsShown,
    }
}

fn shelf(name: &[u8]) -> Option<Shelf> {
    Shelf::ALL.into_iter().find(|shelf| shelf.name().as_bytes() == name)
}

fn on_shelf(catalogue: &Catalogue, shelf: Shelf, name: &[u8]) -> Option<Place> {
    let Some(groups) = catalogue.groups(shelf) else {
        return in_row(catalogue, shelf, None, name);
    };
    let name = str::from_utf8(name).ok()?;
    groups.contains_key(name).then(|| Place::Group(shelf, name.to_owned()))
}

/// A snapshot in a directory of snapshots, or a link to one.
fn in_row(catalogue: &Catalogue, shelf: Shelf, group: Option<&str>, name: &[u8]) -> Option<Place> {
    let row = catalogue.row(shelf, group)?;
    let name = str::from_utf8(name).ok()?;
    let group = group.map(str::to_owned);
    if let Some(shown) = row.members.get(name) {
        let door = Door { shelf, group, name: name.to_owned(), shown: Arc::clone(shown) };
        return Some(Place::Inside(Arc::new(door), PathKey::root()));
    }
    let target = match name {
        LATEST => row.latest(),
        // Scripts have whole ids.
        id if shelf == Shelf::Ids => row.short_for(id),
        _ => None,
    };
    Some(Place::Link(shelf, group, name.to_owned(), target?.to_owned()))
}

fn row_members(catalogue: &Catalogue, shelf: Shelf, group: Option<&str>) -> Vec<Member> {
    let row = catalogue.row(shelf, group);
    let names = |row: &Row| -> Vec<String> {
        let latest = row.latest().map(|_| LATEST.to_owned());
        row.members.keys().cloned().chain(latest).collect()
    };
    let names = row.map(names).unwrap_or_default();
    let member = |name: &String| {
        let place = in_row(catalogue, shelf, group, name.as_bytes())?;
        Some(Member::above(name, place))
    };
    names.iter().filter_map(member).collect()
}

/// The directory that a directory is in.
fn above(place: &Place) -> Place {
    match place {
        Place::Top | Place::Shelf(_) => Place::Top,
        Place::Group(shelf, _) | Place::Link(shelf, None, ..) => Place::Shelf(*shelf),
        Place::Link(shelf, Some(group), ..) => Place::Group(*shelf, group.clone()),
        Place::Inside(door, path) => match (path.parent(), &door.group) {
            (Some(parent), _) => Place::Inside(Arc::clone(door), parent),
            (None, Some(group)) => Place::Group(door.shelf, group.clone()),
            (None, None) => Place::Shelf(door.shelf),
        },
    }
}

#[cfg(test)]
mod tests;
