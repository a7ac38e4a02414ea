//! One tree with everything in it that a backup could get wrong.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Gid, IFlags, Mode, OFlags, Timespec, Timestamps, Uid,
    XattrFlags, fallocate, ioctl_getflags, ioctl_setflags, makedev, mkdirat, mknodat, openat,
    utimensat,
};

use super::is_root;

const MIB: u64 = 1 << 20;

/// What of the awkward tree can be made larger or smaller.
#[derive(Clone, Copy, Debug)]
pub struct Awkward {
    /// How many directories lie in one another; 800 is longer than a path may be.
    pub depth: usize,
    /// How many files lie in one directory.
    pub members: usize,
}

impl Default for Awkward {
    fn default() -> Self {
        Self { depth: 800, members: 1500 }
    }
}

/// What could not be made, and why.
#[derive(Debug, Default)]
struct Skipped(Vec<String>);

impl Skipped {
    /// Notes what failed for want of rights or of a feature; other errors are errors.
    fn allow(&mut self, what: &str, result: rustix::io::Result<()>) -> io::Result<()> {
        use rustix::io::Errno;
        match result {
            Ok(()) => Ok(()),
            Err(
                error @ (Errno::PERM
                | Errno::ACCESS
                | Errno::OPNOTSUPP
                | Errno::NOTTY
                | Errno::NOSYS
                | Errno::INVAL),
            ) => {
                self.0.push(format!("{what}: {error}"));
                Ok(())
            }
            Err(error) => Err(io::Error::other(format!("{what}: {error}"))),
        }
    }
}

impl Awkward {
    /// Builds the tree in the empty directory `root`; says what it had to leave out, and why.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn build(&self, root: &Path) -> io::Result<Vec<String>> {
        let mut skipped = Skipped::default();
        let dir = |name: &str| {
            let path = root.join(name);
            fs::create_dir(&path).map(|()| path)
        };
        names(&dir("names")?)?;
        contents(&dir("contents")?)?;
        sparse(&dir("sparse")?, &mut skipped)?;
        links(&dir("links")?)?;
        symlinks(&dir("symlinks")?)?;
        specials(&dir("specials")?, &mut skipped)?;
        attributes(&dir("attributes")?, &mut skipped)?;
        owners(&dir("owners")?, &mut skipped)?;
        modes(&dir("modes")?)?;
        let members = dir("members")?;
        for number in 0..self.members {
            fs::write(members.join(format!("member-{number:07}")), number.to_string())?;
        }
        deep(&dir("deep")?, self.depth)?;
        // These two last: nothing may move the times or write to what is immutable after them.
        flags(&dir("flags")?, &mut skipped)?;
        times(&dir("times")?)?;
        set_time(root, 1_234_567_890, 123_456_789)?;
        Ok(skipped.0)
    }
}

fn names(dir: &Path) -> io::Result<()> {
    let mut every_byte = Vec::from_iter((1..=255_u8).filter(|byte| *byte != b'/'));
    every_byte.truncate(250);
    let long = [b'n'; 255];
    let long_utf8 = "é".repeat(127);
    let plain: [&[u8]; 18] = [
        b" begins with a space",
        b"ends with a space ",
        b"-rf",
        b"--",
        b"...",
        b"new\nline",
        b"tab\tbell\x07escape\x1b[31m",
        b"quote\"'`",
        b"back\\slash",
        b"*?[a-z]{x,y}!#",
        b"caf\xc3\xa9 composed",
        b"cafe\xcc\x81 decomposed",
        b"\xff\xfe not UTF-8",
        b"\xc3(",
        &every_byte,
        &long,
        long_utf8.as_bytes(),
        b"\x01",
    ];
    for name in plain {
        fs::write(dir.join(OsStr::from_bytes(name)), name)?;
    }
    // These sort one way as names and another as paths with slashes.
    fs::create_dir(dir.join("a"))?;
    for name in ["a/member", "a.b", "a-b", "a b", "a\x01", "aa", "A"] {
        fs::write(dir.join(name), name)?;
    }
    let long_dir = dir.join(OsStr::from_bytes(&[b'\xf0'; 255]));
    fs::create_dir(&long_dir)?;
    fs::write(long_dir.join(OsStr::from_bytes(&[b'\xf1'; 255])), "deep in long names")?;
    fs::create_dir(dir.join("empty directory"))
}

fn contents(dir: &Path) -> io::Result<()> {
    for size in [0, 1, 63, 64, 65, 4095, 4096, 4097, 100_000, MIB, 3 * MIB + 1] {
        fs::write(dir.join(format!("{size} bytes")), noise(size, size))?;
    }
    fs::write(dir.join("zeros that take room"), vec![0; 300_000])?;
    fs::write(dir.join("the same twice 1"), noise(200_000, 7))?;
    fs::write(dir.join("the same twice 2"), noise(200_000, 7))
}

