//! The entries of one root in path order, each looked at once.
//!
//! Knows directories, names and what is left out; not metadata beyond one `statx`, nor content. The
//! order is that of path keys as bytes: a directory, then its members sorted by the bytes of their
//! names, each followed by its own. The root is the first, under the empty key; it may be of any kind.
//!
//! The last component of the root's path is not followed if it is a symbolic link: then the link is
//! what is backed up, as in restic. Written with a slash at its end it is followed. Links in the middle
//! of the root's path are followed, those below the root never.
//!
//! Bounded, whatever is there: descriptors by [`WalkOptions::open_directories_max`], names in memory by
//! [`WalkOptions::names_bytes_max`] in all directories that the walk is in together (beyond it they are
//! sorted in a temporary file), and no recursion.
//!
//! What can't be looked at or entered comes as a problem in its place, and the walk goes on: a
//! directory that can't be read still gives its own entry, something that vanished between the reading
//! of its directory and the look at it gives only the problem.
//!
//! With [`WalkOptions::ahead_threads`], others read directories and look at what is in them before the walk
//! comes there (`ahead`); items are the same and in the same order. A file that vanishes after that look
//! is found out by whoever opens it; whatever else is there is looked at once more when it is given.

mod ahead;
mod members;
mod selection;
mod start;

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_format::tree::{EntryKind, PathKey};
use lifeboat_repo::cancel::Cancel;

use super::dir::{DirHandle, DirPool};
use super::exclude::{Excludes, RootedPath, Scope};
use super::names::{Names, Room, Spill};
use super::stat::{Devices, Stat};
use crate::report::Problem;

use ahead::{Ahead, Announced, Listed};
use members::{Member, Members, member_key};
use selection::Selection;
pub(super) use start::Start;

/// How many directories are open at once by default.
pub const OPEN_DIRECTORIES_MAX: usize = 64;
/// How many bytes of names are in memory at once by default.
pub const NAMES_BYTES_MAX: usize = 16 << 20;
/// What the names of every directory may take even where others have used up the limit.
const KEEP_BYTES_MIN: usize = 4 << 10;
/// The share of the limit that is always free to sort the names of one more directory.
const SORT_SHARE: usize = 4;

/// How to walk.
#[derive(Clone, Debug)]
pub struct WalkOptions {
    /// Does not enter other file systems; their mount points are entries all the same. With
    /// [`WalkOptions::selected`], other than that of the selected path.
    pub one_file_system: bool,
    /// If not empty: takes only these absolute paths, with all below them, and the directories on the
    /// way to them. Each must lie below the root.
    pub selected: Vec<PathBuf>,
    /// How many directories may be open at once. More are opened again as they are needed.
    pub open_directories_max: usize,
    /// How many bytes of names may be in memory at once, and a quarter of that more while those of one
    /// directory are sorted.
    pub names_bytes_max: usize,
    /// Where the temporary file for more names is made.
    pub scratch_dir: PathBuf,
    /// How many threads look ahead.
    pub ahead_threads: usize,
    /// Ends what they are at.
    pub cancel: Cancel,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            one_file_system: false,
            selected: Vec::new(),
            open_directories_max: OPEN_DIRECTORIES_MAX,
            names_bytes_max: NAMES_BYTES_MAX,
            scratch_dir: PathBuf::from("/tmp"),
            ahead_threads: 0,
            cancel: Cancel::new(),
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug)]
pub struct WalkItem {
    /// Its path below the root.
    pub key: PathKey,
    /// What it is, as of the one look at it.
    pub stat: Stat,
    /// The directory that it lies in, and its name there.
    pub(super) dir: Arc<DirHandle>,
    pub(super) name: CString,
    root: Arc<[u8]>,
}

impl WalkItem {
    /// Its absolute path (that of the root as it was given, and the key).
    pub fn path(&self) -> Vec<u8> {
        path_of(&self.root, self.key.as_bytes())
    }

    /// A problem of `operation` on it.
    pub fn problem(&self, operation: impl Into<String>, error: impl std::fmt::Display) -> Problem {
        Problem::new(&self.path(), operation, error)
    }
}

