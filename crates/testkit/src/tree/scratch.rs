//! A temporary directory that goes again, whatever was made in it.
//!
//! Unlike the usual ones it also removes what may not be removed (immutable files), what may not be
//! entered, and what is deeper than a process has descriptors.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, IFlags, Mode, OFlags, chmodat, ioctl_getflags, ioctl_setflags, open,
    openat, statat, unlinkat,
};

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
        Self::within(&std::env::temp_dir())
    }

    /// Makes one below `parent`.
    ///
    /// # Errors
    /// Those of making it.
    pub fn within(parent: &Path) -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix("lifeboat-test-").tempdir_in(parent)?.keep();
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

/// Removes everything in a directory: down into one directory after another, up again when it is empty.
fn clear(root: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = open(root, flags, Mode::empty())?;
    let mut names = Vec::new();
    loop {
        loosen(&at);
        if let Some(name) = clear_files(&at)? {
            // What may not be entered could not be opened for its flags either.
            let _tried = chmodat(&at, &name, Mode::RWXU, AtFlags::empty());
            at = openat(&at, &name, flags, Mode::empty())?;
            names.push(name);
        } else if let Some(name) = names.pop() {
            at = openat(&at, "..", flags, Mode::empty())?;
            unlinkat(&at, &name, AtFlags::REMOVEDIR)?;
        } else {
            return Ok(());
        }
    }
}

/// Removes what is not a directory, up to the first directory, whose name it returns.
fn clear_files(dir: &OwnedFd) -> io::Result<Option<CString>> {
    for member in Dir::read_from(dir)? {
        let member = member?;
        let name = member.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        if kind.is_dir() {
            return Ok(Some(name.to_owned()));
        }
        if kind.is_file() {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(file) = openat(dir, name, flags, Mode::empty()) {
                loosen(&file);
            }
        }
        unlinkat(dir, name, AtFlags::empty())?;
    }
    Ok(None)
}

/// Best effort: what can't be loosened fails when it is removed, and is told then.
fn loosen(fd: &OwnedFd) {
    if matches!(ioctl_getflags(fd), Ok(flags) if flags.intersects(LOCKS)) {
        let _tried = ioctl_setflags(fd, IFlags::empty());
    }
}

const LOCKS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
