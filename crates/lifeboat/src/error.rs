//! The library's error: a repository's error, or one of the source, the target or the options.

use std::fmt;
use std::io;

use lifeboat_repo as repo;

pub use repo::Kind;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What ended a run. Problems with single files do not: they are in the report.
#[derive(Debug)]
pub struct Error(Repr);

#[derive(Debug)]
enum Repr {
    Repository(repo::Error),
    Local { kind: Kind, operation: &'static str, path: String, cause: io::Error },
    Options { text: String },
}

impl Error {
    /// An error of the local file system on the path of these bytes.
    pub fn local(operation: &'static str, path: &[u8], cause: io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
            _ => Kind::Unavailable,
        };
        Self(Repr::Local { kind, operation, path: crate::report::escape(path), cause })
    }

    /// Options that make no sense; `text` says which and what would.
    pub fn options(text: impl Into<String>) -> Self {
        Self(Repr::Options { text: text.into() })
    }

    /// What a caller may do about it.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Repr::Repository(error) => error.kind(),
            Repr::Local { kind, .. } => *kind,
            Repr::Options { .. } => Kind::Invalid,
        }
    }

    /// What the user can do now, if there is something to say.
    pub fn hint_text(&self) -> Option<&'static str> {
        match &self.0 {
            Repr::Repository(error) => error.hint_text(),
            Repr::Local { kind: Kind::NoSpace, .. } => Some("free some space, then run it again"),
            Repr::Local { .. } | Repr::Options { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Repository(error) => error.fmt(f),
            Repr::Local { operation, path, cause, .. } => write!(f, "{operation} {path}: {cause}"),
            Repr::Options { text } => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Repr::Repository(error) => error.source(),
            Repr::Local { cause, .. } => Some(cause),
            Repr::Options { .. } => None,
        }
    }
}

impl From<repo::Error> for Error {
    fn from(error: repo::Error) -> Self {
        Self(Repr::Repository(error))
    }
}
