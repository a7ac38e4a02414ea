//! Where a walk begins: the root's path, taken apart.
//!
//! Knows bytes of paths. The root is looked up by its last component in the directory before it, so
//! that it is reached as everything else is; a path that ends with a slash, `.` or `..` is opened whole,
//! links followed.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use crate::report::Problem;
use crate::source::dir::{DirHandle, DirPool};
use crate::source::stat::{Devices, Stat};

/// A root's path.
#[derive(Debug)]
pub(in crate::source) struct Start {
    /// As it was given, without slashes at its end.
    pub(in crate::source) path: Arc<[u8]>,
    /// Its name in the directory that it lies in.
    pub(in crate::source) name: CString,
    base: CString,
}

impl Start {
    pub(in crate::source) fn new(root: &Path) -> Result<Self, Problem> {
        let given = root.as_os_str().as_bytes();
        let fail = |error: &dyn std::fmt::Display| Problem::new(given, "look at", error);
        let name_start = given.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let (base, name) = match given.split_at(name_start) {
            (b"", b"") => return Err(fail(&"the path is empty")),
            (_, b"" | b"." | b"..") => (given, &b"."[..]),
            (b"", name) => (&b"."[..], name),
            (base, name) => (base, name),
        };
        let end = given.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
        Ok(Self {
            path: Arc::from(&given[..end]),
            name: CString::new(name).map_err(|e| fail(&e))?,
            base: CString::new(base).map_err(|e| fail(&e))?,
        })
    }

    /// Looks at the root: the directory that it lies in, and what it is.
    pub(in crate::source) fn look(
        &self,
        pool: Arc<DirPool>,
        devices: &mut Devices,
    ) -> Result<(Arc<DirHandle>, Stat), Problem> {
        let looked = DirHandle::open_base(self.base.clone(), pool).and_then(|dir| {
            let stat = Stat::at(&*dir.fd()?, &self.name, devices)?;
            Ok((dir, stat))
        });
        looked.map_err(|error| Problem::new(&self.path, "look at", error))
    }
}
