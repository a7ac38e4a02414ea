//! `locks`: extends locks, and undoes what was done in spite of them.

use anyhow::Result;
use lifeboat_format::Time;
use lifeboat_repo::locks::{ExtendReport, RestoreOptions, RestoreReport, When, extend, restore};
use serde::Serialize;

use super::open;
use super::session::Session;
use super::traffic::Traffic;
use crate::args::{LocksArgs, LocksCommand};
use crate::exit::End;
use crate::render::{Output, bytes, complain, count, time_text};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;

#[derive(Serialize)]
struct Document<'a, Report: Serialize> {
    message_type: &'static str,
    #[serde(flatten)]
    report: &'a Report,
    requests: Traffic,
}

pub(super) fn run(args: &LocksArgs, settings: &Settings, output: &Output) -> Result<End> {
    match args.command {
        LocksCommand::Extend { now } => run_extend(now, settings, output),
        LocksCommand::Restore { keys, dry_run } => run_restore(keys, dry_run, settings, output),
    }
}

fn run_extend(now: bool, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let mut session = Session::open(settings, output)?;
    let when = if now { When::Now } else { When::Due };
    let report = extend(&session.repository, &mut session.fold, when, &cancel)?;
    session.remember();
    let requests = Traffic::of(session.repository.io());
    if output.json {
        let message_type = "locks_extended";
        output.document(&Document { message_type, report: &report, requests })?;
    } else {
        output.lines(extended(&report))?;
    }
    Ok(if report.missing > 0 { End::Damage } else { End::Done })
}

/// What became of locks, for people.
pub(super) fn extended(report: &ExtendReport) -> Vec<String> {
    let until = moment(report.until);
    if report.missing > 0 {
        return vec![format!(
            "{} that count are not there, so not everything could be locked for longer than until {until}: look with \
             `check`; if somebody has deleted them, `locks restore` brings them back",
            count(report.missing, "object")
        )];
    }
    vec![match report.extended {
        0 => format!(
            "everything that counts is locked until {until} at least; it is not time to extend that"
        ),
        extended => format!("extended the locks of {} until {until}", count(extended, "object")),
    }]
}

/// A time of a lock as people read it.
pub(super) fn moment(seconds: u64) -> String {
    time_text(Time { secs: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 })
}

fn run_restore(keys: bool, dry_run: bool, settings: &Settings, output: &Output) -> Result<End> {
    let options = RestoreOptions { keys, dry_run, cancel: cancel_on_signals()? };
    // Not even `config` need be there.
    let io = open::connect_to_what_is_there(settings)?;
    let report = restore(&io, &options)?;
    if output.json {
        let (message_type, requests) = ("locks_restored", Traffic::of(&io));
        output.document(&Document { message_type, report: &report, requests })?;
    } else {
        print(&report, output)?;
    }
    Ok(if report.lost.is_empty() { End::Done } else { End::Damage })
}

fn print(report: &RestoreReport, output: &Output) -> Result<()> {
    let done = if report.dry_run { "would bring back" } else { "brought back" };
    output.line(format!("looked at the versions of {}", count(report.objects, "object")))?;
    output.line(format!(
        "{done} {} ({}) that were hidden, and {} ({}) that something was put over",
        count(report.unhidden.objects, "object"),
        bytes(report.unhidden.bytes),
        count(report.uncovered.objects, "object"),
        bytes(report.uncovered.bytes),
    ))?;
    for lost in &report.lost {
        complain(&format!("{lost}: no version of it is what its name says; nothing was changed"));
    }
    if !report.slots_left.is_empty() {
        output.line(format!(
            "left {} deleted, since others open the repository: {} (--keys brings them back)",
            count(report.slots_left.len() as u64, "key slot"),
            report.slots_left.join(", ")
        ))?;
    }
    if report.unhidden.objects + report.uncovered.objects > 0 && !report.dry_run {
        output.line(
            "take the credential away that did this, then run `lifeboat check --read-data`",
        )?;
    }
    Ok(())
}
