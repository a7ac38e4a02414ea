//! Lists of paths: `--files-from` and `--files-from-raw`.
//!
//! Paths are bytes; relative ones count from the working directory.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lifeboat::report::escape;

use crate::args::BackupArgs;
use crate::commands::paths;

/// The paths in all the lists, absolute.
pub(super) fn selected(args: &BackupArgs, cwd: &Path) -> Result<Vec<PathBuf>> {
    let mut selected = Vec::new();
    for file in &args.files_from {
        add(lines(&read(file)?), cwd, &mut selected);
    }
    for file in &args.files_from_raw {
        add(raw(&read(file)?), cwd, &mut selected);
    }
    Ok(selected)
}

fn add<'a>(list: impl Iterator<Item = &'a [u8]>, cwd: &Path, selected: &mut Vec<PathBuf>) {
    let absolute = |path| paths::absolute_name(cwd, Path::new(OsStr::from_bytes(path)));
    selected.extend(list.map(absolute));
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#')
}

fn raw(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == 0).filter(|path| !path.is_empty())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().lock().read_to_end(&mut text).context("read the list from stdin")?;
        return Ok(text);
    }
    let shown = || format!("read the list {}", escape(file.as_os_str().as_bytes()));
    std::fs::read(file).with_context(shown)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_and_raw_paths() {
        let text = b"a b\n\n# no\n/c\xff\n #yes";
        let found: Vec<_> = super::lines(text).collect();
        assert_eq!(found, [&b"a b"[..], b"/c\xff", b" #yes"]);
        let found: Vec<_> = super::raw(b"a\n\0#b\0\0c").collect();
        assert_eq!(found, [&b"a\n"[..], b"#b", b"c"]);
    }
}
