//! The directory of a local store, held open, and which directories below it are known durable.
//!
//! Knows relative paths. A directory counts as durable once every directory above it, up to the
//! root, has been synced by this process: another process may have made it and be cut off before it
//! synced, so that finding it there proves nothing.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, Once, PoisonError};

use rustix::fs::{CWD, Mode, OFlags, fsync, mkdirat, openat};
use rustix::io::Errno;

use crate::local::cause::explain;
use crate::{Error, ErrorKind, Result};

const DIRECTORY_MODE: Mode = Mode::RWXU;

/// The open root of a local store.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    directory: OwnedFd,
    durable: Mutex<HashSet<String>>,
    /// The next number of a temporary file of this process.
    pub(super) next_temporary: AtomicU64,
    /// Whether this process has removed what others left in `tmp/`.
    pub(super) tidied: Once,
    /// Set once the file system has shown that it can't rename without replacing.
    pub(super) link_only: AtomicBool,
}

impl Root {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let missing: Vec<&Path> =
            path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE.as_raw_mode()).create(path).map_err(
            |error| match Errno::from_io_error(&error) {
                Some(Errno::EXIST | Errno::NOTDIR) => not_a_directory("create", path),
                Some(errno) => explain("create", &name, path, errno),
                None => Error::new(ErrorKind::Other, "create", &name).with_source(error),
            },
        )?;
        let root = Self::open(path)?;
        for made in missing {
            // The entry of a new directory is in its parent; a bare name's parent is here.
            let parent = made.parent().filter(|p| !p.as_os_str().is_empty());
            let parent = parent.unwrap_or_else(|| Path::new("."));
            let opened = openat(CWD, parent, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            opened.and_then(sync).map_err(|errno| explain("create", &name, parent, errno))?;
        }
        Ok(root)
    }

    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => Error::new(ErrorKind::NotFound, "open", path.display().to_string())
                .with_detail(
                    "there is no such directory; check the path and that its disk is mounted",
                ),
            Errno::NOTDIR => not_a_directory("open", path),
            errno => explain("open", &path.display().to_string(), path, errno),
        })?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            durable: Mutex::default(),
            next_temporary: AtomicU64::new(0),
            tidied: Once::new(),
            link_only: AtomicBool::new(false),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The full path of `relative`, for messages.
    pub(super) fn full(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// Opens the directory `relative` (the root for `""`) to read or sync it.
    pub(super) fn open_directory(&self, relative: &str) -> Result<OwnedFd, Errno> {
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.fd(), relative, flags, Mode::empty())
    }

    /// Makes sure that the directory `relative` exists and will survive a power cut.
    /// An error comes with the directory at which it arose.
    pub(super) fn ensure_directory(&self, relative: &str) -> Result<(), (PathBuf, Errno)> {
        if relative.is_empty() || self.is_durable(relative) {
            return Ok(());
        }
        let mut parent = "";
        let ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
        for end in ends {
            let made = &relative[..end];
            let failed = |errno| (self.full(made), errno);
            if !self.is_durable(made) {
                match mkdirat(self.fd(), made, DIRECTORY_MODE) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno)),
                }
                self.sync_directory(parent).map_err(failed)?;
                self.durable().insert(made.to_owned());
            }
            parent = made;
        }
        Ok(())
    }

    /// Forgets what is known of `relative` and of all above it, because it turned out to be gone.
    pub(super) fn forget_directory(&self, relative: &str) {
        self.durable().retain(|known| {
            !(relative.starts_with(known.as_str())
                && matches!(relative.as_bytes().get(known.len()), None | Some(b'/')))
        });
    }

    /// Makes the entries of the directory `relative` survive a power cut.
    pub(super) fn sync_directory(&self, relative: &str) -> Result<(), Errno> {
        self.open_directory(relative).and_then(sync)
    }

    fn is_durable(&self, relative: &str) -> bool {
        self.durable().contains(relative)
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Syncs a directory. Some file systems have no such thing and say so: there an entry is as durable
/// as they ever make it.
fn sync(directory: OwnedFd) -> Result<(), Errno> {
    match fsync(directory) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

fn not_a_directory(operation: &'static str, path: &Path) -> Error {
    Error::new(ErrorKind::Invalid, operation, path.display().to_string())
        .with_detail("it is not a directory; give the path of a directory")
}
