//! `retention simulate`: what rules will keep, and how much space that takes.

use anyhow::Result;
use jiff::{Timestamp, Zoned};
use lifeboat_format::time::Time;
use lifeboat_plan::retention::{Candidate, Verdict};
use lifeboat_plan::schedule::Schedule;
use lifeboat_plan::simulate::{Growth, Measured, Outcome, simulate};
use lifeboat_repo::snapshots::Known;
use serde::Serialize;
use serde_json::{Value, json};

use super::forget::choice::{Choice, Group};
use super::open::system_clock;
use super::session::{Session, filter};
use crate::args::{RetentionArgs, RetentionCommand, SimulateArgs};
use crate::exit::{End, Usage};
use crate::render::{Calendar, Output, bytes, count, digits};
use crate::settings::Settings;

/// What comes of one group of snapshots.
struct Simulated {
    title: String,
    outcome: Outcome,
    growth: Option<Growth>,
}

#[derive(Serialize)]
struct Document {
    message_type: &'static str,
    until: Time,
    groups: Vec<Value>,
    warnings: Vec<String>,
}

pub(super) fn run(args: &RetentionArgs, settings: &Settings, output: &Output) -> Result<End> {
    match &args.command {
        RetentionCommand::Simulate(args) => run_simulate(args, settings, output),
    }
}

fn run_simulate(args: &SimulateArgs, settings: &Settings, output: &Output) -> Result<End> {
    let usage = |error: lifeboat_plan::Error| Usage(error.to_string());
    let choice = Choice::new(&args.rules)?;
    let schedule = Schedule::parse(&args.schedule).map_err(usage)?;
    let now = system_clock().now();
    let start = Timestamp::from_second(now.secs)?.to_zoned(choice.zone.clone());
    let end = args
        .ahead
        .after(&start)
        .ok_or_else(|| Usage(format!("--ahead {}: no calendar goes that far", args.ahead)))?;
    let play = |there: &[Candidate]| -> Result<Outcome> {
        let played = simulate(there, &choice.policy, &schedule, &choice.zone, (&start, &end));
        Ok(played.map_err(usage)?)
    };
    let mut simulated = Vec::new();
    let mut warnings = Vec::new();
    if settings.place.is_some() {
        let filter = filter(&args.select)?;
        let session = Session::open(settings, output)?;
        let snapshots = session.snapshots()?;
        for group in choice.groups(&snapshots, &filter, now) {
            simulated.push(Simulated {
                title: group.title(),
                outcome: play(group.candidates())?,
                growth: growth(&group),
            });
        }
        warnings = session.warnings();
    }
    if simulated.is_empty() {
        let title = "a source without snapshots".to_owned();
        simulated.push(Simulated { title, outcome: play(&[])?, growth: None });
    }
    if output.json {
        let groups = simulated.iter().map(Simulated::view).collect();
        let until = Time { secs: end.timestamp().as_second(), nanos: 0 };
        output.document(&Document { message_type: "simulation", until, groups, warnings })?;
    } else {
        simulated.iter().try_for_each(|group| group.print(&choice, &end, output))?;
    }
    Ok(End::Done)
}

/// How the sources of a group grow together, as far as their snapshots tell.
fn growth(group: &Group<'_>) -> Option<Growth> {
    let mut keys: Vec<&str> =
        group.snapshots.iter().map(|known| known.snapshot.source_key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let of_source = |key: &&str| {
        let own = group.snapshots.iter().filter(|known| known.snapshot.source_key == **key);
        let own: Vec<Measured> = own.map(|known| measured(known)).collect();
        Growth::measured(&own)
    };
    keys.iter().map(of_source).try_fold(Growth::default(), |sum, growth| {
        let growth = growth?;
        Some(Growth {
            stored_bytes: sum.stored_bytes.saturating_add(growth.stored_bytes),
            added_bytes: sum.added_bytes.saturating_add(growth.added_bytes),
            grown_bytes: sum.grown_bytes.saturating_add(growth.grown_bytes),
        })
    })
}

fn measured(known: &Known) -> Measured {
    let stats = &known.snapshot.stats;
    Measured { bytes: stats.bytes, new_bytes: stats.new_bytes, stored_bytes: stats.stored_bytes }
}

impl Simulated {
    fn stored_bytes(&self) -> Option<u64> {
        let Outcome { runs, kept, .. } = &self.outcome;
        self.growth.map(|growth| growth.after(*runs, kept.len()))
    }

    fn view(&self) -> Value {
        let reasons = |verdict: &Verdict| -> Vec<String> {
            verdict.reasons.iter().map(ToString::to_string).collect()
        };
        let kept = self.outcome.kept.iter();
        let kept: Vec<Value> = kept
            .map(|verdict| json!({ "time": verdict.time, "reasons": reasons(verdict) }))
            .collect();
        json!({
            "title": self.title,
            "runs": self.outcome.runs,
            "kept": kept,
            "snapshots_max": self.outcome.snapshots_max,
            "added_bytes": self.growth.map(|growth| growth.added_bytes),
            "stored_bytes": self.stored_bytes(),
        })
    }

    fn print(&self, choice: &Choice, end: &Zoned, output: &Output) -> Result<()> {
        let Outcome { runs, kept, snapshots_max } = &self.outcome;
        output.line(format!(
            "{}: {} until {}, and {} kept then ({} at most in between)",
            self.title,
            count(*runs as u64, "backup"),
            end.strftime("%Y-%m-%d"),
            count(kept.len() as u64, "snapshot"),
            digits(*snapshots_max as u64),
        ))?;
        let mut calendar = Calendar::new(choice.zone.clone());
        kept.iter().for_each(|verdict| calendar.mark(verdict.time, true));
        output.lines(calendar.lines())?;
        output.line(match (self.stored_bytes(), self.growth) {
            (Some(stored), Some(growth)) => format!(
                "about {} stored then, {} now: each backup adds {}, of which {} is growth of the source",
                bytes(stored),
                bytes(growth.stored_bytes),
                bytes(growth.added_bytes),
                bytes(growth.grown_bytes),
            ),
            _ => "how much space that takes can be told from two snapshots of each source on".to_owned(),
        })?;
        output.line("")
    }
}
