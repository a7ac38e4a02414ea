//! Which crate may depend on which: arrows go one way (ARCHITECTURE.md).
//!
//! Also what makes a crate pure (no I/O, no async), and that each takes the workspace's lints.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::tree::Tree;
use crate::step::{cargo, output_of};

/// A crate and all of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 13] = [
    ("lifeboat-format", &[]),
    ("lifeboat-codec", &["lifeboat-format"]),
    ("lifeboat-plan", &["lifeboat-format"]),
    ("lifeboat-store", &[]),
    ("lifeboat-repo", &["lifeboat-codec", "lifeboat-format", "lifeboat-store"]),
    ("lifeboat", &["lifeboat-repo", "lifeboat-codec", "lifeboat-format", "lifeboat-store"]),
    (
        "lifeboat-cli",
        &[
            "lifeboat",
            "lifeboat-plan",
            "lifeboat-repo",
            "lifeboat-codec",
            "lifeboat-format",
            "lifeboat-store",
        ],
    ),
    ("lifeboat-testkit", &["lifeboat-codec", "lifeboat-format", "lifeboat-store"]),
    (
        "bench",
        &[
            "lifeboat",
            "lifeboat-repo",
            "lifeboat-codec",
            "lifeboat-format",
            "lifeboat-store",
            "lifeboat-testkit",
        ],
    ),
    ("e2e", &["lifeboat-testkit"]),
    ("fuzz-harness", &["lifeboat-codec", "lifeboat-format"]),
    ("protocol-model", &[]),
    ("xtask", &[]),
];

/// Crates that only test or measure others: as dev-dependencies they may name any crate.
const OUTSIDE: [&str; 2] = ["bench", "e2e"];

/// The crate that the product's crates have for their tests alone.
const TESTKIT: &str = "lifeboat-testkit";

/// Crates that turn bytes into bytes, and what they may not bring in to stay so.
const PURE: [&str; 3] = ["lifeboat-format", "lifeboat-codec", "lifeboat-plan"];
const IMPURE: [&str; 8] =
    ["tokio", "rustix", "futures", "async-trait", "tempfile", "object_store", "tracing", "rayon"];

/// Complains about every arrow that is not drawn.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let flags = ["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"];
    let metadata: Value = serde_json::from_str(&output_of(&mut cargo(flags))?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut complaints = Vec::new();
    for package in packages {
        complaints.extend(of_package(package));
    }
    for manifest in members(tree) {
        if !tree.text(manifest)?.contains("[lints]\nworkspace = true\n") {
            complaints.push(format!("{}: takes not the workspace's lints", manifest.display()));
        }
    }
    Ok(complaints)
}

/// The manifests of the workspace's members; the fuzz targets are a workspace of their own.
fn members(tree: &Tree) -> impl Iterator<Item = &Path> {
    let own = [PathBuf::from("Cargo.toml"), PathBuf::from("fuzz/Cargo.toml")];
    tree.files().filter(move |file| file.ends_with("Cargo.toml") && !own.iter().any(|o| o == file))
}

/// What is wrong with the dependencies of one package, as `cargo metadata` describes it.
fn of_package(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name}: a crate that tidy's table of arrows does not know")];
    };
    let mut complaints = Vec::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let to = dependency["name"].as_str().unwrap_or_default();
        let dev = dependency["kind"].as_str() == Some("dev");
        let ours = ARROWS.iter().any(|(known, _)| *known == to);
        let drawn = allowed.contains(&to) || dev && (to == TESTKIT || OUTSIDE.contains(&name));
        if ours && !drawn {
            complaints.push(format!("{name} -> {to}: this arrow is not drawn"));
        }
        if !dev && PURE.contains(&name) && IMPURE.contains(&to) {
            complaints.push(format!("{name} -> {to}: a pure crate does no I/O and no async"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests;
