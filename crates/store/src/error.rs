//! The one error of this crate: what was done, to which object, and what kind of failure it was.
//!
//! Its text names the operation, the key (or path), the cause and what to do; the underlying error
//! is its [`source`](std::error::Error::source) and is not repeated in the text.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The result of a call to a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller may do about an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// There is no such object, or no store at that place.
    NotFound,
    /// An object of this key exists; nothing was changed.
    AlreadyExists,
    /// The store did not answer, or asked to come back later: the same call may succeed when
    /// repeated.
    Unavailable,
    /// The store is full, or a quota is reached: nothing more can be written until there is room.
    NoSpace,
    /// The store refused: credentials, permissions, a read-only file system.
    Denied,
    /// The bytes asked for lie beyond the end of the object.
    Range,
    /// This store (or this version of the program) can't do that.
    Unsupported,
    /// The caller's mistake: a malformed key or location.
    Invalid,
    /// Anything else; repeating the call is not expected to help.
    Other,
}

impl ErrorKind {
    fn cause(self) -> &'static str {
        match self {
            Self::NotFound => "it does not exist",
            Self::AlreadyExists => "it exists already",
            Self::Unavailable => "the store is not available at the moment",
            Self::NoSpace => "no space is left in the store",
            Self::Denied => "the store refuses access",
            Self::Range => "the bytes asked for lie beyond the end of the object",
            Self::Unsupported => "not supported",
            Self::Invalid => "not valid",
            Self::Other => "the store failed",
        }
    }

    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Unavailable => Some("try again later"),
            Self::NoSpace => Some("free some space or raise the quota, then run again"),
            Self::Denied => {
                Some("check credentials, permissions and whether the store is read-only")
            }
            _ => None,
        }
    }
}

/// A call to a store that failed.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    key: String,
    detail: Option<String>,
    attempts: u32,
    retry_after: Option<Duration>,
    throttled: bool,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind` in `operation` (a verb such as `"put"`) on `key` (an object key or a
    /// path).
    pub fn new(kind: ErrorKind, operation: &'static str, key: impl Into<String>) -> Self {
        Self {
            kind,
            operation,
            key: key.into(),
            detail: None,
            attempts: 1,
            retry_after: None,
            throttled: false,
            source: None,
        }
    }

    /// The error of asking for the bytes `range` of an object that has `size`.
    pub(crate) fn beyond_end(
        operation: &'static str,
        key: &str,
        range: &Range<u64>,
        size: u64,
    ) -> Self {
        Self::new(ErrorKind::Range, operation, key).with_detail(format!(
            "the bytes {}..{} were asked for, the object has {size}: it is truncated or not what \
             was written",
            range.start, range.end
        ))
    }

    /// Replaces the kind's general cause and advice by a sentence that is more to the point.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Chains the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that the call was tried `attempts` times in all before this error was returned.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Says how long the store asked to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self.throttled = true;
        self
    }

    /// Says that the store was asked too much: it said so, or did not get around to answering.
    #[must_use]
    pub fn with_throttled(mut self) -> Self {
        self.throttled = true;
        self
    }

    /// Whether fewer calls at once may help.
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// How long the store asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What a caller may do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The verb that failed, such as `"put"`.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The object's key, or the path or location that the operation was about.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the same call may succeed when it is repeated.
    pub fn is_retryable(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.key)?;
        match (&self.detail, self.kind.advice()) {
            (Some(detail), _) => f.write_str(detail)?,
            (None, Some(advice)) => write!(f, "{}; {advice}", self.kind.cause())?,
            (None, None) => f.write_str(self.kind.cause())?,
        }
        if self.attempts > 1 {
            write!(f, " (tried {} times)", self.attempts)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests;
