//! The project's own files: what git tracks or would track, without what it ignores.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::step::{command, output_of, root};

/// All files, by paths relative to the workspace's folder, sorted.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Tree {
    /// Asks git for the files of this workspace.
    pub(super) fn read() -> Result<Self> {
        let flags = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = output_of(&mut command("git", flags))?;
        let files = listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        Ok(Self::of(root(), files))
    }

    /// A tree of those of `files` that are there.
    pub(super) fn of(root: PathBuf, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut files: Vec<_> =
            files.into_iter().filter(|file| root.join(file).is_file()).collect();
        files.sort();
        files.dedup();
        Self { root, files }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The files whose names end in one of `extensions`.
    pub(super) fn with(&self, extensions: &[&str]) -> impl Iterator<Item = &Path> {
        self.files().filter(move |file| {
            file.extension().is_some_and(|own| extensions.iter().any(|wanted| own == *wanted))
        })
    }

    pub(super) fn absolute(&self, file: impl AsRef<Path>) -> PathBuf {
        self.root.join(file)
    }

    pub(super) fn bytes(&self, file: &Path) -> Result<Vec<u8>> {
        fs::read(self.absolute(file)).with_context(|| format!("read {}", file.display()))
    }

    pub(super) fn text(&self, file: &Path) -> Result<String> {
        let bytes = self.bytes(file)?;
        String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
    }

    pub(super) fn write(&self, file: &Path, text: &str) -> Result<()> {
        fs::write(self.absolute(file), text).with_context(|| format!("write {}", file.display()))
    }
}

/// Makes the tree that a test describes by paths and contents.
#[cfg(test)]
pub(super) fn sample(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let paths = files.iter().map(|(name, _)| PathBuf::from(name));
    let tree = Tree::of(dir.path().to_path_buf(), paths);
    (dir, tree)
}
