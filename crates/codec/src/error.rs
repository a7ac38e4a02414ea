//! The one error of this crate, with few kinds.
//!
//! Names no object and no path, since this crate knows none: callers add them.

use std::error::Error as StdError;
use std::fmt;

/// What a caller may do about an [`Error`]; a new kind needs a caller that acts on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The key is not the one that sealed this: ask for another.
    WrongKey,
    /// Not the bytes that were written, or not written by whom it should be: never retry.
    Corrupt,
    /// Written by a newer version: upgrade this program.
    Unsupported,
    /// The caller asked for something that can't be done (a bad parameter).
    Invalid,
    /// The system has no memory or no randomness to give now.
    Unavailable,
}

/// What went wrong with some bytes.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, what: &'static str) -> Self {
        Self { kind, what, source: None }
    }

    pub(crate) fn with_source(
        kind: Kind,
        what: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, what, source: Some(source.into()) }
    }

    /// What a caller may do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<lifeboat_format::Error> for Error {
    fn from(cause: lifeboat_format::Error) -> Self {
        let kind = match cause.kind() {
            lifeboat_format::Kind::Unsupported => Kind::Unsupported,
            lifeboat_format::Kind::Invalid => Kind::Invalid,
            _ => Kind::Corrupt,
        };
        Self::with_source(kind, "bytes that can't be read", cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
