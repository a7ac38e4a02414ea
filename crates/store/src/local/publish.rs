//! Creating and removing objects of a local store so that a power cut undoes neither.
//!
//! Knows one object at a time. Order: write the temporary file, sync it, publish it under its key
//! without replacing, sync its directory, answer. Also the answer "exists already" is given only
//! after that last sync, so that whoever builds on the other's object builds on something durable.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::atomic::Ordering;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, StatxFlags, linkat, openat, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;

use crate::key::TEMPORARY;
use crate::local::cause::explain;
use crate::local::janitor;
use crate::local::root::Root;
use crate::{Error, ErrorKind, Payload, Result};

/// The system takes no more pieces in one write (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// How many names in `tmp/` may be taken before we stop trying.
const NAMES_MAX: u32 = 65_536;

pub(super) fn put_new(root: &Root, key: &str, data: &Payload) -> Result<()> {
    root.tidied.call_once(|| janitor::tidy(root));
    let directory = parent(key);
    ensure_directory(root, key, directory)?;
    let mut temporary = Temporary::create(root, key)?;
    temporary.write(data)?;
    let published = match temporary.publish() {
        // Somebody has tidied an empty directory away since we last looked.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            root.forget_directory(directory);
            ensure_directory(root, key, directory)?;
            temporary.publish()
        }
        published => published,
    };
    if published.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::AlreadyExists) {
        root.sync_directory(directory)
            .map_err(|errno| explain("put", key, &root.full(directory), errno))?;
    }
    published
}

pub(super) fn delete(root: &Root, key: &str) -> Result<()> {
    unlinkat(root.fd(), key, AtFlags::empty())
        .map_err(|errno| explain("delete", key, &root.full(key), errno))?;
    root.sync_directory(parent(key))
        .map_err(|errno| explain("delete", key, &root.full(parent(key)), errno))
}

fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn ensure_directory(root: &Root, key: &str, directory: &str) -> Result<()> {
    root.ensure_directory(directory).map_err(|(path, errno)| explain("put", key, &path, errno))
}

/// A file below `tmp/` that is removed again unless it was published.
struct Temporary<'a> {
    root: &'a Root,
    key: &'a str,
    name: String,
    file: File,
    /// The name has become the key: it is free, and whoever takes it next must keep it.
    renamed: bool,
}

impl<'a> Temporary<'a> {
    /// Creates a file of a name that nobody else has: process id, number within this process, and
    /// for processes of the same id on other machines the next number that is free.
    fn create(root: &'a Root, key: &'a str) -> Result<Self> {
        ensure_directory(root, key, TEMPORARY)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        for _ in 0..NAMES_MAX {
            let number = root.next_temporary.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY}/{}-{number}", std::process::id());
            match openat(root.fd(), name.as_str(), flags, mode) {
                Ok(file) => {
                    return Ok(Self { root, key, name, file: file.into(), renamed: false });
                }
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => {
                    root.forget_directory(TEMPORARY);
                    ensure_directory(root, key, TEMPORARY)?;
                }
                Err(errno) => return Err(explain("put", key, &root.full(&name), errno)),
            }
        }
        Err(Error::new(ErrorKind::Other, "put", key).with_detail(format!(
            "no free name is left in {}; remove what is old in it",
            root.full(TEMPORARY).display()
        )))
    }

    /// Writes the pieces as they are, and makes them durable.
    fn write(&self, data: &Payload) -> Result<()> {
        let written = write_all(&self.file, data).and_then(|()| self.file.sync_all());
        written.map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) => explain("put", self.key, &self.root.full(&self.name), errno),
            None => Error::new(ErrorKind::Other, "put", self.key).with_source(error),
        })
    }

    /// Gives the file its key, unless there is an object of that key.
    fn publish(&mut self) -> Result<()> {
        self.still_ours()?;
        let root = self.root;
        if !root.link_only.load(Ordering::Relaxed) {
            let flags = RenameFlags::NOREPLACE;
            match renameat_with(root.fd(), self.name.as_str(), root.fd(), self.key, flags) {
                // The file system (NFS among them) or the kernel has no such flag.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    root.link_only.store(true, Ordering::Relaxed);
                }
                Ok(()) => {
                    self.renamed = true;
                    return Ok(());
                }
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        match linkat(root.fd(), self.name.as_str(), root.fd(), self.key, AtFlags::empty()) {
            // A network file system may have done it already and lost the answer.
            Err(Errno::EXIST) if self.is_published() => Ok(()),
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err(Error::new(ErrorKind::Unsupported, "put", self.key).with_detail(format!(
                    "the file system of {} can neither rename without replacing nor link files; \
                     keep the repository on another one",
                    root.path().display()
                )))
            }
            linked => linked.map_err(|errno| self.failed(errno)),
        }
    }

    /// After a stall of a day the file may have been tidied away, and its name may be another's.
    fn still_ours(&self) -> Result<()> {
        if self.links().map_err(|errno| self.failed(errno))? > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, "put", self.key).with_detail(format!(
            "its temporary file {} was removed by another process; try again",
            self.root.full(&self.name).display()
        )))
    }

    /// How many names the file has; none once somebody has removed it.
    fn links(&self) -> Result<u32, Errno> {
        let found = statx(&self.file, "", AtFlags::EMPTY_PATH, StatxFlags::NLINK)?;
        Ok(found.stx_nlink)
    }

    fn is_published(&self) -> bool {
        let identity = StatxFlags::INO;
        let ours = statx(&self.file, "", AtFlags::EMPTY_PATH, identity);
        let there = statx(self.root.fd(), self.key, AtFlags::SYMLINK_NOFOLLOW, identity);
        match (ours, there) {
            (Ok(ours), Ok(there)) => {
                (ours.stx_ino, ours.stx_dev_major, ours.stx_dev_minor)
                    == (there.stx_ino, there.stx_dev_major, there.stx_dev_minor)
            }
            _ => false,
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        explain("put", self.key, &self.root.full(self.key), errno)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.renamed || self.links() == Ok(0) {
            return;
        }
        match unlinkat(self.root.fd(), self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                tracing::warn!(file = %self.root.full(&self.name).display(), %errno,
                    "a temporary file could not be removed; it is removed later");
            }
        }
    }
}

fn write_all(mut file: &File, data: &Payload) -> std::io::Result<()> {
    for parts in data.parts().chunks(PIECES_MAX) {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        // Empty pieces in front would make a write of nothing look like the end.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
