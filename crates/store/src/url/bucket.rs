//! Buckets and containers: which names there can be, and what may follow them.
//!
//! Stricter than the services where two spellings would be two places to a service and one to a person.

use std::fmt;

use super::{hidden, invalid, percent};
use crate::{Result, validate_key};

/// The longest prefix in bytes: half of what a whole key may have.
const PREFIX_BYTES_MAX: usize = 512;

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

impl Provider {
    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }

    /// Whether the service could have a bucket of this name, and the rule otherwise. Other services
    /// than Amazon's, and Amazon's first buckets, have names that S3 refuses today.
    fn check_name(self, name: &str) -> std::result::Result<(), &'static str> {
        let (longest, others, rule) = match self {
            Self::S3 => (255, "._-ABCDEFGHIJKLMNOPQRSTUVWXYZ", S3_RULE),
            Self::Gcs => (222, "._-", GCS_RULE),
            Self::Azure => (63, "-", AZURE_RULE),
        };
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let fits = (3..=longest).contains(&name.len())
            && name.chars().all(is_inner)
            && is_end(name.chars().next())
            && is_end(name.chars().next_back())
            && !name.contains("..")
            && !(self == Self::Azure && name.contains("--"))
            && name.parse::<std::net::Ipv4Addr>().is_err();
        if fits { Ok(()) } else { Err(rule) }
    }
}

const S3_RULE: &str = "a bucket's name has 3 to 255 letters, digits, dots, hyphens and underscores, \
     with a letter or digit at both ends, and is no IP address";
const GCS_RULE: &str = "a bucket's name has 3 to 222 lower-case letters, digits, dots, hyphens and \
     underscores, with a letter or digit at both ends, and is no IP address";
const AZURE_RULE: &str = "a container's name has 3 to 63 lower-case letters, digits and single \
     hyphens, with a letter or digit at both ends";

impl Bucket {
    /// Understands what follows the scheme and its colon.
    pub(super) fn parse(provider: Provider, rest: &str) -> Result<Self> {
        let scheme = provider.scheme();
        let fail = |rule: &str| Err(invalid(&hidden(scheme), rule));
        let Some(rest) = rest.strip_prefix("//") else {
            return fail(&format!("it is written {scheme}://BUCKET/PREFIX"));
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.contains('@') {
            return fail(
                "keys and passwords don't belong in a URL; give them in the environment or in the \
                 provider's own files",
            );
        }
        if rest.contains(['?', '#']) {
            return fail(
                "options, signatures and tokens don't belong in a URL; give them in the environment \
                 or in the configuration file",
            );
        }
        if name.contains(':') {
            return fail(
                "the server does not belong in the URL; give the bucket's name alone, and the server \
                 as `endpoint` in the configuration file or in the environment",
            );
        }
        if let Err(rule) = provider.check_name(name) {
            return fail(rule);
        }
        let Some(prefix) = percent::decode(prefix.trim_end_matches('/')) else {
            return fail("% is written %25 in a URL, or followed by two hexadecimal digits");
        };
        let Ok(prefix) = String::from_utf8(prefix) else {
            return fail("what follows the bucket's name is not UTF-8");
        };
        if let Err(rule) = check_prefix(&prefix) {
            return fail(rule);
        }
        Ok(Self { provider, name: name.to_owned(), prefix })
    }
}

/// Whether keys can begin with `prefix` and a slash, in every service and as the same text.
fn check_prefix(prefix: &str) -> std::result::Result<(), &'static str> {
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err("what follows the bucket's name is longer than 512 bytes");
    }
    // The rules of keys, save that a prefix may be any word.
    if !prefix.is_empty() && validate_key("open", &format!("x/{prefix}")).is_err() {
        return Err(
            "what follows the bucket's name has parts of 1 to 255 bytes, none of them . or .., and \
             no control characters or any of \\{}^%`[]\"<>~#|*?",
        );
    }
    Ok(())
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.provider.scheme(), self.name)?;
        if !self.prefix.is_empty() {
            f.write_str("/")?;
            percent::encode(self.prefix.as_bytes(), f)?;
        }
        Ok(())
    }
}
