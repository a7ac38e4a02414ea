//! `snapshots`: lists snapshots.

use anyhow::Result;
use lifeboat::report::escape;
use lifeboat_format::id::{PublicKey, RunId, SnapshotId};
use lifeboat_format::snapshot::{Outcome, Snapshot, SnapshotKind, Stats};
use lifeboat_format::time::Time;
use lifeboat_repo::snapshots::{Known, Snapshots, Standing};
use serde::Serialize;

use super::open::system_clock;
use super::session::{Session, chosen, filter, short};
use super::time::until_text;
use crate::args::SnapshotsArgs;
use crate::exit::End;
use crate::render::{Output, Table, bytes, count, digits, time_text};
use crate::settings::Settings;

#[derive(Serialize)]
struct Listed<'a> {
    message_type: &'static str,
    snapshots: Vec<View<'a>>,
    unreadable: Vec<Lost<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct View<'a> {
    id: SnapshotId,
    time: Time,
    started: Time,
    ended: Time,
    kind: &'a SnapshotKind,
    checkpoint: bool,
    standing: &'static str,
    held_until: Option<String>,
    source: &'a str,
    host: &'a str,
    roots: Vec<RootView>,
    tags: &'a [String],
    outcome: &'a Outcome,
    problem_count: u64,
    parent: Option<SnapshotId>,
    original: Option<SnapshotId>,
    run: RunId,
    entry: u64,
    author: PublicKey,
    tool: &'a str,
    stats: &'a Stats,
}

#[derive(Serialize)]
struct RootView {
    path: String,
    missing: bool,
    entries: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Lost<'a> {
    id: SnapshotId,
    entry: u64,
    error: &'a str,
}

pub(super) fn run(args: &SnapshotsArgs, settings: &Settings, output: &Output) -> Result<End> {
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let mut filter = filter(&args.select)?;
    filter.checkpoints = args.all;
    let mut listed = if args.all && args.snapshots.is_empty() {
        snapshots.all().iter().filter(|known| filter.matches(&known.snapshot)).collect()
    } else {
        chosen(&snapshots, &args.snapshots, &filter)?
    };
    listed.sort_by_key(|known| known.snapshot.when());
    if output.json {
        output.document(&document(&listed, &snapshots, session.warnings()))?;
    } else {
        print(&listed, args.all, output)?;
    }
    Ok(if snapshots.unreadable().is_empty() { End::Done } else { End::Damage })
}

fn document<'a>(
    listed: &[&'a Known],
    snapshots: &'a Snapshots,
    warnings: Vec<String>,
) -> Listed<'a> {
    let lost = snapshots.unreadable().iter();
    Listed {
        message_type: "snapshots",
        snapshots: listed.iter().map(|known| view(known)).collect(),
        unreadable: lost
            .map(|lost| Lost { id: lost.id, entry: lost.entry, error: &lost.reason })
            .collect(),
        warnings,
    }
}

fn view(known: &Known) -> View<'_> {
    let snapshot = &known.snapshot;
    View {
        id: snapshot.id,
        time: snapshot.when(),
        started: snapshot.started,
        ended: snapshot.ended,
        kind: &snapshot.kind,
        checkpoint: snapshot.is_checkpoint(),
        standing: standing(known),
        held_until: known.hold.map(|hold| until_text(hold.until)),
        source: &snapshot.source_key,
        host: &snapshot.source.host,
        roots: snapshot.roots.iter().map(root_view).collect(),
        tags: &snapshot.tags,
        outcome: &snapshot.outcome,
        problem_count: snapshot.problems.count,
        parent: snapshot.parent,
        original: snapshot.original,
        run: snapshot.run,
        entry: known.entry,
        author: known.author,
        tool: &snapshot.tool,
        stats: &snapshot.stats,
    }
}

fn root_view(root: &lifeboat_format::snapshot::Root) -> RootView {
    RootView {
        path: escape(&root.path),
        missing: root.is_missing(),
        entries: root.entries,
        bytes: root.bytes,
    }
}

fn standing(known: &Known) -> &'static str {
    match known.standing {
        Standing::Live => "live",
        Standing::Superseded(_) => "superseded",
        Standing::Replaced(_) => "replaced",
        Standing::Forgotten { .. } => "forgotten",
    }
}

fn print(listed: &[&Known], all: bool, output: &Output) -> Result<()> {
    let now = u64::try_from(system_clock().now().secs).unwrap_or(0);
    let mut table = Table::new(["ID", "Time", "Kind", "Host", "Files", "Size", "Tags", "Paths"]);
    for known in listed {
        let snapshot = &known.snapshot;
        let mut kind = kind_text(snapshot);
        if all && !known.is_live() {
            kind = format!("{kind}, {}", standing(known));
        }
        if known.hold.is_some_and(|hold| hold.until.holds_at(now)) {
            kind.push_str(", held");
        }
        table.row(vec![
            short(snapshot),
            time_text(snapshot.when()),
            kind,
            escape(snapshot.source.host.as_bytes()),
            digits(snapshot.stats.files),
            bytes(snapshot.stats.bytes),
            escape(snapshot.tags.join(",").as_bytes()),
            paths_text(snapshot),
        ]);
    }
    output.lines(table.lines())?;
    if !output.quiet {
        output.line(count(listed.len() as u64, "snapshot"))?;
    }
    Ok(())
}

fn kind_text(snapshot: &Snapshot) -> String {
    let mut text = match (&snapshot.kind, snapshot.is_checkpoint()) {
        (_, true) => "checkpoint".to_owned(),
        (SnapshotKind::Full, false) => "full".to_owned(),
        (SnapshotKind::Incremental, false) => "incremental".to_owned(),
        (SnapshotKind::Differential, false) => "differential".to_owned(),
        (SnapshotKind::Other(kind), false) => escape(kind.as_bytes()),
    };
    if snapshot.outcome != Outcome::Complete {
        text.push_str(", partial");
    }
    text
}

/// The roots, after the name of the source if it has one.
fn paths_text(snapshot: &Snapshot) -> String {
    let roots: Vec<String> = snapshot.roots.iter().map(|root| escape(&root.path)).collect();
    match &snapshot.source.name {
        Some(name) => format!("{}: {}", escape(name.as_bytes()), roots.join(" ")),
        None => roots.join(" "),
    }
}
