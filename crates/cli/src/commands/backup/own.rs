//! The repository that lies in what is backed up: never a part of itself.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lifeboat::backup::BackupOptions;
use lifeboat::report::escape;
use lifeboat::repository::{Location, local_directory};
use lifeboat::source::exclude::{Cause, Excludes, Explanation};

use crate::exit::Usage;
use crate::settings::Settings;

/// Where the repository is, if it is a directory that is there.
pub(super) fn directory(settings: &Settings) -> Option<PathBuf> {
    let place = settings.place.as_ref()?;
    local_directory(&Location::parse(&place.text, &place.directory).ok()?)
}

/// What to say of the repository's own directories that are left out since they lie below a root.
///
/// # Errors
/// [`Usage`] when a root lies in the repository.
pub(super) fn warnings(options: &BackupOptions) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let excludes = Excludes::new(&options.excludes)?;
    for own in &options.excludes.leave_out {
        for root in options.roots.iter().chain(&options.selected) {
            // What is missing is told by the backup itself.
            let Ok(root) = root.canonicalize() else { continue };
            if root.starts_with(own) {
                let text = format!("{} is part of the repository itself", text(&root));
                return Err(Usage(text).into());
            }
            if !own.starts_with(&root) {
                continue;
            }
            let explained = excludes.explain(&root, own);
            if let Ok(Explanation::Excluded { cause: Cause::Repository, .. }) = explained {
                warnings.push(format!("{} is left out: it is the repository itself", text(own)));
            }
        }
    }
    warnings.dedup();
    Ok(warnings)
}

fn text(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
