//! What a place looks like from outside: kind, mode, owner, size, times.
//!
//! Knows entries; not where they come from, nor what a kernel calls these things.

use lifeboat_format::time::Time;
use lifeboat_format::tree::{Device, Entry, EntryKind, Extent};

/// The unit in which a file system says how much room a file takes, in bytes.
const BLOCK_BYTES: u64 = 512;

/// What `stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: EntryKind,
    /// Permissions and the three special bits.
    pub mode: u16,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The length of a file or of a link's target, in bytes.
    pub size: u64,
    /// Blocks of 512 bytes that are no hole, as far as the entry alone tells.
    pub blocks: u64,
    /// When the content last changed.
    pub mtime: Time,
    /// When the inode last changed, at the time of the backup.
    pub ctime: Time,
    /// How many names it had.
    pub links: u64,
    /// The number of a device file.
    pub rdev: Option<Device>,
    /// File flags as `FS_IOC_GETFLAGS` gives them.
    pub flags: u32,
}

impl Attributes {
    /// Those of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let size = match entry.kind {
            EntryKind::Symlink => entry.target.len() as u64,
            _ => entry.size,
        };
        Self {
            kind: entry.kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size,
            blocks: blocks(entry),
            mtime: entry.mtime,
            ctime: entry.ctime,
            links: entry.links.max(1),
            rdev: entry.rdev,
            flags: entry.flags,
        }
    }

    /// Those of a directory that no backup has: one that leads to snapshots, or to a root.
    pub(super) fn made_up(owner: Owner, time: Time) -> Self {
        Self {
            kind: EntryKind::Dir,
            mode: 0o555,
            uid: owner.uid,
            gid: owner.gid,
            size: 0,
            blocks: 0,
            mtime: time,
            ctime: time,
            links: 1,
            rdev: None,
            flags: 0,
        }
    }

    /// Those of a link that leads from one of these to another.
    pub(super) fn made_up_link(owner: Owner, time: Time, target: &[u8]) -> Self {
        let size = target.len() as u64;
        Self { kind: EntryKind::Symlink, mode: 0o777, size, ..Self::made_up(owner, time) }
    }
}

/// Whom the directories belong to that no backup has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Programs take a file that has less blocks than bytes for one with holes, and ask where they are. The
/// map of a file with many extents is elsewhere, and is not fetched for this: such a file seems full.
fn blocks(entry: &Entry) -> u64 {
    let bytes = match entry.content_depth {
        0 => entry.content.iter().fold(0_u64, |sum, extent| match extent {
            Extent::Hole(_) => sum,
            other => sum.saturating_add(other.len()),
        }),
        _ => entry.size,
    };
    bytes.div_ceil(BLOCK_BYTES)
}
