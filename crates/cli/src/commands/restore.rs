//! `restore`: brings files back from a snapshot.

use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use anyhow::Result;
use lifeboat::Context;
use lifeboat::report::escape;
use lifeboat::restore::{
    Origin, Overwrite, OwnerBy, OwnerOptions, RestoreOptions, RestoreReport, restore,
};
use lifeboat_format::id::SnapshotId;
use serde::Serialize;

use super::paths;
use super::session::{Session, filter};
use super::traffic::Traffic;
use crate::args::{OverwriteArg, OwnerArg, RestoreArgs};
use crate::exit::{End, Usage};
use crate::render::{Output, bytes, count, duration, progress_monitor};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;
use crate::yielding;

#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    snapshot: SnapshotId,
    target: String,
    #[serde(flatten)]
    report: &'a RestoreReport,
    seconds: f64,
    warnings: Vec<String>,
    requests: Traffic,
}

pub(super) fn run(args: RestoreArgs, settings: &Settings, output: &Output) -> Result<End> {
    let path = args.snapshot.path.as_deref().map(paths::snapshot_path).transpose()?;
    let pace = yielding::pace(&settings.polite()?)?;
    let cancel = cancel_on_signals()?;
    let begun = Instant::now();
    let session = Session::open(settings, output)?;
    let snapshots = session.snapshots()?;
    let filter = filter(&args.select)?;
    let snapshot = &snapshots.resolve(&args.snapshot.snapshot, &filter)?.snapshot;
    let chunks = session.chunks()?;
    let target = escape(args.target.as_os_str().as_bytes());
    if args.target.exists() && !args.target.is_dir() {
        return Err(Usage(format!("--target {target} is there and is not a directory")).into());
    }
    let filtered = !(args.include.is_empty() && args.exclude.is_empty());
    let options = RestoreOptions {
        path,
        include: args.include,
        exclude: args.exclude,
        overwrite: match args.overwrite {
            OverwriteArg::Never => Overwrite::Never,
            OverwriteArg::IfChanged => Overwrite::IfChanged,
            OverwriteArg::IfNewer => Overwrite::IfNewer,
            OverwriteArg::Always => Overwrite::Always,
        },
        verify_existing: args.verify_existing,
        owners: OwnerOptions {
            by: match args.owner {
                OwnerArg::Number => OwnerBy::Number,
                OwnerArg::Name => OwnerBy::Name,
                OwnerArg::None => OwnerBy::None,
            },
            users: args.map_user,
            groups: args.map_group,
        },
        verify: args.verify,
        delete: args.delete,
        dry_run: args.dry_run,
        sync: !args.no_sync,
        // The index and the reader take a quarter; the rest is the program's own.
        memory_bytes: settings.memory_bytes / 2,
        ..RestoreOptions::new(args.target)
    };
    let monitor = progress_monitor(output);
    let context = Context { monitor: &monitor, cancel, threads: settings.threads, pace };
    let origin = Origin { reader: &chunks.reader, locate: &*chunks.index };
    let report = restore(origin, snapshot, &options, &context);
    monitor.finish();
    let mut report = report?;
    if filtered && report.files + report.dirs + report.links + report.other == 0 {
        report.notices.push("nothing matched --include and --exclude".to_owned());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let requests = Traffic::of(session.repository.io());
    requests.log();
    if output.json {
        let message_type = "restore_summary";
        let report = &report;
        output.document(&Summary {
            message_type,
            snapshot: snapshot.id,
            target,
            report,
            seconds,
            warnings: session.warnings(),
            requests,
        })?;
    } else {
        print(&report, snapshot.id, &target, seconds, output)?;
    }
    Ok(if report.is_complete() { End::Done } else { End::Partial })
}

fn print(
    report: &RestoreReport,
    id: SnapshotId,
    target: &str,
    seconds: f64,
    output: &Output,
) -> Result<()> {
    for notice in &report.notices {
        output.notice(format!("notice: {notice}"));
    }
    let done = if report.dry_run { "would restore" } else { "restored" };
    let mut parts = vec![count(report.files, "file"), count(report.dirs, "directory")];
    if report.links > 0 {
        parts.push(count(report.links, "hard link"));
    }
    if report.other > 0 {
        parts.push(count(report.other, "other"));
    }
    let mut more = String::new();
    for (number, what) in [
        (report.unchanged, "were there already"),
        (report.kept, "left as they are"),
        (report.deleted, "deleted"),
        (report.verified, "verified"),
    ] {
        if number > 0 {
            more.push_str(&format!("; {number} {what}"));
        }
    }
    if report.resumed {
        output.notice("notice: went on with a restore that had been cut off".to_owned());
    }
    let problems = match report.problems.count {
        0 => String::new(),
        problems => format!("; {}", count(problems, "problem")),
    };
    output.line(format!(
        "{done} {} ({}) of {:.8} to {target} in {}{more}{problems}",
        parts.join(", "),
        bytes(report.bytes),
        id.to_string(),
        duration(seconds)
    ))
}
