//! docs/cli.md: the reference of the command line, printed by the program itself.

use std::path::Path;

use anyhow::Result;

use super::tree::Tree;
use crate::step::{cargo, output_of};

const REFERENCE: &str = "docs/cli.md";

/// Complains if the reference is not what the program prints.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    if tree.absolute(REFERENCE).is_file() && tree.text(Path::new(REFERENCE))? == generated()? {
        return Ok(Vec::new());
    }
    Ok(vec![format!("{REFERENCE}: is not what the program says; `cargo xtask tidy --write`")])
}

/// Writes the reference.
pub(super) fn write(tree: &Tree) -> Result<()> {
    tree.write(Path::new(REFERENCE), &generated()?)
}

fn generated() -> Result<String> {
    output_of(&mut cargo(["run", "--quiet", "--package", "lifeboat-cli", "--", "reference"]))
}
