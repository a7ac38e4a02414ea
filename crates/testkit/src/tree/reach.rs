//! Reaches directories however deep they lie, with one descriptor at a time.
//!
//! A path below a directory is opened in hops that are shorter than the kernel's limit. Slow for large
//! trees, which is right for tests: it shares nothing with the product's own walk.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, open, openat, statat};

/// The longest path given to the kernel at once, in bytes.
const HOP_BYTES_MAX: usize = 3500;

/// Opens the directory `below` (names joined by `/`, or empty) of `root`.
pub(crate) fn open_dir(root: &Path, below: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = open(root, flags, Mode::empty())?;
    let mut rest = below;
    while !rest.is_empty() {
        let end = match rest.get(..HOP_BYTES_MAX) {
            None => rest.len(),
            Some(hop) => hop.iter().rposition(|byte| *byte == b'/').unwrap_or(HOP_BYTES_MAX),
        };
        at = openat(&at, &rest[..end], flags | OFlags::NOFOLLOW, Mode::empty())?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(at)
}

/// One thing in a tree.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path below the root, names joined by `/`; empty for the root.
    pub(crate) path: Vec<u8>,
    /// Whether it is a directory.
    pub(crate) is_dir: bool,
}

impl Found {
    /// The path of the directory that it lies in, and its name there.
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        match self.path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&self.path[..slash], &self.path[slash + 1..]),
            None => (b"", &self.path),
        }
    }
}

/// Everything below the directory `root`, directories before their members.
pub(crate) fn list(root: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut dirs = vec![Vec::new()];
    while let Some(dir) = dirs.pop() {
        let fd = open_dir(root, &dir)?;
        for member in Dir::read_from(&fd)? {
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
            let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
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
