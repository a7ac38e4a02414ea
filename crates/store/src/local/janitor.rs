//! Removing what interrupted puts have left in a local store's `tmp/`.
//!
//! Knows ages by the file system's own clock only, so that a client whose clock is wrong removes
//! nothing that is being written.

use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, openat, statx, unlinkat};
use rustix::io::Errno;

use crate::Result;
use crate::key::TEMPORARY;
use crate::local::cause::explain;
use crate::local::read;
use crate::local::root::Root;

/// A file that is written only to learn what time the file system thinks it is.
const PROBE: &str = "tmp/now";

pub(super) fn remove_stale(root: &Root, older_than: Duration) -> Result<u64> {
    let removed = match root.open_directory(TEMPORARY) {
        Ok(directory) => remove_from(root, directory, older_than),
        // Nothing was ever put.
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(errno),
    };
    removed.map_err(|errno| explain("clean", TEMPORARY, &root.full(TEMPORARY), errno))
}

fn remove_from(
    root: &Root,
    directory: std::os::fd::OwnedFd,
    older_than: Duration,
) -> Result<u64, Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = openat(root.fd(), PROBE, flags, Mode::RUSR | Mode::WUSR)?;
    // An empty file that stays empty keeps its old time.
    rustix::io::write(&probe, b"now")?;
    let now = read::modified(&statx(&probe, "", AtFlags::EMPTY_PATH, StatxFlags::MTIME)?);
    let mut removed = 0;
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let path = format!("{TEMPORARY}/{name}");
        if path == PROBE || matches!(name, "." | "..") {
            continue;
        }
        let wanted = StatxFlags::TYPE | StatxFlags::MTIME;
        let found = match statx(root.fd(), path.as_str(), AtFlags::SYMLINK_NOFOLLOW, wanted) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        let regular = FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile;
        let age = now.duration_since(read::modified(&found)).unwrap_or_default();
        if regular && age >= older_than {
            match unlinkat(root.fd(), path.as_str(), AtFlags::empty()) {
                Ok(()) => removed += 1,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    match unlinkat(root.fd(), PROBE, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(removed),
        Err(errno) => Err(errno),
    }
}
