//! The directory of a local store, held open, and which directories below it are known durable.
//!
//! Knows relative paths. A directory counts as durable once every directory above it, up to the
//! root, has been synced by this process: another process may have made it and be cut off before it
//! synced, so that finding it there proves nothing.
//!
//! Invariant: a root that a file server does not know any more is opened anew, but only as the very
//! directory that it was. What is mounted there instead, or nothing, is never written to.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, RwLock};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, fsync, mkdirat, openat, statx};
use rustix::io::Errno;

use crate::local::cause::{self, Place};
use crate::local::network::network_of;
use crate::local::system::{Call, System};
use crate::local::together::Together;
use crate::{Error, ErrorKind, Result};

const DIRECTORY_MODE: Mode = Mode::RWXU;
const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Which file systems a store may be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    /// A network file system: a local one means that it is not mounted.
    Network,
}

/// The open root of a local store.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    directory: RwLock<Arc<OwnedFd>>,
    identity: Identity,
    pub(super) place: Place,
    pub(super) system: System,
    durable: Mutex<HashSet<String>>,
    /// What was put and is not durable yet.
    pub(super) together: Together,
    /// The next number of a temporary file of this process.
    pub(super) next_temporary: AtomicU64,
    /// Whether this process has removed what others left in `tmp/`.
    pub(super) tidied: Once,
    /// Set once the file system has shown that it can't rename without replacing.
    pub(super) link_only: AtomicBool,
}

/// What makes a directory the same one after it was opened anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: (u32, u32),
    inode: u64,
}

impl Identity {
    fn of(directory: impl AsFd) -> Result<Self, Errno> {
        let found = statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::INO)?;
        Ok(Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino })
    }
}

