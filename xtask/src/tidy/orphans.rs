//! Forgotten sources: a file that no `mod` line names is neither compiled nor tested.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::tree::Tree;

/// Names of files that cargo finds without a `mod` line.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];

/// Folders below which modules lie; elsewhere each file is a target of its own.
const FOLDERS: [&str; 2] = ["src", "it"];

/// Complains about sources that their parent does not name.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in tree.with(&["rs"]) {
        let Some(parents) = parents(file) else { continue };
        let mut named = false;
        for parent in parents.iter().filter(|parent| tree.absolute(parent).is_file()) {
            named |= names(&tree.text(parent)?, file);
        }
        if !named {
            complaints.push(format!("{}: no `mod` line names it", file.display()));
        }
    }
    Ok(complaints)
}

/// The files that may name a module's file; nothing for a file that needs no naming.
fn parents(file: &Path) -> Option<Vec<PathBuf>> {
    let folder = file.parent()?;
    let root = ROOTS.iter().any(|root| file.ends_with(root));
    let modules = folder.components().any(|part| FOLDERS.iter().any(|f| part.as_os_str() == *f));
    if root || !modules {
        return None;
    }
    let top = FOLDERS.iter().any(|name| folder.ends_with(name));
    let beside = folder.with_extension("rs");
    Some(if top { vec![folder.join("lib.rs"), folder.join("main.rs")] } else { vec![beside] })
}

fn names(parent: &str, file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let wanted = format!("mod {stem};");
    parent.lines().any(|line| {
        let line = line.trim_start();
        !line.starts_with("//") && line.ends_with(&wanted)
    })
}

#[cfg(test)]
mod tests;
