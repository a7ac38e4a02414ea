//! Everything that a change must pass, in the order in which it fails soonest.

use anyhow::Result;

use crate::{
    servers::{Servers, Starting},
    setup,
    step::{cargo, command, run, step, succeeds},
    tally::{SKIPS, Skips, Tally},
    tidy,
};

/// What `ci` leaves out or does first.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Leave out the end-to-end tests, the documentation and cargo-deny
    #[arg(long)]
    quick: bool,
    /// Install what is needed first, as `setup` does
    #[arg(long)]
    setup: bool,
}

/// Runs all checks, and closes on one line that adds the tests up.
pub(crate) fn ci(options: &Options) -> Result<()> {
    if options.setup {
        setup::setup()?;
    }
    step("fmt", || run(&mut cargo(["fmt", "--all", "--check"])))?;
    step("tidy", || tidy::tidy(&tidy::Options::default()))?;
    // They get ready while the compiler is busy, and stop when this function is left.
    let starting = (!options.quick).then(Starting::begin);
    step("clippy", || {
        let flags = ["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        run(cargo(["clippy"]).args(flags))
    })?;
    let mut tally = Tally::default();
    let servers = starting.map(Starting::wait).transpose()?;
    let tested = tests(servers.as_ref(), &mut tally);
    drop(servers);
    if tested.is_err() || options.quick {
        println!("\n{tally}");
        return tested;
    }
    step("benches", benches)?;
    step("doc", || {
        let flags = ["--workspace", "--no-deps", "--document-private-items", "--locked"];
        run(cargo(["doc"]).args(flags).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("deny", deny)?;
    println!("\n{tally}");
    Ok(())
}

/// Without servers the end-to-end tests are left out.
fn tests(servers: Option<&Servers>, tally: &mut Tally) -> Result<()> {
    let mut nextest = cargo(["nextest", "run", "--workspace", "--locked"]);
    match servers {
        Some(servers) => servers.tell(&mut nextest),
        None => drop(nextest.args(["--exclude", "e2e"])),
    }
    step("nextest", || count(&mut nextest, tally))?;
    step("doc tests", || count(&mut cargo(["test", "--doc", "--workspace", "--locked"]), tally))
}

fn count(command: &mut std::process::Command, tally: &mut Tally) -> Result<()> {
    let skips = Skips::new()?;
    let (counted, failed) = Tally::of(command.env(SKIPS, skips.path()))?;
    *tally += counted;
    tally.skip(skips.tell()?);
    failed.map_or(Ok(()), |failed| Err(failed.into()))
}

/// Each benchmark once, unmeasured, which criterion does for `cargo test`: in the tests' profile, whose
/// dependencies are there by now. All of a file run in one process, since setting up is most of the work;
/// the runner of the other tests would start one for each. The features are those of the workspace, so that
/// nothing is built twice.
fn benches() -> Result<()> {
    run(&mut cargo(["test", "--workspace", "--locked", "--bench", "*"]))
}

/// Licences, bans and sources come from the lock file; advisories need a database of their own.
fn deny() -> Result<()> {
    let flags = ["--locked", "check", "--hide-inclusion-graph"];
    run(cargo(["deny"]).args(flags).args(["licenses", "bans", "sources"]))?;
    // Nothing may wait for an answer that a closed network never gives.
    let mut fetch = command("timeout", ["60", "cargo", "deny", "fetch", "db"]);
    if succeeds(fetch.env("GIT_TERMINAL_PROMPT", "0")) {
        run(cargo(["deny"]).args(flags).args(["--disable-fetch", "advisories"]))
    } else {
        println!("SKIPPED: advisories, since their database could not be fetched from here");
        Ok(())
    }
}
