//! A fault: one step below the target that failed, why, and what to do about it.
//!
//! Knows no report: the caller turns a fault into a problem with one path, or into the end of the run.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::error::Error;
use crate::report::Problem;

/// A result of a step below the target.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// A step that failed.
#[derive(Debug)]
pub struct Fault {
    operation: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    System(Errno),
    Refused(&'static str),
}

impl Fault {
    /// The system refused `operation` (a verb phrase: "create file").
    pub fn system(operation: &'static str, errno: Errno) -> Self {
        Self { operation, cause: Cause::System(errno) }
    }

    /// This program refused `operation`; `reason` says why.
    pub fn refused(operation: &'static str, reason: &'static str) -> Self {
        Self { operation, cause: Cause::Refused(reason) }
    }

    /// Whether going on makes no sense, since every further file would fail in the same way.
    pub fn ends_run(&self) -> bool {
        let Cause::System(errno) = &self.cause else { return false };
        [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::MFILE, Errno::NFILE, Errno::NOMEM]
            .contains(errno)
    }

    /// Whether it failed because the caller lacks the privilege.
    pub fn is_denied(&self) -> bool {
        matches!(self.cause, Cause::System(Errno::PERM | Errno::ACCESS))
    }

    /// Whether the target's file system has no such thing.
    pub fn is_unsupported(&self) -> bool {
        self.is(Errno::OPNOTSUPP) || self.is(Errno::NOTTY) || self.is(Errno::NOSYS)
    }

    /// What failed, as a verb phrase: "set mode of".
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Why, and what to do.
    pub fn reason(&self) -> String {
        Reason(&self.cause).to_string()
    }

    /// Whether something that is not a directory is where one is needed.
    pub fn is_no_directory(&self) -> bool {
        self.is(Errno::NOTDIR) || self.is(Errno::LOOP)
    }

    /// Whether something is where nothing should be.
    pub fn is_there_already(&self) -> bool {
        self.is(Errno::EXIST)
    }

    /// Whether it is this error of the system.
    pub(super) fn is(&self, errno: Errno) -> bool {
        matches!(self.cause, Cause::System(cause) if cause == errno)
    }

    /// The problem of this fault on the path of these bytes.
    pub fn problem(&self, path: &[u8]) -> Problem {
        Problem::new(path, self.operation, Reason(&self.cause))
    }

    /// The error that ends the run at the path of these bytes.
    pub fn into_error(self, path: &[u8]) -> Error {
        let cause = match self.cause {
            Cause::System(errno) => io::Error::from(errno),
            Cause::Refused(reason) => io::Error::other(reason),
        };
        Error::local(self.operation, path, cause)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, Reason(&self.cause))
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::System(errno) => Some(errno),
            Cause::Refused(_) => None,
        }
    }
}

/// Why, and what to do.
struct Reason<'a>(&'a Cause);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = match self.0 {
            Cause::System(errno) => *errno,
            Cause::Refused(reason) => return f.write_str(reason),
        };
        write!(f, "{}", io::Error::from(errno))?;
        match advice(errno) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// What the user can do about an error of the system.
fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EXIST => "something came there during the restore: restore again",
        Errno::NOTDIR | Errno::LOOP => {
            "something that is not a directory is in the way, is never followed, and was not to be \
             replaced (see --overwrite): move it away, or restore into an empty directory"
        }
        Errno::PERM | Errno::ACCESS => "run as a user who may do this, such as root",
        Errno::NAMETOOLONG => "the target's file system has no room for a name of this length",
        Errno::OPNOTSUPP | Errno::NOTTY => "the target's file system has no such thing",
        Errno::FBIG => "the target's file system has no files of this size",
        _ => return None,
    })
}
