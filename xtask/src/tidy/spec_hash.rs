//! The hash of the format's source that docs/format.md records.
//!
//! Whoever changes the source of the format must open its specification to record the new hash,
//! and so is asked whether the specification still says what the code does.

use std::path::Path;

use anyhow::{Context, Result};

use super::tree::Tree;

const SOURCE: &str = "crates/format/src";
const SPECIFICATION: &str = "docs/format.md";
const LABEL: &str = "source-hash: ";

/// Complains if the recorded hash is not that of the source.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    if !tree.absolute(SPECIFICATION).is_file() {
        return Ok(vec![format!("{SPECIFICATION}: is not there")]);
    }
    let hash = source_hash(tree)?;
    let text = tree.text(Path::new(SPECIFICATION))?;
    let complaint = match recorded(&text) {
        None => format!("{SPECIFICATION}: has no line `{LABEL}<hash>`"),
        Some(recorded) if recorded == hash => return Ok(Vec::new()),
        Some(_) => format!(
            "{SPECIFICATION}: {SOURCE} has changed; is the specification still true? \
             Then record it with `cargo xtask tidy --write` ({LABEL}{hash})"
        ),
    };
    Ok(vec![complaint])
}

/// Records the hash of the source.
pub(super) fn write(tree: &Tree) -> Result<()> {
    let text = tree.text(Path::new(SPECIFICATION))?;
    let old = recorded(&text).with_context(|| format!("{SPECIFICATION}: no line `{LABEL}`"))?;
    let new = source_hash(tree)?;
    let from = format!("{LABEL}{old}");
    tree.write(Path::new(SPECIFICATION), &text.replacen(&from, &format!("{LABEL}{new}"), 1))
}

fn recorded(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(LABEL)?;
    rest.split(|c: char| !c.is_ascii_hexdigit()).next()
}

/// BLAKE3 over each source file, sorted by path below the folder: path, a zero byte, length as
/// u64 little-endian, bytes. Tests are left out, since they change no byte that is written.
fn source_hash(tree: &Tree) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for file in tree.with(&["rs"]) {
        let Ok(below) = file.strip_prefix(SOURCE) else { continue };
        if is_test(below) {
            continue;
        }
        let bytes = tree.bytes(file)?;
        hasher.update(below.as_os_str().as_encoded_bytes());
        hasher.update(&[0]);
        hasher.update(&u64::try_from(bytes.len())?.to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn is_test(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

#[cfg(test)]
mod tests;
