//! File flags, as `chattr` sets them.
//!
//! Knows which of them are a user's to set; the others say how a file system keeps the file.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::ioctl_getflags;
use rustix::io::Errno;

/// The flags that are kept (`FS_*_FL` of linux/fs.h): secure deletion, undeletable, compressed,
/// synchronous, immutable, append only, no dump, no access times (0xff together), not compressed,
/// journalled data, no tail merging, synchronous directory, top of a directory hierarchy, no copy on
/// write, direct access, case folding.
///
/// Not among them: what the file system sets itself (extents, hashed index, huge, inline data,
/// encrypted, verity), and the inheritance of a project number, which means nothing without the number.
pub const KEPT_FLAGS: u32 = 0x0000_00ff
    | 0x0000_0400 // FS_NOCOMP_FL
    | 0x0000_4000 // FS_JOURNAL_DATA_FL
    | 0x0000_8000 // FS_NOTAIL_FL
    | 0x0001_0000 // FS_DIRSYNC_FL
    | 0x0002_0000 // FS_TOPDIR_FL
    | 0x0080_0000 // FS_NOCOW_FL
    | 0x0200_0000 // FS_DAX_FL
    | 0x4000_0000; // FS_CASEFOLD_FL

/// The flags of an open file or directory; none where the file system has no flags.
pub(super) fn read(fd: BorrowedFd<'_>) -> io::Result<u32> {
    match ioctl_getflags(fd) {
        Ok(flags) => Ok(flags.bits() & KEPT_FLAGS),
        // What file systems without flags say; FUSE servers are free to choose.
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
