//! `gc`: frees the space of what no snapshot needs.

use anyhow::Result;
use lifeboat::monitor::{Monitor as _, Phase};
use lifeboat_repo::gc::{Ahead, GcOptions, GcReport, Locked, Tally, collect};
use lifeboat_store::cloud::RequestClass;
use lifeboat_store::layer::cost::PriceTable;
use serde::Serialize;

use super::session::{self, Session};
use super::traffic::Traffic;
use super::{locks, marks, open};
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
    /// What is ahead of a dry run, by list prices; none where nobody charges.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Price>,
}

/// What something costs by a provider's list of prices.
#[derive(Serialize)]
struct Price {
    currency: String,
    /// For the requests, and for what is read with them.
    amount: f64,
    /// For what is freed, each month from then on.
    saved_per_month: f64,
}

impl Price {
    fn of(ahead: &Ahead, prices: &PriceTable) -> Self {
        let Ahead { get, put, delete, list, bytes_down, bytes_up, bytes_freed } = *ahead;
        let requests = [
            (RequestClass::Get, get),
            (RequestClass::Put, put),
            (RequestClass::Delete, delete),
            (RequestClass::List, list),
        ];
        Self {
            currency: prices.currency.clone(),
            amount: prices.asking(&requests, bytes_down).total(),
            saved_per_month: prices.storage_month(bytes_freed) - prices.storage_month(bytes_up),
        }
    }
}

pub(super) fn run(args: &GcArgs, settings: &Settings, output: &Output) -> Result<End> {
    let mut session = Session::open(settings, output)?;
    let options = GcOptions {
        delay: args.delay(),
        trash_period: args.trash_period.0,
        max_unused: args.max_unused.0,
        max_repack: args.max_repack.map(|size| size.0),
        threads: settings.threads,
        tool: open::TOOL.to_owned(),
        dry_run: args.dry_run,
        marks: marks::keeper(settings, &session.repository),
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
    let prices = session.repository.io().meter().prices();
    let cost = report.ahead.as_ref().zip(prices).map(|(ahead, prices)| Price::of(ahead, prices));
    let requests = Traffic::of(session.repository.io());
    requests.log();
    if output.json {
        let warnings = session.warnings();
        let message_type = "gc_summary";
        output.document(&Document { message_type, report: &report, warnings, requests, cost })?;
    } else {
        output.lines(lines(&report))?;
        if let Some(ahead) = &report.ahead {
            output.line(forecast(ahead, cost.as_ref()))?;
        }
    }
    let is_missing = report.locks.is_some_and(|locks| locks.missing > 0);
    Ok(if is_missing { End::Damage } else { End::Done })
}

/// What a dry run says of what is to come.
fn forecast(ahead: &Ahead, cost: Option<&Price>) -> String {
    let Ahead { get, put, delete, list, bytes_down, bytes_up, bytes_freed } = *ahead;
    let mut text = format!(
        "would make about {} more ({}, {}, {}, {}), {} up, {} down, and free {}",
        count(ahead.requests(), "request"),
        count(get, "get"),
        count(put, "put"),
        count(delete, "delete"),
        count(list, "list"),
        bytes(bytes_up),
        bytes(bytes_down),
        bytes(bytes_freed),
    );
    if let Some(Price { currency, amount, saved_per_month }) = cost {
        text.push_str(&format!(
            ", for about {amount:.2} {currency} by list prices; {saved_per_month:.2} {currency} a month less from then on"
        ));
    }
    text
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

#[cfg(test)]
mod tests {
    use lifeboat_store::url::Provider;

    use super::*;

    #[test]
    fn what_needs_nothing_is_said_so() {
        let said = |dead_snapshots| {
            lines(&GcReport { live_snapshots: 3, dead_snapshots, ..GcReport::default() }).remove(0)
        };
        assert!(said(0).ends_with("in use, by 3 snapshots"), "{}", said(0));
        assert!(said(1).ends_with("; 1 snapshot that needs nothing any more"), "{}", said(1));
        assert!(said(2).ends_with("; 2 snapshots that need nothing any more"), "{}", said(2));
    }

    #[test]
    fn how_it_was_planned_is_said() {
        let said = |by_differences| {
            lines(&GcReport { nodes_read: 7, by_differences, ..GcReport::default() }).remove(1)
        };
        assert_eq!(said(true), "planned by what came since the last time: read 7 tree nodes");
        assert_eq!(said(false), "planned by all trees: read 7 tree nodes");
    }

    #[test]
    fn what_is_ahead_costs_something_and_saves_something() {
        let ahead = Ahead {
            get: 10_000,
            put: 1000,
            delete: 50,
            list: 0,
            bytes_down: 100 << 30,
            bytes_up: 50 << 30,
            bytes_freed: 1050 << 30,
        };
        let price = Price::of(&ahead, &PriceTable::of(Provider::S3));
        let near = |is: f64, should: f64| (is - should).abs() < 1e-6;
        assert!(near(price.amount, 0.004 + 0.005 + 9.0), "{}", price.amount);
        assert!(near(price.saved_per_month, 23.0), "{}", price.saved_per_month);
        let text = forecast(&ahead, Some(&price));
        let parts = ["11,050 requests", "10,000 gets", "1,000 puts", "50 deletes"];
        for part in parts.into_iter().chain(["9.01 USD", "23.00 USD a month"]) {
            assert!(text.contains(part), "{text}");
        }
        assert!(!forecast(&ahead, None).contains("USD"));
    }
}
