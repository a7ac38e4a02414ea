//! Paths as they are typed, made absolute by their text alone.
//!
//! Looks at no file: a link is never followed, so `link/..` is the directory that the link lies in.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use lifeboat_format::tree::PathKey;

use crate::exit::Usage;

/// `path` as an absolute one without `.` and `..`. A slash at its end, which asks to follow a link,
/// stays; `/.` at its end means the same.
pub(crate) fn absolute(cwd: &Path, path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in cwd.join(path).components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    let typed = path.as_os_str().as_bytes();
    let follows = typed.ends_with(b"/") || typed.ends_with(b"/.");
    if follows && plain.as_os_str() != "/" {
        let mut text = plain.into_os_string().into_vec();
        text.push(b'/');
        return PathBuf::from(OsString::from_vec(text));
    }
    plain
}

/// The same without a slash at the end.
pub(crate) fn absolute_name(cwd: &Path, path: &Path) -> PathBuf {
    absolute(cwd, path).components().collect()
}

/// The path in a snapshot that was typed after the colon.
///
/// # Errors
/// [`Usage`] when no snapshot can have such a path.
pub(crate) fn snapshot_path(typed: &[u8]) -> Result<PathKey> {
    let mut key = PathKey::root();
    for name in typed.split(|byte| *byte == b'/') {
        if !matches!(name, b"" | b".") {
            key = key.child(name).map_err(|error| Usage(error.to_string()))?;
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    fn absolute(path: &str) -> PathBuf {
        super::absolute(Path::new("/home/ann"), Path::new(path))
    }

    #[test]
    fn made_absolute_by_text() {
        assert_eq!(absolute("a/./b/../c").as_os_str(), "/home/ann/a/c");
        assert_eq!(absolute("../../../..").as_os_str(), "/");
        assert_eq!(absolute(".").as_os_str(), "/home/ann");
        assert_eq!(absolute("/x//y").as_os_str(), "/x/y");
    }

    #[test]
    fn a_slash_at_the_end_stays() {
        assert_eq!(absolute("link/").as_os_str(), "/home/ann/link/");
        assert_eq!(absolute("link/.").as_os_str(), "/home/ann/link/");
        assert_eq!(absolute("/").as_os_str(), "/");
        let name = super::absolute_name(Path::new("/home"), Path::new("link/"));
        assert_eq!(name.as_os_str(), "/home/link");
    }

    #[test]
    fn paths_in_snapshots() {
        let key = super::snapshot_path(b"/a//b/./c/").unwrap();
        assert_eq!(key.as_bytes(), b"a\0b\0c");
        assert!(super::snapshot_path(b"/").unwrap().is_root());
        assert!(super::snapshot_path(b"/a/../b").is_err());
    }
}
