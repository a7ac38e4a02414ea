//! Links between our documents: each leads to a file that is there.

use std::path::Path;

use anyhow::Result;

use super::tree::Tree;

/// Complains about relative links in Markdown that lead nowhere.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in tree.with(&["md"]).filter(|file| !is_part(file)) {
        let text = tree.text(file)?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let broken = targets(&text).filter(|to| !tree.absolute(folder.join(to)).exists());
        complaints.extend(broken.map(|to| format!("{}: no file `{to}`", file.display())));
    }
    Ok(complaints)
}

/// Whether a document lies among sources, which put it together with others somewhere else.
fn is_part(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "src")
}

/// The relative targets of a document's links, without their anchors.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' '))
}

#[cfg(test)]
mod tests;
