//! What takes too long for every change: sections that are chosen by name, all by default.
//!
//! Each installs what it needs, in the build folder; nothing of it is needed by `ci`.

mod fuzz;
mod garage;
mod machine;

use std::process::Command;

use anyhow::Result;

use crate::servers::Starting;
use crate::step::{cargo, run, step};

/// What runs, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to run; everything if nothing is named
    sections: Vec<Section>,
    /// How long each fuzz target runs
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Of the fuzz targets, run only this one
    #[arg(long)]
    target: Option<String>,
}

/// A part of `deep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    /// Every fuzz target, for minutes
    Fuzz,
    /// Garage with one node and with three: a store that can't create conditionally
    Garage,
    /// The kernel's NFS client in a virtual machine, against a server that is killed
    Nfs,
    /// A virtual machine that loses its power while it backs up to a disk
    PowerCut,
    /// A virtual machine behind a link with delay and loss
    Netem,
    /// Many that write, collect, forget and check at once, and are killed, for ten minutes on each store
    Torture,
}

/// Runs the sections one after another; the first that fails ends the run.
pub(crate) fn deep(options: &Options) -> Result<()> {
    let all = <Section as clap::ValueEnum>::value_variants();
    let chosen = match options.sections.as_slice() {
        [] => all,
        some => some,
    };
    for section in chosen {
        match section {
            Section::Fuzz => fuzz::fuzz(options.minutes, options.target.as_deref())?,
            Section::Garage => {
                let program = step("garage", garage::install)?;
                tests("garage", |tests| tests.env("LIFEBOAT_TEST_GARAGE", program))?;
            }
            Section::Nfs => in_machine("nfs")?,
            Section::PowerCut => in_machine("power_cut")?,
            Section::Netem => in_machine("netem")?,
            Section::Torture => torture()?,
        }
    }
    Ok(())
}

fn in_machine(section: &str) -> Result<()> {
    let place = step("machine", machine::install)?;
    tests(section, |tests| tests.env("LIFEBOAT_TEST_MACHINE", place))
}

/// The tests that `ci` runs for some seconds, for longer.
fn torture() -> Result<()> {
    const SECONDS: &str = "600";
    let servers = Starting::begin().wait()?;
    let flags = ["--locked", "--package", "e2e", "--no-capture"];
    let mut tests = cargo(["nextest", "run"]);
    tests.args(flags).args(["-E", "test(/^torture::/)"]);
    servers.tell(&mut tests);
    tests.env("LIFEBOAT_TEST_TORTURE_SECONDS", SECONDS);
    step("torture", || run(&mut tests))
}

/// Runs the tests of a section, which are ignored elsewhere, one at a time.
fn tests(section: &str, tell: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let only = format!("test(/^deep::{section}::/)");
    let flags = ["--locked", "--package", "e2e", "--run-ignored", "only", "--no-capture"];
    let mut tests = cargo(["nextest", "run"]);
    tests.args(flags).args(["-E", &only]);
    tell(&mut tests);
    step(section, || run(&mut tests))
}
