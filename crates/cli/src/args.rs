//! What can be typed: commands, options and their help, as clap sees them.
//!
//! Knows words, not what they mean: defaults from the environment, reading of files and every check
//! that needs the world are made in `settings` and in the commands.

mod backup;
mod find;
mod gc;
mod key;
mod locks;
mod log;
#[cfg(feature = "mount")]
mod mount;
mod repair;
mod retention;
mod select;
mod size;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::backup::{BackupArgs, KindArg};
pub(crate) use self::find::{FindArgs, SizeTest};
pub(crate) use self::gc::GcArgs;
pub(crate) use self::key::{InitArgs, KeyArgs, KeyCommand, NewKeyArgs};
pub(crate) use self::locks::{LocksArgs, LocksCommand};
pub(crate) use self::log::LogArgs;
#[cfg(feature = "mount")]
pub(crate) use self::mount::MountArgs;
pub(crate) use self::repair::{
    HealArgs, RepairArgs, RepairCommand, RepairIndexArgs, RepairPacksArgs, RepairSnapshotsArgs,
    ScrubArgs,
};
pub(crate) use self::retention::{
    ForgetArgs, HoldArgs, RetentionArgs, RetentionCommand, RuleArgs, SimulateArgs,
};
pub(crate) use self::select::{SelectArgs, SnapshotPath};
pub(crate) use self::size::{ByteSize, Period};

/// Backs up volumes into a repository, encrypted and deduplicated, and brings them back.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, propagate_version = true, subcommand_required = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done in part (some files could not be \
read or written, see the problems); 4 damage was found; 5 the store is not fit for what was asked; 10 there is no \
repository; 12 wrong passphrase or key; \
75 interrupted, what was done is kept and the next run goes on from there; 130 interrupted";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Where the repository is: a path, s3://BUCKET/PREFIX, gs://, az://, nfs:///PATH, file:///PATH, or
    /// a name from the configuration file [env: LIFEBOAT_REPO]
    #[arg(short, long, global = true, value_name = "LOCATION")]
    pub(crate) repo: Option<String>,
    /// Reads the passphrase from the first line of this file [env: LIFEBOAT_PASSWORD_FILE; the
    /// passphrase itself: LIFEBOAT_PASSWORD]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Reads the passphrase from the first line that this command prints
    /// [env: LIFEBOAT_PASSWORD_COMMAND]
    #[arg(long, global = true, value_name = "COMMAND", conflicts_with = "password_file")]
    pub(crate) password_command: Option<String>,
    /// Opens the repository with this key file or recovery sheet [env: LIFEBOAT_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Prints one JSON document to stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Prints nothing but problems and results
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Logs to stderr; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The most memory that the process may hold, such as 256MiB [env: LIFEBOAT_MEMORY] [default: 64
    /// MiB a core and at least 256 MiB, but at most a quarter of what the cgroup allows]
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) memory: Option<ByteSize>,
    /// How many threads work on bytes [default: as many as there are cores that the process
    /// may use, by its affinity and its cgroups' quotas, rounded up]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    #[command(flatten)]
    pub(crate) polite: PoliteArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// What is kept on this machine of a repository that is elsewhere.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct CacheArgs {
    /// Where what was read of a service's repository is kept, for commands that only read (restore, ls, find, diff, cat,
    /// mount, snapshots, stats), and what `gc` found to be used; it may be removed at any time [env: LIFEBOAT_CACHE_DIR]
    /// [default: lifeboat in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How much is kept there of what was read, for each repository, at most; 0 for nothing at all [env: LIFEBOAT_CACHE_SIZE] [default: 1GiB]
    #[arg(long, global = true, value_name = "SIZE")]
    pub(crate) cache_size: Option<ByteSize>,
    /// Keeps nothing there and uses nothing of it
    #[arg(long, global = true, conflicts_with_all = ["cache_dir", "cache_size"])]
    pub(crate) no_cache: bool,
}

/// How the process gives way to others.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct PoliteArgs {
    /// The niceness of all threads, from -20 to 19: the higher, the less of the CPU beside others; below
    /// what it is now needs privileges [env: LIFEBOAT_NICE] [default: as it was started]
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true)]
    pub(crate) nice: Option<String>,
    /// How soon the disk serves it: idle (when nobody else wants to), best-effort:0 (first) to
    /// best-effort:7 (last), or realtime:0 to realtime:7, which needs privileges; without a level 4. The
    /// disk's scheduler must be BFQ or mq-deadline [env: LIFEBOAT_IO_CLASS] [default: as it was started]
    #[arg(long, global = true, value_name = "CLASS")]
    pub(crate) io_class: Option<String>,
    /// Lets backup, restore, check and scrub work less while other programs wait longer than PERCENT of the time
    /// for the CPU or a disk, as the kernel's pressure stall information tells; 10 if it is not given.
    /// 0 is never [env: LIFEBOAT_YIELD_TO_LOAD] [default: 0]
    #[arg(long, global = true, value_name = "PERCENT", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "10")]
    pub(crate) yield_to_load: Option<String>,
}

