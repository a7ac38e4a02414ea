//! The roots of a run: which trees there will be, and what belongs to none twice.
//!
//! A root inside another one is part of that one's tree already and is left out, unless it is a file
//! system of its own that the run was told not to enter from above.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::options::BackupOptions;
use crate::error::{Error, Result};
use crate::report::escape;
use crate::source::walk::WalkOptions;

/// One root of the run.
#[derive(Clone, Debug)]
pub(super) struct BackupRoot {
    /// Its absolute path as it was given; a slash at its end means: follow the link.
    pub(super) path: PathBuf,
    pub(super) walk: WalkOptions,
}

impl BackupRoot {
    /// The path that the snapshot keeps: absolute, without a slash at its end.
    pub(super) fn kept_path(&self) -> Vec<u8> {
        let bytes = self.path.as_os_str().as_bytes();
        let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
        bytes[..end.max(1)].to_vec()
    }

    /// What the source's identity says of it.
    pub(super) fn label(&self) -> String {
        let path = escape(&self.kept_path());
        if self.walk.selected.is_empty() { path } else { format!("{path}{SELECTED}") }
    }
}

/// What follows a root's path in the source's identity where only selected paths below it were backed up.
pub(crate) const SELECTED: &str = " (selected paths)";

/// The roots that these options mean.
///
/// # Errors
/// `Invalid` when there are none, or one is not absolute.
pub(super) fn resolve(options: &BackupOptions) -> Result<Vec<BackupRoot>> {
    if options.roots.is_empty() && options.selected.is_empty() {
        return Err(Error::options("nothing to back up: give at least one path"));
    }
    for path in options.roots.iter().chain(&options.selected) {
        let plain = |part| !matches!(part, Component::ParentDir | Component::CurDir);
        if !path.is_absolute() || !path.components().all(plain) {
            let shown = escape(path.as_os_str().as_bytes());
            return Err(Error::options(format!("the path {shown} is not absolute and plain")));
        }
    }
    let walk = WalkOptions { one_file_system: options.one_file_system, ..WalkOptions::default() };
    let mut roots: Vec<BackupRoot> = Vec::new();
    for (place, path) in options.roots.iter().enumerate() {
        let repeated = options.roots[..place].contains(path);
        if !repeated && !is_inside_another(path, options) {
            roots.push(BackupRoot { path: path.clone(), walk: walk.clone() });
        }
    }
    let outside = |path: &&PathBuf| !roots.iter().any(|root| path.starts_with(&root.path));
    let selected: Vec<PathBuf> = options.selected.iter().filter(outside).cloned().collect();
    if !selected.is_empty() {
        roots.push(BackupRoot { path: PathBuf::from("/"), walk: WalkOptions { selected, ..walk } });
    }
    Ok(roots)
}

fn is_inside_another(path: &Path, options: &BackupOptions) -> bool {
    let others = options.roots.iter().filter(|other| *other != path);
    let mut above = others.filter(|other| path.starts_with(other));
    let device = |path: &Path| path.symlink_metadata().ok().map(|meta| meta.dev());
    above.any(|other| !options.one_file_system || device(other) == device(path))
}

#[cfg(test)]
mod tests;
