//! What an error of the operating system means to a caller of the store.
//!
//! Knows error numbers and paths. Errors that pass by themselves are `Unavailable`; a disk that
//! fails to read or write is not among them, since waiting does not mend it. A network file system
//! says the same of a server that it could not reach, and that does pass.

use std::path::Path;

use rustix::io::Errno;

use crate::{Error, ErrorKind};

/// Where a number was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On a file system of this machine.
    Disk,
    /// On a network file system.
    Network,
}

/// Turns `errno`, met at `path` while doing `operation` on `key`, into our error.
pub(super) fn explain(
    operation: &'static str,
    key: &str,
    path: &Path,
    place: Place,
    errno: Errno,
) -> Error {
    let (kind, cause) = meaning(place, errno);
    Error::new(kind, operation, key)
        .with_detail(format!("{}: {cause}", path.display()))
        .with_source(std::io::Error::from(errno))
}

/// As [`explain`], for an error of making things durable. It must not be tried again: the system
/// forgets what it could not write, and the next attempt would find nothing to complain of.
pub(super) fn explain_sync(
    operation: &'static str,
    key: &str,
    path: &Path,
    place: Place,
    errno: Errno,
) -> Error {
    let (kind, cause) = meaning(place, errno);
    let kind = if kind == ErrorKind::NoSpace { kind } else { ErrorKind::Other };
    Error::new(kind, operation, key)
        .with_detail(format!(
            "{}: what was written could not be made durable, and may be lost: {cause}",
            path.display()
        ))
        .with_source(std::io::Error::from(errno))
}

fn meaning(place: Place, errno: Errno) -> (ErrorKind, &'static str) {
    match errno {
        Errno::NOENT => (ErrorKind::NotFound, "no such file or directory"),
        Errno::NOTDIR => (ErrorKind::NotFound, "a part of the path is not a directory"),
        Errno::ISDIR => (ErrorKind::NotFound, "is a directory, not an object"),
        Errno::LOOP => (ErrorKind::Invalid, "is a symbolic link, which a store does not have"),
        Errno::EXIST => (ErrorKind::AlreadyExists, "exists already"),
        Errno::NAMETOOLONG => (ErrorKind::Invalid, "the path is too long for that file system"),
        Errno::XDEV => (
            ErrorKind::Unsupported,
            "is not on the file system of tmp/; keep a repository on one file system",
        ),
        _ => room(errno)
            .or_else(|| refusal(place, errno))
            .or_else(|| passing(place, errno))
            .unwrap_or_else(|| lasting(errno)),
    }
}

/// What room would mend.
fn room(errno: Errno) -> Option<(ErrorKind, &'static str)> {
    let cause = match errno {
        Errno::NOSPC => "no space is left on that file system; free some and run again",
        Errno::DQUOT => "the disk quota is used up; raise it or free space and run again",
        Errno::FBIG => "the file is larger than the system's limit allows",
        _ => return None,
    };
    Some((ErrorKind::NoSpace, cause))
}

/// What somebody's leave would mend.
fn refusal(place: Place, errno: Errno) -> Option<(ErrorKind, &'static str)> {
    let cause = match (errno, place) {
        (Errno::ACCESS | Errno::PERM, Place::Disk) => {
            "permission denied; check the owner and mode of the repository's directory"
        }
        (Errno::ACCESS | Errno::PERM, Place::Network) => {
            "permission denied; check the owner and mode of the repository's directory, and whom \
             the file server takes this user for (root_squash, Kerberos ticket)"
        }
        (Errno::KEYEXPIRED | Errno::NOKEY | Errno::KEYREVOKED, _) => {
            "the key for the file server has expired; get a new ticket"
        }
        (Errno::ROFS, _) => "the file system is read-only; mount it writable to change it",
        _ => return None,
    };
    Some((ErrorKind::Denied, cause))
}

/// What time may mend.
fn passing(place: Place, errno: Errno) -> Option<(ErrorKind, &'static str)> {
    let cause = match errno {
        Errno::STALE => "the file server knows the file's handle no more; try again",
        Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NETUNREACH => {
            "the file server does not answer; try again later"
        }
        Errno::CONNRESET | Errno::CONNABORTED | Errno::CONNREFUSED | Errno::NOTCONN => {
            "the connection to the file server is broken; check that it is mounted, and try again"
        }
        Errno::IO | Errno::REMOTEIO if place == Place::Network => {
            "the file server could not be asked, or its disk fails; try again later"
        }
        Errno::MFILE | Errno::NFILE => "too many files are open; raise the limit (ulimit -n)",
        Errno::AGAIN | Errno::BUSY | Errno::INTR | Errno::NOMEM | Errno::NOBUFS => {
            "the system is busy; try again later"
        }
        _ => return None,
    };
    Some((ErrorKind::Unavailable, cause))
}

fn lasting(errno: Errno) -> (ErrorKind, &'static str) {
    let cause = match errno {
        Errno::IO => "the disk reported an error; look at the system's log and replace it",
        Errno::UCLEAN => "the file system is damaged; have it checked (fsck)",
        _ => "the system call failed",
    };
    (ErrorKind::Other, cause)
}

#[cfg(test)]
mod tests;
