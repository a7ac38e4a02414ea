//! Names of files and folders that say nothing: what has such a name collects everything.

use std::path::{Component, Path};

use super::tree::Tree;

const BANNED: [&str; 8] =
    ["util", "utils", "common", "misc", "helper", "helpers", "shared", "stuff"];

/// Complains about files and folders with banned names, and about `mod.rs`.
pub(super) fn check(tree: &Tree) -> Vec<String> {
    tree.files().filter_map(complaint).collect()
}

fn complaint(file: &Path) -> Option<String> {
    let banned = file.components().find(|component| match component {
        Component::Normal(name) => {
            Path::new(name).file_stem().is_some_and(|stem| BANNED.iter().any(|word| stem == *word))
        }
        _ => false,
    });
    if let Some(banned) = banned {
        let name = banned.as_os_str().display();
        return Some(format!("{}: `{name}` names no subject", file.display()));
    }
    let module = file.ends_with("mod.rs");
    module.then(|| format!("{}: write it as the folder's name with .rs", file.display()))
}

#[cfg(test)]
mod tests;
