//! Arguments of `mount`.

use std::path::PathBuf;

use clap::Args;

use super::SelectArgs;

/// `mount`
#[derive(Debug, Args)]
pub(crate) struct MountArgs {
    /// Where to show the snapshots: an empty directory
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Lets the other users of this machine in, too, each as far as owners and modes of the files allow
    /// (unless root mounts, /etc/fuse.conf must have `user_allow_other`)
    #[arg(long)]
    pub(crate) allow_other: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}
