//! The options of `scrub`, `heal` and `repair`.

use clap::{Args, Subcommand};

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
    /// The objects, as `scrub` and `check` name them; by default all packs and index segments that scrubs have found
    /// damaged, segments that can't be opened, the log and, with --from, config and key slots
    #[arg(value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// Takes what can't be made whole here from this copy of the repository, or a replica of it; it is opened with the
    /// same passphrase or key
    #[arg(long, value_name = "REPO")]
    pub(crate) from: Option<String>,
}

/// `repair`
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(subcommand)]
    pub(crate) command: RepairCommand,
}

/// What to repair. Heal first: a repair gives up what can't be had.
#[derive(Debug, Subcommand)]
pub(crate) enum RepairCommand {
    /// Makes index segments that are damaged or lost of the packs again
    Index(RepairIndexArgs),
    /// Takes packs in again that no entry of the log names, since their commits are lost
    Packs(RepairPacksArgs),
    /// Writes snapshots anew without what is lost, and forgets the old ones; one that is whole is never touched
    Snapshots(RepairSnapshotsArgs),
}

/// `repair index`
#[derive(Debug, Args)]
pub(crate) struct RepairIndexArgs {
    /// Makes all segments anew, not only those that are damaged
    #[arg(long)]
    pub(crate) all: bool,
    /// Says which segments are damaged, and writes nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// `repair packs`
#[derive(Debug, Args)]
pub(crate) struct RepairPacksArgs {
    /// Says what would be taken in, and writes nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

/// `repair snapshots`
#[derive(Debug, Args)]
pub(crate) struct RepairSnapshotsArgs {
    /// Only these snapshots: beginnings of ids, or `latest`; by default all
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Reads all packs first; without it only those that are missing or that a scrub has found damaged
    #[arg(long)]
    pub(crate) read_data: bool,
    /// Says which snapshots lack which paths, and writes nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}
