//! What the kernel asks, answered by a browser of snapshots.
//!
//! Knows the kernel's words and error numbers; not what is shown. Several threads are in here at once,
//! so that a request that waits for the store does not hold up the others. Of writes nothing is heard here: the mount is
//! read-only, and the kernel refuses them by itself.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, ReplyAttr,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek,
    ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};
use lifeboat::Kind;
use lifeboat::browse::{
    Answer, Attributes, Browser, Failure, Lasts, Listed, OpenDir, OpenFile, Seek, Seen,
};
use lifeboat_format::time::Time;
use lifeboat_format::tree::EntryKind;

/// For how long the kernel need not ask again after what lies in a snapshot: it never changes.
const ALWAYS: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for what leads to snapshots, of which there may be new ones.
const AWHILE: Duration = Duration::from_secs(1);
/// How often at most the log is looked at for new snapshots.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a listing waits for that; what is known is shown if the store takes longer.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);
/// Requests for what will be read soon that the kernel may have under way.
const BACKGROUND: u16 = 64;
/// The longest name that every kernel takes, in bytes.
const NAME_MAX: usize = 1024;
/// What programs are told is a good length for a read, and the unit of sizes of the whole, in bytes.
const BLOCK_BYTES: u32 = 4096;
/// `FS_IOC_GETFLAGS`, with which `lsattr` asks for a file's flags.
const GET_FLAGS: u32 = 0x8008_6601;
/// The members that every directory has, and that no snapshot lists: itself and the one above.
const DOTS: u64 = 2;

/// Answers the kernel.
#[derive(Debug)]
pub(super) struct Served {
    browser: Arc<Browser>,
    /// Has somebody look for new snapshots, and hears by its end that they have.
    lookout: Sender<Sender<()>>,
    open: Mutex<HashMap<u64, Opened>>,
    next_handle: AtomicU64,
    looked: Mutex<Option<Instant>>,
}

/// What somebody has open.
#[derive(Clone, Debug)]
enum Opened {
    Dir(Arc<OpenDir>),
    File(Arc<OpenFile>),
}

impl Served {
    /// Shows what the browser has; asks for new snapshots by `lookout`.
    pub(super) fn new(browser: Arc<Browser>, lookout: Sender<Sender<()>>) -> Self {
        let (open, next_handle) = (Mutex::default(), AtomicU64::new(1));
        Self { browser, lookout, open, next_handle, looked: Mutex::default() }
    }

    fn keep(&self, opened: Opened) -> FileHandle {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        self.opened().insert(handle, opened);
        FileHandle(handle)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, handle: FileHandle) -> Result<Arc<OpenFile>, Errno> {
        match self.opened().get(&handle.0) {
            Some(Opened::File(file)) => Ok(Arc::clone(file)),
            _ => Err(Errno::EBADF),
        }
    }

    fn dir(&self, handle: FileHandle) -> Result<Arc<OpenDir>, Errno> {
        match self.opened().get(&handle.0) {
            Some(Opened::Dir(dir)) => Ok(Arc::clone(dir)),
            _ => Err(Errno::EBADF),
        }
    }

    /// Has the log looked at, if it is time to and the directory leads to snapshots.
    fn look_for_new(&self, directory: INodeNo) {
        if !self.browser.is_above_snapshots(directory.0) {
            return;
        }
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
                return;
            }
            *looked = Some(Instant::now());
        }
        let (done, wait) = channel();
        if self.lookout.send(done).is_ok()
            && let Err(error) = wait.recv_timeout(LOOK_PATIENCE)
        {
            // Disconnected is how the end of the look is told.
            tracing::debug!(%error, "looked for new snapshots");
        }
    }

    fn list(
        &self,
        dir: &OpenDir,
        offset: u64,
        add: &mut dyn FnMut(&Listed<'_>, u64) -> bool,
    ) -> Answer<()> {
        let position = offset.saturating_sub(DOTS);
        self.browser.list(dir, position, &mut |listed| {
            if listed.name.len() > NAME_MAX {
                tracing::warn!(name = %listed.name.escape_ascii(), "a name is too long for the kernel");
                return true;
            }
            add(listed, listed.position + DOTS + 1)
        })
    }

    fn seek_in(&self, handle: FileHandle, offset: i64, whence: i32) -> Result<i64, Errno> {
        let what = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return Err(Errno::EINVAL),
        };
        let file = self.file(handle)?;
        let offset = u64::try_from(offset).map_err(|_negative| Errno::EINVAL)?;
        let found = self.browser.seek(&file, offset, what).map_err(|failure| errno(&failure))?;
        found.and_then(|found| i64::try_from(found).ok()).ok_or(Errno::ENXIO)
    }

    fn names_of_xattrs(&self, number: INodeNo) -> Result<Vec<u8>, Errno> {
        let names = self.browser.xattr_names(number.0).map_err(|failure| errno(&failure))?;
        Ok(names.into_iter().flat_map(|name| [name.as_slice(), &[0]].concat()).collect())
    }

    fn xattr(&self, number: INodeNo, name: &OsStr) -> Result<Vec<u8>, Errno> {
        let value = self.browser.xattr(number.0, name.as_bytes());
        value.map_err(|failure| errno(&failure))?.ok_or(Errno::NO_XATTR)
    }
}

