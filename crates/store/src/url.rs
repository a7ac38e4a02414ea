//! Where a store is, as people write it: a path, `file://`, `nfs://`, or a cloud's `s3://`, `gs://`
//! and `az://`.
//!
//! Must not read the environment: the working directory is passed in. A URL says a place and nothing
//! else: keys, tokens and options in it are refused, and no error repeats what may hold one.
//!
//! Invariant: parsing what a [`Location`] displays gives the same location, as far as its paths are
//! Unicode.

mod bucket;
mod percent;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

pub use self::bucket::{Bucket, Provider};

/// The place of a store.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory; the path is absolute if the working directory was.
    Local(PathBuf),
    /// A directory that must be on a network file system, mounted at or above this absolute path.
    Nfs(PathBuf),
    /// A bucket or container of a cloud.
    Bucket(Bucket),
}

/// What a URL can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    File,
    Nfs,
    Cloud(Provider),
    /// Known to other programs, and written differently here: with what to write.
    Foreign(&'static str),
}

const SCHEMES: [(&str, Scheme); 15] = [
    ("file", Scheme::File),
    ("nfs", Scheme::Nfs),
    ("s3", Scheme::Cloud(Provider::S3)),
    ("gs", Scheme::Cloud(Provider::Gcs)),
    ("gcs", Scheme::Cloud(Provider::Gcs)),
    ("az", Scheme::Cloud(Provider::Azure)),
    ("azure", Scheme::Cloud(Provider::Azure)),
    ("s3a", Scheme::Foreign("write s3://BUCKET/PREFIX")),
    ("s3n", Scheme::Foreign("write s3://BUCKET/PREFIX")),
    ("abfs", Scheme::Foreign(WRITE_AZURE)),
    ("abfss", Scheme::Foreign(WRITE_AZURE)),
    ("wasb", Scheme::Foreign(WRITE_AZURE)),
    ("wasbs", Scheme::Foreign(WRITE_AZURE)),
    ("sftp", Scheme::Foreign("SFTP comes with a later version; mount it and give the path")),
    ("rclone", Scheme::Foreign("mount it and give the path")),
];

const WRITE_AZURE: &str =
    "write az://CONTAINER/PREFIX and name the account in AZURE_STORAGE_ACCOUNT_NAME";

impl Location {
    /// Understands `text`: a path (relative to `cwd`) or a URL. What begins with a known scheme and a
    /// colon is a URL; `./s3:x` is a path all the same.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for other programs' URLs,
    /// [`Invalid`](ErrorKind::Invalid) for what can't be understood or holds more than a place.
    pub fn parse(text: impl AsRef<OsStr>, cwd: &Path) -> Result<Self> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(invalid("", "it is empty; give a directory or a URL"));
        }
        // A path need not be Unicode, a URL always is.
        let Some((scheme, rest)) = text.to_str().and_then(split_scheme) else {
            return match text.as_bytes().contains(&0) {
                true => Err(invalid("a path", "it holds a zero byte")),
                false => Ok(Self::Local(cwd.join(text))),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        match known(&scheme) {
            Some(Scheme::File) => directory_url(&scheme, rest).map(Self::Local),
            Some(Scheme::Nfs) => directory_url(&scheme, rest).map(Self::Nfs),
            Some(Scheme::Cloud(provider)) => Bucket::parse(provider, rest).map(Self::Bucket),
            Some(Scheme::Foreign(instead)) => {
                let place = hidden(&scheme);
                Err(Error::new(ErrorKind::Unsupported, "open", place).with_detail(format!(
                    "this kind of URL is not understood; {instead} (a path that looks like this is \
                     written ./...)"
                )))
            }
            None => Err(invalid(
                &hidden(&scheme),
                "no such kind of store is known; give a directory or an s3://, gs://, az://, nfs:// \
                 or file:// URL",
            )),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Nfs(path) => {
                f.write_str("nfs://")?;
                percent::encode(path.as_os_str().as_bytes(), f)
            }
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

/// Splits `scheme:rest` where that is meant as a URL: with two slashes, or with a known scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let is_scheme = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let known = known(&scheme.to_ascii_lowercase()).is_some();
    (is_scheme && (known || rest.starts_with("//"))).then_some((scheme, rest))
}

fn known(scheme: &str) -> Option<Scheme> {
    SCHEMES.iter().find(|(name, _)| *name == scheme).map(|(_, scheme)| *scheme)
}

/// The path of a `file:` or `nfs:` URL, decoded. It names no other host: such a place is mounted.
fn directory_url(scheme: &str, rest: &str) -> Result<PathBuf> {
    let fail = |rule: &str| Err(invalid(&hidden(scheme), rule));
    let path = match rest.strip_prefix("//") {
        Some(rest) => match rest.find('/').map(|slash| rest.split_at(slash)) {
            Some(("" | "localhost", path)) => path,
            _ => {
                return fail(&format!(
                    "it has three slashes and an absolute path, as in {scheme}:///srv/backup; what \
                     another host has is mounted first"
                ));
            }
        },
        None if rest.starts_with('/') => rest,
        None => return fail(&format!("it has an absolute path, as in {scheme}:///srv/backup")),
    };
    if path.contains(['?', '#']) {
        return fail("? and # are written %3F and %23 in a URL");
    }
    let Some(bytes) = percent::decode(path) else {
        return fail("% is written %25 in a URL, or followed by two hexadecimal digits");
    };
    if bytes.contains(&0) {
        return fail("it holds a zero byte");
    }
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// A URL for messages when its rest may hold a password.
fn hidden(scheme: &str) -> String {
    format!("{scheme}://...")
}

fn invalid(place: &str, rule: &str) -> Error {
    Error::new(ErrorKind::Invalid, "open", place)
        .with_detail(format!("not a place for a repository: {rule}"))
}

#[cfg(test)]
mod tests;
