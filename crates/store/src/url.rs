//! Where a store is, as people write it: a path, `file://`, and later the clouds.
//!
//! Must not read the environment: the working directory is passed in. Never repeats what may hold
//! a password.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::local::LocalStore;
use crate::{Error, ErrorKind, Result, Store};

/// What this program will understand one day; said so instead of "no such directory".
const LATER: [&str; 8] = ["s3", "gs", "gcs", "az", "azure", "abfs", "abfss", "sftp"];

/// The place of a store.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory; the path is absolute if the working directory was.
    Local(PathBuf),
}

/// A bucket or container, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Whose service it is, or which one it speaks the language of.
    pub provider: Provider,
    /// The bucket's or container's name.
    pub name: String,
    /// What every key begins with, without slashes at its ends; may be empty.
    pub prefix: String,
}

/// A kind of cloud storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and the many that speak its language.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl Location {
    /// Understands `text`: a path (relative to `cwd`) or a `file://` URL. What begins with a known
    /// scheme and a colon is a URL; `./s3:x` is a path all the same.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for stores that come with a later version,
    /// [`Invalid`](ErrorKind::Invalid) for what can't be understood.
    pub fn parse(text: impl AsRef<OsStr>, cwd: &Path) -> Result<Self> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(invalid("", "it is empty; give a directory or a URL"));
        }
        // A path need not be Unicode, a URL always is.
        let Some((scheme, rest)) = text.to_str().and_then(split_scheme) else {
            return Ok(Self::Local(cwd.join(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => file_url(rest),
            later if LATER.contains(&later) => {
                let place = format!("{later}:...");
                Err(Error::new(ErrorKind::Unsupported, "open", place).with_detail(
                    "this kind of store comes with a later version; keep the repository in a \
                     directory for now (a path that looks like this is written ./...)",
                ))
            }
            other => Err(invalid(
                &format!("{other}://..."),
                "no such kind of store is known; give a directory or a file:// URL",
            )),
        }
    }

    /// Opens the store that is there.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is nothing, and as [`LocalStore::open`].
    pub fn open(&self) -> Result<Arc<dyn Store>> {
        match self {
            Self::Local(path) => Ok(Arc::new(LocalStore::open(path)?)),
        }
    }

    /// Makes the place if it is not there, and opens it.
    ///
    /// # Errors
    /// As [`LocalStore::create`].
    pub fn create(&self) -> Result<Arc<dyn Store>> {
        match self {
            Self::Local(path) => Ok(Arc::new(LocalStore::create(path)?)),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

/// Splits `scheme:rest` where that is meant as a URL: with two slashes, or with a known scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let lower = scheme.to_ascii_lowercase();
    let known = lower == "file" || LATER.contains(&lower.as_str());
    (is_scheme && (known || rest.starts_with("//"))).then_some((scheme, rest))
}

fn file_url(rest: &str) -> Result<Location> {
    let whole = format!("file:{rest}");
    if !rest.starts_with('/') {
        return Err(invalid(&whole, "a file URL has an absolute path, as in file:///srv/backup"));
    }
    let parsed = ::url::Url::parse(&whole)
        .map_err(|error| invalid(&whole, "it is not a well-formed URL").with_source(error))?;
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(invalid(&whole, "? and # are written %3F and %23 in a file URL"));
    }
    // Refuses other hosts, and decodes what is percent-encoded.
    parsed.to_file_path().map(Location::Local).map_err(|()| {
        invalid(&whole, "it names another host; mount its file system and give the path")
    })
}

fn invalid(place: &str, rule: &str) -> Error {
    Error::new(ErrorKind::Invalid, "open", place)
        .with_detail(format!("not a place for a repository: {rule}"))
}

#[cfg(test)]
mod tests;
