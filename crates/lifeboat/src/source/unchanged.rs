//! When a file counts as unchanged, so that its content need not be read again.
//!
//! A pure rule over what an earlier snapshot keeps of a file and what the file system says now. It must
//! never take a changed file for an unchanged one where the file system keeps its own promises; taking
//! an unchanged one for changed costs a reading.
//!
//! A file is unchanged when **all** of these hold:
//!
//! 1. It was a regular file and is one.
//! 2. The earlier backup read it whole, in peace: its entry has no note, be it that it changed meanwhile,
//!    that some metadata could not be read, or of a kind that a newer version makes.
//! 3. Its **size** is the same.
//! 4. Its **mtime** is the same, to the nanosecond. Anybody can set it back, hence also:
//! 5. Its **ctime** is the same, to the nanosecond, unless [`Criteria::ignore_ctime`]. The kernel sets it to
//!    the present at every change of content or metadata, and nobody else can. It also moves when a
//!    file is renamed, linked, or gets another mode: such a file is read, and nothing of it stored.
//! 6. It is the same **inode** of the same file system, unless [`Criteria::ignore_inode`]. This finds a
//!    file that another was renamed over with times and size made equal. File systems are counted as
//!    the walk meets them ([`super::stat::Stat::device`]); the kernel's numbers change with every boot.
//! 7. Its times were **old enough** when the earlier backup began. Times move in steps: of 1 to 10 ms,
//!    by the kernel's tick, where a file system keeps nanoseconds, of up to 2 s where it doesn't (FAT; the
//!    nanoseconds are then 0). A file that is written, read by a backup, and written again within one
//!    step has the same times after both writes. So the newest of its times plus a grain (20 ms, or 2 s
//!    if its nanoseconds are 0) must lie before the start of the run whose entry is compared with;
//!    everything was read after that start, so a later write has a later time. A file that fails this is
//!    read once more, and then passes. If the entry was itself taken over unread, then from a run that
//!    began earlier, against which it passed: so it passes against the later one too.
//!
//! What this rests on: the times of files and of runs come from one clock that isn't set back. On a network
//! file system the times are the server's; if its clock is behind, a file that is written twice within
//! the difference, before and after being read, with the same size, may be missed. A full backup reads
//! everything.
//!
//! A file with an mtime in the future never passes 7 and is read each time, until that time has come.
//!
//! `ignore_ctime` is for file systems that make ctimes up or change them (some network and FUSE ones,
//! and trees that are copied with their mtimes before each backup). `ignore_inode` is for those that
//! number files anew at each mount. Without ctime, whoever sets an mtime back hides a change of equal size;
//! so do tools that keep the mtime on purpose.

use lifeboat_format::Time;
use lifeboat_format::tree::{Entry, EntryKind};

use super::stat::Stat;

/// How far a clock that gives nanoseconds may lag behind: two of the longest usual ticks (100 Hz).
pub const GRAIN_NANOS: i128 = 20_000_000;
/// The same of one that doesn't: the two seconds of FAT, the coarsest in use.
pub const COARSE_GRAIN_NANOS: i128 = 2_000_000_000;

/// What of a file is not asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Inode numbers and file systems say nothing.
    pub ignore_inode: bool,
    /// Change times say nothing.
    pub ignore_ctime: bool,
}

/// Whether the file that `parent` was made of, in a run that began at `parent_started`, still has the
/// content that it had; see the module's documentation.
pub fn unchanged(parent: &Entry, now: &Stat, parent_started: Time, criteria: &Criteria) -> bool {
    let was_file = parent.kind == EntryKind::File && now.kind == EntryKind::File;
    let was_quiet = parent.notes == 0;
    let same_content = parent.size == now.size && parent.mtime == now.mtime;
    let same_ctime = criteria.ignore_ctime || parent.ctime == now.ctime;
    let same_inode =
        criteria.ignore_inode || (parent.device, parent.inode) == (now.device, now.inode);
    was_file
        && was_quiet
        && same_content
        && same_ctime
        && same_inode
        && is_settled(now.mtime, parent_started)
        && (criteria.ignore_ctime || is_settled(now.ctime, parent_started))
}

/// Whether a change at `start` or later would have another time than `time`.
fn is_settled(time: Time, start: Time) -> bool {
    let grain = if time.nanos == 0 { COARSE_GRAIN_NANOS } else { GRAIN_NANOS };
    nanos(time) + grain < nanos(start)
}

fn nanos(time: Time) -> i128 {
    i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos)
}

#[cfg(test)]
mod tests;
