//! A temporary directory that goes again, whatever was made in it.
//!
//! Unlike the usual ones it also removes what may not be removed (immutable files), what may not be
//! entered, and what is deeper than a process has descriptors.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, IFlags, Mode, OFlags, chmodat, ioctl_getflags, ioctl_setflags, openat,
    statat, unlinkat,
};

use super::reach::{list, open_dir};

/// A new empty directory, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one in the system's directory for temporary files.
    ///
    /// # Errors
    /// Those of making it.
    pub fn new() -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix("lifeboat-test-").tempdir()?.keep();
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.path).and_then(|()| std::fs::remove_dir(&self.path)) {
            // A test's leftovers are worth a word, not a second panic.
            let mut stderr = io::stderr().lock();
            let text = format!("{} is left behind: {error}\n", self.path.display());
            drop(io::Write::write_all(&mut stderr, text.as_bytes()));
        }
    }
}

/// Removes everything in a directory.
fn clear(root: &Path) -> io::Result<()> {
    unlock(root)?;
    for found in list(root)?.iter().rev() {
        let (dir, name) = found.split();
        let dir = open_dir(root, dir)?;
        let flags = if found.is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(&dir, name, flags)?;
    }
    Ok(())
}

/// Takes the flags off everything and opens every directory.
fn unlock(root: &Path) -> io::Result<()> {
    let mut dirs = vec![Vec::new()];
    while let Some(path) = dirs.pop() {
        let dir = open_dir(root, &path)?;
        loosen(&dir);
        for member in Dir::read_from(&dir)? {
            let member = member?;
            let name = member.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_dir() {
                // What may not be entered could not be opened for its flags either.
                let _tried = chmodat(&dir, name, Mode::RWXU, AtFlags::empty());
                let mut below = path.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(name.to_bytes());
                dirs.push(below);
            } else if kind.is_file() {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(file) = openat(&dir, name, flags, Mode::empty()) {
                    loosen(&file);
                }
            }
        }
    }
    Ok(())
}

/// Best effort: what can't be loosened fails when it is removed, and is told then.
fn loosen(fd: &OwnedFd) {
    if matches!(ioctl_getflags(fd), Ok(flags) if flags.intersects(LOCKS)) {
        let _tried = ioctl_setflags(fd, IFlags::empty());
    }
}

const LOCKS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
