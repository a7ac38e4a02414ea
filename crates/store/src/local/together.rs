//! Making many objects durable at once: what was put and not synced yet, and its sync.
//!
//! Knows open files and directories; not how objects are published. A file stays open from its
//! first byte until its sync, so that whatever error writing it back meets is heard there.
//!
//! Invariant: once anything could not be made durable, every later sync fails as well. The system
//! reports such an error once and then takes the lost pages for written, so trying again would succeed
//! and mean nothing. Syncs take turns: none returns while an earlier one has files of it in hand.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::fsync;
use rustix::io::Errno;

use crate::local::cause;
use crate::local::root::Root;
use crate::local::system::Call;
use crate::{Error, ErrorKind, Result};

/// How many files may wait for a sync, and be open, at a time: of half a GiB, if they are packs, which the
/// disk then takes while the next ones are made.
const FILES_MAX: usize = 16;

/// How many of them are synced side by side.
const SYNCS_AT_ONCE: usize = 8;

/// What waits for the next sync, and whether there was trouble with an earlier one.
#[derive(Debug, Default)]
pub(super) struct Together {
    waiting: Mutex<Waiting>,
    turn: Mutex<()>,
    /// The kind and the text of the first error.
    lost: OnceLock<(ErrorKind, String)>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Keys of objects, and their files.
    files: Vec<(String, File)>,
    /// Directories whose entries have changed.
    directories: BTreeSet<String>,
    /// Directories that are durable when those are.
    made: BTreeSet<String>,
}

/// Makes the directory `relative` unless it is there, to be made durable by the next sync.
pub(super) fn make_directory(root: &Root, relative: &str) -> Result<(), (String, Errno)> {
    for (parent, made) in root.unsure(relative) {
        if root.together.waiting().made.contains(made) {
            continue;
        }
        root.make_directory(made).map_err(|errno| (made.to_owned(), errno))?;
        let mut waiting = root.together.waiting();
        waiting.directories.insert(parent.to_owned());
        waiting.made.insert(made.to_owned());
    }
    Ok(())
}

/// Leaves the file of the object `key`, which is in `directory`, to the next sync.
pub(super) fn remember(root: &Root, key: &str, directory: &str, file: File) -> Result<()> {
    let count = {
        let mut waiting = root.together.waiting();
        waiting.files.push((key.to_owned(), file));
        waiting.directories.insert(directory.to_owned());
        waiting.files.len()
    };
    if count < FILES_MAX { Ok(()) } else { sync(root) }
}

/// Makes everything durable that was remembered before the call.
pub(super) fn sync(root: &Root) -> Result<()> {
    let together = &root.together;
    let _turn = together.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let Waiting { files, directories, made } = std::mem::take(&mut *together.waiting());
    together.check()?;
    side_by_side(root, files, |(key, file)| {
        let sync = root.system.call(Call::SyncFile, &key, || fsync(&file));
        sync.map_err(|errno| (key, errno))
    })?;
    side_by_side(root, directories, |directory| {
        root.sync_directory(&directory).map_err(|errno| (directory, errno))
    })?;
    root.now_durable(made);
    Ok(())
}

/// Syncs all items, some at once: a disk makes what it is told at the same time durable in one go. After
/// an error, which is never forgotten again, none is begun.
fn side_by_side<T: Send>(
    root: &Root,
    items: impl IntoIterator<Item = T>,
    sync: impl Fn(T) -> Result<(), (String, Errno)> + Sync,
) -> Result<()> {
    let mut items: Vec<T> = items.into_iter().collect();
    let threads = items.len().min(SYNCS_AT_ONCE);
    items.reverse();
    let items = Mutex::new(items);
    let work = || {
        loop {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (Some(item), true) = (item, root.together.lost.get().is_none()) else { return };
            if let Err((path, errno)) = sync(item) {
                let full = root.full(&path);
                let error = cause::explain_sync("sync", &path, &full, root.place, errno);
                root.together.give_up(&error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // With fewer threads than asked for it only takes longer.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    root.together.check()
}

impl Together {
    /// Remembers that something put through this store may be lost.
    pub(super) fn give_up(&self, error: &Error) {
        self.lost.get_or_init(|| (error.kind(), error.to_string()));
    }

    /// Forgets that this directory, and what is below it, was made: it turned out to be gone.
    pub(super) fn forget_directory(&self, relative: &str) {
        self.waiting().made.retain(|made| !relative.starts_with(made.as_str()));
    }

    fn check(&self) -> Result<()> {
        match self.lost.get() {
            None => Ok(()),
            Some((kind, first)) => Err(Error::new(*kind, "sync", "what was put")
                .with_detail(format!("it may be lost, and so the run is: {first}"))),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
