//! Searches through the protocol for as long as one likes, and says how far it came.

#![expect(clippy::print_stdout, reason = "this tool talks to a developer")]

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use protocol_model::{
    Protocol,
    mutants::Mutant,
    search::{Found, Limits, Order, search, shortest},
    setup::Setup,
    setups,
};

/// Searches through all states of the protocol's model
#[derive(Debug, Parser)]
struct Args {
    /// Only the searches with this in their names
    only: Option<String>,
    /// Search what the tests search, too
    #[arg(long)]
    small: bool,
    /// How long each search may take; the rest of it is not looked at
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many threads search, two at least: one alone does not look at the time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..))]
    threads: u16,
    /// Break this rule, and tell the shortest way to what that does
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let named = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    named.ok_or_else(|| format!("there is no such mutant; there are {:?}", Mutant::ALL))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut setups = setups::large();
    if args.small || args.mutant.is_some() {
        setups.splice(0..0, setups::small());
    }
    let only = args.only.as_deref().unwrap_or_default();
    let mut failed = false;
    for setup in setups.into_iter().filter(|setup| setup.name.contains(only)) {
        let found = search_one(&args, setup);
        failed |= found.failure.is_some();
        if failed && args.mutant.is_some() {
            break;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn search_one(args: &Args, setup: Setup) -> Found {
    let name = setup.name;
    let limits = Limits {
        order: Order::Deep,
        threads: usize::from(args.threads),
        time: Some(Duration::from_secs(60 * args.minutes)),
    };
    let found = match args.mutant {
        Some(_) => shortest(&Protocol { setup, mutant: args.mutant }),
        None => search(Protocol { setup, mutant: None }, limits),
    };
    let end = match &found.failure {
        Some(failure) => failure.to_string(),
        None if found.exhausted || args.mutant.is_some() => "holds in all of them".to_owned(),
        None => "holds in those looked at; the time is over".to_owned(),
    };
    let (states, depth, seconds) = (found.states, found.depth, found.seconds);
    println!("{name}: {states} states, {depth} steps deep, in {seconds:.1} s: {end}");
    found
}
