//! Reading objects of a local store.
//!
//! Knows one object at a time. Only regular files are objects; a fifo or a device below the root is
//! not waited for.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags};
use rustix::io::{Errno, pread};

use crate::local::root::Root;
use crate::local::system::Call;
use crate::{Error, ErrorKind, Guard, ObjectInfo, Result};

pub(super) fn get(root: &Root, key: &str) -> Result<Bytes> {
    let (file, size) = open(root, "get", key)?;
    read(root, "get", key, &file, 0..size)
}

pub(super) fn get_range(root: &Root, key: &str, range: Range<u64>) -> Result<Bytes> {
    let (file, size) = open(root, "get range", key)?;
    if range.start > range.end || range.end > size {
        return Err(Error::beyond_end("get range", key, &range, size));
    }
    read(root, "get range", key, &file, range)
}

pub(super) fn head(root: &Root, key: &str) -> Result<ObjectInfo> {
    root.find(key, || info(root, key))
        .and_then(|info| info.ok_or(Errno::ISDIR))
        .map_err(|errno| root.failed("head", key, key, errno))
}

/// Size and time of the object `key`, or `None` if that is not a regular file.
pub(super) fn info(root: &Root, key: &str) -> Result<Option<ObjectInfo>, Errno> {
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME;
    let found = root.system.look(root.fd(), key, AtFlags::empty(), wanted)?;
    if FileType::from_raw_mode(found.stx_mode.into()) != FileType::RegularFile {
        return Ok(None);
    }
    let (size, modified) = (found.stx_size, modified(&found));
    Ok(Some(ObjectInfo { size, modified, guard: Guard::default() }))
}

/// When the file was last written to; a time that this machine can't express is 1970.
pub(super) fn modified(found: &Statx) -> SystemTime {
    let seconds = Duration::from_secs(found.stx_mtime.tv_sec.unsigned_abs());
    let nanos = Duration::from_nanos(found.stx_mtime.tv_nsec.into());
    let whole = if found.stx_mtime.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole.and_then(|whole| whole.checked_add(nanos)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn open(root: &Root, operation: &'static str, key: &str) -> Result<(File, u64)> {
    let failed = |errno| root.failed(operation, key, key, errno);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let open = || root.system.open(Call::Open, root.fd(), key, flags);
    let file: File = root.find(key, open).map_err(failed)?.into();
    let metadata = file
        .metadata()
        .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if !metadata.is_file() {
        return Err(failed(Errno::ISDIR));
    }
    let size = metadata.size();
    Ok((file, size))
}

fn read(
    root: &Root,
    operation: &'static str,
    key: &str,
    file: &File,
    range: Range<u64>,
) -> Result<Bytes> {
    let too_large = || {
        Error::new(ErrorKind::Other, operation, key)
            .with_detail(format!("{} bytes do not fit into memory", range.end - range.start))
    };
    let wanted = usize::try_from(range.end - range.start).map_err(|_too_wide| too_large())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(wanted).map_err(|error| too_large().with_source(error))?;
    while bytes.len() < wanted {
        let at = range.start + bytes.len() as u64;
        let piece = || pread(file, spare_capacity(&mut bytes), at);
        match root.system.call(Call::Read, key, piece) {
            // It was cut short since its size was looked at.
            Ok(0) => return Err(Error::beyond_end(operation, key, &range, at)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(root.failed(operation, key, key, errno)),
        }
    }
    // The allocation may be a little larger than what was reserved.
    bytes.truncate(wanted);
    Ok(bytes.into())
}
