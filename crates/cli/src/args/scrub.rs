//! The options of `scrub` and `heal`.

use clap::Args;

use super::size::{ByteSize, Period};

/// `scrub`
#[derive(Debug, Args)]
pub(crate) struct ScrubArgs {
    /// Every byte is to be read within this time, such as 30d: run it at least so often (daily is well), and it
    /// reads as much each time as that needs. Without it everything is read
    #[arg(long, value_name = "TIME")]
    pub(crate) every: Option<Period>,
    /// Reads no more than this, what is due first; where that can't keep --every, it says so
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_bytes: Option<ByteSize>,
    /// Says what would be read, and reads nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// `heal`
#[derive(Debug, Args)]
pub(crate) struct HealArgs {
    /// The packs, as `scrub` and `check` name them; by default all that scrubs have found damaged
    #[arg(value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// Takes what a pack's own parity can't make whole from this copy of the repository, or a replica of it
    #[arg(long, value_name = "REPO")]
    pub(crate) from: Option<String>,
}
