//! The options of `init` and `key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lifeboat_store::options::{LockMode, ObjectLock};

use super::size::{ByteSize, Percent, Period};

/// `init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The average length of a chunk: smaller finds more duplicates and makes a larger index
    #[arg(long, value_name = "SIZE", default_value = "64KiB")]
    pub(crate) chunk_size: ByteSize,
    /// The length of a pack
    #[arg(long, value_name = "SIZE", default_value = "32MiB")]
    pub(crate) pack_size: ByteSize,
    /// How much parity data packs get, of their length: as much of a pack as this can be damaged, in as many places as it
    /// has stripes of parity, and comes back whole without a copy. Packs of metadata always have 3%
    #[arg(long, value_name = "PERCENT", default_value = "0%")]
    pub(crate) parity: Percent,
    /// Locks every object that is ever put, so that nobody can delete it before its time: compliance, not even the
    /// bucket's owner; governance, only who has a right of its own. Needs S3 or its like, and a bucket with object lock,
    /// which is tried out
    #[arg(long, value_name = "MODE", value_enum, requires = "lock_for")]
    pub(crate) lock: Option<LockModeArg>,
    /// For how long from its put; `gc` and `locks extend` extend in time what is still needed
    #[arg(long, value_name = "TIME", requires = "lock")]
    pub(crate) lock_for: Option<Period>,
}

/// Who may delete what is locked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LockModeArg {
    Governance,
    Compliance,
}

impl InitArgs {
    /// How objects are locked, if they are.
    pub(crate) fn lock(&self) -> Option<ObjectLock> {
        let (mode, Period(period)) = (self.lock?, self.lock_for?);
        let mode = match mode {
            LockModeArg::Governance => LockMode::Governance,
            LockModeArg::Compliance => LockMode::Compliance,
        };
        Some(ObjectLock { mode, period })
    }
}

/// `key`
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Adds a passphrase or a key file
    Add {
        #[command(flatten)]
        new: NewKeyArgs,
        /// What the key is called in lists
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
    },
    /// Lists key slots
    List,
    /// Removes a key slot
    Remove {
        /// The beginning of its id
        #[arg(value_name = "SLOT")]
        slot: String,
    },
    /// Changes the passphrase with which the repository was opened
    Passwd {
        /// Reads the new passphrase from the first line of this file [env: LIFEBOAT_NEW_PASSWORD for
        /// the passphrase itself]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Writes a recovery sheet: a new key, and copies of what opens the repository, to print or to
    /// keep elsewhere
    Export {
        /// The file to write; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Where a new key comes from.
#[derive(Debug, Args)]
pub(crate) struct NewKeyArgs {
    /// Reads the new passphrase from the first line of this file [env: LIFEBOAT_NEW_PASSWORD for the
    /// passphrase itself]
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
    /// Writes a new random key file here; it must not exist
    #[arg(long, value_name = "FILE", conflicts_with = "new_password_file")]
    pub(crate) new_key_file: Option<PathBuf>,
}