/// How the store is reached and used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct StoreArgs {
    /// The configuration file [env: LIFEBOAT_CONFIG] [default: lifeboat/config.toml in
    /// $XDG_CONFIG_HOME or ~/.config, else /etc/lifeboat/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sends at most so many bytes a second, such as 10M, or by a timetable such as
    /// 'mon-fri 08:00-18:00=5M; off' [env: LIFEBOAT_LIMIT_UPLOAD]
    #[arg(long, global = true, value_name = "RATE")]
    pub(crate) limit_upload: Option<String>,
    /// Receives at most so many bytes a second, or by a timetable [env: LIFEBOAT_LIMIT_DOWNLOAD]
    #[arg(long, global = true, value_name = "RATE")]
    pub(crate) limit_download: Option<String>,
    /// For how long a call is repeated that the store could not answer, such as 30s or 1h; 0 for never
    /// [env: LIFEBOAT_RETRY_FOR] [default: 5m]
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) retry_for: Option<String>,
    /// Says that nobody else writes to the repository meanwhile: needed to create it in a store that
    /// can't keep two writers apart (`doctor` says so), and from then on for whatever writes to it
    /// [env: LIFEBOAT_EXCLUSIVE]
    #[arg(long, global = true)]
    pub(crate) exclusive: bool,
    /// Trusts the certificates in this file, besides the system's [env: AWS_CA_BUNDLE,
    /// SSL_CERT_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates a repository
    Init(InitArgs),
    /// Writes a snapshot of directories and files
    Backup(Box<BackupArgs>),
    /// Brings files back from a snapshot
    Restore(RestoreArgs),
    /// Lists snapshots
    Snapshots(SnapshotsArgs),
    /// Lists what a snapshot holds
    Ls(LsArgs),
    /// Finds paths in snapshots
    Find(FindArgs),
    /// Shows how two snapshots differ
    Diff(DiffArgs),
    /// Writes a file's bytes to stdout
    Cat(CatArgs),
    /// Shows snapshots as files in a directory, for reading only
    #[cfg(feature = "mount")]
    Mount(MountArgs),
    /// Shows who changed what in the repository, when and why
    Log(LogArgs),
    /// Shows any object of the repository, decoded
    Inspect(InspectArgs),
    /// Changes the tags of snapshots
    Tag(TagArgs),
    /// Lets go of snapshots, by rules or by name, and brings them back
    Forget(Box<ForgetArgs>),
    /// Makes sure that snapshots can't be forgotten, until a time or until they are released
    Hold(HoldArgs),
    /// Tries out rules of what to keep
    Retention(Box<RetentionArgs>),
    /// Shows sizes, and what deduplication and compression gained
    Stats(StatsArgs),
    /// Manages passphrases and key files
    Key(KeyArgs),
    /// Frees the space of what no snapshot needs, beside whatever else goes on
    Gc(GcArgs),
    /// Extends locks in time, and undoes what was done in spite of them
    Locks(LocksArgs),
    /// Looks for damage in the repository
    Check(CheckArgs),
    /// Reads back a part of what is stored, so that all of it is read in time, and remembers what was read when
    Scrub(ScrubArgs),
    /// Makes what is damaged or lost whole again: by its own parity, from the packs, from the log's checkpoints, or from a copy
    Heal(HealArgs),
    /// Gives up what can't be healed, so that everything else is whole
    Repair(RepairArgs),
    /// Looks at the configuration file and what it leads to
    Config(ConfigArgs),
    /// Tries out what a store can do, and says what that rules out
    Doctor(DoctorArgs),
    /// Prints a completion script for a shell
    Completions(CompletionsArgs),
    /// Prints docs/cli.md
    #[command(hide = true)]
    Reference,
}

