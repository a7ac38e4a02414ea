//! Forgotten fixtures: a file under `fixtures/` that no test reads proves nothing.
//!
//! A file counts as read when a test's source names it, or when `fixtures/LIST` names it or its
//! folder (a line ending in `/`), for repositories whose files have random names.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::tree::Tree;

const FOLDER: &str = "fixtures";
const LIST: &str = "LIST";

/// Complains about fixtures that nothing names, and about names that no fixture bears.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut sources = String::new();
    for file in tree.with(&["rs", "py"]).filter(|file| place(file).is_none()) {
        sources.push_str(&tree.text(file)?);
    }
    for file in tree.files() {
        let Some((folder, below)) = place(file) else { continue };
        if below == Path::new(LIST) {
            complaints.extend(unborne(tree, &folder, &tree.text(file)?));
            continue;
        }
        let list = folder.join(LIST);
        let listed = tree.absolute(&list).is_file() && names(&tree.text(&list)?, &below);
        let named = file.file_name().is_some_and(|name| sources.contains(&*name.to_string_lossy()));
        if !listed && !named {
            complaints.push(format!("{}: a fixture that no test names", file.display()));
        }
    }
    Ok(complaints)
}

/// The folder of fixtures that a file is in, and its path below that.
fn place(file: &Path) -> Option<(PathBuf, PathBuf)> {
    let depth = file.parent()?.components().position(|part| part.as_os_str() == FOLDER)?;
    let folder = file.components().take(depth + 1).collect();
    Some((folder, file.components().skip(depth + 1).collect()))
}

fn lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn names(list: &str, below: &Path) -> bool {
    lines(list).any(|line| match line.strip_suffix('/') {
        Some(folder) => below.starts_with(folder),
        None => below == Path::new(line),
    })
}

fn unborne(tree: &Tree, folder: &Path, list: &str) -> Vec<String> {
    let gone = lines(list).filter(|line| !tree.absolute(folder.join(line)).exists());
    gone.map(|line| format!("{}/{LIST}: `{line}` is not there", folder.display())).collect()
}

#[cfg(test)]
mod tests;
