//! An open directory below the target (or the target itself), and the ways into its members.
//!
//! Nothing here follows a link or takes a path, but for the target itself, whose path is the
//! caller's own.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::fault::{Fault, Result};
use super::name;
use crate::error::{self, Error};

/// Directories that no entry describes, and all others until their own mode is set, are the
/// restoring user's alone: nothing says who else was allowed through them.
const MODE_WHILE_RESTORING: Mode = Mode::RWXU;

/// The longest path, in bytes, that the kernel takes in one call (`PATH_MAX`, less its zero byte).
const PATH_BYTES_MAX: usize = 4095;

/// The name under which Linux keeps the access control list that new members inherit.
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// What tells one file from all others of this machine while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device number of its file system.
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
}

impl FileId {
    /// The identity of an open file.
    ///
    /// # Errors
    /// The system's.
    pub fn of(fd: impl AsFd) -> rustix::io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(fd)?))
    }

    pub(super) fn from_stat(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    facts: Facts,
}

/// What is known of a directory, open or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) id: FileId,
    /// Made by this run, not found.
    pub(super) made: bool,
    /// New members get an access control list from it.
    pub(super) gives_acl: bool,
    /// It is on what is mounted somewhere below the target, or is where that is mounted.
    pub(super) below_mount: bool,
}

/// The target directory, and whether anything was in it.
#[derive(Debug)]
pub struct Target {
    /// The directory.
    pub dir: Dir,
    /// Made by this run, or found empty: nobody else's things depend on its metadata.
    pub fresh: bool,
}

impl Target {
    /// Opens the target directory, and makes it and its parents where they are missing.
    ///
    /// Links in the path itself are followed: the path is the caller's own.
    ///
    /// # Errors
    /// The system's, with the path.
    pub fn open(path: &Path) -> error::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        let fail = |operation| move |cause: io::Error| Error::local(operation, bytes, cause);
        let mut builder = DirBuilder::new();
        builder.mode(MODE_WHILE_RESTORING.as_raw_mode());
        if let Some(parent) = path.parent() {
            builder.recursive(true);
            builder.create(parent).map_err(fail("make the parents of the target"))?;
        }
        builder.recursive(false);
        let made = match builder.create(path) {
            Ok(()) => true,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => false,
            Err(cause) => return Err(fail("make the target")(cause)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| fail("open the target")(errno.into()))?;
        let empty =
            made || std::fs::read_dir(path).map_err(fail("list the target"))?.next().is_none();
        let dir = Dir::found(fd)
            .and_then(|dir| Dir { facts: Facts { made, ..dir.facts }, ..dir }.writable())
            .map_err(|fault| fault.into_error(bytes))?;
        Ok(Self { dir, fresh: made || empty })
    }
}