/// How the kernel calls a failure; what failed is in the log already.
fn errno(failure: &Failure) -> Errno {
    match failure {
        Failure::Stale => Errno::ESTALE,
        Failure::Lost(error) if error.kind() == Kind::Invalid => Errno::EINVAL,
        Failure::Lost(_) => Errno::EIO,
    }
}

/// For how long the kernel may rely on what was seen.
fn time_to_live(seen: &Seen) -> Duration {
    match seen.lasts {
        Lasts::Always => ALWAYS,
        Lasts::AsLongAsShown => AWHILE,
        Lasts::UntilLookedAt => Duration::ZERO,
    }
}

fn file_attr(seen: &Seen) -> FileAttr {
    let Attributes { kind, mode, uid, gid, size, blocks, mtime, ctime, links, rdev, flags } =
        seen.attributes;
    let mtime = system_time(mtime);
    FileAttr {
        ino: INodeNo(seen.number),
        size,
        blocks,
        atime: mtime,
        mtime,
        ctime: system_time(ctime),
        crtime: mtime,
        kind: file_type(kind),
        perm: mode,
        nlink: u32::try_from(links).unwrap_or(u32::MAX),
        uid,
        gid,
        rdev: rdev.map_or(0, |device| kernel_device(device.major, device.minor)),
        blksize: BLOCK_BYTES,
        flags,
    }
}

/// A device number as the kernel takes it from file systems: of the minor number 8 bits, then 12 of the
/// major, then the rest of the minor.
fn kernel_device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
}

fn file_type(kind: EntryKind) -> FileType {
    match kind {
        EntryKind::File => FileType::RegularFile,
        EntryKind::Dir => FileType::Directory,
        EntryKind::Symlink => FileType::Symlink,
        EntryKind::Fifo => FileType::NamedPipe,
        EntryKind::Socket => FileType::Socket,
        EntryKind::Char => FileType::CharDevice,
        EntryKind::Block => FileType::BlockDevice,
    }
}

