//! Directories of the source, held by descriptor, a bounded number of them open at a time.
//!
//! Knows `openat`; not order, excludes or metadata. Every directory is reached from its parent by one
//! name that is not followed, and must be the one that was seen there before (device and inode), so a
//! directory that is moved or replaced meanwhile is an error and never another one's content.
//!
//! Items keep their directory while they wait to be read, and a tree may be deeper than a process has
//! descriptors, so a handle's descriptor may be closed behind it at any time and is opened again from
//! the nearest open ancestor when it is needed. Handles may be used from many threads.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;

use super::stat::{Device, Stat};

/// A directory that can be opened again as long as it stays where it is.
pub struct DirHandle {
    /// `None` for the directory that the root of the walk lies in.
    parent: Option<Arc<Self>>,
    /// Its name in `parent`; without one, a path.
    name: CString,
    identity: (Device, u64),
    access: OFlags,
    fd: Mutex<Option<Arc<OwnedFd>>>,
    /// Set by every use, cleared by the pool when it looks for one to close.
    used: AtomicBool,
    pool: Arc<DirPool>,
}

impl DirHandle {
    /// Opens the directory at `path`, following links: the place that a root is looked up in.
    pub(super) fn open_base(path: CString, pool: Arc<DirPool>) -> io::Result<Arc<Self>> {
        let fd = openat(CWD, &path, PASSAGE, Mode::empty())?;
        let identity = identity(&fd)?;
        let handle = Arc::new(Self::closed(None, path, identity, PASSAGE, pool));
        handle.keep(fd);
        Ok(handle)
    }

    /// The directory `name` in `parent` that was seen as `stat`; opened for reading when it is first
    /// needed.
    pub(super) fn child(parent: &Arc<Self>, name: &CStr, stat: &Stat) -> Arc<Self> {
        Self::below(parent, name, stat, OFlags::RDONLY)
    }

    /// The same of a directory whose members are known by name, so that it need not be readable.
    pub(super) fn passage(parent: &Arc<Self>, name: &CStr, stat: &Stat) -> Arc<Self> {
        Self::below(parent, name, stat, PASSAGE)
    }

    fn below(parent: &Arc<Self>, name: &CStr, stat: &Stat, access: OFlags) -> Arc<Self> {
        let identity = (stat.real_device, stat.inode);
        let pool = Arc::clone(&parent.pool);
        Arc::new(Self::closed(Some(Arc::clone(parent)), name.to_owned(), identity, access, pool))
    }

    /// The open directory; stays open as long as the result is held.
    ///
    /// # Errors
    /// Those of opening it, or that there is another directory in its place.
    pub fn fd(self: &Arc<Self>) -> io::Result<Arc<OwnedFd>> {
        if let Some(fd) = self.opened() {
            return Ok(fd);
        }
        // From here up to the first that is open; then down again. Not recursive: a tree may be deeper
        // than a stack.
        let mut closed = vec![self];
        let mut above = None;
        while let Some(parent) = closed.last().and_then(|handle| handle.parent.as_ref()) {
            above = parent.opened();
            if above.is_some() {
                break;
            }
            closed.push(parent);
        }
        while let Some(handle) = closed.pop() {
            let fd = match &above {
                Some(parent) if handle.access == PASSAGE => {
                    openat(parent, &handle.name, PASSAGE | OFlags::NOFOLLOW, Mode::empty())?
                }
                Some(parent) => open_quietly(parent, &handle.name, OFlags::DIRECTORY)?,
                None => openat(CWD, &handle.name, PASSAGE, Mode::empty())?,
            };
            if identity(&fd)? != handle.identity {
                return Err(io::Error::other("another directory has taken its place meanwhile"));
            }
            above = Some(handle.keep(fd));
        }
        Ok(above.expect("the last handle that was closed is this one"))
    }

    /// Whether it was made of what this look saw.
    pub(super) fn is_of(&self, stat: &Stat) -> bool {
        self.identity == (stat.real_device, stat.inode)
    }

    fn closed(
        parent: Option<Arc<Self>>,
        name: CString,
        identity: (Device, u64),
        access: OFlags,
        pool: Arc<DirPool>,
    ) -> Self {
        let (fd, used) = (Mutex::new(None), AtomicBool::new(true));
        Self { parent, name, identity, access, fd, used, pool }
    }

    fn opened(&self) -> Option<Arc<OwnedFd>> {
        let fd = self.lock().clone()?;
        self.used.store(true, Ordering::Relaxed);
        Some(fd)
    }

    fn keep(self: &Arc<Self>, fd: OwnedFd) -> Arc<OwnedFd> {
        let fd = Arc::new(fd);
        {
            let mut slot = self.lock();
            // Another thread may have been quicker; then its descriptor stays and has its place.
            if let Some(other) = &*slot {
                return Arc::clone(other);
            }
            *slot = Some(Arc::clone(&fd));
        }
        self.used.store(true, Ordering::Relaxed);
        self.pool.admit(self);
        fd
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        // The slot is whole whatever happened to the thread that held it.
        self.fd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped by a loop: the chain of parents of a very deep directory would overflow the stack.
impl Drop for DirHandle {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut last) = parent.and_then(Arc::into_inner) {
            parent = last.parent.take();
        }
    }
}

impl fmt::Debug for DirHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Needs no right to read the directory, only to pass through it.
const PASSAGE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens `name` for reading, never following it, waiting for it or changing its access time; the
/// latter is for owners only, so others do without.
pub(super) fn open_quietly(
    dir: impl AsFd + Copy,
    name: &CStr,
    extra: OFlags,
) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | extra;
    match openat(dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(openat(dir, name, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// Reads the regular file `name` of `dir`, at most `bytes_max` of it.
pub(super) fn read_start(dir: &OwnedFd, name: &CStr, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = File::from(open_quietly(dir, name, OFlags::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn identity(fd: &OwnedFd) -> io::Result<(Device, u64)> {
    let stat = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)?;
    Ok(((stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino))
}

/// Keeps a bounded number of directories open: the *second chance* rule, by which one that was used
/// since it was last looked at stays.
#[derive(Debug)]
pub(super) struct DirPool {
    open_max: usize,
    clock: Mutex<Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    slots: Vec<Weak<DirHandle>>,
    hand: usize,
}

impl DirPool {
    /// A pool of at most `open_max` directories (at least one).
    pub(super) fn new(open_max: usize) -> Arc<Self> {
        Arc::new(Self { open_max: open_max.max(1), clock: Mutex::default() })
    }

    /// Gives an opened directory its place, if need be that of another, which is closed.
    fn admit(&self, handle: &Arc<DirHandle>) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        if clock.slots.len() < self.open_max {
            clock.slots.push(Arc::downgrade(handle));
            return;
        }
        // Ends within two rounds, unless others keep using theirs; then any will do.
        for _ in 0..2 * self.open_max {
            if clock.is_free() {
                break;
            }
            clock.hand = (clock.hand + 1) % self.open_max;
        }
        let hand = clock.hand;
        let evicted = std::mem::replace(&mut clock.slots[hand], Arc::downgrade(handle));
        clock.hand = (hand + 1) % self.open_max;
        drop(clock);
        // After the lock: the last reference may go with this one, and closing may take its time.
        if let Some(evicted) = evicted.upgrade() {
            drop(evicted.lock().take());
        }
    }
}

impl Clock {
    fn is_free(&self) -> bool {
        match self.slots[self.hand].upgrade() {
            Some(handle) => !handle.used.swap(false, Ordering::Relaxed),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests;
