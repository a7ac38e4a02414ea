//! Files, links and special files: created where nothing was, or found and opened, and removed again if need be.
//!
//! A creation is exclusive and follows no link, so it can neither open nor change what is there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::dir::{Dir, FileId};
use super::fault::{Fault, Result};
use super::name;

/// Until a file's own mode is set, it is the restoring user's alone.
const MODE_WHILE_RESTORING: Mode = Mode::RUSR.union(Mode::WUSR);

/// The mark of a file whose content is not all there: the sticky bit, a `T` in a list, which has no meaning for a regular
/// file on Linux. Its own mode takes the mark away when all is written.
pub(super) const UNFINISHED: Mode = MODE_WHILE_RESTORING.union(Mode::SVTX);

/// The largest device numbers that Linux has room for: 12 bits and 20 bits.
const MAJOR_MAX: u32 = (1 << 12) - 1;
const MINOR_MAX: u32 = (1 << 20) - 1;

/// A special file's kind, with its device number where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
}

/// Something that this run has made, or found and opened.
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
    id: FileId,
    access: Access,
    /// Made by this run, not found.
    made: bool,
}

/// What the descriptor of a node can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Open for reading and writing.
    Content,
    /// Only stands for the file (`O_PATH`); it is reached through `/proc`.
    Place,
}

impl Node {
    /// Creates an empty file.
    ///
    /// # Errors
    /// A fault when anything is there already, or the system's.
    pub fn create_file(dir: &Dir, name: &[u8]) -> Result<Self> {
        name::check(name)?;
        let fail = |errno| Fault::system("create file", errno);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, name, flags, UNFINISHED).map_err(fail)?;
        let id = FileId::of(&fd).map_err(fail)?;
        Ok(Self { fd, id, access: Access::Content, made: true })
    }

    /// A file that was found and opened.
    pub(super) fn found(fd: OwnedFd, id: FileId) -> Self {
        Self { fd, id, access: Access::Content, made: false }
    }

    /// Something that was found and is held in its place.
    pub(super) fn held(fd: OwnedFd, id: FileId) -> Self {
        Self { fd, id, access: Access::Place, made: false }
    }

    /// Marks a file that was found as unfinished, and the restoring user's alone: what it says from now on is for
    /// whom its new mode says.
    ///
    /// # Errors
    /// The system's.
    pub fn mark_unfinished(&self) -> Result<()> {
        rustix::fs::fchmod(&self.fd, UNFINISHED).map_err(|errno| Fault::system("change", errno))
    }

    /// Creates a symbolic link; its target is only text here and is never looked at.
    ///
    /// # Errors
    /// As of [`Self::create_file`].
    pub fn create_symlink(dir: &Dir, name: &[u8], target: &[u8]) -> Result<Self> {
        name::check(name)?;
        rustix::fs::symlinkat(target, dir, name)
            .map_err(|errno| Fault::system("create symbolic link", errno))?;
        Self::pin(dir, name, FileType::Symlink)
    }

    /// Creates a named pipe, a socket's name or a device.
    ///
    /// # Errors
    /// As of [`Self::create_file`]; devices need privileges.
    pub fn create_special(dir: &Dir, name: &[u8], special: Special) -> Result<Self> {
        name::check(name)?;
        let (operation, kind, (major, minor)) = match special {
            Special::Fifo => ("create named pipe", FileType::Fifo, (0, 0)),
            Special::Socket => ("create socket", FileType::Socket, (0, 0)),
            Special::Character(major, minor) => {
                ("create character device", FileType::CharacterDevice, (major, minor))
            }
            Special::Block(major, minor) => {
                ("create block device", FileType::BlockDevice, (major, minor))
            }
        };
        if major > MAJOR_MAX || minor > MINOR_MAX {
            return Err(Fault::refused(operation, "Linux has no room for its device number"));
        }
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(dir, name, kind, MODE_WHILE_RESTORING, device)
            .map_err(|errno| Fault::system(operation, errno))?;
        Self::pin(dir, name, kind)
    }

    /// Gives a file that this run made a further name.
    ///
    /// `place` is the directory and name under which it was made. If somebody has put another file
    /// there since, the new name is taken away again.
    ///
    /// # Errors
    /// A fault when anything has the new name already, when the file is not there any more, or the
    /// system's.
    pub fn link(place: (&Dir, &[u8]), id: FileId, dir: &Dir, new_name: &[u8]) -> Result<()> {
        name::check(new_name)?;
        let fail = |errno| Fault::system("create hard link", errno);
        let gone = || {
            Fault::refused(
                "create hard link",
                "the file that it belongs to was removed or replaced during the restore",
            )
        };
        let is_it = |dir: &Dir, name: &[u8]| {
            rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .map(|stat| FileId::from_stat(&stat) == id)
        };
        match is_it(place.0, place.1) {
            Ok(true) => {}
            Ok(false) | Err(Errno::NOENT) => return Err(gone()),
            Err(errno) => return Err(fail(errno)),
        }
        // Without AT_SYMLINK_FOLLOW a link is linked, not followed.
        rustix::fs::linkat(place.0, place.1, dir, new_name, AtFlags::empty()).map_err(fail)?;
        if is_it(dir, new_name).map_err(fail)? {
            return Ok(());
        }
        rustix::fs::unlinkat(dir, new_name, AtFlags::empty()).map_err(fail)?;
        Err(gone())
    }

    /// Takes the name away again, if it still is this file's.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, dir: &Dir, name: &[u8]) -> Result<()> {
        let fail = |errno| Fault::system("remove", errno);
        name::check(name)?;
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(fail(errno)),
        };
        if FileId::from_stat(&stat) != self.id {
            return Ok(());
        }
        rustix::fs::unlinkat(dir, name, AtFlags::empty()).map_err(fail)
    }

    /// Opens a file again that this run made under this name.
    ///
    /// # Errors
    /// A fault when it is not there any more, or the system's.
    pub fn open_made(dir: &Dir, name: &[u8], id: FileId) -> Result<OwnedFd> {
        name::check(name)?;
        let fail = |errno| Fault::system("open again", errno);
        // Should it have been replaced by a named pipe, opening must not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(fail)?;
        if FileId::of(&fd).map_err(fail)? != id {
            return Err(Fault::refused("open again", "it was replaced during the restore"));
        }
        Ok(fd)
    }

    /// Its identity.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Whether this run made it.
    pub fn is_made(&self) -> bool {
        self.made
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    /// Holds on to what was made under `name` just now.
    fn pin(dir: &Dir, name: &[u8], kind: FileType) -> Result<Self> {
        let fail = |errno| Fault::system("look at", errno);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(fail)?;
        let stat = rustix::fs::fstat(&fd).map_err(fail)?;
        // One name, of the kind that was asked for: not some other file that was moved here.
        if FileType::from_raw_mode(stat.st_mode) != kind || stat.st_nlink != 1 {
            return Err(Fault::refused("look at", "somebody replaced it during the restore"));
        }
        Ok(Self { fd, id: FileId::from_stat(&stat), access: Access::Place, made: true })
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
