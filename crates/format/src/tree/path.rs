//! The key of an entry: its path below the root of its tree.
//!
//! Invariant: the order of keys as bytes is path order, component by component, so that a directory is followed by its
//! members. It holds because the separator is the smallest byte and no name contains it.

use std::borrow::Borrow;
use std::fmt;

use crate::{Error, Result};

/// The longest name that a component may have, in bytes.
pub const NAME_MAX: usize = 4096;
/// The longest path key, in bytes: 1 MiB, which is deeper than any system opens by one path.
pub const PATH_MAX: usize = 1 << 20;

const SEPARATOR: u8 = 0;
const WHAT: &str = "path key";

/// A path below a tree's root: names joined by a zero byte; the root itself is the empty key.
///
/// Names are raw bytes as the file system gave them, of 1 to 4096 bytes, never `.` or `..`, without `/` and zero bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathKey(Vec<u8>);

impl PathKey {
    /// The key of the root.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// A key from its encoded bytes.
    ///
    /// # Errors
    /// `Corrupt` when a name or the whole is none that a key may have.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        check(&bytes).map_err(|detail| Error::corrupt(WHAT, detail))?;
        Ok(Self(bytes))
    }

    /// The key of the member `name` of this directory.
    ///
    /// # Errors
    /// `Invalid` when the name is none that an entry may have, or the path becomes longer than [`PATH_MAX`].
    pub fn child(&self, name: &[u8]) -> Result<Self> {
        check_name(name).map_err(|detail| Error::invalid(WHAT, detail))?;
        let len = self.0.len() + usize::from(!self.is_root()) + name.len();
        if len > PATH_MAX {
            let detail = format!("a path of {len} bytes is longer than {PATH_MAX}");
            return Err(Error::invalid(WHAT, detail));
        }
        let mut key = Vec::with_capacity(len);
        key.extend_from_slice(&self.0);
        if !self.is_root() {
            key.push(SEPARATOR);
        }
        key.extend_from_slice(name);
        Ok(Self(key))
    }

    /// The directory that it is in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == SEPARATOR).unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|byte| *byte == SEPARATOR).map_or(0, |place| place + 1);
        &self.0[start..]
    }

    /// The names from the top to this entry; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == SEPARATOR).filter(|name| !name.is_empty())
    }

    /// How many components it has; 0 for the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Whether it is the root's own key.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is `directory` itself or lies somewhere below it.
    #[must_use]
    pub fn is_in(&self, directory: &Self) -> bool {
        match self.0.strip_prefix(directory.0.as_slice()) {
            Some(rest) => directory.is_root() || rest.is_empty() || rest[0] == SEPARATOR,
            None => false,
        }
    }

    /// The smallest byte string above this key and everything below it; `None` for the root, which nothing follows.
    #[must_use]
    pub fn subtree_end(&self) -> Option<Vec<u8>> {
        if self.is_root() {
            return None;
        }
        let mut end = self.0.clone();
        end.push(SEPARATOR + 1);
        Some(end)
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded bytes, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Replaces what follows the first `keep` bytes, as a front-coded list says it.
    pub(super) fn replace_tail(&mut self, keep: usize, suffix: &[u8]) -> Result<()> {
        self.0.truncate(keep);
        self.0.extend_from_slice(suffix);
        check(&self.0).map_err(|detail| Error::corrupt(WHAT, detail))
    }
}

fn check(key: &[u8]) -> std::result::Result<(), String> {
    if key.is_empty() {
        return Ok(());
    }
    if key.len() > PATH_MAX {
        return Err(format!("a path of {} bytes is longer than {PATH_MAX}", key.len()));
    }
    key.split(|byte| *byte == SEPARATOR).try_for_each(check_name)
}

fn check_name(name: &[u8]) -> std::result::Result<(), String> {
    if name.is_empty() || name == b"." || name == b".." {
        return Err(format!("no entry may have the name \"{}\"", name.escape_ascii()));
    }
    if name.len() > NAME_MAX {
        return Err(format!("a name of {} bytes is longer than {NAME_MAX}", name.len()));
    }
    if name.iter().any(|byte| *byte == SEPARATOR || *byte == b'/') {
        let name = name.escape_ascii();
        return Err(format!("the name \"{name}\" contains a slash or a zero byte"));
    }
    Ok(())
}

impl Borrow<[u8]> for PathKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for PathKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Joined by `/`, without one at the beginning; what is not UTF-8 is replaced, so the text is for people only.
impl fmt::Display for PathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.components().enumerate() {
            if place > 0 {
                f.write_str("/")?;
            }
            f.write_str(&String::from_utf8_lossy(name))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathKey(\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests;
