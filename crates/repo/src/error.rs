//! The repository's error: what failed, on which object, and what a caller can do about it.
//!
//! Its text tells the whole chain of causes, so that nothing is lost where only the text is kept.
//! Knows no terminal and no exit codes. A kind exists only where a caller acts on it.

use std::fmt;

use lifeboat_codec as codec;
use lifeboat_format as format;
use lifeboat_format::key::ObjectKey;
use lifeboat_store as store;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a caller may do about an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is not there: no such repository, object, snapshot or path.
    NotFound,
    /// It is there already, and is never replaced.
    AlreadyExists,
    /// The store did not answer, or not in time: try again later.
    Unavailable,
    /// The store is full.
    NoSpace,
    /// The store or the file system refused access, the key lacks the role, or a hold or a guard forbids it.
    Denied,
    /// No key slot opens with this passphrase or key file.
    WrongKey,
    /// Not the bytes that were written; the message names the object.
    Corrupt,
    /// Written by a newer version, or asks for something that this version does not have.
    Unsupported,
    /// The caller asked for something that makes no sense; the message says what would.
    Invalid,
    /// The log is shorter than, or differs from, what was seen before.
    Rollback,
    /// A collection has taken what the run relied on: it has to be done again.
    Collected,
    /// The caller's cancel token was set.
    Cancelled,
    /// A mistake of this program.
    Internal,
}

/// What failed, on what, and why.
pub struct Error {
    kind: Kind,
    operation: &'static str,
    subject: String,
    hint: Option<&'static str>,
    cause: Option<Cause>,
}

impl Error {
    /// An error of `operation` (a verb phrase: "open index segment") on `subject` (an object key,
    /// a path, a snapshot).
    pub fn new(kind: Kind, operation: &'static str, subject: impl fmt::Display) -> Self {
        Self { kind, operation, subject: subject.to_string(), hint: None, cause: None }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what the user can do now.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The refusal to do something with a snapshot that the log's entry `entry` hides.
    pub(crate) fn forgotten(operation: &'static str, id: impl fmt::Display, entry: u64) -> Self {
        Self::new(Kind::NotFound, operation, id)
            .because(format!("it was forgotten, by {}", ObjectKey::Log(entry)))
            .hint("bring it back first ('lifeboat forget --undo'), while its space is not freed")
    }

    /// What a caller may do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the user can do now, if there is something to say.
    pub fn hint_text(&self) -> Option<&'static str> {
        self.hint
    }

    /// The object key, path or snapshot that it is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the store is there and could not read the object all the same, as a disk with a bad sector:
    /// repeating the call is not expected to help.
    pub fn is_unreadable(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let of_store = error.downcast_ref::<store::Error>();
            if of_store.is_some_and(|error| error.kind() == store::ErrorKind::Other) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Wraps an error of the store; the key is in its text already.
    pub fn store(operation: &'static str, cause: store::Error) -> Self {
        let kind = match cause.kind() {
            store::ErrorKind::NotFound => Kind::NotFound,
            store::ErrorKind::AlreadyExists => Kind::AlreadyExists,
            store::ErrorKind::Unavailable => Kind::Unavailable,
            store::ErrorKind::NoSpace => Kind::NoSpace,
            store::ErrorKind::Denied => Kind::Denied,
            store::ErrorKind::Range => Kind::Corrupt,
            store::ErrorKind::Unsupported => Kind::Unsupported,
            store::ErrorKind::Invalid => Kind::Invalid,
            _ => Kind::Unavailable,
        };
        let subject = cause.key().to_owned();
        Self::new(kind, operation, subject).because(cause)
    }

    /// Wraps an error of the format's decoders on the object or path `subject`.
    pub fn format(
        operation: &'static str,
        subject: impl fmt::Display,
        cause: format::Error,
    ) -> Self {
        let kind = match cause.kind() {
            format::Kind::Unsupported => Kind::Unsupported,
            _ => Kind::Corrupt,
        };
        Self::new(kind, operation, subject).because(cause)
    }

    /// Wraps an error of the codec on the object or path `subject`.
    pub fn codec(operation: &'static str, subject: impl fmt::Display, cause: codec::Error) -> Self {
        let kind = match cause.kind() {
            codec::Kind::WrongKey => Kind::WrongKey,
            codec::Kind::Unsupported => Kind::Unsupported,
            codec::Kind::Invalid => Kind::Invalid,
            _ => Kind::Corrupt,
        };
        Self::new(kind, operation, subject).because(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        // A store's error names what it did on which object; that is said once.
        let is_said =
            cause.and_then(|cause| cause.downcast_ref::<store::Error>()).is_some_and(|cause| {
                cause.operation().starts_with(self.operation) && cause.key() == self.subject
            });
        if let (true, Some(error)) = (is_said, cause) {
            write!(f, "{error}")?;
            cause = error.source();
        } else {
            write!(f, "{} {}", self.operation, self.subject)?;
        }
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            // An error of ours has told its own causes.
            cause = if error.is::<Self>() { None } else { error.source() };
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
