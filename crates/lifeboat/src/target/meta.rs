//! Metadata of what was restored: owner, extended attributes, mode, times and file flags.
//!
//! The order is the one in which nothing undoes what was set before: a change of owner clears
//! set-user-id bits and capabilities; extended attributes may need a writable file; an immutable or
//! append-only file takes nothing more. Access control lists are extended attributes, set raw.
//!
//! One writer serves many threads.

mod step;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{IFlags, Timespec, Timestamps, UTIME_OMIT};

use self::step::{Handle, is_denied_id, is_denied_name};
use super::dir::Dir;
use super::fault::{Fault, Result};
use super::node::{Access, Node};

/// Set-user-id and set-group-id.
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;

/// The list that a member inherits from a directory with a default list.
const ACCESS_ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Flags after which a file takes no other change.
const LAST_FLAGS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);

/// Flags that count only while a file is empty.
const FIRST_FLAGS: IFlags = IFlags::NOCOW;

/// A file's metadata as its entry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission, set-id and sticky bits; of no meaning for symbolic links.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Time of the last change of the content: seconds since 1970.
    pub mtime_secs: i64,
    /// The nanoseconds of that second.
    pub mtime_nanos: u32,
    /// Extended attributes: full names and raw values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// File flags as of `FS_IOC_SETFLAGS`, those that a user can set.
    pub flags: u32,
}

/// How many things were left out for want of a privilege, for one summary instead of a problem each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Files whose owner or group could not be set.
    pub owners: u64,
    /// Extended attributes that only a privileged user can set.
    pub xattrs: u64,
}

/// Sets metadata, and counts what the user may not set.
#[derive(Debug, Default)]
pub struct MetaWriter {
    /// Files stay whose they are, without being given to anybody.
    leaves_owners: bool,
    owners: AtomicU64,
    xattrs: AtomicU64,
}

/// What is to be done with flags that end all changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastFlags {
    /// Set them now.
    Now,
    /// The caller will, with [`MetaWriter::seal`]: the file gets further names, and an immutable one
    /// can't.
    Later,
}

impl MetaWriter {
    /// A writer that has left out nothing yet, and gives files to their owners if it is to.
    pub fn new(sets_owners: bool) -> Self {
        Self { leaves_owners: !sets_owners, ..Self::default() }
    }

    /// What was left out so far.
    pub fn skipped(&self) -> Skipped {
        Skipped {
            owners: self.owners.load(Ordering::Relaxed),
            xattrs: self.xattrs.load(Ordering::Relaxed),
        }
    }

    /// Sets the flags that count only while a file is empty; failures show when all flags are set.
    pub fn prepare(&self, file: &Node, flags: u32) {
        let wanted = IFlags::from_bits_retain(flags) & FIRST_FLAGS;
        if !wanted.is_empty()
            && let Ok(now) = rustix::fs::ioctl_getflags(file)
            && rustix::fs::ioctl_setflags(file, now | wanted).is_err()
        {
            tracing::debug!("the target's file system does not take the flags {wanted:?}");
        }
    }

    /// Sets a file's metadata, all that can be set; `parent` is the directory it is in. What it has besides, inherited or
    /// from before, is taken away.
    pub fn finish(
        &self,
        node: &Node,
        parent: &Dir,
        meta: &Metadata,
        last: LastFlags,
        fault: &mut dyn FnMut(Fault),
    ) {
        let handle = match node.access() {
            Access::Content => Handle::Open(node.as_fd()),
            Access::Place => Handle::Place(node.as_fd()),
        };
        let foreign = match node.is_made() {
            true if parent.gives_acl() => vec![ACCESS_ACL.to_owned()],
            true => Vec::new(),
            false => handle.xattr_names(),
        };
        self.apply(&handle, meta, &foreign, fault);
        if last == LastFlags::Now {
            self.seal(node, meta.flags, fault);
        }
    }

    /// Sets a directory's metadata, after all its members have been written.
    pub fn finish_dir(&self, dir: &Dir, meta: &Metadata, fault: &mut dyn FnMut(Fault)) {
        let handle = Handle::Open(dir.as_fd());
        let foreign = match dir.is_made() {
            true if dir.gives_acl() => vec![ACCESS_ACL.to_owned(), DEFAULT_ACL.to_owned()],
            true => Vec::new(),
            false => handle.xattr_names(),
        };
        self.apply(&handle, meta, &foreign, fault);
        self.seal(dir, meta.flags, fault);
    }