/// The walk over one root. An iterator: an error is one problem, after which it goes on.
#[derive(Debug)]
pub struct Walk {
    root: Arc<[u8]>,
    options: WalkOptions,
    excludes: Excludes,
    selection: Selection,
    devices: Devices,
    /// What was found and is not yet entered: the root at first, then each directory in turn.
    found: Found,
    /// The key of what is found or, between items, that of the directory on top.
    key: Vec<u8>,
    stack: Vec<Frame>,
    problems: VecDeque<Problem>,
    names_bytes: usize,
    spill: Spill,
    name: Vec<u8>,
    path: Vec<u8>,
    ahead: Option<Ahead>,
    /// How many directories are announced and not entered.
    announced: usize,
}

#[derive(Debug)]
enum Found {
    Nothing,
    /// The root, which is still to be given.
    Root(Place, Stat),
    /// A directory that was given and is to be entered.
    Dir {
        handle: Arc<DirHandle>,
        scope: Scope,
        reach: Reach,
        listing: Option<Announced>,
    },
}

#[derive(Debug)]
struct Place {
    dir: Arc<DirHandle>,
    name: CString,
}

/// How much of a directory is wanted.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// All of it; the number is that of the file system to stay in, if it matters.
    Whole(u32),
    /// What is selected in it.
    Selected,
}

impl Reach {
    fn handle(self, dir: &Arc<DirHandle>, name: &CStr, stat: &Stat) -> Arc<DirHandle> {
        match self {
            Self::Whole(_) => DirHandle::child(dir, name, stat),
            Self::Selected => DirHandle::passage(dir, name, stat),
        }
    }
}

/// A directory that the walk is in.
#[derive(Debug)]
struct Frame {
    handle: Arc<DirHandle>,
    members: Members,
    names_bytes: usize,
    key_len: usize,
    scope: Scope,
    reach: Reach,
    /// Where the temporary file ends without its names.
    spill_start: u64,
}

impl Walk {
    /// Begins at `root`, which should be absolute: rules with absolute paths are tried on it as it is
    /// written here.
    ///
    /// # Errors
    /// The problem of a root that isn't there or can't be looked at, or of a selected path outside it.
    pub fn new(root: &Path, options: &WalkOptions, excludes: &Excludes) -> Result<Self, Problem> {
        let start = Start::new(root)?;
        let selection = Selection::new(&start.path, &options.selected)?;
        let mut devices = Devices::default();
        let pool = DirPool::new(options.open_directories_max);
        let (dir, stat) = start.look(pool, &mut devices)?;
        Ok(Self {
            root: start.path,
            options: options.clone(),
            excludes: excludes.clone(),
            selection,
            devices,
            found: Found::Root(Place { dir, name: start.name }, stat),
            key: Vec::new(),
            stack: Vec::new(),
            problems: VecDeque::new(),
            names_bytes: 0,
            spill: Spill::new(options.scratch_dir.clone()),
            name: Vec::new(),
            path: Vec::new(),
            ahead: Ahead::new(options.ahead_threads, excludes.watched(), &options.cancel),
            announced: 0,
        })
    }