/// Bytes that do not compress, the same for the same seed.
fn noise(len: u64, seed: u64) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(next).collect()
}

fn sparse(dir: &Path, skipped: &mut Skipped) -> io::Result<()> {
    // Name, size, and where 5000 bytes of data lie.
    let files: [(&str, u64, &[u64]); 7] = [
        ("only a hole", 5 * MIB, &[]),
        ("a hole at the start", 2 * MIB, &[2 * MIB - 5000]),
        ("a hole in the middle", 2 * MIB, &[0, 2 * MIB - 5000]),
        ("a hole at the end", 2 * MIB, &[0]),
        ("holes around", 3 * MIB + 7, &[MIB]),
        ("very large", 64 << 30, &[0, 32 << 30]),
        ("many holes", 8 * MIB, &[0, MIB, 2 * MIB, 3 * MIB, 4 * MIB, 5 * MIB, 6 * MIB]),
    ];
    for (name, size, places) in files {
        let file = File::create(dir.join(name))?;
        file.set_len(size)?;
        for place in places {
            file.write_all_at(&noise(5000, size ^ place), *place)?;
        }
    }
    let reserved = File::create(dir.join("reserved"))?;
    skipped.allow("fallocate", fallocate(&reserved, FallocateFlags::empty(), 0, MIB))?;
    let beyond = File::create(dir.join("reserved beyond its end"))?;
    beyond.write_all_at(b"short", 0)?;
    skipped.allow("fallocate", fallocate(&beyond, FallocateFlags::KEEP_SIZE, 0, MIB))
}

fn links(dir: &Path) -> io::Result<()> {
    fs::create_dir(dir.join("other"))?;
    fs::write(dir.join("file 1"), noise(70_000, 3))?;
    fs::hard_link(dir.join("file 1"), dir.join("file 2"))?;
    fs::hard_link(dir.join("file 1"), dir.join("other/file 3"))?;
    fs::write(dir.join("empty 1"), "")?;
    fs::hard_link(dir.join("empty 1"), dir.join("empty 2"))?;
    symlink("file 1", dir.join("link 1"))?;
    fs::hard_link(dir.join("link 1"), dir.join("link 2"))?;
    let fifo = dir.join("fifo 1");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    fs::hard_link(&fifo, dir.join("fifo 2"))
}

fn symlinks(dir: &Path) -> io::Result<()> {
    let long = "x/".repeat(2000);
    let targets: [(&str, &[u8]); 8] = [
        ("relative", b"../contents/64 bytes"),
        ("absolute", b"/etc/hostname"),
        ("dangling", b"there is nothing here"),
        ("to a directory", b"../contents"),
        ("to itself", b"to itself"),
        ("not UTF-8", b"\xff\x80\n"),
        ("long", long.as_bytes()),
        ("dots", b"../../../../../.."),
    ];
    for (name, target) in targets {
        symlink(OsStr::from_bytes(target), dir.join(name))?;
    }
    Ok(())
}

fn specials(dir: &Path, skipped: &mut Skipped) -> io::Result<()> {
    let make = |name: &str, kind, mode, device| {
        mknodat(CWD, dir.join(name), kind, Mode::from_raw_mode(mode), device)
    };
    make("fifo", FileType::Fifo, 0o640, 0)?;
    make("socket", FileType::Socket, 0o755, 0)?;
    let made = make("character device", FileType::CharacterDevice, 0o666, makedev(1, 3));
    skipped.allow("character device", made)?;
    let made = make("block device", FileType::BlockDevice, 0o660, makedev(259, 300_000));
    skipped.allow("block device", made)
}

