//! `gc`: frees the space of what no snapshot needs.

use anyhow::Result;
use lifeboat::monitor::{Monitor as _, Phase};
use lifeboat_repo::gc::{GcOptions, GcReport, Tally, collect};
use serde::Serialize;

use super::session::{self, Session};
use super::traffic::Traffic;
use super::{marks, open};
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
    let mut session = Session::open(settings, output)?;
    let keeps = !args.no_cache;
    let options = GcOptions {
        delay: args.delay(),
        trash_period: args.trash_period.0,
        max_unused: args.max_unused.0,
        max_repack: args.max_repack.map(|size| size.0),
        threads: settings.threads,
        tool: open::TOOL.to_owned(),
        dry_run: args.dry_run,
        marks: keeps.then(|| marks::keeper(settings, &session.repository)).flatten(),
        cancel: cancel_on_signals()?,
        ..GcOptions::default()
    };
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
    Ok(End::Done)
}

fn lines(report: &GcReport) -> Vec<String> {
    let tally = |Tally { objects, bytes: size }: Tally| {
        format!("{} ({})", count(objects, "object"), bytes(size))
    };
    let would = |done: &str, planned: &str| {
        if report.dry_run { planned.to_owned() } else { done.to_owned() }
    };
    let mut used = format!(
        "{} of {} in {} are in use, by {}",
        bytes(report.used_bytes),
        bytes(report.packs.bytes),
        count(report.packs.objects, "pack"),
        count(report.live_snapshots, "snapshot"),
    );
    if report.dead_snapshots > 0 {
        let verb = if report.dead_snapshots == 1 { "needs" } else { "need" };
        let dead = count(report.dead_snapshots, "snapshot");
        used += &format!("; {dead} that {verb} nothing any more");
    }
    let nodes = count(report.nodes_read, "tree node");
    let mut lines = vec![used];
    lines.push(match report.by_differences {
        true => format!("planned by what came since the last time: read {nodes}"),
        false => format!("planned by all trees: read {nodes}"),
    });
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
    lines
}
