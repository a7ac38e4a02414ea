//! Makes golden fixtures anew, through the ignored tests that write them.
//!
//! A fixture of a released format version is never changed; this is for a new version only.

use anyhow::Result;

use crate::step::{cargo, run, step};

/// What the tests that write fixtures are called, wherever they are.
const WRITERS: &str = "test(/regenerate_fixtures$/)";

/// Runs every test that writes fixtures.
pub(crate) fn regenerate() -> Result<()> {
    let flags = ["--workspace", "--run-ignored", "only", "-E", WRITERS];
    step("fixtures", || run(cargo(["nextest", "run"]).args(flags)))
}
