//! Makes golden fixtures anew, through the ignored tests and the example that write them.
//!
//! A fixture of a released format version is never changed; this is for a new version only.

use anyhow::Result;

use crate::step::{cargo, run, step};

/// What the tests that write fixtures are called, wherever they are.
const WRITERS: &str = "test(/regenerate_fixtures$/)";

/// The example that writes those golden repositories that are not there.
const REPOSITORIES: [&str; 5] = ["run", "--package", "lifeboat-repo", "--example", "golden"];

/// Runs everything that writes fixtures.
pub(crate) fn regenerate() -> Result<()> {
    let flags = ["--workspace", "--run-ignored", "only", "-E", WRITERS];
    step("fixtures", || run(cargo(["nextest", "run"]).args(flags)))?;
    step("fixtures: golden repositories", || run(&mut cargo(REPOSITORIES)))
}