/// The nearest time that the system knows: files may bear any.
fn system_time(time: Time) -> SystemTime {
    let seconds = Duration::from_secs(time.secs.unsigned_abs());
    let whole = match time.secs {
        0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
        _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
    };
    let fraction = Duration::from_nanos(u64::from(time.nanos));
    whole.and_then(|whole| whole.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Filesystem for Served {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for capability in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
        ] {
            if let Err(missing) = config.add_capabilities(capability) {
                tracing::debug!(?missing, "the kernel does not have a capability");
            }
        }
        if let Err(nearest) = config.set_max_background(BACKGROUND) {
            tracing::debug!(nearest, "the kernel's requests ahead stay as they are");
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.look_for_new(parent);
        match self.browser.look_up(parent.0, name.as_bytes()) {
            Ok(Some(seen)) => reply.entry(&time_to_live(&seen), &file_attr(&seen), Generation(0)),
            Ok(None) => reply.error(Errno::ENOENT),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn forget(&self, _request: &Request, number: INodeNo, lookups: u64) {
        self.browser.let_go(number.0, lookups);
    }

    fn getattr(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        match self.browser.see(number.0) {
            Ok(seen) => reply.attr(&time_to_live(&seen), &file_attr(&seen)),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        match self.browser.link_target(number.0) {
            Ok(target) => reply.data(&target),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn access(&self, _request: &Request, number: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        // Nobody gets here whom the kernel does not let in; but no program should take a file for one
        // that can be run because its user can read everything.
        match self.browser.see(number.0) {
            Ok(seen) if mask.contains(AccessFlags::X_OK) && seen.attributes.mode & 0o111 == 0 => {
                reply.error(Errno::EACCES);
            }
            Ok(_) => reply.ok(),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn open(&self, _request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        match self.browser.open_file(number.0) {
            Ok(file) => {
                let handle = self.keep(Opened::File(Arc::new(file)));
                reply.opened(handle, FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH);
            }
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn read(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let file = match self.file(handle) {
            Ok(file) => file,
            Err(error) => return reply.error(error),
        };
        match self.browser.read(&file, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn lseek(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        match self.seek_in(handle, offset, whence) {
            Ok(found) => reply.offset(found),
            Err(error) => reply.error(error),
        }
    }

    fn flush(
        &self,
        _request: &Request,
        _number: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.opened().remove(&handle.0);
        reply.ok();
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.look_for_new(number);
        match self.browser.open_dir(number.0) {
            Ok(dir) => {
                let handle = self.keep(Opened::Dir(Arc::new(dir)));
                let flags = match self.browser.is_above_snapshots(number.0) {
                    true => FopenFlags::empty(),
                    false => FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR,
                };
                reply.opened(handle, flags);
            }
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let dir = match self.dir(handle) {
            Ok(dir) => dir,
            Err(error) => return reply.error(error),
        };
        let (own, above) = dir.numbers();
        for (place, (number, name)) in (0..).zip([(own, "."), (above, "..")]) {
            if place >= offset && reply.add(INodeNo(number), place + 1, FileType::Directory, name) {
                return reply.ok();
            }
        }
        let listed = self.list(&dir, offset, &mut |listed, next| {
            let Seen { number, attributes, .. } = listed.seen;
            let (kind, name) = (file_type(attributes.kind), OsStr::from_bytes(listed.name));
            !reply.add(INodeNo(number), next, kind, name)
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let dir = match self.dir(handle) {
            Ok(dir) => dir,
            Err(error) => return reply.error(error),
        };
        let (own, above) = dir.numbers();
        for (place, (number, name)) in (0..).zip([(own, "."), (above, "..")]) {
            // The kernel takes the name and the number of these two, and keeps neither.
            let dot = self.browser.see(lifeboat::browse::TOP).map(|top| Seen { number, ..top });
            if let (true, Ok(dot)) = (place >= offset, dot) {
                let (attr, generation) = (file_attr(&dot), Generation(0));
                let number = INodeNo(number);
                if reply.add(number, place + 1, name, &Duration::ZERO, &attr, generation) {
                    return reply.ok();
                }
            }
        }
        let listed = self.list(&dir, offset, &mut |listed, next| {
            let seen = self.browser.keep_listed(listed);
            let (number, name) = (INodeNo(seen.number), OsStr::from_bytes(listed.name));
            let (attr, generation) = (file_attr(&seen), Generation(0));
            let is_full = reply.add(number, next, name, &time_to_live(&seen), &attr, generation);
            if is_full {
                self.browser.let_go(seen.number, 1);
            }
            !is_full
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(failure) => reply.error(errno(&failure)),
        }
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.opened().remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _number: INodeNo, reply: ReplyStatfs) {
        // Nothing is free, and how much there is nobody has counted.
        let name_max = u32::try_from(NAME_MAX).unwrap_or(u32::MAX);
        reply.statfs(0, 0, 0, 0, 0, BLOCK_BYTES, name_max, BLOCK_BYTES);
    }

    fn getxattr(
        &self,
        _request: &Request,
        number: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        answer_xattr(self.xattr(number, name), size, reply);
    }

    fn listxattr(&self, _request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        answer_xattr(self.names_of_xattrs(number), size, reply);
    }

    fn ioctl(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        _flags: IoctlFlags,
        command: u32,
        _input: &[u8],
        out_size: u32,
        reply: ReplyIoctl,
    ) {
        if command != GET_FLAGS || out_size < 4 {
            return reply.error(Errno::ENOTTY);
        }
        match self.browser.see(number.0) {
            // All systems that this is built for count from the lowest byte.
            Ok(seen) => reply.ioctl(0, &seen.attributes.flags.to_le_bytes()),
            Err(failure) => reply.error(errno(&failure)),
        }
    }
}

/// A value, its length if that is all that was asked for, or that there is too little room for it.
fn answer_xattr(value: Result<Vec<u8>, Errno>, room: u32, reply: ReplyXattr) {
    match value {
        Err(error) => reply.error(error),
        Ok(value) => match u32::try_from(value.len()) {
            Ok(length) if room == 0 => reply.size(length),
            Ok(length) if length <= room => reply.data(&value),
            _ => reply.error(Errno::ERANGE),
        },
    }
}

#[cfg(test)]
mod tests;
