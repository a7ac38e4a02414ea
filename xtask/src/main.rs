//! The developer's one tool: everything that a change must pass, in one command each.
//!
//! Knows the workspace and the tools around it; not what the product does. Steps run one after
//! another, each says its name and its time, and the first that fails ends the run with its own
//! exit code.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this tool talks to a developer")]

mod bench;
mod ci;
mod deep;
mod fixtures;
mod model;
mod servers;
mod setup;
mod step;
mod tally;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::step::Failed;

/// The developer's one tool.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install what the checks and the tests need; quick when all is there
    Setup,
    /// Check everything that a change must pass
    Ci(ci::Options),
    /// Check the rules of the house that no compiler knows
    Tidy(tidy::Options),
    /// Run a command beside the real servers that the tests use, which it finds in its environment
    WithServers(servers::Options),
    /// Run what takes too long for every change: fuzzing, Garage, a virtual machine
    Deep(deep::Options),
    /// Search through the protocol's model for minutes to hours
    Model(model::Options),
    /// Build the corpus and time Lifeboat beside the installed peers
    Bench(bench::Options),
    /// Make the golden fixtures anew (only ever for a new format version)
    Fixtures,
}

fn main() -> ExitCode {
    let done = match Args::parse().verb {
        Verb::Setup => setup::setup(),
        Verb::Ci(options) => ci::ci(&options),
        Verb::Tidy(options) => step::step("tidy", || tidy::tidy(&options)),
        Verb::WithServers(options) => servers::with_servers(&options),
        Verb::Deep(options) => deep::deep(&options),
        Verb::Model(options) => model::model(&options),
        Verb::Bench(options) => bench::bench(&options),
        Verb::Fixtures => fixtures::regenerate(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            error.downcast_ref::<Failed>().map_or(ExitCode::FAILURE, Failed::exit_code)
        }
    }
}
