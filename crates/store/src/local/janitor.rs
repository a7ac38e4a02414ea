//! Removing what interrupted puts have left in a local store's `tmp/`.
//!
//! Knows ages by the file system's own clock only, so that a client whose clock is wrong removes
//! nothing that is being written.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, openat, statx, unlinkat};
use rustix::io::Errno;

use crate::Result;
use crate::key::TEMPORARY;
use crate::local::cause::explain;
use crate::local::read;
use crate::local::root::Root;

/// A file that is written only to learn what time the file system thinks it is.
const PROBE: &str = "tmp/now";

/// How long an untouched temporary file is left alone: far longer than any put takes.
const STALE_AFTER: Duration = Duration::from_hours(24);

/// Removes what is surely stale. A failure is no reason not to put what is to be put.
pub(super) fn tidy(root: &Root) {
    match remove_stale(root, STALE_AFTER) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed temporary files of interrupted puts"),
        Err(error) => tracing::info!(%error, "temporary files could not be tidied up"),
    }
}

/// Removes the temporary files that nobody has written to for `older_than`; returns how many.
pub(super) fn remove_stale(root: &Root, older_than: Duration) -> Result<u64> {
    let removed = match root.open_directory(TEMPORARY) {
        Ok(directory) => remove_from(root, directory, older_than),
        // Nothing was ever put.
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(errno),
    };
    removed.map_err(|errno| explain("clean", TEMPORARY, &root.full(TEMPORARY), errno))
}

fn remove_from(root: &Root, directory: OwnedFd, older_than: Duration) -> Result<u64, Errno> {
    let files = temporaries(root, directory)?;
    if files.is_empty() {
        return Ok(0);
    }
    let now = now(root)?;
    let mut removed = 0;
    for (path, modified) in files {
        if now.duration_since(modified).unwrap_or_default() >= older_than {
            removed += u64::from(remove(root, &path)?);
        }
    }
    Ok(removed)
}

/// The paths of the regular files in `tmp/`, and when they were last written to.
fn temporaries(root: &Root, directory: OwnedFd) -> Result<Vec<(String, SystemTime)>, Errno> {
    let mut files = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let path = format!("{TEMPORARY}/{name}");
        let wanted = StatxFlags::TYPE | StatxFlags::MTIME;
        let found = match statx(root.fd(), path.as_str(), AtFlags::SYMLINK_NOFOLLOW, wanted) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        let regular = FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile;
        if regular && path != PROBE {
            files.push((path, read::modified(&found)));
        }
    }
    Ok(files)
}

/// What time the file system thinks it is.
fn now(root: &Root) -> Result<SystemTime, Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = openat(root.fd(), PROBE, flags, Mode::RUSR | Mode::WUSR)?;
    // An empty file that stays empty may keep its old time.
    rustix::io::write(&probe, b"now")?;
    let found = statx(&probe, "", AtFlags::EMPTY_PATH, StatxFlags::MTIME)?;
    remove(root, PROBE)?;
    Ok(read::modified(&found))
}

/// Removes a file unless another process was faster.
fn remove(root: &Root, path: &str) -> Result<bool, Errno> {
    match unlinkat(root.fd(), path, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
