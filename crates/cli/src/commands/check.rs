//! `check`: looks for damage in the repository.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use lifeboat::monitor::{Monitor as _, Phase};
use lifeboat_repo::check::{CheckOptions, CheckProgress, CheckReport, check};
use serde::Serialize;

use super::reading::{Reading, read};
use super::traffic::Traffic;
use crate::args::CheckArgs;
use crate::exit::End;
use crate::render::{LineMonitor, Output, bytes, complain, count};
use crate::settings::Settings;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    clean: bool,
    read_data: bool,
    #[serde(flatten)]
    report: &'a CheckReport,
    requests: Traffic,
}

pub(super) fn run(args: &CheckArgs, settings: &Settings, output: &Output) -> Result<End> {
    let (report, requests) = read(settings, output, |repository, reading, monitor| {
        let Reading { cancel, pace } = reading;
        let (read_data, threads) = (args.read_data, settings.threads);
        let options = CheckOptions { read_data, threads, cancel, pace };
        let shown = Shown { monitor, bytes: AtomicU64::new(0) };
        monitor.phase(Phase::Check);
        check(repository, &options, &|progress| shown.hear(progress, read_data))
    })?;
    if output.json {
        let (clean, read_data) = (report.is_clean(), args.read_data);
        let message_type = "check_summary";
        output.document(&Document { message_type, clean, read_data, report: &report, requests })?;
    } else {
        print(&report, args.read_data, output)?;
    }
    Ok(if report.is_clean() { End::Done } else { End::Damage })
}

/// Turns what a check says into what the bar shows.
struct Shown<'a> {
    monitor: &'a LineMonitor,
    bytes: AtomicU64,
}

impl Shown<'_> {
    fn hear(&self, progress: CheckProgress, read_data: bool) {
        match progress {
            CheckProgress::Objects { bytes } => {
                self.bytes.store(bytes, Ordering::Relaxed);
            }
            CheckProgress::Read { bytes } => {
                // The first piece that is read begins the phase.
                let whole = self.bytes.swap(0, Ordering::Relaxed);
                if whole > 0 && read_data {
                    self.monitor.phase(Phase::ReadData);
                    self.monitor.expect(0, whole);
                }
                self.monitor.advance(0, bytes);
            }
            CheckProgress::Snapshot { .. } => self.monitor.phase(Phase::Check),
            CheckProgress::Node { entries } => self.monitor.advance(entries, 0),
        }
    }
}

fn print(report: &CheckReport, read_data: bool, output: &Output) -> Result<()> {
    for problem in &report.problems {
        complain(&format!("damage: {problem}"));
    }
    let more = report.problem_count.saturating_sub(report.problems.len() as u64);
    if more > 0 {
        complain(&format!("damage: and {more} more"));
    }
    for note in &report.notes {
        output.notice(format!("note: {note}"));
    }
    let counts = &report.counts;
    if !output.quiet {
        output.line(format!(
            "{}, {}, {}, {}, {}: {}",
            count(counts.snapshots, "snapshot"),
            count(counts.log_entries, "log entry"),
            count(counts.packs, "pack"),
            count(counts.tree_packs, "tree pack"),
            count(counts.segments, "index segment"),
            bytes(counts.stored_bytes)
        ))?;
        output.line(format!(
            "{} in {}, {} referred to",
            count(counts.entries, "entry"),
            count(counts.tree_nodes, "tree node"),
            count(counts.referenced_chunks, "chunk")
        ))?;
        if counts.unreferenced_objects > 0 {
            output.line(format!(
                "{} ({}) that nothing refers to, left by interrupted runs: no damage",
                count(counts.unreferenced_objects, "object"),
                bytes(counts.unreferenced_bytes)
            ))?;
        }
        if read_data {
            output.line(format!(
                "read {} of {}, verified {}",
                bytes(counts.bytes_read),
                count(counts.packs_read, "pack"),
                count(counts.chunks_verified, "chunk")
            ))?;
        }
    }
    output.line(match (report.problem_count, read_data) {
        (0, true) => "no damage was found".to_owned(),
        (0, false) => "no damage was found; --read-data reads every byte back, too".to_owned(),
        (problems, _) => format!("damage was found: {}", count(problems, "problem")),
    })
}