impl Dir {
    /// The member directory `name`, made if there is nothing of that name.
    ///
    /// # Errors
    /// A fault when something that is not a directory is there, or the system's.
    pub fn make_or_enter(&self, name: &[u8]) -> Result<Self> {
        name::check(name)?;
        let made = match rustix::fs::mkdirat(&self.fd, name, MODE_WHILE_RESTORING) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Fault::system("make directory", errno)),
        };
        if !made {
            return self.enter(name);
        }
        let below_mount = self.facts.below_mount;
        let fd = open_member(self.fd.as_fd(), name)
            .map_err(|errno| Fault::system("enter directory", errno))?;
        let id = FileId::of(&fd).map_err(|errno| Fault::system("look at directory", errno))?;
        // A directory that inherited a list hands it on in turn.
        let gives_acl = self.facts.gives_acl;
        Ok(Self { fd, facts: Facts { id, made, gives_acl, below_mount } })
    }

    /// The member directory `name`, which is there.
    ///
    /// # Errors
    /// A fault when something that is not a directory is there, or the system's.
    pub fn enter(&self, name: &[u8]) -> Result<Self> {
        name::check(name)?;
        let fd = open_member(self.fd.as_fd(), name)
            .map_err(|errno| Fault::system("enter directory", errno))?;
        let is_mount = is_mount(&fd);
        let dir = Self::found(fd)?;
        let is_other = dir.facts.id.device != self.facts.id.device;
        let below_mount = self.facts.below_mount || is_mount || is_other;
        Ok(Self { facts: Facts { below_mount, ..dir.facts }, ..dir })
    }

    /// The directory below this one that these names lead to.
    ///
    /// # Errors
    /// A fault when any of them is not a directory, or the system's.
    pub fn descend<'n>(&self, names: impl Iterator<Item = &'n [u8]> + Clone) -> Result<Self> {
        let mut path = Vec::new();
        for member in names.clone() {
            name::check(member)?;
            path.extend_from_slice(member);
            path.push(b'/');
        }
        if path.is_empty() {
            path.push(b'.');
        }
        let fd = match open_beneath(self.fd.as_fd(), &path) {
            Some(fd) => fd,
            None => self
                .descend_by_name(names)
                .map_err(|errno| Fault::system("enter directory", errno))?,
        };
        Self::found(fd)
    }

    /// Its parent, provided that this is still the directory of that identity.
    pub(super) fn parent(&self, facts: Facts) -> Option<Self> {
        // The identity makes this safe: it can only be a directory that was reached from the target.
        let fd = open_member(self.fd.as_fd(), b"..").ok()?;
        (FileId::of(&fd).ok()? == facts.id).then_some(Self { fd, facts })
    }

    /// The same directory, open once more.
    ///
    /// # Errors
    /// The system's.
    pub fn try_clone(&self) -> Result<Self> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)
            .map_err(|errno| Fault::system("open again", errno))?;
        Ok(Self { fd, facts: self.facts })
    }

    /// Its identity.
    pub fn id(&self) -> FileId {
        self.facts.id
    }

    /// Whether this run made it.
    pub fn is_made(&self) -> bool {
        self.facts.made
    }

    /// Whether it is on what is mounted somewhere below the target, or is where that is mounted.
    pub fn is_below_mount(&self) -> bool {
        self.facts.below_mount
    }

    /// Whether new members get an access control list from it, beside or instead of their own.
    pub fn gives_acl(&self) -> bool {
        self.facts.gives_acl
    }

    pub(super) fn facts(&self) -> Facts {
        self.facts
    }

    pub(super) fn with_facts(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }

    fn found(fd: OwnedFd) -> Result<Self> {
        let id = FileId::of(&fd).map_err(|errno| Fault::system("look at directory", errno))?;
        let gives_acl = rustix::fs::fgetxattr(&fd, DEFAULT_ACL, &mut [0_u8; 0]).is_ok();
        Ok(Self { fd, facts: Facts { id, made: false, gives_acl, below_mount: false } })
    }

    /// Makes sure that members can be created here, so that an unwritable target is known at once.
    fn writable(self) -> Result<Self> {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        match rustix::fs::accessat(&self.fd, ".", access, AtFlags::EACCESS) {
            Ok(()) => Ok(self),
            Err(errno) => Err(Fault::system("write to the target", errno)),
        }
    }

    fn descend_by_name<'n>(
        &self,
        names: impl Iterator<Item = &'n [u8]>,
    ) -> rustix::io::Result<OwnedFd> {
        let mut fd = open_member(self.fd.as_fd(), b".")?;
        for member in names {
            fd = open_member(fd.as_fd(), member)?;
        }
        Ok(fd)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether something is mounted at an open directory. Linux before 5.8 does not tell.
fn is_mount(fd: &OwnedFd) -> bool {
    let found = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Opens a direct member; one name can lead nowhere else once links are not followed.
fn open_member(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, directory_flags(), Mode::empty())
}

/// Opens a directory some levels below in one call, where the kernel can promise that the way
/// stays below (Linux 5.6 and later); `None` where it can't, or where it failed for any reason.
fn open_beneath(dir: BorrowedFd<'_>, path: &[u8]) -> Option<OwnedFd> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(dir, path, directory_flags(), Mode::empty(), resolve).ok()
}
