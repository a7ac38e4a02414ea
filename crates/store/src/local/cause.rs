//! What an error of the operating system means to a caller of the store.
//!
//! Knows error numbers and paths. Errors that pass by themselves are `Unavailable`; a disk that
//! fails to read or write is not among them, since waiting does not mend it.

use std::path::Path;

use rustix::io::Errno;

use crate::{Error, ErrorKind};

/// Turns `errno`, met at `path` while doing `operation` on `key`, into our error.
pub(super) fn explain(operation: &'static str, key: &str, path: &Path, errno: Errno) -> Error {
    let (kind, cause) = meaning(errno);
    Error::new(kind, operation, key)
        .with_detail(format!("{}: {cause}", path.display()))
        .with_source(std::io::Error::from(errno))
}

fn meaning(errno: Errno) -> (ErrorKind, &'static str) {
    match errno {
        Errno::NOENT => (ErrorKind::NotFound, "no such file or directory"),
        Errno::NOTDIR => (ErrorKind::NotFound, "a part of the path is not a directory"),
        Errno::ISDIR => (ErrorKind::NotFound, "is a directory, not an object"),
        Errno::LOOP => (ErrorKind::Invalid, "is a symbolic link, which a store does not have"),
        Errno::EXIST => (ErrorKind::AlreadyExists, "exists already"),
        Errno::NOSPC => {
            (ErrorKind::NoSpace, "no space is left on that file system; free some and run again")
        }
        Errno::DQUOT => {
            (ErrorKind::NoSpace, "the disk quota is used up; raise it or free space and run again")
        }
        Errno::FBIG => (ErrorKind::NoSpace, "the file is larger than the system's limit allows"),
        Errno::ACCESS | Errno::PERM => (
            ErrorKind::Denied,
            "permission denied; check the owner and mode of the repository's directory",
        ),
        Errno::ROFS => {
            (ErrorKind::Denied, "the file system is read-only; mount it writable to change it")
        }
        Errno::NAMETOOLONG => (ErrorKind::Invalid, "the path is too long for that file system"),
        Errno::XDEV => (
            ErrorKind::Unsupported,
            "is not on the file system of tmp/; keep a repository on one file system",
        ),
        Errno::IO => (
            ErrorKind::Other,
            "the disk reported an error; look at the system's log and replace it",
        ),
        Errno::STALE | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH => {
            (ErrorKind::Unavailable, "the file server does not answer; try again later")
        }
        Errno::MFILE | Errno::NFILE => {
            (ErrorKind::Unavailable, "too many files are open; raise the limit (ulimit -n)")
        }
        Errno::AGAIN | Errno::BUSY | Errno::INTR | Errno::NOMEM | Errno::NOBUFS => {
            (ErrorKind::Unavailable, "the system is busy; try again later")
        }
        _ => (ErrorKind::Other, "the system call failed"),
    }
}
