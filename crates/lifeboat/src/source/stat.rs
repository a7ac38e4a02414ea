//! What the file system says about one thing, as of one look.
//!
//! Knows `statx`; not entries' encoding, names or content. Field widths are the same on every
//! architecture.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use lifeboat_format::Time;
use lifeboat_format::time::NANOS_PER_SEC;
use lifeboat_format::tree::EntryKind;
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, statx};

/// One block of [`Stat::blocks`], in bytes, whatever the file system's own block is.
pub const BLOCK_BYTES: u64 = 512;

/// A file system, as the kernel numbers it: `(major, minor)`. Another mount may number it otherwise.
pub type Device = (u32, u32);

/// What one look at a thing said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits with set-user-id, set-group-id and sticky: `mode & 0o7777`.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Length in bytes; of a symbolic link, that of its target.
    pub size: u64,
    /// What it takes on the medium, in units of [`BLOCK_BYTES`].
    pub blocks: u64,
    /// When its content was last changed, or what somebody set that to.
    pub mtime: Time,
    /// When anything about it was last changed.
    pub ctime: Time,
    /// Its number in its file system.
    pub inode: u64,
    /// Which file system of this walk holds it: 0 is the root's, the others count as they are met.
    pub device: u32,
    /// How many names it has.
    pub links: u64,
    /// Of a device: the one that it stands for.
    pub rdev: Device,
    /// The file system, as the kernel numbers it now.
    pub(super) real_device: Device,
}

impl Stat {
    /// Looks at `name` in `dir` without following it.
    pub(super) fn at(dir: impl AsFd, name: &CStr, devices: &mut Devices) -> io::Result<Self> {
        Ok(Self::unnumbered(dir, name)?.numbered(devices))
    }

    /// The same where it is not known yet how many file systems were met before.
    pub(super) fn unnumbered(dir: impl AsFd, name: &CStr) -> io::Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Self::from_raw(&statx(dir, name, flags, StatxFlags::BASIC_STATS)?, 0)
    }

    /// With the ordinal of its file system, which is met now if it was not before.
    pub(super) fn numbered(self, devices: &mut Devices) -> Self {
        Self { device: devices.ordinal(self.real_device), ..self }
    }

    /// Looks at what is open; `device` is the ordinal to give it.
    pub(super) fn of(fd: impl AsFd, device: u32) -> io::Result<Self> {
        Self::from_raw(&statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?, device)
    }

    /// What an empty thing of this kind would be, where there is none.
    pub(super) fn imagined(kind: EntryKind) -> Self {
        Self {
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            blocks: 0,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            device: 0,
            links: 1,
            rdev: (0, 0),
            real_device: (0, 0),
        }
    }

    /// Whether it is a directory.
    pub(super) fn is_dir(&self) -> bool {
        self.kind == EntryKind::Dir
    }

    /// Whether it is a regular file.
    pub(super) fn is_file(&self) -> bool {
        self.kind == EntryKind::File
    }

    /// Whether both are the same thing, whatever has become of it between the looks.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        (self.real_device, self.inode) == (other.real_device, other.inode)
    }

    fn from_raw(raw: &Statx, device: u32) -> io::Result<Self> {
        let kind = match FileType::from_raw_mode(u32::from(raw.stx_mode)) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Dir,
            FileType::Symlink => EntryKind::Symlink,
            FileType::Fifo => EntryKind::Fifo,
            FileType::Socket => EntryKind::Socket,
            FileType::CharacterDevice => EntryKind::Char,
            FileType::BlockDevice => EntryKind::Block,
            FileType::Unknown => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of file"));
            }
        };
        Ok(Self {
            kind,
            mode: raw.stx_mode & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            blocks: raw.stx_blocks,
            mtime: time(raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec),
            ctime: time(raw.stx_ctime.tv_sec, raw.stx_ctime.tv_nsec),
            inode: raw.stx_ino,
            device,
            links: u64::from(raw.stx_nlink),
            rdev: (raw.stx_rdev_major, raw.stx_rdev_minor),
            real_device: (raw.stx_dev_major, raw.stx_dev_minor),
        })
    }
}

/// A file system of somebody's own making may say any number of nanoseconds.
fn time(secs: i64, nanos: u32) -> Time {
    Time { secs, nanos: nanos.min(NANOS_PER_SEC - 1) }
}

/// Numbers file systems in the order in which they are met, so that a snapshot says nothing of how
/// this boot of the machine numbers them.
#[derive(Debug, Default)]
pub(super) struct Devices {
    seen: HashMap<Device, u32>,
    last: Option<(Device, u32)>,
}

impl Devices {
    /// The ordinal of a file system that was met before.
    pub(super) fn known(&self, device: Device) -> Option<u32> {
        self.seen.get(&device).copied()
    }

    /// The ordinal of a file system; the first that is asked for is 0.
    pub(super) fn ordinal(&mut self, device: Device) -> u32 {
        match self.last {
            Some((last, ordinal)) if last == device => ordinal,
            _ => {
                let next = u32::try_from(self.seen.len()).unwrap_or(u32::MAX);
                let ordinal = *self.seen.entry(device).or_insert(next);
                self.last = Some((device, ordinal));
                ordinal
            }
        }
    }
}
