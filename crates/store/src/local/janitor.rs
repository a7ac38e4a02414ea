//! Removing what interrupted puts have left in a local store's `tmp/`.
//!
//! Knows ages by the file system's own clock only, so that a client whose clock is wrong removes
//! nothing that is being written.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, StatxFlags, fsync, unlinkat};
use rustix::io::Errno;

use crate::Result;
use crate::key::TEMPORARY;
use crate::local::read;
use crate::local::root::Root;
use crate::local::system::Call;

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
    removed.map_err(|errno| root.failed("clean", TEMPORARY, TEMPORARY, errno))
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
        let found = match root.system.look(root.fd(), &path, AtFlags::empty(), wanted) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        let regular = FileType::from_raw_mode(found.stx_mode.into()) == FileType::RegularFile;
        if regular {
            files.push((path, read::modified(&found)));
        }
    }
    Ok(files)
}

/// What time the file system thinks it is, by a file that is written only for that. Should it stay
/// behind, it is a temporary file like any other.
fn now(root: &Root) -> Result<SystemTime, Errno> {
    let number = root.next_temporary.fetch_add(1, Ordering::Relaxed);
    let name = format!("{TEMPORARY}/{}-{number}-now", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let probe = root.system.open(Call::Create, root.fd(), &name, flags)?;
    // An empty file that stays empty may keep its old time; and until the bytes are with the
    // server, the time may be this machine's.
    let written = rustix::io::write(&probe, b"now").and_then(|_| fsync(&probe));
    let asked = AtFlags::STATX_FORCE_SYNC;
    let found = written.and_then(|()| root.system.look(&probe, "", asked, StatxFlags::MTIME));
    drop(probe);
    remove(root, &name)?;
    Ok(read::modified(&found?))
}

/// Removes a file unless another process was faster.
fn remove(root: &Root, path: &str) -> Result<bool, Errno> {
    let unlink = || unlinkat(root.fd(), path, AtFlags::empty());
    match root.system.call(Call::Remove, path, unlink) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}