    /// The root's path as problems name it: as it was given, without slashes at its end.
    pub fn root(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.root))
    }

    /// Enters the directory that the key is of.
    fn enter(
        &mut self,
        handle: Arc<DirHandle>,
        above: &Scope,
        reach: Reach,
        listing: Option<Announced>,
    ) {
        let spill_start = self.spill.end();
        let (mut members, found) = match reach {
            Reach::Selected => match handle.fd() {
                // On the way to what is selected there is nothing to leave out by a mark, but there are
                // rules.
                Ok(_) => {
                    let names = self.selection.members(&self.key);
                    (Members::new(names), self.excludes.look_for_rules())
                }
                Err(error) => return self.problem("open directory", error),
            },
            Reach::Whole(_) => match self.members(&handle, listing) {
                Some(read) => read,
                None => return self.leave_spill(spill_start),
            },
        };
        path_into(&mut self.path, &self.root, &self.key);
        let path = RootedPath::new(&self.path, &self.root);
        let entered = self.excludes.enter(&handle, path, above, &found, &mut self.problems);
        if let Some(mark) = entered.mark {
            members = Members::new(Names::of([self.excludes.mark(mark).name.as_slice()]));
            self.leave_spill(spill_start);
        }
        let names_bytes = members.memory_bytes(self.ahead.is_some());
        self.names_bytes += names_bytes;
        let key_len = self.key.len();
        let scope = entered.scope;
        self.stack.push(Frame { handle, members, names_bytes, key_len, scope, reach, spill_start });
        self.announce();
    }

    /// What is in a directory, and which of the watched names; `None` if that can't be known.
    fn members(
        &mut self,
        handle: &Arc<DirHandle>,
        listing: Option<Announced>,
    ) -> Option<(Members, Vec<bool>)> {
        let listed = match (listing, &self.ahead) {
            (Some(listing), _) => listing.take(),
            (None, Some(ahead)) => ahead.list(handle),
            (None, None) => Listed::Many,
        };
        match listed {
            Listed::Whole(mut looked) if looked.memory_bytes() <= self.room().keep_bytes => {
                if let Some(error) = looked.error.take() {
                    self.problem("read directory", error);
                }
                let found = std::mem::take(&mut looked.found);
                Some((Members::looked(looked), found))
            }
            Listed::Whole(_) | Listed::Many => self.names(handle),
            Listed::Failed(error) => {
                self.problem("open directory", error);
                None
            }
        }
    }

    /// The same of a directory that may be of any size.
    fn names(&mut self, handle: &Arc<DirHandle>) -> Option<(Members, Vec<bool>)> {
        let fd = match handle.fd() {
            Ok(fd) => fd,
            Err(error) => {
                self.problem("open directory", error);
                return None;
            }
        };
        match Names::read(&fd, self.room(), self.excludes.watched(), &mut self.spill) {
            Ok(listing) => {
                if let Some(error) = listing.error {
                    self.problem("read directory", error);
                }
                let room_bytes = self.options.names_bytes_max.saturating_sub(self.names_bytes);
                Some((Members::many(listing.names, room_bytes), listing.found))
            }
            Err(error) => {
                self.problem("sort the names of", error);
                None
            }
        }
    }

    /// Announces directories among the members of the one on top, while there is room.
    fn announce(&mut self) {
        let (Some(ahead), Some(frame)) = (&self.ahead, self.stack.last_mut()) else { return };
        let Reach::Whole(device) = frame.reach else { return };
        // Each of them is held open until it is listed, and others are open meanwhile.
        while self.announced < self.options.open_directories_max / 2
            && let Some((place, name, stat)) = frame.members.consider()
        {
            let elsewhere = self.devices.known(stat.real_device) != Some(device);
            if self.options.one_file_system && elsewhere {
                continue;
            }
            let key = member_key(&self.key[..frame.key_len], name);
            if !self.excludes.is_idle(&frame.scope) {
                path_into(&mut self.path, &self.root, &key);
                let path = RootedPath::new(&self.path, &self.root);
                if self.excludes.decide(&frame.scope, path, stat).is_out() {
                    continue;
                }
            }
            // Without the zero byte that ends it, no name has one.
            let Ok(name) = CString::new(name) else { continue };
            let handle = frame.reach.handle(&frame.handle, &name, stat);
            frame.members.announced(place, ahead.directory(key, handle));
            self.announced += 1;
        }
    }

    /// The room for the names of one more directory.
    fn room(&self) -> Room {
        let max = self.options.names_bytes_max;
        let keep_bytes = max.saturating_sub(self.names_bytes).max(KEEP_BYTES_MIN);
        Room { sort_bytes: keep_bytes.max(max / SORT_SHARE), keep_bytes }
    }

    /// The next member of the directory on top that is to be given, or `None` when it has no more.
    fn next_member(&mut self) -> Option<Result<WalkItem, Problem>> {
        let frame = self.stack.last_mut()?;
        self.key.truncate(frame.key_len);
        let (handle, ahead) = (&frame.handle, self.ahead.as_ref());
        let member = match frame.members.next(&mut self.name, handle, &self.key, ahead) {
            Ok(Some(member)) => member,
            Ok(None) => {
                self.leave();
                return None;
            }
            Err(error) => {
                // A problem of the directory itself, whose key this is.
                self.problem("read the sorted names of", error);
                self.leave();
                return None;
            }
        };
        if frame.key_len > 0 {
            self.key.push(0);
        }
        self.key.extend_from_slice(&self.name);
        if member.listing.is_some() {
            self.announced -= 1;
        }
        self.look(member).transpose()
    }

    /// Looks at the member that the key is of, if nobody has; `None` when it is left out.
    fn look(&mut self, member: Member) -> Result<Option<WalkItem>, Problem> {
        let fail = |walk: &Self, operation, error: &dyn std::fmt::Display| {
            Problem::new(&path_of(&walk.root, &walk.key), operation, error)
        };
        let Some(frame) = self.stack.last() else { return Ok(None) };
        let name = CString::new(self.name.as_slice()).map_err(|e| fail(self, "look at", &e))?;
        let stat = match member.stat {
            Some(looked) => looked,
            None => {
                let fd = frame.handle.fd().map_err(|e| fail(self, "open the directory of", &e))?;
                Stat::unnumbered(&*fd, &name)
            }
        };
        let stat = stat.map_err(|e| fail(self, "look at", &e))?.numbered(&mut self.devices);
        if !self.excludes.is_idle(&frame.scope) {
            path_into(&mut self.path, &self.root, &self.key);
            let path = RootedPath::new(&self.path, &self.root);
            if self.excludes.decide(&frame.scope, path, &stat).is_out() {
                return Ok(None);
            }
        }
        let key = PathKey::from_bytes(self.key.clone()).map_err(|e| fail(self, "back up", &e))?;
        let reach = match frame.reach {
            Reach::Selected if self.selection.contains(&self.key) => Reach::Whole(stat.device),
            reach => reach,
        };
        let dir = Arc::clone(&frame.handle);
        if stat.kind == EntryKind::Dir {
            let elsewhere = matches!(reach, Reach::Whole(device) if device != stat.device);
            if !(self.options.one_file_system && elsewhere) {
                // What was listed may have been moved away since.
                let listing = member.listing.filter(|listing| listing.dir().is_of(&stat));
                let handle = match &listing {
                    Some(listing) => Arc::clone(listing.dir()),
                    None => reach.handle(&dir, &name, &stat),
                };
                self.found = Found::Dir { handle, scope: frame.scope.clone(), reach, listing };
            }
        } else if matches!(reach, Reach::Selected) {
            self.problems.push_back(fail(
                self,
                "look for the selected path below",
                &NOT_A_DIRECTORY,
            ));
        }
        Ok(Some(WalkItem { key, stat, dir, name, root: Arc::clone(&self.root) }))
    }

    fn give_root(&mut self, place: Place, stat: Stat) -> WalkItem {
        let Place { dir, name } = place;
        let reach = match self.selection.is_empty() {
            true => Reach::Whole(stat.device),
            false => Reach::Selected,
        };
        if stat.kind == EntryKind::Dir {
            let handle = reach.handle(&dir, &name, &stat);
            self.found = Found::Dir { handle, scope: Scope::default(), reach, listing: None };
        }
        WalkItem { key: PathKey::root(), stat, dir, name, root: Arc::clone(&self.root) }
    }

    fn leave(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.names_bytes -= frame.names_bytes;
            self.announced -= frame.members.announced_count();
            self.leave_spill(frame.spill_start);
        }
        self.announce();
    }

    fn leave_spill(&mut self, start: u64) {
        if let Err(error) = self.spill.truncate(start) {
            self.problem("shorten the file of sorted names for", error);
        }
    }

    /// A problem with what the key is of.
    fn problem(&mut self, operation: &str, error: io::Error) {
        let path = path_of(&self.root, &self.key);
        self.problems.push_back(Problem::new(&path, operation, error));
    }
}

