//! The system calls of a local store, in one place: they can be followed, and tests make them fail.
//!
//! Knows which call it is and the path it is about; nothing of what it is for.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags, openat, statx};
use rustix::io::Errno;

#[cfg(test)]
pub(super) mod script;

/// What is asked of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// To open the root of the store, by its whole path.
    OpenRoot,
    OpenDirectory,
    MakeDirectory,
    /// To open an object.
    Open,
    /// To make a temporary file.
    Create,
    Write,
    Read,
    /// To say what is known of a name.
    Look,
    /// To make a file's bytes durable.
    SyncFile,
    /// To make a directory's names durable.
    SyncDirectory,
    Rename,
    Link,
    Remove,
}

/// The system, as one store uses it.
#[derive(Debug, Default)]
pub(super) struct System {
    #[cfg(test)]
    pub(super) script: script::Script,
}

impl System {
    /// Makes a call about `path`.
    pub(super) fn call<T>(
        &self,
        call: Call,
        path: &str,
        work: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        #[cfg(test)]
        let done = self.script.play(call, path, work);
        #[cfg(not(test))]
        let done = work();
        if let Err(errno) = &done {
            tracing::trace!(?call, path, %errno, "a system call failed");
        }
        done
    }

    /// Opens `path` below `directory`.
    pub(super) fn open(
        &self,
        call: Call,
        directory: impl AsFd,
        path: &str,
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        let mode = Mode::RUSR | Mode::WUSR;
        self.call(call, path, || openat(directory, path, flags | OFlags::CLOEXEC, mode))
    }

    /// What is known of `path` below `directory`, or of `directory` itself where that is empty.
    pub(super) fn look(
        &self,
        directory: impl AsFd,
        path: &str,
        how: AtFlags,
        wanted: StatxFlags,
    ) -> Result<Statx, Errno> {
        let how = if path.is_empty() { how | AtFlags::EMPTY_PATH } else { how };
        let how = how | AtFlags::SYMLINK_NOFOLLOW;
        self.call(Call::Look, path, || statx(directory, path, how, wanted))
    }

    /// Writes all pieces, in a call for as many as the system takes at once.
    pub(super) fn write_all(
        &self,
        path: &str,
        mut file: &File,
        pieces: &[bytes::Bytes],
    ) -> Result<(), Errno> {
        /// The system takes no more pieces in one write (`IOV_MAX`).
        const PIECES_MAX: usize = 1024;
        for pieces in pieces.chunks(PIECES_MAX) {
            let mut slices: Vec<IoSlice<'_>> =
                pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            // Empty pieces in front would make a write of nothing look like the end.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let write = || file.write_vectored(rest).map_err(|error| errno_of(&error));
                match self.call(Call::Write, path, write) {
                    Ok(0) => return Err(Errno::IO),
                    Ok(written) => IoSlice::advance_slices(&mut rest, written),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }
}

/// The number of an error; one of the system always has it.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
