//! `scrub`: reads back what is due, and keeps in the repository what was read when.

use anyhow::Result;
use lifeboat::monitor::{Monitor as _, Phase};
use lifeboat_format::key::INDEX;
use lifeboat_repo::scrub::{DamagedObject, ScrubOptions, ScrubProgress, ScrubReport, scrub};
use serde::Serialize;

use super::reading::read;
use super::traffic::Traffic;
use crate::args::ScrubArgs;
use crate::exit::End;
use crate::render::{Output, bytes, complain, count};
use crate::settings::Settings;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    clean: bool,
    /// Whether all is read in time.
    kept: bool,
    dry_run: bool,
    #[serde(flatten)]
    report: &'a ScrubReport,
    requests: Traffic,
}

pub(super) fn run(args: &ScrubArgs, settings: &Settings, output: &Output) -> Result<End> {
    let (report, requests) = read(settings, output, |repository, reading, monitor| {
        let options = ScrubOptions {
            every: args.every.map(|every| every.0),
            bytes_max: args.max_bytes.map(|size| size.0),
            dry_run: args.dry_run,
            threads: settings.threads,
            pace: reading.pace,
            cancel: reading.cancel,
        };
        scrub(repository, &options, &|progress| match progress {
            ScrubProgress::Planned { bytes } => {
                monitor.phase(Phase::ReadData);
                monitor.expect(0, bytes);
            }
            ScrubProgress::Read { bytes } => monitor.advance(0, bytes),
        })
    })?;
    if output.json {
        output.document(&Document {
            message_type: "scrub_summary",
            clean: report.is_clean(),
            kept: report.is_kept(),
            dry_run: args.dry_run,
            report: &report,
            requests,
        })?;
    } else {
        print(&report, args, output)?;
    }
    Ok(end(&report))
}

/// Damage weighs more than a promise that is broken, and that more than a stop that was asked for.
fn end(report: &ScrubReport) -> End {
    match (report.is_clean(), report.is_kept(), report.was_stopped) {
        (false, ..) => End::Damage,
        (true, false, false) => End::Unfit,
        (true, _, true) => End::Continue,
        (true, true, false) => End::Done,
    }
}

fn print(report: &ScrubReport, args: &ScrubArgs, output: &Output) -> Result<()> {
    for damaged in &report.damaged {
        let found = damaged.found.map(|time| format!(" (found {time})")).unwrap_or_default();
        let stripes = if damaged.found.is_some() && !damaged.stripes.is_empty() {
            let numbers: Vec<String> = damaged.stripes.iter().map(u64::to_string).collect();
            format!(", in stripes {}", numbers.join(", "))
        } else {
            String::new()
        };
        let advice = advice(damaged);
        complain(&format!(
            "damage: {}: {}{stripes}{found}; {advice}",
            damaged.object, damaged.what
        ));
    }
    let more = report.damaged_count.saturating_sub(report.damaged.len() as u64);
    if more > 0 {
        complain(&format!("damage: and {more} more objects"));
    }
    if report.unopened_packs > 0 {
        output.notice(format!(
            "note: of {} only names and stripes were verified: these keys open none",
            count(report.unopened_packs, "pack")
        ));
    }
    print_promise(report);
    if args.dry_run {
        output.line(format!(
            "would read {} of {}, {} of {}",
            count(report.planned_objects, "object"),
            report.objects,
            bytes(report.planned_bytes),
            bytes(report.bytes)
        ))?;
        return Ok(());
    }
    output.line(format!(
        "read {} of {}, {} of {}, verified {}",
        count(report.read_objects, "object"),
        report.objects,
        bytes(report.read_bytes),
        bytes(report.bytes),
        count(report.chunks_verified, "chunk")
    ))?;
    if let Some(time) = report.read_since {
        output.line(format!("no byte has gone unread since {time} or since it was stored"))?;
    }
    output.line(match report.damaged_count {
        0 if report.was_stopped => "stopped; no damage was found so far".to_owned(),
        0 => "no damage was found".to_owned(),
        damaged => format!("damage was found: {}", count(damaged, "object")),
    })
}

/// What to do about a damaged object.
fn advice(damaged: &DamagedObject) -> &'static str {
    match (damaged.mendable, damaged.object.starts_with(INDEX)) {
        (true, _) => "`lifeboat heal` puts it beside itself, whole; restores do not suffer",
        (false, false) => {
            "`lifeboat heal --from` takes it from a copy; `check --read-data` says whom it hits"
        }
        (false, true) => {
            "`lifeboat heal` makes it of the packs again, or takes it from a copy (--from)"
        }
    }
}

/// What of `--every` was not, or can't be, kept.
fn print_promise(report: &ScrubReport) {
    if report.late_objects > 0 {
        complain(&format!(
            "late: {} should have been read before now; run it more often",
            count(report.late_objects, "object")
        ));
    }
    if report.behind_objects > 0 {
        complain(&format!(
            "behind: {} ({}) will be read too late: let it read more, or run it more often",
            count(report.behind_objects, "object"),
            bytes(report.behind_bytes)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{End, ScrubReport, end};

    #[test]
    fn how_it_ends() {
        let report = ScrubReport::default;
        assert_eq!(end(&report()), End::Done);
        assert_eq!(end(&ScrubReport { was_stopped: true, ..report() }), End::Continue);
        assert_eq!(end(&ScrubReport { late_objects: 1, ..report() }), End::Unfit);
        assert_eq!(end(&ScrubReport { behind_objects: 1, ..report() }), End::Unfit);
        let stopped = ScrubReport { behind_objects: 1, was_stopped: true, ..report() };
        assert_eq!(end(&stopped), End::Continue);
        assert_eq!(end(&ScrubReport { damaged_count: 1, ..stopped }), End::Damage);
    }
}
