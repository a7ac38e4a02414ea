//! Where an entry goes: from its path in the snapshot to its path below the target.
//!
//! Works on path keys (names joined by a zero byte) and never on text.

use lifeboat_format::tree::PathKey;
use lifeboat_repo as repo;

use crate::error::{Error, Kind, Result};

/// The part of one root's tree that is restored, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The place of the root in the snapshot.
    pub(super) root: usize,
    /// The root's absolute path.
    pub(super) at: PathKey,
    /// The entry with which the piece begins, below the root; all of the root where it is the root.
    pub(super) start: PathKey,
    /// Whether `start` is the very path that was asked for.
    exact: bool,
    /// The directory, absolute, whose members go directly into the target.
    base: PathKey,
}

/// The absolute path key of a root's path.
///
/// # Errors
/// When the snapshot names a root that no path can be.
pub(super) fn root_key(path: &[u8]) -> Result<PathKey> {
    let bytes: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    PathKey::from_bytes(bytes.join(&0)).map_err(|cause| {
        let path = crate::report::escape(path);
        Error::options(format!("the snapshot has the root {path}, which can't be a path: {cause}"))
    })
}

/// The piece of the root `at` that lies in the sub-path `wanted`, if there is any.
pub(super) fn piece(root: usize, at: PathKey, wanted: &PathKey) -> Option<Piece> {
    if at.is_in(wanted) {
        let exact = at == *wanted && !wanted.is_root();
        let (start, base) = (PathKey::root(), wanted.clone());
        return Some(Piece { root, at, start, exact, base });
    }
    if !wanted.is_in(&at) {
        return None;
    }
    let start = PathKey::from_bytes(tail(wanted.as_bytes(), at.as_bytes().len()).to_vec()).ok()?;
    Some(Piece { root, at, start, exact: true, base: wanted.clone() })
}

impl Piece {
    /// Whether it begins with the very path that was asked for.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// The absolute path key of the entry of this key.
    pub(super) fn absolute(&self, key: &PathKey) -> Vec<u8> {
        join(self.at.as_bytes(), key.as_bytes())
    }

    /// The directory, as an absolute key, whose members go directly into the target.
    pub(super) fn base(&self) -> &[u8] {
        self.base.as_bytes()
    }

    /// Takes into account that the first entry turned out to be no directory: a single file goes
    /// into the target under its own name.
    pub(super) fn is_single_file(&mut self) {
        if self.exact {
            self.base = self.base.parent().unwrap_or_default();
        }
    }

    /// The way below the target of the entry of this absolute path key.
    pub(super) fn way<'a>(&self, absolute: &'a [u8]) -> &'a [u8] {
        tail(absolute, self.base.as_bytes().len())
    }
}

fn join(front: &[u8], back: &[u8]) -> Vec<u8> {
    let mut joined = front.to_vec();
    if !front.is_empty() && !back.is_empty() {
        joined.push(0);
    }
    joined.extend_from_slice(back);
    joined
}

/// What follows the first `skip` bytes and the separator after them.
fn tail(key: &[u8], skip: usize) -> &[u8] {
    let rest = key.get(skip..).unwrap_or_default();
    rest.strip_prefix(&[0]).unwrap_or(rest)
}

/// The absolute path of an absolute key, for filters and messages.
pub(super) fn absolute_path(key: &[u8]) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(key.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }));
    path
}

/// The error when the snapshot does not have the entry of this absolute key.
pub(super) fn not_found(absolute: &[u8]) -> Error {
    let path = crate::report::escape(&absolute_path(absolute));
    repo::Error::new(Kind::NotFound, "find in the snapshot", path)
        .because("the snapshot has no such path")
        .into()
}

/// Splits the way to an entry into the way to its directory and its name.
pub(super) fn split(way: &[u8]) -> (&[u8], &[u8]) {
    match way.iter().rposition(|byte| *byte == 0) {
        Some(at) => (&way[..at], &way[at + 1..]),
        None => (b"", way),
    }
}

/// The names of a way.
pub(super) fn names(way: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    way.split(|byte| *byte == 0).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
