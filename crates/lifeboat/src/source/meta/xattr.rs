//! Extended attributes, as the kernel gives them.
//!
//! Knows the two ways to ask (an open file, a path whose last link is not followed) and that a file
//! system may have none of them.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::Errno;

/// Enough for nearly every list and value.
const BUFFER_BYTES: usize = 1 << 10;
/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`: the kernel gives nothing longer.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What the attributes are asked of.
#[derive(Debug)]
pub(super) enum Holder<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A path, not followed.
    Path(CString),
}

/// XFS lists an access control list a second time, in its own form; no other file system could use it.
const XFS_ACL: &[u8] = b"trusted.SGI_ACL_";

impl Holder<'_> {
    /// The names of its attributes; none where the file system has no attributes.
    pub(super) fn names(&self) -> io::Result<Vec<CString>> {
        let list = fill(|buffer| match self {
            Self::Open(fd) => flistxattr(fd, buffer),
            Self::Path(path) => llistxattr(path, buffer),
        });
        match list {
            Ok(list) => Ok(list
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty() && !name.starts_with(XFS_ACL))
                .filter_map(|name| CString::new(name).ok())
                .collect()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The value of an attribute; `None` if it isn't there.
    pub(super) fn value(&self, name: &CStr) -> io::Result<Option<Vec<u8>>> {
        let value = fill(|buffer| match self {
            Self::Open(fd) => fgetxattr(fd, name, buffer),
            Self::Path(path) => lgetxattr(path, name, buffer),
        });
        match value {
            Ok(value) => Ok(Some(value)),
            Err(Errno::NODATA) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn fill(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = [0; BUFFER_BYTES];
    match ask(&mut buffer) {
        Ok(len) => Ok(buffer[..len].to_vec()),
        Err(Errno::RANGE) => {
            let mut buffer = vec![0; BUFFER_BYTES_MAX];
            let len = ask(&mut buffer)?;
            buffer.truncate(len);
            buffer.shrink_to_fit();
            Ok(buffer)
        }
        Err(error) => Err(error),
    }
}
