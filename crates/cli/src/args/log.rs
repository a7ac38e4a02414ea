//! What `log` can be told.

use clap::Args;

/// `log`
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// From this entry on
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) from: u64,
    /// Only entries of this kind: commit, forget, restore, hold, condemn, delete, config or note
    #[arg(long, value_name = "KIND", value_parser = KINDS)]
    pub(crate) kind: Option<String>,
}

const KINDS: [&str; 8] =
    ["commit", "forget", "restore", "hold", "condemn", "delete", "config", "note"];
