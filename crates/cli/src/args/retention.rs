//! Options of `forget`, `hold` and `retention`: what is kept and what is let go.

use clap::{ArgGroup, Args, Subcommand};
use lifeboat_plan::retention::{Count, Span};

use super::SelectArgs;

/// What is kept, spelled as restic's options are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What to keep")]
pub(crate) struct RuleArgs {
    /// Keeps the newest N snapshots (-1 or unlimited: all)
    #[arg(short = 'l', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_last: Option<Count>,
    /// Keeps the newest snapshot of each of the newest N hours that have one
    #[arg(short = 'H', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_hourly: Option<Count>,
    /// The same by days
    #[arg(short = 'd', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_daily: Option<Count>,
    /// By weeks, which begin on Mondays
    #[arg(short = 'w', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_weekly: Option<Count>,
    /// By months
    #[arg(short = 'm', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_monthly: Option<Count>,
    /// By quarters of the year
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_quarterly: Option<Count>,
    /// By years
    #[arg(short = 'y', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) keep_yearly: Option<Count>,
    /// Keeps all snapshots that are less old than the newest by this, such as 2y5m7d3h
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within: Option<Span>,
    /// Of these the newest of each hour
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_hourly: Option<Span>,
    /// The newest of each day
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_daily: Option<Span>,
    /// The newest of each week
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_weekly: Option<Span>,
    /// The newest of each month
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_monthly: Option<Span>,
    /// The newest of each quarter
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_quarterly: Option<Span>,
    /// The newest of each year
    #[arg(long, value_name = "SPAN")]
    pub(crate) keep_within_yearly: Option<Span>,
    /// Keeps all snapshots with this tag, or with all of these, separated by commas (repeated: with any of
    /// the lists)
    #[arg(long, value_name = "TAG[,TAG]")]
    pub(crate) keep_tag: Vec<String>,
    /// What the snapshots have in common for which the rules count, separated by commas: node (the key that
    /// signed them), source, host, paths, tags, policy; empty for all together
    #[arg(short = 'g', long, value_name = "WHAT", default_value = "node,source")]
    pub(crate) group_by: String,
    /// The time zone of days, weeks and so on, such as Europe/Berlin [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
}

/// `forget`
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// These snapshots: beginnings of ids, or `latest`; instead of rules
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Says which rule keeps each snapshot and what would go, as a list and a calendar; forgets nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Brings these snapshots back, within seven days after they were forgotten
    #[arg(long, requires = "snapshots", conflicts_with = "dry_run")]
    pub(crate) undo: bool,
    /// How many of all snapshots may go at once, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) max_share: u8,
    /// Forgets the last snapshot of a source, too, and as many at once as it takes, and one that nobody can read, named by
    /// its whole id as `check` shows it; with --undo: brings back what was forgotten longer ago
    #[arg(long)]
    pub(crate) yes_really: bool,
    /// Why, for whoever asks later; it is sealed
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `hold`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").required(true))]
pub(crate) struct HoldArgs {
    /// The snapshots: beginnings of ids, or `latest`
    #[arg(required = true, value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,
    /// Until then they can't be forgotten: a time such as 2027-11-20, or so long from now on, such as 90d
    #[arg(long, value_name = "TIME", group = "end")]
    pub(crate) until: Option<String>,
    /// Holds them without end, until they are released
    #[arg(long, group = "end", requires = "reason")]
    pub(crate) legal: bool,
    /// Ends whatever holds them
    #[arg(long, group = "end")]
    pub(crate) release: bool,
    /// Why, for whoever asks later; it is sealed
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// `retention`
#[derive(Debug, Args)]
pub(crate) struct RetentionArgs {
    #[command(subcommand)]
    pub(crate) command: RetentionCommand,
}

/// What to find out about rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Says what rules will keep in a year, and how much space that takes at the growth that was measured
    Simulate(SimulateArgs),
}

/// `retention simulate`
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// When backups run, as in crontab: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "CRON")]
    pub(crate) schedule: String,
    /// How far to look
    #[arg(long, value_name = "SPAN", default_value = "1y")]
    pub(crate) ahead: Span,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}
