//! What `locks` can be told.

use clap::{Args, Subcommand};

/// `locks`
#[derive(Debug, Args)]
pub(crate) struct LocksArgs {
    #[command(subcommand)]
    pub(crate) command: LocksCommand,
}

/// What to do about locks.
#[derive(Debug, Subcommand)]
pub(crate) enum LocksCommand {
    /// Locks everything that still counts for another period from now, once half of the last one is over; `gc` does
    /// the same
    Extend {
        /// Also before it is time
        #[arg(long)]
        now: bool,
    },
    /// Undoes what somebody did who could delete or overwrite: what is hidden, or has something put over it, is seen
    /// again, as it was put first. Needs no key, and a store that keeps versions
    Restore {
        /// Also key slots that were deleted although others are there; remove again what you had removed on purpose
        #[arg(long)]
        keys: bool,
        /// Only says what would be brought back
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}