/// `restore`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the user's switches")]
pub(crate) struct RestoreArgs {
    /// The snapshot: the beginning of its id, or `latest`; with `:/path` only what is there, put
    /// directly into the target
    #[arg(value_name = "SNAPSHOT[:/PATH]")]
    pub(crate) snapshot: SnapshotPath,
    /// The directory to restore into, created if it is missing; or tar:FILE for a tar archive, tar:- for one to
    /// stdout; or, for a single file, a block device
    #[arg(short, long, value_name = "DIR", required_unless_present = "to_stdout")]
    pub(crate) target: Option<PathBuf>,
    /// Writes the content of a single file to stdout
    #[arg(long, conflicts_with_all = ["target", "dry_run", "json"])]
    pub(crate) to_stdout: bool,
    /// Restores only what matches (gitignore syntax, a pattern with a slash anchored at /; may be
    /// repeated)
    #[arg(short, long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// Leaves out what matches (gitignore syntax, a pattern with a slash anchored at /; may be
    /// repeated)
    #[arg(short, long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// What is done where the target has something already: never changes it; if-changed makes it what the
    /// snapshot has, and believes a file of the snapshot's length and time; if-newer leaves what was changed later
    /// than the snapshot's; always compares the content of every file
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) overwrite: OverwriteArg,
    /// Compares the content of files that are there, whatever their times say
    #[arg(long)]
    pub(crate) verify_existing: bool,
    /// Takes away what the snapshot does not have from the directories that are restored; never what is mounted
    /// there, nor what --include and --exclude leave out. What the backup left out (its excludes, caches) the
    /// snapshot does not have: give --exclude for it. Refused for snapshots that are not complete
    #[arg(long)]
    pub(crate) delete: bool,
    /// Reads every file back at the end, from the disk, and compares it with the snapshot
    #[arg(long)]
    pub(crate) verify: bool,
    /// Takes what is damaged or lost in the repository from this copy of it, opened with the same passphrase or key
    #[arg(long, value_name = "LOCATION")]
    pub(crate) heal_from: Option<String>,
    /// Gives files to their owners by the number or by the name that they have in the snapshot, or leaves them to
    /// whoever restores them
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) owner: OwnerArg,
    /// Gives files of the user FROM in the snapshot to the user TO here, names or numbers; may be repeated
    #[arg(long, value_name = "FROM:TO", value_parser = pair)]
    pub(crate) map_user: Vec<(String, String)>,
    /// As --map-user, of groups
    #[arg(long, value_name = "FROM:TO", value_parser = pair)]
    pub(crate) map_group: Vec<(String, String)>,
    /// Says what would be restored into an empty target, and what it takes to fetch it: bytes, requests, time and, from
    /// a cloud, money; writes nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Does not wait at the end until everything is on the disk; after a power cut, restore again with
    /// --verify-existing
    #[arg(long)]
    pub(crate) no_sync: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// What of an owner counts.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum OwnerArg {
    #[default]
    Number,
    Name,
    None,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => {
            Ok((from.to_owned(), to.to_owned()))
        }
        _ => Err("it must be FROM:TO, names or numbers".to_owned()),
    }
}

/// When something in the target is replaced.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum OverwriteArg {
    Never,
    #[default]
    IfChanged,
    IfNewer,
    Always,
}

/// `snapshots`
#[derive(Debug, Args)]
pub(crate) struct SnapshotsArgs {
    /// Only these: beginnings of ids, or `latest`
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Shows checkpoints of interrupted runs and snapshots that were replaced or forgotten, too
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `ls`
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// The snapshot: the beginning of its id, or `latest`; with `:/path` only what is there
    #[arg(value_name = "SNAPSHOT[:/PATH]")]
    pub(crate) snapshot: SnapshotPath,
    /// Shows modes, owners, sizes and times
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Shows only the members of the directory itself, not what is below them
    #[arg(short, long)]
    pub(crate) directory: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The older snapshot: the beginning of its id, or `latest`
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The newer snapshot
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// Shows changes of metadata alone, too
    #[arg(long)]
    pub(crate) metadata: bool,
}

/// `cat`
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// The snapshot and the file's path in it
    #[arg(value_name = "SNAPSHOT:/PATH")]
    pub(crate) snapshot: SnapshotPath,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The object's key, such as `config` or `log/0000000000000000`
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

/// `tag`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct TagArgs {
    /// The snapshots: beginnings of ids, or `latest`
    #[arg(required = true, value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Adds this tag (may be repeated)
    #[arg(long, value_name = "TAG", group = "change")]
    pub(crate) add: Vec<String>,
    /// Removes this tag (may be repeated)
    #[arg(long, value_name = "TAG", group = "change")]
    pub(crate) remove: Vec<String>,
    /// Replaces all tags by these (may be repeated)
    #[arg(long, value_name = "TAG", group = "change", conflicts_with_all = ["add", "remove"])]
    pub(crate) set: Vec<String>,
}

/// `stats`
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Only these snapshots: beginnings of ids, or `latest`; by default all
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Reads every byte back and recomputes every id
    #[arg(long)]
    pub(crate) read_data: bool,
}

/// `config`
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do with it
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// `config ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says where each setting of a repository comes from, and what is wrong with it
    Check(ConfigCheckArgs),
}

/// `config check`
#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    /// Only this repository of the configuration file; by default all of them, and the one that --repo
    /// names
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Asks each store whether it can be reached, too
    #[arg(long)]
    pub(crate) connect: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Moves no large objects to measure the speed, and makes fewer tries
    #[arg(long)]
    pub(crate) quick: bool,
    /// How many bytes go up, and come down again, to measure the speed
    #[arg(long, value_name = "SIZE", default_value = "64MiB", conflicts_with = "quick")]
    pub(crate) size: ByteSize,
}

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