fn attributes(dir: &Path, skipped: &mut Skipped) -> io::Result<()> {
    let mut set = |path: &Path, name: &str, value: &[u8]| {
        let done = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
        skipped.allow(name, done)
    };
    let file = dir.join("file");
    fs::write(&file, "a file with attributes")?;
    set(&file, "user.text", b"value")?;
    set(&file, "user.empty", b"")?;
    set(&file, "user.binary", b"\0\xff\n\0")?;
    set(&file, "user.\u{fc}nicode name", b"1")?;
    set(&file, "trusted.lifeboat", b"for root only")?;
    // A file capability: cap_net_bind_service, permitted and effective, version 2.
    let mut capability = 0x0200_0001_u32.to_le_bytes().to_vec();
    capability.extend([0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    set(&file, "security.capability", &capability)?;
    let long = dir.join("long value");
    fs::write(&long, "")?;
    set(&long, "user.long", &noise(3000, 1))?;
    let inner = dir.join("directory");
    fs::create_dir(&inner)?;
    set(&inner, "user.of a directory", b"yes")?;
    set(&inner, "system.posix_acl_default", &acl(7))?;
    fs::write(dir.join("with an ACL"), "")?;
    set(&dir.join("with an ACL"), "system.posix_acl_access", &acl(6))?;
    symlink("nowhere", dir.join("symlink"))?;
    set(&dir.join("symlink"), "trusted.of a symlink", b"yes")?;
    mknodat(CWD, dir.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    set(&dir.join("fifo"), "trusted.of a fifo", b"yes")
}

/// An ACL with a named user and a named group, as the kernel keeps it: version 2, then tag, permissions
/// and number of each entry.
fn acl(named: u16) -> Vec<u8> {
    let nobody = u32::MAX;
    let entries = [
        (0x01, 6, nobody),
        (0x02, named, 12_345),
        (0x04, 4, nobody),
        (0x08, 5, 54_321),
        (0x10, 7, nobody),
        (0x20, 0, nobody),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, number) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(u16::to_le_bytes(permissions));
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

fn owners(dir: &Path, skipped: &mut Skipped) -> io::Result<()> {
    fs::write(dir.join("somebody's"), "")?;
    symlink("somebody's", dir.join("somebody's link"))?;
    fs::create_dir(dir.join("somebody's directory"))?;
    let owners =
        [("somebody's", 12_345), ("somebody's link", 4_000_000_000), ("somebody's directory", 1)];
    for (name, number) in owners {
        let (user, group) = (Uid::from_raw(number), Gid::from_raw(number / 2 + 1));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let done = rustix::fs::chownat(CWD, dir.join(name), Some(user), Some(group), flags);
        skipped.allow("another owner", done)?;
    }
    Ok(())
}

fn modes(dir: &Path) -> io::Result<()> {
    // Without root's rights a file that may not be read is only a problem of the backup.
    let least = if is_root() { 0 } else { 0o400 };
    for mode in [0o000, 0o400, 0o644, 0o777, 0o1644, 0o2755, 0o4755, 0o6711] {
        let path = dir.join(format!("file {mode:04o}"));
        fs::write(&path, "x")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | least))?;
    }
    let least = if is_root() { 0 } else { 0o500 };
    for mode in [0o000, 0o555, 0o755, 0o1777, 0o2770] {
        let path = dir.join(format!("directory {mode:04o}"));
        fs::create_dir(&path)?;
        fs::write(path.join("member"), "x")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | least))?;
    }
    Ok(())
}

fn deep(dir: &Path, depth: usize) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, dir, flags, Mode::empty())?;
    for _ in 0..depth {
        mkdirat(&at, "down", Mode::from_raw_mode(0o755))?;
        at = openat(&at, "down", flags, Mode::empty())?;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let bottom = openat(&at, "bottom", flags, Mode::from_raw_mode(0o644))?;
    File::from(bottom).write_all_at(b"at the bottom", 0)
}

fn flags(dir: &Path, skipped: &mut Skipped) -> io::Result<()> {
    let wanted = [
        ("no dump", IFlags::NODUMP),
        ("no access times", IFlags::NOATIME),
        ("synchronous", IFlags::SYNC),
        ("append only", IFlags::APPEND),
        ("immutable", IFlags::IMMUTABLE),
    ];
    fs::create_dir(dir.join("no dump directory"))?;
    for (name, _) in wanted {
        fs::write(dir.join(name), name)?;
    }
    let directory = ("no dump directory", IFlags::NODUMP);
    for (name, flag) in wanted.into_iter().chain([directory]) {
        let file = File::open(dir.join(name))?;
        let done = ioctl_getflags(&file).and_then(|now| ioctl_setflags(&file, now | flag));
        skipped.allow(name, done)?;
    }
    Ok(())
}

fn times(dir: &Path) -> io::Result<()> {
    let times = [
        ("epoch", 0, 0),
        ("before the epoch", -1, 999_999_999),
        ("long before", -2_000_000_000, 1),
        ("one nanosecond", 1_600_000_000, 1),
        ("no nanoseconds", 1_600_000_000, 0),
        ("after 2038", 4_000_000_000, 999_999_999),
    ];
    for (name, secs, nanos) in times {
        fs::write(dir.join(name), "")?;
        set_time(&dir.join(name), secs, nanos)?;
    }
    symlink("epoch", dir.join("symlink"))?;
    set_time(&dir.join("symlink"), 1_500_000_000, 5)?;
    fs::create_dir(dir.join("directory"))?;
    fs::write(dir.join("directory/member"), "")?;
    set_time(&dir.join("directory"), 1_400_000_000, 999_999_999)?;
    set_time(dir, 1_300_000_000, 1)
}

/// Sets the mtime of what is at `path`, not following it.
pub(super) fn set_time(path: &Path, secs: i64, nanos: i64) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let last_modification = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: omit, last_modification };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
