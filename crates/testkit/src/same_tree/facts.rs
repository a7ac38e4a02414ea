//! What a file system says about each thing in a tree.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, IFlags, Mode, OFlags, SeekFrom, Stat, ioctl_getflags, lgetxattr, llistxattr,
    major, minor, openat, readlinkat, seek, statat,
};
use rustix::io::Errno;

use crate::tree::{Reach, list, split};

/// The flags that a user can set, of those that `chattr` knows.
const FLAGS: IFlags = IFlags::APPEND
    .union(IFlags::COMPRESSED)
    .union(IFlags::DIRSYNC)
    .union(IFlags::IMMUTABLE)
    .union(IFlags::JOURNALING)
    .union(IFlags::NOATIME)
    .union(IFlags::NOCOW)
    .union(IFlags::NODUMP)
    .union(IFlags::NOTAIL)
    .union(IFlags::SECURE_REMOVAL)
    .union(IFlags::SYNC)
    .union(IFlags::TOPDIR)
    .union(IFlags::UNRM);

#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: &'static str,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) mtime: (i64, i64),
    /// Of a file; 0 of all others.
    pub(super) size: u64,
    pub(super) target: Vec<u8>,
    pub(super) device: (u32, u32),
    pub(super) flags: u32,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a thing with several names: the first of them in this tree.
    pub(super) first_link: Option<Vec<u8>>,
    /// Where a file has holes. None where every byte has its place: what the map calls a hole there was
    /// reserved and never written, and may come back as zeros.
    pub(super) holes: Vec<Range<u64>>,
    /// Where a file has data.
    pub(super) data: Vec<Range<u64>>,
}

/// Everything below the directory `root`, and `root` itself under the empty path.
pub(super) fn gather(root: &Path) -> io::Result<BTreeMap<Vec<u8>, Facts>> {
    let mut links = HashMap::new();
    let mut all = BTreeMap::new();
    let mut reach = Reach::new(root)?;
    all.insert(Vec::new(), Facts::of(reach.dir(b"")?, b".")?.0);
    for found in list(root)? {
        let (dir, name) = split(&found.path);
        let (mut facts, stat) = Facts::of(reach.dir(dir)?, name)?;
        if stat.st_nlink > 1 && !found.is_dir {
            let first =
                links.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| found.path.clone());
            facts.first_link = Some(first.clone());
        }
        all.insert(found.path, facts);
    }
    // A file whose other names all lie elsewhere is alone here.
    let mut counts = HashMap::<Vec<u8>, usize>::new();
    for facts in all.values() {
        if let Some(first) = &facts.first_link {
            *counts.entry(first.clone()).or_default() += 1;
        }
    }
    for facts in all.values_mut() {
        facts.first_link.take_if(|first| counts.get(first) == Some(&1));
    }
    Ok(all)
}

impl Facts {
    fn of(dir: &OwnedFd, name: &[u8]) -> io::Result<(Self, Stat)> {
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        let mut facts = Self {
            kind: kind(file_type),
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(-1)),
            size: 0,
            target: Vec::new(),
            device: (0, 0),
            flags: 0,
            xattrs: xattrs(dir, name)?,
            first_link: None,
            holes: Vec::new(),
            data: Vec::new(),
        };
        match file_type {
            FileType::Symlink => facts.target = readlinkat(dir, name, Vec::new())?.into_bytes(),
            FileType::CharacterDevice | FileType::BlockDevice => {
                facts.device = (major(stat.st_rdev), minor(stat.st_rdev));
            }
            FileType::RegularFile | FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(dir, name, flags, Mode::empty())?;
                facts.flags = ioctl_getflags(&fd).map_or(0, |flags| (flags & FLAGS).bits());
                if file_type.is_file() {
                    facts.size = u64::try_from(stat.st_size).unwrap_or_default();
                    let blocks = u64::try_from(stat.st_blocks).unwrap_or_default();
                    facts.map(&fd, blocks * 512)?;
                }
            }
            _ => {}
        }
        Ok((facts, stat))
    }

    /// Learns where the data and the holes are.
    fn map(&mut self, fd: &OwnedFd, allocated_bytes: u64) -> io::Result<()> {
        let mut holes = Vec::new();
        let mut at = 0;
        while at < self.size {
            let data = match seek(fd, SeekFrom::Data(at)) {
                Err(Errno::NXIO) => self.size,
                Err(Errno::INVAL) => at,
                found => found?,
            };
            if data > at {
                holes.push(at..data.min(self.size));
            }
            if data >= self.size {
                break;
            }
            at = match seek(fd, SeekFrom::Hole(data)) {
                Err(Errno::INVAL) => self.size,
                found => found?.min(self.size),
            };
            self.data.push(data..at);
        }
        if allocated_bytes < self.size {
            self.holes = holes;
        }
        Ok(())
    }
}

fn kind(of: FileType) -> &'static str {
    match of {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Unknown => "something unknown",
    }
}

fn xattrs(dir: &OwnedFd, name: &[u8]) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    let path = CString::new(path)?;
    let mut buffer = vec![0; 64 << 10];
    let names = match llistxattr(&path, &mut buffer) {
        Ok(len) => buffer[..len].to_vec(),
        Err(Errno::OPNOTSUPP) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut all = BTreeMap::new();
    // XFS shows an access control list twice, once in its own form.
    let is_own = |name: &&[u8]| !name.is_empty() && !name.starts_with(b"trusted.SGI_ACL_");
    for name in names.split(|byte| *byte == 0).filter(is_own) {
        let len = lgetxattr(&path, name, &mut buffer)?;
        all.insert(name.to_vec(), buffer[..len].to_vec());
    }
    Ok(all)
}
