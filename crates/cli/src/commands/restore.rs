//! `restore`: brings files back from a snapshot.

mod goal;

use std::time::Instant;

use anyhow::Result;
use lifeboat::Context;
use lifeboat::restore::{FetchEstimate, Origin, RestoreReport};
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::reader::Reader;
use serde::Serialize;

use self::goal::{Goal, Work};
use super::paths;
use super::session::{Session, filter};
use super::traffic::Traffic;
use crate::args::RestoreArgs;
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
    /// What fetching would cost by the provider's list prices, known for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch_cost: Option<Price>,
}

/// An amount of money.
#[derive(Serialize)]
struct Price {
    currency: String,
    amount: f64,
}

pub(super) fn run(args: RestoreArgs, settings: &Settings, output: &Output) -> Result<End> {
    let goal = Goal::of(&args, output)?;
    let path = args.snapshot.path.as_deref().map(paths::snapshot_path).transpose()?;
    let pace = yielding::pace(&settings.polite()?)?;
    let cancel = cancel_on_signals()?;
    let begun = Instant::now();
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let filter = filter(&args.select)?;
    let snapshot = &snapshots.resolve(&args.snapshot.snapshot, &filter)?.snapshot;
    let chunks = session.chunks()?;
    if let Some(copy) = &args.heal_from {
        chunks.reader.heal_from(reader_of_copy(copy, &session, settings, output)?);
    }
    let filtered = !(args.include.is_empty() && args.exclude.is_empty());
    let monitor = progress_monitor(output);
    let work = Work {
        origin: Origin { reader: &chunks.reader, locate: &*chunks.index },
        snapshot,
        path,
        context: &Context { monitor: &monitor, cancel, threads: settings.threads, pace },
        // The index and the reader take a quarter; the rest is the program's own.
        memory_bytes: settings.memory_bytes / 2,
    };
    let target = goal.name();
    let report = work.to(&goal, args);
    monitor.finish();
    let mut report = report?;
    if goal.is_stdout() {
        report.notices.iter().for_each(|notice| output.notice(format!("notice: {notice}")));
        return Ok(if report.is_complete() { End::Done } else { End::Partial });
    }
    if filtered && report.is_empty() {
        report.notices.push("nothing matched --include and --exclude".to_owned());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let requests = Traffic::of(session.repository.io());
    requests.log();
    let prices = session.repository.io().meter().prices();
    let fetch_cost = report.fetch.zip(prices).map(|(fetch, prices)| Price {
        currency: prices.currency.clone(),
        amount: prices.reading(fetch.requests, fetch.bytes).total(),
    });
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
            fetch_cost,
        })?;
    } else {
        print(&report, snapshot.id, &target, seconds, output)?;
        if let Some(fetch) = &report.fetch {
            print_estimate(fetch, fetch_cost.as_ref(), output)?;
        }
    }
    Ok(if report.is_complete() { End::Done } else { End::Partial })
}

fn print_estimate(fetch: &FetchEstimate, price: Option<&Price>, output: &Output) -> Result<()> {
    let mut text =
        format!("would fetch {} in {}", bytes(fetch.bytes), count(fetch.requests, "request"));
    if let Some(seconds) = fetch.seconds {
        text.push_str(&format!(", in about {}", duration(seconds)));
    }
    if let Some(Price { currency, amount }) = price {
        text.push_str(&format!(", for about {amount:.2} {currency} by list prices"));
    }
    output.line(text)
}

/// A reader of a copy of the repository.
fn reader_of_copy(
    location: &str,
    session: &Session<'_>,
    settings: &Settings,
    output: &Output,
) -> Result<Reader> {
    let settings = settings.of_copy(location)?;
    let copy = Session::open(&settings, output)?;
    // One key file may have made several repositories of one name, each with a log of its own.
    let own = (session.repository.id(), session.repository.log_id());
    if own != (copy.repository.id(), copy.repository.log_id()) {
        let why =
            format!("--heal-from {location} is no copy of this repository: its log is another");
        return Err(Usage(why).into());
    }
    Ok(copy.chunks()?.reader)
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
    if report.healed > 0 {
        let chunks = count(report.healed, "chunk");
        output.notice(format!("notice: {chunks} damaged here came from the copy: see `check`"));
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
