//! Paths to take out of a root, and the directories on the way to them.
//!
//! Knows path keys; asks no file system.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::report::Problem;
use crate::source::names::Names;

/// The keys of what is selected, sorted. Empty: everything is.
#[derive(Debug)]
pub(super) struct Selection(Vec<Vec<u8>>);

impl Selection {
    /// The selection of these absolute paths in `root`.
    pub(super) fn new(root: &[u8], paths: &[PathBuf]) -> Result<Self, Problem> {
        let root = Path::new(std::ffi::OsStr::from_bytes(root));
        let mut keys = Vec::with_capacity(paths.len());
        for path in paths {
            let fail = |error| Problem::new(path.as_os_str().as_bytes(), "select", error);
            let below =
                path.strip_prefix(root).map_err(|_not_below| fail("it is not below the root"))?;
            let mut key = Vec::new();
            for part in below.components() {
                let Component::Normal(name) = part else {
                    return Err(fail("the path has .. in it"));
                };
                if !key.is_empty() {
                    key.push(0);
                }
                key.extend_from_slice(name.as_bytes());
            }
            keys.push(key);
        }
        keys.sort_unstable();
        // The root itself selects everything.
        if keys.first().is_some_and(Vec::is_empty) {
            keys.clear();
        }
        Ok(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this very key was selected.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.0.binary_search_by(|other| other.as_slice().cmp(key)).is_ok()
    }

    /// The members of a directory that are selected or on the way to something that is.
    pub(super) fn members(&self, dir: &[u8]) -> Names {
        let first = self.0.partition_point(|key| key.as_slice() <= dir);
        let below = self.0[first..].iter().map_while(|key| match dir {
            b"" => Some(key.as_slice()),
            dir => key.strip_prefix(dir)?.strip_prefix(b"\0"),
        });
        Names::of(below.map(|rest| rest.split(|byte| *byte == 0).next().unwrap_or_default()))
    }
}
