//! Creating and removing objects of a local store so that a power cut undoes neither.
//!
//! Knows one object at a time. Order of a put: write the temporary file, sync it, publish it under its
//! key without replacing, sync its directory, answer. Also the answer "exists already" is given only
//! after its own syncs, so that whoever builds on the other's object builds on something durable. A
//! put that may become durable later leaves both syncs to [`together`].

use std::fs::File;
use std::sync::atomic::Ordering;

use rustix::fs::{
    AtFlags, OFlags, RenameFlags, StatxFlags, fsync, linkat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use crate::key::TEMPORARY;
use crate::local::cause::{self, Place};
use crate::local::root::{Root, parent};
use crate::local::system::Call;
use crate::local::{direct, janitor, together};
use crate::{Error, ErrorKind, Payload, Result};

/// How many names in `tmp/` may be taken before we stop trying.
const NAMES_MAX: u32 = 65_536;

pub(super) fn put_new(root: &Root, key: &str, data: &Payload) -> Result<()> {
    root.tidied.call_once(|| janitor::tidy(root));
    let directory = parent(key);
    let ensure = || {
        root.ensure_directory(directory)
            .map_err(|(path, errno)| root.failed("put", key, &path, errno))
    };
    ensure()?;
    let mut temporary = Temporary::create(root, key)?;
    temporary.write(data)?;
    temporary.sync()?;
    let published = temporary.publish_in(directory, ensure);
    match &published {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => sync_existing(root, key)?,
        Err(_) => return published,
    }
    sync_directory(root, "put", key)?;
    published
}

/// As [`put_new`], durable only by the next [`together::sync`]. On a network file system nothing is
/// left for later: another machine that meets the key early would keep its half-written length in
/// its cache.
pub(super) fn put_soon(root: &Root, key: &str, data: &Payload) -> Result<()> {
    if root.place == Place::Network {
        return put_new(root, key, data);
    }
    root.tidied.call_once(|| janitor::tidy(root));
    let directory = parent(key);
    let ensure = || {
        together::make_directory(root, directory)
            .map_err(|(path, errno)| root.failed("put", key, &path, errno))
    };
    ensure()?;
    let mut temporary = Temporary::create(root, key)?;
    temporary.write(data)?;
    match temporary.publish_in(directory, ensure) {
        Ok(()) => together::remember(root, key, directory, temporary.into_file()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Whoever finds that it is its own builds on it: it is made durable as if it were.
            let existing = open_existing(root, key)?;
            together::remember(root, key, directory, existing)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn delete(root: &Root, key: &str) -> Result<()> {
    let remove = || unlinkat(root.fd(), key, AtFlags::empty());
    root.find(key, || root.system.call(Call::Remove, key, remove))
        .map_err(|errno| root.failed("delete", key, key, errno))?;
    sync_directory(root, "delete", key)
}

/// Makes the object durable that was in the way: its creator may have been cut off, or have left its
/// sync for later.
fn sync_existing(root: &Root, key: &str) -> Result<()> {
    let existing = open_existing(root, key)?;
    root.system
        .call(Call::SyncFile, key, || fsync(&existing))
        .map_err(|errno| unsafe_from_now(root, "put", key, key, errno))
}

fn open_existing(root: &Root, key: &str) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let open = || root.system.open(Call::Open, root.fd(), key, flags);
    let opened = root.find(key, open).map_err(|errno| root.failed("put", key, key, errno))?;
    Ok(opened.into())
}

/// Makes the change of a key durable.
fn sync_directory(root: &Root, operation: &'static str, key: &str) -> Result<()> {
    let directory = parent(key);
    let opened = root.open_directory(directory);
    let opened = opened.map_err(|errno| root.failed(operation, key, directory, errno))?;
    root.sync_opened(directory, &opened)
        .map_err(|errno| unsafe_from_now(root, operation, key, directory, errno))
}

/// What can be seen may be gone after a power cut, and nobody can find out any more.
fn unsafe_from_now(
    root: &Root,
    operation: &'static str,
    key: &str,
    relative: &str,
    errno: Errno,
) -> Error {
    let error = cause::explain_sync(operation, key, &root.full(relative), root.place, errno);
    root.together.give_up(&error);
    error
}

/// A file below `tmp/` that is removed again unless it was published.
struct Temporary<'a> {
    root: &'a Root,
    key: &'a str,
    name: String,
    /// Open until it is handed on or given up.
    file: Option<File>,
    /// The name has become the key: it is free, and whoever takes it next must keep it.
    renamed: bool,
}

impl<'a> Temporary<'a> {
    /// Creates a file of a name that nobody else has: process id, number within this process, and
    /// for processes of the same id on other machines the next number that is free.
    fn create(root: &'a Root, key: &'a str) -> Result<Self> {
        let ensure = || {
            root.ensure_directory(TEMPORARY)
                .map_err(|(path, errno)| root.failed("put", key, &path, errno))
        };
        ensure()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        for _ in 0..NAMES_MAX {
            let number = root.next_temporary.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY}/{}-{number}", std::process::id());
            match root.system.open(Call::Create, root.fd(), &name, flags) {
                Ok(file) => {
                    let file = Some(file.into());
                    return Ok(Self { root, key, name, file, renamed: false });
                }
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => {
                    root.forget_directory(TEMPORARY);
                    ensure()?;
                }
                Err(errno) => return Err(root.failed("put", key, &name, errno)),
            }
        }
        Err(Error::new(ErrorKind::Other, "put", key).with_detail(format!(
            "no free name is left in {}; remove what is old in it",
            root.full(TEMPORARY).display()
        )))
    }

    /// Writes the pieces as they are.
    fn write(&self, data: &Payload) -> Result<()> {
        self.write_parts(data).map_err(|errno| self.root.failed("put", self.key, &self.name, errno))
    }

    fn write_parts(&self, data: &Payload) -> Result<(), Errno> {
        let (system, file) = (&self.root.system, self.file());
        // A network's client has its own ways to keep a link full.
        let is_large = data.len() >= direct::BYTES_MIN && self.root.place == Place::Disk;
        let done = match is_large {
            true => direct::write(system, &self.name, file, data.parts())?,
            false => 0,
        };
        if done == 0 {
            return system.write_all(&self.name, file, data.parts());
        }
        system.write_all(&self.name, file, &data.parts_from(done))
    }

    /// Makes the bytes durable. After an error the file is given up; another attempt writes another.
    fn sync(&self) -> Result<()> {
        let sync = || fsync(self.file());
        self.root
            .system
            .call(Call::SyncFile, &self.name, sync)
            .map_err(|errno| self.root.failed("put", self.key, &self.name, errno))
    }

    /// Publishes it, after having made its directory again if somebody has tidied that away.
    fn publish_in(&mut self, directory: &str, ensure: impl Fn() -> Result<()>) -> Result<()> {
        match self.publish() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.root.forget_directory(directory);
                self.root.together.forget_directory(directory);
                ensure()?;
                self.publish()
            }
            published => published,
        }
    }

    /// Gives the file its key, unless there is an object of that key.
    fn publish(&mut self) -> Result<()> {
        self.still_ours()?;
        let root = self.root;
        if !root.link_only.load(Ordering::Relaxed) {
            let flags = RenameFlags::NOREPLACE;
            let rename =
                || renameat_with(root.fd(), self.name.as_str(), root.fd(), self.key, flags);
            match root.system.call(Call::Rename, self.key, rename) {
                // The file system (NFS among them) or the kernel has no such flag.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    root.link_only.store(true, Ordering::Relaxed);
                }
                Ok(()) => {
                    self.renamed = true;
                    return Ok(());
                }
                // The server has done it, and was asked once more when its answer was lost.
                Err(Errno::EXIST | Errno::NOENT) if self.is_published() => {
                    self.renamed = true;
                    return Ok(());
                }
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        let link = || linkat(root.fd(), self.name.as_str(), root.fd(), self.key, AtFlags::empty());
        match root.system.call(Call::Link, self.key, link) {
            // As with the rename.
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
        let system = &self.root.system;
        let found = system.look(self.file(), "", AtFlags::empty(), StatxFlags::NLINK)?;
        Ok(found.stx_nlink)
    }

    /// Whether what has the key is this very file.
    fn is_published(&self) -> bool {
        let (system, wanted) = (&self.root.system, StatxFlags::INO);
        let ours = system.look(self.file(), "", AtFlags::empty(), wanted);
        let there = system.look(self.root.fd(), self.key, AtFlags::STATX_FORCE_SYNC, wanted);
        match (ours, there) {
            (Ok(ours), Ok(there)) => {
                (ours.stx_ino, ours.stx_dev_major, ours.stx_dev_minor)
                    == (there.stx_ino, there.stx_dev_major, there.stx_dev_minor)
            }
            _ => false,
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        self.root.failed("put", self.key, self.key, errno)
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("it is handed on with the value itself")
    }

    /// The published file, still open.
    fn into_file(mut self) -> File {
        self.file.take().expect("it is handed on with the value itself")
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.renamed || self.file.is_some() && self.links() == Ok(0) {
            return;
        }
        // Closed first: of an open file NFS keeps a name of its own making.
        drop(self.file.take());
        match unlinkat(self.root.fd(), self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => {
                tracing::warn!(file = %self.root.full(&self.name).display(), %errno,
                    "a temporary file could not be removed; it is removed later");
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