impl Iterator for Walk {
    type Item = Result<WalkItem, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(problem) = self.problems.pop_front() {
                return Some(Err(problem));
            }
            match std::mem::replace(&mut self.found, Found::Nothing) {
                Found::Root(place, stat) => return Some(Ok(self.give_root(place, stat))),
                Found::Dir { handle, scope, reach, listing } => {
                    if let Some(frame) = self.stack.last_mut() {
                        frame.members.leave_for_another();
                    }
                    self.enter(handle, &scope, reach, listing);
                }
                Found::Nothing if self.stack.is_empty() => return None,
                Found::Nothing => {
                    if let Some(member) = self.next_member() {
                        return Some(member);
                    }
                }
            }
        }
    }
}

const NOT_A_DIRECTORY: &str = "it is not a directory (links are not followed)";

/// The absolute path of a key.
fn path_of(root: &[u8], key: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(root.len() + 1 + key.len());
    path_into(&mut path, root, key);
    path
}

fn path_into(path: &mut Vec<u8>, root: &[u8], key: &[u8]) {
    path.clear();
    path.extend_from_slice(root);
    if key.is_empty() {
        return;
    }
    if root != b"/" {
        path.push(b'/');
    }
    path.extend(key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }));
}

#[cfg(test)]
mod tests;
