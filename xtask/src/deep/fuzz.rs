//! Runs every fuzz target for minutes, beyond the corpora that `ci` replays as ordinary tests.
//!
//! The instrumented build uses the stable toolchain (docs/decisions/0003).

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    setup::cargo_command,
    step::{cargo, output_of, root, run, step},
};

/// The version of cargo-fuzz that is known to work.
const CARGO_FUZZ: &str = "0.13.2";

/// Runs the targets one after another, `minutes` each; the first that finds something ends the run.
pub(super) fn fuzz(minutes: u64, only: Option<&str>) -> Result<()> {
    step("cargo-fuzz", || cargo_command("fuzz", CARGO_FUZZ))?;
    let mut targets = targets()?;
    if let Some(only) = only {
        targets.retain(|target| target == only);
    }
    if targets.is_empty() {
        bail!("no such fuzz target; fuzz/Cargo.toml names them");
    }
    let seconds = minutes.saturating_mul(60);
    for target in targets {
        step(&format!("fuzz {target}"), || fuzz_one(&target, seconds))?;
    }
    Ok(())
}

/// The binaries of the fuzz package.
fn targets() -> Result<Vec<String>> {
    let flags = ["metadata", "--format-version", "1", "--no-deps", "--manifest-path"];
    let metadata = output_of(cargo(flags).arg(root().join("fuzz/Cargo.toml")))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let targets = metadata["packages"][0]["targets"].as_array();
    let targets = targets.context("the fuzz package has no targets")?.iter();
    let binaries = targets.filter(|target| target["kind"][0] == "bin");
    Ok(binaries.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// New inputs go to a folder that git ignores; the kept corpus is only read.
fn fuzz_one(target: &str, seconds: u64) -> Result<()> {
    let found = root().join("fuzz/target/found").join(target);
    let corpus = root().join("fuzz/corpus").join(target);
    for folder in [&found, &corpus] {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let limits = [&format!("-max_total_time={seconds}"), "-rss_limit_mb=2048", "-timeout=20"];
    let mut command = cargo(["fuzz", "run", "--fuzz-dir", "fuzz", target]);
    command.arg(found).arg(corpus).arg("--").args(limits);
    run(command.env("RUSTC_BOOTSTRAP", "1"))
}
