//! `backup`: writes a snapshot of directories and files.

mod explain;
mod lists;
mod options;
mod own;

use anyhow::Result;
use lifeboat::backup::{BackupReport, BackupStats, Outcome};
use lifeboat::{Cancel, Context, Kind, Pace};
use lifeboat_repo::open::Repository;
use serde::Serialize;

use super::traffic::Traffic;
use super::{heads, open, session};
use crate::args::BackupArgs;
use crate::exit::End;
use crate::render::{Output, bytes, count, duration, progress_monitor};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;
use crate::yielding;

#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    dry_run: bool,
    #[serde(flatten)]
    report: &'a BackupReport,
    warnings: &'a [String],
    requests: Traffic,
}

pub(super) fn run(args: BackupArgs, settings: &Settings, output: &Output) -> Result<End> {
    let options = options::options(&args, settings)?;
    if let Some(path) = &args.explain {
        return explain::run(path, &options, output);
    }
    let pace = yielding::pace(&settings.polite()?)?;
    let cancel = cancel_on_signals()?;
    let repository = if args.init {
        open::open_or_init(settings, output, args.dry_run)?
    } else {
        open::open(settings, output)?
    };
    // Not before there is one: `--init` may just have made it below a root.
    let mut options = options;
    options.excludes.leave_out.clear();
    options.excludes.leave_out.extend(own::directory(settings));
    let warnings = own::warnings(&options)?;
    for warning in &warnings {
        output.notice(format!("notice: {warning}"));
    }
    let report = back_up(&repository, &options, settings, output, (cancel, pace))?;
    heads::remember(settings, &repository, report.head);
    let requests = Traffic::of(repository.io());
    requests.log();
    if output.json {
        let dry_run = options.dry_run;
        let (message_type, report, warnings) = ("backup_summary", &report, &warnings);
        output.document(&Summary { message_type, dry_run, report, warnings, requests })?;
    } else {
        print(&report, options.dry_run, output)?;
    }
    Ok(match report.outcome {
        Outcome::Complete => End::Done,
        Outcome::Partial => End::Partial,
        Outcome::Interrupted => End::Continue,
    })
}

fn back_up(
    repository: &Repository,
    options: &lifeboat::backup::BackupOptions,
    settings: &Settings,
    output: &Output,
    (cancel, pace): (Cancel, Pace),
) -> Result<BackupReport> {
    let monitor = progress_monitor(output);
    let context = Context { monitor: &monitor, cancel, threads: settings.threads, pace };
    let report = lifeboat::backup::backup(repository, options, &context);
    monitor.finish();
    report.map_err(|error| match error.kind() {
        Kind::Rollback => session::mark_rollback(error, repository, settings),
        _ => error.into(),
    })
}

fn print(report: &BackupReport, dry_run: bool, output: &Output) -> Result<()> {
    let BackupStats { files, dirs, others, bytes: total, .. } = report.stats;
    let BackupStats { files_new, files_changed, files_unchanged, .. } = report.stats;
    let BackupStats { read_bytes, new_bytes, stored_bytes, .. } = report.stats;
    if !output.quiet {
        let others =
            if others > 0 { format!(", {}", count(others, "other")) } else { String::new() };
        output.line(format!(
            "{}, {}{others}: {}",
            count(files, "file"),
            count(dirs, "directory"),
            bytes(total)
        ))?;
        output.line(format!(
            "files: {files_new} new, {files_changed} changed, {files_unchanged} unchanged"
        ))?;
        output.line(format!(
            "read {}, new {}, {} {} in {}",
            bytes(read_bytes),
            bytes(new_bytes),
            if dry_run { "would store" } else { "stored" },
            bytes(stored_bytes),
            duration(report.seconds)
        ))?;
        if let Some(resumed) = report.resumed {
            output.line(format!("went on from the checkpoint {resumed:.8}"))?;
        }
    }
    let problems = match report.problems.count {
        0 => String::new(),
        problems => format!(" ({})", count(problems, "problem")),
    };
    let kind = format!("{:?}", report.kind).to_lowercase();
    output.line(match (report.snapshot, report.outcome) {
        (Some(id), Outcome::Complete) => format!("snapshot {id} ({kind})"),
        (Some(id), Outcome::Partial) => format!("snapshot {id} ({kind}), partial{problems}"),
        (Some(id), Outcome::Interrupted) => {
            format!("interrupted; checkpoint {id}{problems}: the next run goes on from there")
        }
        (None, Outcome::Interrupted) if report.stats.stored_objects > 0 => {
            "interrupted in the first file; what was stored of it is not stored again".to_owned()
        }
        (None, Outcome::Interrupted) => "interrupted before anything was stored".to_owned(),
        (None, _) => format!("no snapshot: this was a dry run{problems}"),
    })
}
