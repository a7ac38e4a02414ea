//! Single steps on an open file, or on one that is only held in its place.
//!
//! What is held by an `O_PATH` descriptor (a symbolic link, a special file) is reached through
//! `/proc/self/fd`, which leads to that very file, whatever now has its name.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fs::{AtFlags, Gid, IFlags, Mode, Stat, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::target::fault::{Fault, Result};

/// The longest list of names that the kernel gives, in bytes (`XATTR_LIST_MAX`).
const XATTR_LIST_MAX: usize = 64 << 10;

/// A file whose metadata is set.
#[derive(Debug)]
pub(super) enum Handle<'a> {
    /// Open for use.
    Open(BorrowedFd<'a>),
    /// Only stands for the file.
    Place(BorrowedFd<'a>),
}

impl Handle<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Open(fd) | Handle::Place(fd) => *fd,
        }
    }

    fn proc_path(fd: BorrowedFd<'_>) -> String {
        format!("/proc/self/fd/{}", fd.as_raw_fd())
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        rustix::fs::fstat(self.fd()).map_err(|errno| Fault::system("look at", errno))
    }

    pub(super) fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        // The number of all ones means "leave it" to the system call.
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            return Err(Fault::refused("set owner of", "the snapshot has an owner that can't be"));
        }
        let uid = uid.map(Uid::from_raw);
        let gid = gid.map(Gid::from_raw);
        match self {
            Handle::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Handle::Place(fd) => rustix::fs::chownat(fd, "", uid, gid, AtFlags::EMPTY_PATH),
        }
        .map_err(|errno| Fault::system("set owner of", errno))
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Handle::Open(fd) => rustix::fs::fchmod(fd, mode),
            Handle::Place(fd) => rustix::fs::chmod(Self::proc_path(*fd), mode),
        }
        .map_err(|errno| Fault::system("set mode of", errno))
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
        match self {
            Handle::Open(fd) => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
            Handle::Place(fd) => {
                rustix::fs::setxattr(Self::proc_path(*fd), name, value, XattrFlags::empty())
            }
        }
        .map_err(|errno| Fault::system("set extended attribute of", errno))
    }

    /// The extended attributes that it has and that a restore takes away if the snapshot has not got them: not those that
    /// a security module gives to every file. None where they can't be told.
    pub(super) fn xattr_names(&self) -> Vec<String> {
        let mut list = vec![0_u8; XATTR_LIST_MAX];
        let len = match self {
            Handle::Open(fd) => rustix::fs::flistxattr(fd, &mut list),
            Handle::Place(fd) => rustix::fs::listxattr(Self::proc_path(*fd), &mut list),
        };
        list.truncate(len.unwrap_or(0));
        let names = list.split(|byte| *byte == 0).filter_map(|name| str::from_utf8(name).ok());
        let is_ours = |name: &&str| {
            let has = |start: &&str| name.starts_with(*start);
            // XFS's own form of what is `system.posix_acl_`, too.
            !has(&"trusted.SGI_ACL_")
                && (["user.", "trusted.", "system.posix_acl_"].iter().any(has)
                    || *name == "security.capability")
        };
        names.filter(is_ours).map(str::to_owned).collect()
    }

    pub(super) fn remove_xattr(&self, name: &str) -> Result<()> {
        let removed = match self {
            Handle::Open(fd) => rustix::fs::fremovexattr(fd, name),
            Handle::Place(fd) => rustix::fs::removexattr(Self::proc_path(*fd), name),
        };
        match removed {
            // A symbolic link has no access control list to inherit.
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(Fault::system("remove extended attribute of", errno)),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<()> {
        match self {
            Handle::Open(fd) => rustix::fs::futimens(fd, times),
            Handle::Place(fd) => {
                match rustix::fs::utimensat(fd, "", times, AtFlags::EMPTY_PATH) {
                    // Before Linux 5.8.
                    Err(Errno::INVAL | Errno::NOENT) => {
                        let path = Self::proc_path(*fd);
                        rustix::fs::utimensat(rustix::fs::CWD, path, times, AtFlags::empty())
                    }
                    result => result,
                }
            }
        }
        .map_err(|errno| Fault::system("set time of", errno))
    }
}

/// Sets these flags beside those that the file has.
pub(super) fn add_flags(fd: BorrowedFd<'_>, flags: IFlags) -> Result<()> {
    let fail = |errno| Fault::system("set file flags of", errno);
    let now = rustix::fs::ioctl_getflags(fd).map_err(fail)?;
    if now.contains(flags) {
        return Ok(());
    }
    rustix::fs::ioctl_setflags(fd, now | flags).map_err(fail)
}

/// Whether an owner was refused for want of a privilege, or because it has no number in this user
/// namespace.
pub(super) fn is_denied_id(fault: &Fault) -> bool {
    fault.is_denied() || fault.is(Errno::INVAL)
}

/// Whether only a privileged user may set an extended attribute of that name.
pub(super) fn is_denied_name(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"trusted.")
}
