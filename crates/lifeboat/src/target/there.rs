//! What is in the target already: looked at, opened to be changed in place, and taken away.
//!
//! Knows one member of a directory at a time. Nothing is followed, and between a look and the step that
//! was decided on by it the identity is compared, so that whatever somebody puts there meanwhile is not taken for it.
//!
//! Invariants: only a regular file with a single name is opened for writing, so that no other name of it changes; what is
//! a mount point is never taken away.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, Statx, StatxAttributes, StatxFlags, makedev,
};
use rustix::io::Errno;

use super::dir::{Dir, FileId};
use super::fault::{Fault, Result};
use super::name;
use super::node::{Node, UNFINISHED};

/// What is told of a member's attributes at once, in bytes; longer lists count as some.
const LIST_BYTES: usize = 256;
/// How much of a directory is read at once, in bytes.
const ENTRIES_BYTES: usize = 32 << 10;

/// A member of a directory, as it was when it was looked at.
#[derive(Clone, Copy, Debug)]
pub struct There {
    /// Which file it is.
    pub id: FileId,
    /// Its kind.
    pub kind: FileType,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner's and group's number.
    pub owner: (u32, u32),
    /// Its length in bytes.
    pub size: u64,
    /// Time of the last change of the content: seconds since 1970, and nanoseconds.
    pub mtime: (i64, u32),
    /// How many names it has.
    pub links: u32,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Whether another file system, or another part of one, is mounted here.
    pub is_mount: bool,
}

impl There {
    /// Whether a restore was writing it and has not finished it.
    pub fn is_unfinished(&self) -> bool {
        self.kind == FileType::RegularFile && self.mode == UNFINISHED.as_raw_mode()
    }
}

/// Looks at the member `name`; `None` where nothing has that name.
///
/// # Errors
/// The system's.
pub fn look(dir: &Dir, name: &[u8]) -> Result<Option<There>> {
    name::check(name)?;
    let wanted = StatxFlags::BASIC_STATS;
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    match rustix::fs::statx(dir, name, flags, wanted) {
        Ok(found) => Ok(Some(there(&found, dir))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Fault::system("look at", errno)),
    }
}

fn there(found: &Statx, dir: &Dir) -> There {
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    // Linux before 5.8 does not tell of places where a part of the same file system is mounted.
    let is_root = found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    There {
        id: FileId { device, inode: found.stx_ino },
        kind: FileType::from_raw_mode(found.stx_mode.into()),
        mode: u32::from(found.stx_mode) & 0o7777,
        owner: (found.stx_uid, found.stx_gid),
        size: found.stx_size,
        mtime: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        links: found.stx_nlink,
        device: (found.stx_rdev_major, found.stx_rdev_minor),
        is_mount: is_root || device != dir.id().device,
    }
}

/// Whether the member has extended attributes, access control lists among them; unsaid means yes. What a security module
/// gives to every file does not count.
pub fn has_xattrs(dir: &Dir, name: &[u8]) -> bool {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let mut list = [0_u8; LIST_BYTES];
    match rustix::fs::llistxattr(path, &mut list) {
        Ok(len) => list[..len].split(|byte| *byte == 0).any(|name| {
            !name.is_empty()
                && name != b"security.selinux"
                && name != b"security.evm"
                && !name.starts_with(b"trusted.SGI_ACL_")
        }),
        Err(Errno::OPNOTSUPP) => false,
        Err(_) => true,
    }
}

/// What a symbolic link points to.
///
/// # Errors
/// The system's.
pub fn read_link(dir: &Dir, name: &[u8]) -> Result<Vec<u8>> {
    name::check(name)?;
    rustix::fs::readlinkat(dir, name, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .map_err(|errno| Fault::system("read symbolic link", errno))
}

/// Opens a file that was looked at, to be changed in place; `None` where it can't be: it is not ours to write,
/// it is being executed, or it has other names, which must not change with it.
///
/// # Errors
/// A fault when it is another file by now, or the system's.
pub fn open(dir: &Dir, name: &[u8], there: &There) -> Result<Option<Node>> {
    if there.links > 1 {
        return Ok(None);
    }
    let Some(fd) = open_as(dir, name, OFlags::RDWR)? else { return Ok(None) };
    let stat = rustix::fs::fstat(&fd).map_err(|errno| Fault::system("look at", errno))?;
    if FileId::from_stat(&stat) != there.id || stat.st_nlink > 1 {
        return Err(replaced("open"));
    }
    Ok(Some(Node::found(fd, there.id)))
}

/// Opens a file that was looked at, for its metadata alone.
///
/// # Errors
/// As of [`open`].
pub fn open_for_metadata(dir: &Dir, name: &[u8], there: &There) -> Result<Node> {
    Ok(Node::found(open_to_read(dir, name, there)?, there.id))
}

/// Holds what was looked at in its place, for its metadata alone, whatever it is.
///
/// # Errors
/// As of [`open`].
pub fn hold(dir: &Dir, name: &[u8], there: &There) -> Result<Node> {
    name::check(name)?;
    let fail = |errno| Fault::system("look at", errno);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(fail)?;
    if FileId::of(&fd).map_err(fail)? != there.id {
        return Err(replaced("look at"));
    }
    Ok(Node::held(fd, there.id))
}

/// Opens a file that was looked at, to be read.
///
/// # Errors
/// As of [`open`].
pub fn open_to_read(dir: &Dir, name: &[u8], there: &There) -> Result<OwnedFd> {
    let denied = || Fault::system("open", Errno::ACCESS);
    let fd = open_as(dir, name, OFlags::RDONLY)?.ok_or_else(denied)?;
    if FileId::of(&fd).map_err(|errno| Fault::system("look at", errno))? != there.id {
        return Err(replaced("open"));
    }
    Ok(fd)
}

fn open_as(dir: &Dir, name: &[u8], access: OFlags) -> Result<Option<OwnedFd>> {
    name::check(name)?;
    // Should it be a named pipe by now, opening must not wait for its other end.
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ACCESS | Errno::PERM | Errno::TXTBSY) => Ok(None),
        Err(errno) => Err(Fault::system("open", errno)),
    }
}

/// Takes away what was looked at, if it is no directory.
///
/// # Errors
/// A fault when it is another file by now, a mount point or a directory, or the system's.
pub fn remove(dir: &Dir, name: &[u8], there: &There) -> Result<()> {
    match look(dir, name)? {
        None => return Ok(()),
        Some(now) if now.id != there.id => return Err(replaced("remove")),
        Some(_) => {}
    }
    let flags = match (there.kind, there.is_mount) {
        (_, true) => return Err(Fault::refused("remove", "something is mounted there")),
        (FileType::Directory, _) => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    match rustix::fs::unlinkat(dir, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Fault::system("remove", errno)),
    }
}

/// Calls `each` with the name of every member until it says that it is enough.
///
/// # Errors
/// What `each` returns, or the system's.
pub fn members(dir: &Dir, mut each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let fail = |errno| Fault::system("list directory", errno);
    // A descriptor of its own, so that two lists do not share a place.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, c".", flags, Mode::empty()).map_err(fail)?;
    let mut buffer = vec![MaybeUninit::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(fd, &mut buffer);
    while let Some(entry) = entries.next() {
        let name: &CStr = entry.as_ref().map_err(|errno| fail(*errno))?.file_name();
        let name = name.to_bytes();
        if name != b"." && name != b".." && !each(name)? {
            break;
        }
    }
    Ok(())
}

fn replaced(operation: &'static str) -> Fault {
    Fault::refused(operation, "somebody put something else in its place during the restore")
}
