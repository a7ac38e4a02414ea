//! Files of the user's own, outside of any repository: written whole or not at all, for nobody else to read.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::{fs, io};

/// Puts a file of these bytes in the place of the one that is there.
///
/// # Errors
/// Why not: then the old one stays.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    // Two processes may write at once: each has a file of its own, and the last one stays.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    if written.is_err()
        && let Err(error) = fs::remove_file(&new)
    {
        tracing::debug!(%error, path = %path.display(), "a leftover stays");
    }
    written
}
