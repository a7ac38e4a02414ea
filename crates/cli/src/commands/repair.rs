//! `repair`: gives up what can't be healed, so that everything else is whole.

use anyhow::Result;
use lifeboat_repo::repair::index::{Segments, doubtful, repair as repair_index};
use lifeboat_repo::repair::packs::{PacksReport, repair as repair_packs};
use lifeboat_repo::repair::snapshots::{RepairOptions, RepairReport, repair as repair_snapshots};
use serde::Serialize;

use super::heal;
use super::open::TOOL;
use super::session::{Session, chosen};
use crate::args::{
    RepairArgs, RepairCommand, RepairIndexArgs, RepairPacksArgs, RepairSnapshotsArgs,
};
use crate::exit::End;
use crate::render::{Output, bytes, complain, count};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;
use lifeboat_repo::snapshots::Filter;

#[derive(Serialize)]
struct Document<'a, T> {
    message_type: &'static str,
    #[serde(flatten)]
    report: &'a T,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct IndexReport {
    /// Segments that are damaged, or all.
    segments: Vec<String>,
    /// What took their place.
    objects: Vec<heal::View>,
    dry_run: bool,
}

pub(super) fn run(args: &RepairArgs, settings: &Settings, output: &Output) -> Result<End> {
    match &args.command {
        RepairCommand::Index(args) => index(args, settings, output),
        RepairCommand::Packs(args) => packs(args, settings, output),
        RepairCommand::Snapshots(args) => snapshots(args, settings, output),
    }
}

fn index(args: &RepairIndexArgs, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let mut session = Session::open(settings, output)?;
    let wanted = if args.all { Segments::All } else { Segments::Damaged };
    let segments = doubtful(&session.repository, &session.fold, wanted)?;
    let names: Vec<String> = segments.iter().map(ToString::to_string).collect();
    let report = match args.dry_run || segments.is_empty() {
        true => Vec::new(),
        false => repair_index(&session.repository, &mut session.fold, segments, &cancel)?,
    };
    session.remember();
    let is_lost = report.iter().any(heal::is_lost);
    if output.json {
        let objects = report.iter().map(heal::view).collect();
        let report = IndexReport { segments: names, objects, dry_run: args.dry_run };
        let (message_type, warnings) = ("repair_index_summary", session.warnings());
        output.document(&Document { message_type, report: &report, warnings })?;
    } else if args.dry_run {
        output
            .lines(names.iter().map(|name| format!("{name}: would be made of the packs again")))?;
        output.line(format!("would rebuild {}", count(names.len() as u64, "index segment")))?;
    } else if report.is_empty() {
        output.line("nothing to repair: all index segments can be read")?;
    } else {
        heal::print(&report, true, output)?;
    }
    Ok(if is_lost { End::Damage } else { End::Done })
}

fn packs(args: &RepairPacksArgs, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let mut session = Session::open(settings, output)?;
    let report = repair_packs(&session.repository, &mut session.fold, args.dry_run, &cancel)?;
    session.remember();
    if output.json {
        let (message_type, warnings) = ("repair_packs_summary", session.warnings());
        output.document(&Document { message_type, report: &report, warnings })?;
    } else {
        print_packs(&report, output)?;
    }
    Ok(End::Done)
}

fn print_packs(report: &PacksReport, output: &Output) -> Result<()> {
    for taken in &report.taken {
        output.line(match &taken.key {
            Some(key) => format!("{}: taken in, as {key}", taken.found),
            None => format!("{}: would be taken in", taken.found),
        })?;
    }
    for left in &report.left {
        output.line(format!("{}: left: {}", left.found, left.why))?;
    }
    let done = if report.dry_run { "would take in" } else { "took in" };
    output.line(format!(
        "{done} {} of {} that no entry names: {}, {}",
        count(report.taken.len() as u64, "pack"),
        report.found,
        count(report.chunks, "chunk"),
        bytes(report.bytes)
    ))
}

fn snapshots(args: &RepairSnapshotsArgs, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let mut session = Session::open(settings, output)?;
    let only = match args.snapshots.is_empty() {
        true => Vec::new(),
        false => {
            let snapshots = session.snapshots()?;
            let chosen = chosen(&snapshots, &args.snapshots, &Filter::default())?;
            chosen.iter().map(|known| known.snapshot.id).collect()
        }
    };
    let options = RepairOptions {
        only,
        read_data: args.read_data,
        dry_run: args.dry_run,
        threads: settings.threads,
        tool: TOOL.to_owned(),
        cancel,
    };
    let report = repair_snapshots(&session.repository, &mut session.fold, &options)?;
    session.remember();
    if output.json {
        let (message_type, warnings) = ("repair_snapshots_summary", session.warnings());
        output.document(&Document { message_type, report: &report, warnings })?;
    } else {
        print_snapshots(&report, output)?;
    }
    // What was found is lost, whether it is left out by now or not.
    Ok(if report.repaired.is_empty() { End::Done } else { End::Damage })
}

fn print_snapshots(report: &RepairReport, output: &Output) -> Result<()> {
    for repaired in &report.repaired {
        let id = repaired.snapshot.to_string();
        for left in &repaired.left_out {
            complain(&format!("lost: {id:.8}:{}: {}", left.path, left.why));
        }
        let more = repaired.left_out_count - repaired.left_out.len() as u64;
        if more > 0 {
            complain(&format!("lost: {id:.8}: and {more} more paths"));
        }
        let lacks = format!("snapshot {id:.8} lacks {}", count(repaired.left_out_count, "path"));
        output.line(match (repaired.new, &repaired.kept) {
            (None, _) if report.dry_run => lacks,
            (None, None) => format!("{lacks}; nothing is left of it, and it is forgotten"),
            (None, Some(kept)) => format!("{lacks}; nothing is left of it; it stays: {kept}"),
            (Some(new), None) => {
                format!(
                    "{lacks}; {:.8} has the rest, and the old one is forgotten",
                    new.to_string()
                )
            }
            (Some(new), Some(kept)) => {
                format!("{lacks}; {:.8} has the rest; the old one stays: {kept}", new.to_string())
            }
        })?;
    }
    let lacking = report.repaired.len() as u64;
    if lacking > 0 {
        output.notice("note: `lifeboat scrub` notes what is damaged, so that the next backup stores it again where the source has it");
    }
    output.line(match lacking {
        0 => {
            format!("{} lack nothing that is known to be lost", count(report.snapshots, "snapshot"))
        }
        _ => format!("{} of {} lack something", lacking, count(report.snapshots, "snapshot")),
    })
}
