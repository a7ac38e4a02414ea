//! What can be wrong with bytes: one error, of three kinds, that says what, where, and what was expected.

use std::fmt;

/// The kind of a format [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The bytes can't have been written by any version of Lifeboat: they were damaged or forged.
    Corrupt,
    /// The bytes are of a newer version, or use something that this version does not know.
    Unsupported,
    /// The caller asked for something that the format can't express, or gave a malformed text.
    Invalid,
}

/// A decoder's refusal: what was read, where, what was expected and what was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: Kind,
    what: String,
    offset: Option<u64>,
    detail: String,
}

/// The result of a decoder.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The kind, to decide by.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Where in the bytes of the structure the trouble was found, in bytes from its beginning.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The structure that was read, such as "pack footer".
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Names the larger thing around: `within("tree node")` turns "entry: .." into "tree node: entry: ..".
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.0.what = format!("{outer}: {}", self.0.what);
        self
    }

    fn new(kind: Kind, what: &str, offset: Option<u64>, detail: String) -> Self {
        Self(Box::new(Inner { kind, what: what.to_owned(), offset, detail }))
    }

    pub(crate) fn corrupt(what: &str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, what, None, detail.into())
    }

    pub(crate) fn corrupt_at(what: &str, offset: usize, detail: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, what, Some(offset as u64), detail.into())
    }

    pub(crate) fn expected(
        what: &str,
        offset: usize,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::corrupt_at(what, offset, format!("expected {expected}, found {found}"))
    }

    pub(crate) fn unsupported(what: &str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, what, None, detail.into())
    }

    pub(crate) fn invalid(what: &str, detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, what, None, detail.into())
    }

    pub(crate) fn json(what: &str, cause: &serde_json::Error) -> Self {
        Self::corrupt(what, format!("not the JSON that was expected: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { what, offset, detail, .. } = &*self.0;
        match offset {
            Some(offset) => write!(f, "{what}: at byte {offset}: {detail}"),
            None => write!(f, "{what}: {detail}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind())
    }
}

impl std::error::Error for Error {}
