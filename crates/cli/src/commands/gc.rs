//! `gc`: frees the space of what no snapshot needs.

use anyhow::Result;
use lifeboat::monitor::{Monitor as _, Phase};
use lifeboat_repo::gc::{GcOptions, GcReport, Locked, Tally, collect};
use serde::Serialize;

use super::locks;
use super::open;
use super::session::{self, Session};
use super::traffic::Traffic;
use crate::args::GcArgs;
use crate::exit::End;
use crate::render::{Output, bytes, count, progress_monitor};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    #[serde(flatten)]
    report: &'a GcReport,
    warnings: Vec<String>,
    requests: Traffic,
}

pub(super) fn run(args: &GcArgs, settings: &Settings, output: &Output) -> Result<End> {
    let options = GcOptions {
        delay: args.delay(),
        trash_period: args.trash_period.0,
        max_unused: args.max_unused.0,
        max_repack: args.max_repack.map(|size| size.0),
        threads: settings.threads,
        tool: open::TOOL.to_owned(),
        dry_run: args.dry_run,
        cancel: cancel_on_signals()?,
        ..GcOptions::default()
    };
    let mut session = Session::open(settings, output)?;
    let monitor = progress_monitor(output);
    monitor.phase(Phase::Collect);
    let report = collect(&session.repository, &options);
    monitor.finish();
    let report = report
        .map_err(|error| session::mark_rollback(error.into(), &session.repository, settings))?;
    session.fold.refresh(session.repository.io())?;
    session.remember();
    let requests = Traffic::of(session.repository.io());
    requests.log();
    if output.json {
        let warnings = session.warnings();
        let message_type = "gc_summary";
        output.document(&Document { message_type, report: &report, warnings, requests })?;
    } else {
        output.lines(lines(&report))?;
    }
    let is_missing = report.locks.is_some_and(|locks| locks.missing > 0);
    Ok(if is_missing { End::Damage } else { End::Done })
}

fn lines(report: &GcReport) -> Vec<String> {
    let tally = |Tally { objects, bytes: size }: Tally| {
        format!("{} ({})", count(objects, "object"), bytes(size))
    };
    let would = |done: &str, planned: &str| {
        if report.dry_run { planned.to_owned() } else { done.to_owned() }
    };
    let mut lines = vec![format!(
        "{} of {} in {} are in use, by {}; {} no longer",
        bytes(report.used_bytes),
        bytes(report.packs.bytes),
        count(report.packs.objects, "pack"),
        count(report.live_snapshots, "snapshot"),
        count(report.dead_snapshots, "snapshot"),
    )];
    if report.repacked.objects > 0 {
        lines.push(format!(
            "{} {} out of {} ({})",
            would("copied", "would copy"),
            bytes(report.copied_bytes),
            count(report.repacked.objects, "pack"),
            bytes(report.repacked.bytes),
        ));
    }
    let mut condemned =
        format!("{} {}", would("condemned", "would condemn"), tally(report.condemned));
    if report.orphans.objects > 0 {
        condemned += &format!(", among them {} that nothing names", tally(report.orphans));
    }
    lines.push(condemned);
    if report.deleted.objects + report.removed.objects > 0 {
        lines.push(format!("deleted {}, removed {}", tally(report.deleted), tally(report.removed)));
    }
    if report.spared.objects > 0 {
        lines.push(format!("spared {}, which are needed after all", tally(report.spared)));
    }
    if report.waiting.objects > 0 {
        let waiting = tally(report.waiting);
        lines.push(format!(
            "{waiting} wait to be deleted by a run after the delay (--delay, --now)"
        ));
    }
    if report.locked.objects > 0 {
        let Locked { objects, bytes: size, first_free, last_free } = report.locked;
        let freed = match (locks::moment(first_free), locks::moment(last_free)) {
            (first, last) if first == last => format!("from {first} on"),
            (first, last) => format!("the first from {first} on, all from {last} on"),
        };
        lines.push(format!(
            "{} ({}) are not needed and locked; a later run can remove them: {freed}",
            count(objects, "object"),
            bytes(size)
        ));
    }
    lines.extend(report.locks.iter().flat_map(locks::extended));
    lines
}