    /// Sets the flags after which a file takes no other change.
    pub fn seal(&self, file: impl AsFd, flags: u32, fault: &mut dyn FnMut(Fault)) {
        let last = last_flags(flags);
        if !last.is_empty()
            && let Err(error) = step::add_flags(file.as_fd(), last)
        {
            fault(error);
        }
    }

    fn apply(
        &self,
        handle: &Handle<'_>,
        meta: &Metadata,
        foreign: &[String],
        fault: &mut dyn FnMut(Fault),
    ) {
        let mut collect = |result: Result<()>| {
            if let Err(error) = result {
                fault(error);
            }
        };
        let stat = match handle.stat() {
            Ok(stat) => stat,
            Err(error) => return collect(Err(error)),
        };
        let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink();
        let mut mode = meta.mode & 0o7777;
        if (stat.st_uid, stat.st_gid) != (meta.uid, meta.gid) {
            match self.set_owner(handle, meta, (stat.st_uid, stat.st_gid)) {
                Ok(lost) => mode &= !lost,
                Err(error) => collect(Err(error)),
            }
        }
        for name in foreign {
            if meta.xattrs.iter().all(|(present, _)| present != name.as_bytes()) {
                collect(handle.remove_xattr(name));
            }
        }
        for (name, value) in &meta.xattrs {
            collect(self.set_xattr(handle, name, value));
        }
        // An immutable file takes no change, and needs none where it is as it should be already.
        let is_given = (stat.st_uid, stat.st_gid) != (meta.uid, meta.gid);
        if !is_link && (is_given || stat.st_mode & 0o7777 != mode) {
            collect(handle.set_mode(mode));
        }
        let flags = IFlags::from_bits_retain(meta.flags) - LAST_FLAGS;
        if !flags.is_empty()
            && let Handle::Open(fd) = handle
        {
            collect(step::add_flags(*fd, flags));
        }
        let nanos = u32::try_from(stat.st_mtime_nsec).ok();
        if (stat.st_mtime, nanos) != (meta.mtime_secs, Some(meta.mtime_nanos)) {
            collect(set_mtime(handle, meta));
        }
    }

    /// Sets owner and group as far as allowed; gives the mode bits that must not be set because the
    /// file belongs to somebody else than it did.
    fn set_owner(&self, handle: &Handle<'_>, meta: &Metadata, now: (u32, u32)) -> Result<u32> {
        if self.leaves_owners {
            let bit = |differs: bool, bit| if differs { bit } else { 0 };
            return Ok(bit(now.0 != meta.uid, SET_USER) | bit(now.1 != meta.gid, SET_GROUP));
        }
        match handle.set_owner(Some(meta.uid), Some(meta.gid)) {
            Ok(()) => return Ok(0),
            Err(error) if !is_denied_id(&error) => return Err(error),
            Err(_) => {}
        }
        self.owners.fetch_add(1, Ordering::Relaxed);
        let mut lost = 0;
        if now.0 != meta.uid {
            lost |= SET_USER;
        }
        // One's own groups can be given without privilege.
        if now.1 != meta.gid && handle.set_owner(None, Some(meta.gid)).is_err() {
            lost |= SET_GROUP;
        }
        Ok(lost)
    }

    fn set_xattr(&self, handle: &Handle<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        match handle.set_xattr(name, value) {
            Err(error) if error.is_denied() && is_denied_name(name) => {
                self.xattrs.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            result => result,
        }
    }
}

/// Whether these are flags after which a file takes no other change, not even a further name.
pub fn has_last_flags(flags: u32) -> bool {
    !last_flags(flags).is_empty()
}

fn last_flags(flags: u32) -> IFlags {
    IFlags::from_bits_retain(flags) & LAST_FLAGS
}

fn set_mtime(handle: &Handle<'_>, meta: &Metadata) -> Result<()> {
    // Larger numbers are not times but commands of the system call (UTIME_NOW, UTIME_OMIT).
    if meta.mtime_nanos >= 1_000_000_000 {
        return Err(Fault::refused("set time of", "the snapshot has a time that can't be"));
    }
    handle.set_times(&Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: meta.mtime_secs,
            tv_nsec: i64::from(meta.mtime_nanos),
        },
    })
}
