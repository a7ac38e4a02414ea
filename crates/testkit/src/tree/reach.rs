//! Reaches directories however deep they lie, with one descriptor at a time.
//!
//! A path below a directory is opened in hops that are shorter than the kernel's limit, from the
//! directory that was reached last where that is on the way. It shares nothing with the product's walk.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open, openat, statat};

/// The longest path given to the kernel at once, in bytes.
const HOP_BYTES_MAX: usize = 3500;

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens directories below a root, one after another.
pub(crate) struct Reach {
    root: OwnedFd,
    last: OwnedFd,
    last_path: Vec<u8>,
}

impl Reach {
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let root = open(root, FLAGS, Mode::empty())?;
        let last = root.try_clone()?;
        Ok(Self { root, last, last_path: Vec::new() })
    }

    /// Opens the directory `path` (names joined by `/`, or empty) below the root.
    pub(crate) fn dir(&mut self, path: &[u8]) -> io::Result<&OwnedFd> {
        if path == self.last_path {
            return Ok(&self.last);
        }
        self.last = if split(&self.last_path).0 == path {
            openat(&self.last, "..", FLAGS, Mode::empty())?
        } else {
            match below(path, &self.last_path) {
                Some(rest) => hop(&self.last, rest)?,
                None => hop(&self.root, path)?,
            }
        };
        self.last_path = path.to_vec();
        Ok(&self.last)
    }
}

/// The part of `path` below the directory `dir`.
fn below<'a>(path: &'a [u8], dir: &[u8]) -> Option<&'a [u8]> {
    if dir.is_empty() {
        return Some(path);
    }
    path.strip_prefix(dir)?.strip_prefix(b"/")
}

fn hop(from: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let mut at = from.try_clone()?;
    let mut rest = path;
    while !rest.is_empty() {
        let end = match rest.get(..HOP_BYTES_MAX) {
            None => rest.len(),
            Some(hop) => hop.iter().rposition(|byte| *byte == b'/').unwrap_or(HOP_BYTES_MAX),
        };
        at = openat(&at, &rest[..end], FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(at)
}

/// The path of the directory that something lies in, and its name there.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// One thing in a tree.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path below the root, names joined by `/`; empty for the root.
    pub(crate) path: Vec<u8>,
    /// Whether it is a directory.
    pub(crate) is_dir: bool,
}

/// Everything below the directory `root`, directories before their members.
pub(crate) fn list(root: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut reach = Reach::new(root)?;
    let mut dirs = vec![Vec::new()];
    while let Some(dir) = dirs.pop() {
        let fd = reach.dir(&dir)?;
        for member in Dir::read_from(fd)? {
            let member = member?;
            let name = member.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let mut path = dir.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let stat = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_dir = FileType::from_raw_mode(stat.st_mode).is_dir();
            if is_dir {
                dirs.push(path.clone());
            }
            all.push(Found { path, is_dir });
        }
    }
    // A path sorts after its beginnings, so after the directory that it lies in.
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}
