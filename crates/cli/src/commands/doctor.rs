//! `doctor`: tries out what a store can do, and says what that rules out.

use anyhow::Result;
use lifeboat::Context;
use lifeboat::doctor::{
    Deletes, DoctorOptions, DoctorReport, Finding, Found, Grade, Latency, Rate, Speed, doctor,
};
use lifeboat_codec::Entropy;
use serde::Serialize;

use super::open;
use crate::args::DoctorArgs;
use crate::exit::End;
use crate::render::{Output, complain, progress_monitor};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;

pub(super) fn run(args: &DoctorArgs, settings: &Settings, output: &Output) -> Result<End> {
    let (io, store) = open::connect_to_try_out(settings)?;
    let options = DoctorOptions {
        speed_bytes: if args.quick { 0 } else { args.size.0 },
        exclusive: settings.is_exclusive(),
        locks: store.cloud.object_lock.is_some(),
        entropy: Entropy::os(),
        clock: open::system_clock(),
    };
    let monitor = progress_monitor(output);
    let context = Context { monitor: &monitor, cancel: cancel_on_signals()?, ..Context::default() };
    let report = doctor(&io, &options, &context);
    monitor.finish();
    let report = report?;
    if output.json {
        output.document(&document(&report))?;
    } else {
        print(&report, output)?;
    }
    Ok(if report.is_fit { End::Done } else { End::RuledOut })
}

fn print(report: &DoctorReport, output: &Output) -> Result<()> {
    for finding in &report.findings {
        if finding.grade <= Grade::Note {
            if !output.quiet {
                output.line(sentences(finding))?;
            }
        } else {
            complain(&sentences(finding));
        }
    }
    output.line(verdict(report))
}

/// A finding with what it means and what to do, each on a line.
fn sentences(finding: &Finding) -> String {
    let begin = match finding.grade {
        Grade::Good => "ok",
        Grade::Note => "note",
        Grade::OneWriter => "rules out two writers at once",
        Grade::ReadOnly => "rules out writing",
        Grade::Unfit => "rules out a repository",
    };
    let mut text = format!("{begin}: {}", finding.found);
    if let Some(meaning) = &finding.meaning {
        text.push_str("\n    ");
        text.push_str(meaning);
    }
    if let Some(advice) = &finding.advice {
        text.push_str("\n    what to do: ");
        text.push_str(advice);
    }
    text
}

fn verdict(report: &DoctorReport) -> String {
    let place = &report.location;
    match (report.is_fit, report.grade()) {
        (true, Grade::OneWriter) => {
            format!("{place} is fit for a repository with one writer at a time (--exclusive)")
        }
        (true, _) => format!("{place} is fit for a repository"),
        (false, Grade::OneWriter) => format!(
            "{place} is not fit for two writers at once: with --exclusive, and never more than one \
             writer, it will do"
        ),
        (false, Grade::ReadOnly) => format!("{place} is fit for restoring, not for backing up"),
        (false, _) => format!("{place} is not fit for a repository as it is"),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    location: &'a str,
    fit: bool,
    grade: &'static str,
    repository: Option<RepositoryView>,
    findings: Vec<FindingView<'a>>,
    capabilities: CapabilitiesView,
    latency: Option<LatencyView>,
    speed: Option<SpeedView>,
    clock_ahead_ms: Option<i64>,
    left: &'a [String],
}

#[derive(Serialize)]
struct RepositoryView {
    id: String,
    exclusive: bool,
}

#[derive(Serialize)]
struct FindingView<'a> {
    subject: &'static str,
    grade: &'static str,
    found: &'a str,
    meaning: Option<&'a str>,
    advice: Option<&'a str>,
}

#[derive(Serialize)]
struct CapabilitiesView {
    conditional_create: Option<bool>,
    read_after_write: Option<bool>,
    list_after_write: Option<bool>,
    ranges: Option<bool>,
    deletes: Option<&'static str>,
    deleted_name_is_free: Option<bool>,
    versions: Option<bool>,
    locks: Option<bool>,
}

#[derive(Serialize)]
struct LatencyView {
    put_ms: f64,
    get_ms: f64,
}

/// Bytes a second each.
#[derive(Serialize)]
struct SpeedView {
    object_bytes: u64,
    at_once: usize,
    put_one: f64,
    put_many: f64,
    get_one: f64,
    get_many: f64,
}

fn document(report: &DoctorReport) -> Document<'_> {
    let store = &report.store;
    let capabilities = &store.capabilities;
    Document {
        message_type: "doctor",
        location: &report.location,
        fit: report.is_fit,
        grade: report.grade().name(),
        repository: report.repository.map(|Found { id, is_exclusive }| RepositoryView {
            id: id.to_string(),
            exclusive: is_exclusive,
        }),
        findings: report.findings.iter().map(finding_view).collect(),
        capabilities: CapabilitiesView {
            conditional_create: capabilities.conditional_create,
            read_after_write: capabilities.read_after_write,
            list_after_write: capabilities.list_after_write,
            ranges: capabilities.ranges,
            deletes: capabilities.deletes.map(|deletes| match deletes {
                Deletes::Allowed => "allowed",
                Deletes::Refused => "refused",
                Deletes::Ignored => "ignored",
            }),
            deleted_name_is_free: capabilities.deleted_name_is_free,
            versions: capabilities.versions,
            locks: capabilities.locks,
        },
        latency: store.latency.map(|Latency { put, get }| LatencyView {
            put_ms: put.as_secs_f64() * 1e3,
            get_ms: get.as_secs_f64() * 1e3,
        }),
        speed: store.speed.as_ref().map(speed_view),
        clock_ahead_ms: store.clock_ahead_ms,
        left: &store.left,
    }
}

fn finding_view(finding: &Finding) -> FindingView<'_> {
    FindingView {
        subject: finding.subject,
        grade: finding.grade.name(),
        found: &finding.found,
        meaning: finding.meaning.as_deref(),
        advice: finding.advice.as_deref(),
    }
}

fn speed_view(speed: &Speed) -> SpeedView {
    let [put_one, put_many, get_one, get_many] =
        [speed.put_one, speed.put_many, speed.get_one, speed.get_many]
            .map(|rate: Rate| rate.bytes_per_s());
    let Speed { object_bytes, at_once, .. } = *speed;
    SpeedView { object_bytes, at_once, put_one, put_many, get_one, get_many }
}
