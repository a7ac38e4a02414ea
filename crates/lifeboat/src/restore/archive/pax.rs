//! Headers of tar archives, and the records of POSIX pax before them.
//!
//! Bytes only: knows entries and paths, and writes nothing.

use std::io;

use lifeboat_format::time::Time;
use lifeboat_format::tree::Entry;
use tar::{EntryType, Header};

/// What everything is padded to, in bytes.
pub(super) const BLOCK: usize = 512;
/// The longest name that a header has room for without being cut, in bytes.
const NAME_MAX: usize = 100;
/// The largest number of the usual 7 octal digits: of a user, a group.
const ID_MAX: u32 = 0o777_7777;
/// And of 11 digits: sizes and times.
const SIZE_MAX: u64 = 0o777_7777_7777;

/// The records of one header.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// `length key=value`, where the length counts itself.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(length.to_string().as_bytes());
        self.0.push(b' ');
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as they stand in the archive, padded, behind a header of their own.
    pub(super) fn block(&self) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_size(self.0.len() as u64);
        copy(&mut header.as_old_mut().name, b"PaxHeaders/entry");
        header.set_cksum();
        let mut block = header.as_bytes().to_vec();
        block.extend_from_slice(&self.0);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }
}

/// The header of an entry at this way, of this kind and with so many bytes behind it; what it has no room for is
/// added to the records.
///
/// # Errors
/// When a number of a device does not fit.
pub(super) fn header(
    way: &[u8],
    entry: &Entry,
    owner: Option<(u32, u32)>,
    (kind, size): (EntryType, u64),
    records: &mut Records,
) -> io::Result<Header> {
    let mut path = path_of(way);
    if kind == EntryType::Directory {
        path.push(b'/');
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(u32::from(entry.mode));
    if path.len() > NAME_MAX || !path.is_ascii() {
        if str::from_utf8(&path).is_err() {
            records.add(b"hdrcharset", b"BINARY");
        }
        records.add(b"path", &path);
    }
    copy(&mut header.as_old_mut().name, &path);
    if kind == EntryType::Symlink {
        copy(&mut header.as_old_mut().linkname, &entry.target);
    }
    if let Some((uid, gid)) = owner {
        for (key, number) in [(&b"uid"[..], uid), (b"gid", gid)] {
            if number > ID_MAX {
                records.add(key, number.to_string().as_bytes());
            }
        }
        header.set_uid(u64::from(uid.min(ID_MAX)));
        header.set_gid(u64::from(gid.min(ID_MAX)));
        // Who extracts goes by names first, so those of owners that were given to others are left out.
        if uid == entry.uid && !entry.user.is_empty() {
            records.add(b"uname", &entry.user);
        }
        if gid == entry.gid && !entry.group.is_empty() {
            records.add(b"gname", &entry.group);
        }
    }
    if size > SIZE_MAX {
        records.add(b"size", size.to_string().as_bytes());
    }
    header.set_size(size.min(SIZE_MAX));
    let seconds = u64::try_from(entry.mtime.secs).ok().filter(|secs| *secs <= SIZE_MAX);
    if seconds.is_none() || entry.mtime.nanos > 0 {
        records.add(b"mtime", seconds_of(entry.mtime).as_bytes());
    }
    header.set_mtime(seconds.unwrap_or_default());
    if let Some(device) = entry.rdev {
        header.set_device_major(device.major)?;
        header.set_device_minor(device.minor)?;
    }
    header.set_cksum();
    Ok(header)
}

/// The list of a sparse file's data, padded.
pub(super) fn map_of(stretches: &[(u64, u64)]) -> Vec<u8> {
    let mut map = format!("{}\n", stretches.len()).into_bytes();
    for (start, length) in stretches {
        map.extend_from_slice(format!("{start}\n{length}\n").as_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// The path in the archive of a way.
pub(super) fn path_of(way: &[u8]) -> Vec<u8> {
    if way.is_empty() {
        return b".".to_vec();
    }
    way.iter().map(|byte| if *byte == 0 { b'/' } else { *byte }).collect()
}

/// A time in decimal seconds.
fn seconds_of(time: Time) -> String {
    let Time { secs, nanos } = time;
    match (secs < 0, nanos) {
        (_, 0) => secs.to_string(),
        (false, nanos) => format!("{secs}.{nanos:09}"),
        // Counted backwards from the next second.
        (true, nanos) => {
            let (secs, nanos) = (secs + 1, 1_000_000_000 - u64::from(nanos));
            format!("-{}.{nanos:09}", secs.unsigned_abs())
        }
    }
}

fn copy(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}
