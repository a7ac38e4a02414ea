//! Everything that a file system keeps beside a file's content, made into an entry.
//!
//! Knows owners, extended attributes, link targets and file flags; not content, chunks or what a restore
//! can set again. Raw: ACLs and security labels are kept as the kernel gives them.
//!
//! What fails in part (an attribute that may not be read) is a problem beside the entry, which is made
//! all the same. Only a symbolic link without its target makes no entry.

mod flags;
mod owner;
mod xattr;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use lifeboat_format::tree::{Device, Entry, EntryKind, XATTR_INLINE_MAX, XATTRS_INLINE_MAX};
use rustix::fs::{OFlags, readlinkat};

use super::dir::open_quietly;
use super::read::OpenFile;
use super::stat::Stat;
use super::walk::WalkItem;
use crate::report::Problem;

pub use flags::KEPT_FLAGS;
use owner::OwnerNames;
use xattr::Holder;

/// Reads metadata; remembers the names of owners. Serves many threads.
#[derive(Debug, Default)]
pub struct MetaReader {
    owners: OwnerNames,
}

/// What was read of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The entry. A file's size and content are left for the reader of the content to fill in.
    pub entry: Entry,
    /// Attributes that are too long for the entry: names and values, to be moved out.
    pub long_xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

impl MetaReader {
    /// A reader that knows no names yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the metadata of `item`: through `opened` where it is a file that is open already, whose
    /// look at it is then the one that counts.
    ///
    /// # Errors
    /// The problem of a symbolic link that can't be read.
    pub fn read(&self, item: &WalkItem, opened: Option<&OpenFile>) -> Result<Meta, Problem> {
        let stat = opened.map_or(&item.stat, OpenFile::stat);
        let mut meta =
            Meta { entry: self.entry(stat), long_xattrs: Vec::new(), problems: Vec::new() };
        let dir = item.dir.fd().map_err(|e| item.problem("open the directory of", e))?;
        if stat.kind == EntryKind::Symlink {
            let target = readlinkat(&*dir, &item.name, Vec::new());
            meta.entry.target = target.map_err(|e| item.problem("read link", e))?.into_bytes();
        }
        let own = match opened {
            Some(_) => None,
            None => match open_again(&dir, item) {
                Ok(own) => own,
                Err(error) => {
                    meta.problems.push(item.problem("read metadata", error));
                    return Ok(meta);
                }
            },
        };
        let fd = opened.map(OpenFile::as_fd).or(own.as_ref().map(OwnedFd::as_fd));
        if let Some(fd) = fd {
            match flags::read(fd) {
                Ok(flags) => meta.entry.flags = flags,
                Err(error) => meta.problems.push(item.problem("read file flags", error)),
            }
        }
        let holder = match fd {
            Some(fd) => Holder::Open(fd),
            None => Holder::Path(by_descriptor(&dir, &item.name)),
        };
        meta.read_xattrs(item, &holder);
        Ok(meta)
    }

    fn entry(&self, stat: &Stat) -> Entry {
        let is_device = matches!(stat.kind, EntryKind::Char | EntryKind::Block);
        let (major, minor) = stat.rdev;
        Entry {
            kind: stat.kind,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            user: self.owners.user(stat.uid),
            group: self.owners.group(stat.gid),
            mtime: stat.mtime,
            ctime: stat.ctime,
            device: stat.device,
            inode: stat.inode,
            // A directory's links are its members: they say nothing.
            links: if stat.kind == EntryKind::Dir { 1 } else { stat.links.max(1) },
            rdev: is_device.then_some(Device { major, minor }),
            ..Entry::default()
        }
    }
}

impl Meta {
    fn read_xattrs(&mut self, item: &WalkItem, holder: &Holder<'_>) {
        let names = match holder.names() {
            Ok(names) => names,
            Err(error) => {
                self.problems.push(item.problem("list extended attributes", error));
                return;
            }
        };
        let mut inline_bytes = 0;
        for name in names {
            match holder.value(&name) {
                Ok(Some(value)) => {
                    let name = name.into_bytes();
                    inline_bytes += value.len();
                    if value.len() > XATTR_INLINE_MAX || inline_bytes > XATTRS_INLINE_MAX {
                        inline_bytes -= value.len();
                        self.long_xattrs.push((name, value));
                    } else {
                        self.entry.xattrs.insert(name, value);
                    }
                }
                // It went between the list and the look.
                Ok(None) => {}
                Err(error) => {
                    let name = crate::report::escape(name.as_bytes());
                    let operation = format!("read extended attribute {name} of");
                    self.problems.push(item.problem(operation, error));
                }
            }
        }
    }
}

/// Opens a file or directory for its metadata alone. `None` where that is not possible or, of other
/// kinds, not harmless: then it is asked by its name.
fn open_again(dir: &OwnedFd, item: &WalkItem) -> io::Result<Option<OwnedFd>> {
    let extra = match item.stat.kind {
        EntryKind::Dir => OFlags::DIRECTORY,
        EntryKind::File => OFlags::empty(),
        _ => return Ok(None),
    };
    let fd = match open_quietly(dir, &item.name, extra) {
        // May not be read; that is a problem of its content. Its attributes may still be.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        opened => opened?,
    };
    let now = Stat::of(&fd, item.stat.device)?;
    if now.same_file(&item.stat) {
        return Ok(Some(fd));
    }
    Err(io::Error::other("something else has taken its place meanwhile"))
}

/// The path of a name in an open directory, for the calls that take no descriptor of a directory.
fn by_descriptor(dir: &OwnedFd, name: &CStr) -> CString {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).expect("neither part has a zero byte")
}

#[cfg(test)]
mod tests;