impl Root {
    pub(super) fn create(path: &Path, wanted: Wanted) -> Result<Self> {
        let name = path.display().to_string();
        let missing: Vec<&Path> =
            path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        if wanted == Wanted::Network {
            // Before anything is made: it would be made on the disk below the mount point.
            let above = missing.last().map_or(path, |highest| parent_of(highest));
            let opened = openat(CWD, above, OPEN_DIRECTORY, Mode::empty());
            let network = opened.and_then(network_of);
            if network.map_err(|errno| explain("create", &name, above, errno))?.is_none() {
                return Err(not_mounted("create", path));
            }
        }
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE.as_raw_mode()).create(path).map_err(
            |error| match Errno::from_io_error(&error) {
                Some(Errno::EXIST | Errno::NOTDIR) => not_a_directory("create", path),
                Some(errno) => explain("create", &name, path, errno),
                None => Error::new(ErrorKind::Other, "create", &name).with_source(error),
            },
        )?;
        let root = Self::open(path, wanted)?;
        for made in missing {
            // The entry of a new directory is in its parent.
            let parent = parent_of(made);
            let opened = openat(CWD, parent, OPEN_DIRECTORY, Mode::empty());
            opened
                .and_then(|directory| sync(&directory))
                .map_err(|errno| explain("create", &name, parent, errno))?;
        }
        Ok(root)
    }

    pub(super) fn open(path: &Path, wanted: Wanted) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |errno| explain("open", &name, path, errno);
        let directory = open_anew(path).map_err(|errno| match errno {
            Errno::NOENT => Error::new(ErrorKind::NotFound, "open", &name).with_detail(
                "there is no such directory; check the path and that its disk is mounted",
            ),
            Errno::NOTDIR => not_a_directory("open", path),
            errno => failed(errno),
        })?;
        let place = match (network_of(&directory).map_err(failed)?, wanted) {
            (Some(network), _) => {
                tracing::debug!(path = name, network, "the store is on a network file system");
                Place::Network
            }
            (None, Wanted::Any) => Place::Disk,
            (None, Wanted::Network) => return Err(not_mounted("open", path)),
        };
        let identity = Identity::of(&directory).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            directory: RwLock::new(Arc::new(directory)),
            identity,
            place,
            system: System::default(),
            durable: Mutex::default(),
            together: Together::default(),
            next_temporary: AtomicU64::new(0),
            tidied: Once::new(),
            link_only: AtomicBool::new(false),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The root as it is open now.
    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The full path of `relative`, for messages.
    pub(super) fn full(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// What `errno`, met at `relative` while doing `operation` on `key`, means to a caller. A root
    /// that has gone stale is opened anew by the way, so that it is worth trying again.
    pub(super) fn failed(
        &self,
        operation: &'static str,
        key: &str,
        relative: &str,
        errno: Errno,
    ) -> Error {
        if errno == Errno::STALE
            && let Err(error) = self.reopen(operation, key)
        {
            return error;
        }
        cause::explain(operation, key, &self.full(relative), self.place, errno)
    }

    /// Opens the root by its path again.
    fn reopen(&self, operation: &'static str, key: &str) -> Result<()> {
        let opened = self.system.call(Call::OpenRoot, "", || open_anew(&self.path));
        let opened = opened.and_then(|directory| Ok((Identity::of(&directory)?, directory)));
        let (identity, directory) = opened
            .map_err(|errno| cause::explain(operation, key, &self.path, self.place, errno))?;
        if identity != self.identity {
            return Err(Error::new(ErrorKind::Other, operation, key).with_detail(format!(
                "{} is another directory than it was when this run began; see what is mounted \
                 there, and run again",
                self.path.display()
            )));
        }
        tracing::info!(path = %self.path.display(), "the repository's directory was opened anew");
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
        Ok(())
    }

    /// Opens the directory `relative` (the root for `""`) to read or sync it.
    pub(super) fn open_directory(&self, relative: &str) -> Result<OwnedFd, Errno> {
        let path = if relative.is_empty() { "." } else { relative };
        let flags = OPEN_DIRECTORY | OFlags::NOFOLLOW;
        self.system.open(Call::OpenDirectory, self.fd(), path, flags)
    }

    /// Does `look`, which finds something below `key`'s directories. A client of a network file system
    /// may deny for a minute what another has put there: before that is believed, the directories
    /// are looked at anew by the server's eyes and `look` is repeated.
    pub(super) fn find<T>(
        &self,
        key: &str,
        look: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match look() {
            Err(Errno::NOENT | Errno::NOTDIR) if self.place == Place::Network => {
                self.revalidate(parent(key))?;
                look()
            }
            found => found,
        }
    }

    /// Asks the server for what is known of each directory from the root to `relative`. When one
    /// has changed, the client drops the names in it that it took for absent.
    fn revalidate(&self, relative: &str) -> Result<(), Errno> {
        let ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
        for end in [0].into_iter().chain(ends.filter(|end| *end > 0)) {
            match self.open_directory(&relative[..end]) {
                Ok(directory) => {
                    self.system.look(
                        &directory,
                        "",
                        AtFlags::STATX_FORCE_SYNC,
                        StatxFlags::BASIC_STATS,
                    )?;
                }
                // What is below is absent as well.
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Makes sure that the directory `relative` exists and will survive a power cut.
    /// An error comes with the directory at which it arose.
    pub(super) fn ensure_directory(&self, relative: &str) -> Result<(), (String, Errno)> {
        for (parent, made) in self.unsure(relative) {
            let failed = |errno| (made.to_owned(), errno);
            self.make_directory(made).map_err(failed)?;
            self.sync_directory(parent).map_err(failed)?;
            self.now_durable([made.to_owned()]);
        }
        Ok(())
    }

    /// The directories from the root to `relative` that are not known to be durable, each behind the
    /// one that has its name.
    pub(super) fn unsure<'a>(&self, relative: &'a str) -> Vec<(&'a str, &'a str)> {
        let durable = self.durable();
        if relative.is_empty() || durable.contains(relative) {
            return Vec::new();
        }
        let ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
        let all = ends.map(|end| (parent(&relative[..end]), &relative[..end]));
        all.filter(|(_, directory)| !durable.contains(*directory)).collect()
    }

    /// Makes the directory `relative` unless it is there.
    pub(super) fn make_directory(&self, relative: &str) -> Result<(), Errno> {
        let make = || mkdirat(self.fd(), relative, DIRECTORY_MODE);
        match self.system.call(Call::MakeDirectory, relative, make) {
            Err(Errno::EXIST) => Ok(()),
            made => made,
        }
    }

    /// Remembers that these directories will survive a power cut.
    pub(super) fn now_durable(&self, directories: impl IntoIterator<Item = String>) {
        self.durable().extend(directories);
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
        let directory = self.open_directory(relative)?;
        self.sync_opened(relative, &directory)
    }

    /// As [`Root::sync_directory`], of a directory that is open.
    pub(super) fn sync_opened(&self, relative: &str, directory: &OwnedFd) -> Result<(), Errno> {
        self.system.call(Call::SyncDirectory, relative, || sync(directory))
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<String>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory of an object or directory; `""` is the root.
pub(super) fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Opens a directory by its path; on a network file system also one that another client has just made.
fn open_anew(path: &Path) -> Result<OwnedFd, Errno> {
    let open = || openat(CWD, path, OPEN_DIRECTORY, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {
            let above = openat(CWD, parent_of(path), OPEN_DIRECTORY, Mode::empty())?;
            let asked = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
            statx(&above, "", asked, StatxFlags::BASIC_STATS)?;
            open()
        }
        opened => opened,
    }
}

/// Syncs a directory. Some file systems have no such thing and say so: there an entry is as durable
/// as they ever make it.
fn sync(directory: &OwnedFd) -> Result<(), Errno> {
    match fsync(directory) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// Where the name of `path` is; a bare name's parent is here.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// As [`cause::explain`], before it is known where `path` is.
fn explain(operation: &'static str, key: &str, path: &Path, errno: Errno) -> Error {
    cause::explain(operation, key, path, Place::Disk, errno)
}

fn not_a_directory(operation: &'static str, path: &Path) -> Error {
    Error::new(ErrorKind::Invalid, operation, path.display().to_string())
        .with_detail("it is not a directory; give the path of a directory")
}

fn not_mounted(operation: &'static str, path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, operation, path.display().to_string()).with_detail(
        "it is not on a network file system: is it mounted? (a directory of a local disk is given \
         as a path or a file:// URL)",
    )
}
