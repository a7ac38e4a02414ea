//! The options of `backup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::size::{ByteSize, Period};

/// How changed files are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Reads every file
    Full,
    /// Reads what differs from the newest snapshot of the source
    #[default]
    Incremental,
    /// Reads what differs from the newest full snapshot of the source
    Differential,
}

/// `backup`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct BackupArgs {
    /// The directories and files to back up, each a root of the snapshot
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Creates the repository if there is none; without a passphrase, with a new random key file
    #[arg(long)]
    pub(crate) init: bool,
    /// How changed files are found; every snapshot restores by itself, whatever its kind
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(crate) kind: KindArg,
    /// Names the source, so that snapshots of different hosts or paths belong together [default: the
    /// host and the roots]
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// The host that the snapshot is of [env: LIFEBOAT_HOST] [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// A word to find the snapshot by (may be repeated)
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// The time that the snapshot is of, such as 2026-11-20T15:04:05Z or '2026-11-20 15:04' [default:
    /// now]
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
    /// Until then the snapshot can't be forgotten: a time such as 2027-11-20, or so long from now on, such
    /// as 90d
    #[arg(long, value_name = "TIME")]
    pub(crate) hold_until: Option<String>,
    /// Says what would be stored, and stores nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Says which rule takes or leaves this path, and does nothing else
    #[arg(long, value_name = "PATH")]
    pub(crate) explain: Option<PathBuf>,

    /// Backs up the paths in this file, one a line, as parts of the root / (may be repeated; - is
    /// stdin; empty lines and lines that begin with # are passed over)
    #[arg(long, value_name = "FILE", help_heading = "What to read")]
    pub(crate) files_from: Vec<PathBuf>,
    /// The same with paths that end with a zero byte, and nothing passed over
    #[arg(long, value_name = "FILE", help_heading = "What to read")]
    pub(crate) files_from_raw: Vec<PathBuf>,
    /// Leaves out what matches (gitignore syntax; may be repeated; the last match decides). A pattern
    /// with a slash is anchored at the root that is backed up; one that begins with / is tried on the
    /// absolute path, too
    #[arg(short, long, value_name = "PATTERN", help_heading = "What to read")]
    pub(crate) exclude: Vec<String>,
    /// Reads such patterns from this file (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "What to read")]
    pub(crate) exclude_file: Vec<PathBuf>,
    /// Takes patterns from every file named .lifeboatignore, for the directory that it lies in
    #[arg(long, help_heading = "What to read")]
    pub(crate) lifeboatignore: bool,
    /// Leaves out what is below a directory with a file of this name, or one that begins with HEADER
    /// (may be repeated)
    #[arg(long, value_name = "NAME[:HEADER]", help_heading = "What to read")]
    pub(crate) exclude_if_present: Vec<String>,
    /// Leaves out what is below a directory with a CACHEDIR.TAG
    #[arg(long, help_heading = "What to read")]
    pub(crate) exclude_caches: bool,
    /// Leaves out files larger than this, such as 2GiB
    #[arg(long, value_name = "SIZE", help_heading = "What to read")]
    pub(crate) exclude_larger_than: Option<ByteSize>,
    /// Does not enter other file systems
    #[arg(short = 'x', long, help_heading = "What to read")]
    pub(crate) one_file_system: bool,
    /// Reads past the page cache, so that what other programs keep there stays (before Linux 6.14: what
    /// was read leaves it, whoever brought it)
    #[arg(long, help_heading = "What to read")]
    pub(crate) bypass_cache: bool,
    /// Takes a file as unchanged even if its inode number differs (network file systems)
    #[arg(long, help_heading = "What to read")]
    pub(crate) ignore_inode: bool,
    /// Takes a file as unchanged even if its ctime differs (network file systems)
    #[arg(long, help_heading = "What to read")]
    pub(crate) ignore_ctime: bool,

    /// The zstd level: -7 to 19; off; or auto: 3, and up to 9 while the store is slower than this machine
    #[arg(long, value_name = "LEVEL", allow_hyphen_values = true, help_heading = "How to store")]
    pub(crate) compression: Option<String>,
    /// Does not open every frame again before it is stored
    #[arg(long, help_heading = "How to store")]
    pub(crate) no_verify_encode: bool,
    /// How much work an interrupted run may lose, such as 5m
    #[arg(long, value_name = "TIME", default_value = "5m", help_heading = "How to store")]
    pub(crate) checkpoint_interval: Period,
}
