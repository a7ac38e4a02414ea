//! The protocol's model, searched through for longer than a test may take.

use anyhow::Result;

use crate::step::{cargo, run, step};

/// What is searched, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only the searches with this in their names
    only: Option<String>,
    /// Search what the tests search, too
    #[arg(long)]
    small: bool,
    /// How long each search may take
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many threads search, two at least; each state that was seen takes 16 bytes of memory
    #[arg(long, default_value_t = 2)]
    threads: u16,
    /// Break this rule, and tell the shortest way to what that does (tests/model/src/mutants.rs)
    #[arg(long)]
    mutant: Option<String>,
}

/// Searches, and prints how many states there were, how deep they lie and how long it took.
pub(crate) fn model(options: &Options) -> Result<()> {
    let mut search = cargo(["run", "--quiet", "--locked", "--package", "protocol-model", "--"]);
    search.args(["--minutes", &options.minutes.to_string()]);
    search.args(["--threads", &options.threads.to_string()]);
    if options.small {
        search.arg("--small");
    }
    if let Some(mutant) = &options.mutant {
        search.args(["--mutant", mutant]);
    }
    search.args(options.only.as_slice());
    step("model", || run(&mut search))
}
