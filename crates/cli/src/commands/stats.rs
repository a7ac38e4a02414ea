//! `stats`: sizes, and what deduplication and compression gained.

use std::collections::BTreeMap;

use anyhow::Result;
use lifeboat::Context;
use lifeboat::restore::{Origin, RestoreOptions};
use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::key::{CHECKPOINTS, CONFIG, INDEX, KEYS, LOG, ObjectKey, PACKS, TREES};
use lifeboat_format::snapshot::{Snapshot, Stats};
use lifeboat_format::time::Time;
use lifeboat_repo::snapshots::{Filter, Snapshots};
use serde::Serialize;

use super::session::{Session, chosen, filter, short};
use crate::args::StatsArgs;
use crate::exit::End;
use crate::render::{Output, Table, bytes, count, digits, ratio, time_text};
use crate::settings::Settings;

const GB: u64 = 1 << 30;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    snapshots: Vec<View<'a>>,
    repository: Whole,
}

#[derive(Serialize)]
struct View<'a> {
    id: SnapshotId,
    time: Time,
    source: &'a str,
    stats: &'a Stats,
}

/// The repository as a whole; sizes in bytes.
#[derive(Debug, Default, Serialize)]
struct Whole {
    /// Live snapshots, checkpoints not counted.
    snapshots: u64,
    /// Files in all of them.
    files: u64,
    /// The lengths of those files: what restoring every snapshot would write.
    raw_bytes: u64,
    /// The chunks of file content that the repository holds, before compression.
    unique_bytes: u64,
    chunks: u64,
    /// Everything that is in the store and counts.
    stored_bytes: u64,
    /// `raw_bytes` to `unique_bytes`.
    dedup_ratio: Option<f64>,
    /// `unique_bytes` to the bytes of data packs.
    compression_ratio: Option<f64>,
    /// `raw_bytes` to `stored_bytes`.
    total_ratio: Option<f64>,
    /// Files in the newest snapshot of each source.
    current_files: u64,
    objects: Kinds,
    /// What backups asked of the store, of those runs that say it.
    requests: Requests,
    /// What restoring the newest snapshot would take.
    restore: Option<Restore>,
    /// Objects that nothing refers to, such as interrupted runs leave.
    unreferenced: Kind,
}

/// What backups asked of the store.
#[derive(Debug, Default, Serialize)]
struct Requests {
    /// Requests of all runs that left a snapshot or a checkpoint which says how many they took.
    count: u64,
    /// What the same runs stored, in bytes.
    stored_bytes: u64,
    /// Requests for each GB (2^30 bytes) of that.
    per_gb: Option<f64>,
}

/// What restoring a snapshot would take.
#[derive(Debug, Serialize)]
struct Restore {
    snapshot: SnapshotId,
    /// Requests for its trees and for the content of its files.
    requests: u64,
    /// The lengths of its files.
    bytes: u64,
}

/// What each kind of object takes.
#[derive(Debug, Default, Serialize)]
struct Kinds {
    packs: Kind,
    tree_packs: Kind,
    index: Kind,
    log: Kind,
    checkpoints: Kind,
    keys: Kind,
    config: Kind,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Kind {
    count: u64,
    bytes: u64,
    /// `bytes` to `current_files`.
    bytes_per_file: Option<f64>,
}

impl Kind {
    fn add(&mut self, size: u64) {
        self.count += 1;
        self.bytes += size;
    }
}

impl Kinds {
    fn all(&self) -> [(&'static str, &Kind); 7] {
        [
            ("packs", &self.packs),
            ("tree packs", &self.tree_packs),
            ("index", &self.index),
            ("log", &self.log),
            ("checkpoints", &self.checkpoints),
            ("keys", &self.keys),
            ("config", &self.config),
        ]
    }

    fn all_mut(&mut self) -> [&mut Kind; 7] {
        [
            &mut self.packs,
            &mut self.tree_packs,
            &mut self.index,
            &mut self.log,
            &mut self.checkpoints,
            &mut self.keys,
            &mut self.config,
        ]
    }
}

pub(super) fn run(args: &StatsArgs, settings: &Settings, output: &Output) -> Result<End> {
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let chosen = chosen(&snapshots, &args.snapshots, &filter(&args.select)?)?;
    let chosen: Vec<&Snapshot> = chosen.iter().map(|known| &known.snapshot).collect();
    let mut whole = whole(&session, &snapshots)?;
    whole.restore = restore(&session, &snapshots, settings)?;
    if output.json {
        let snapshots = chosen.iter().map(|snapshot| view(snapshot)).collect();
        output.document(&Document { message_type: "stats", snapshots, repository: whole })?;
    } else {
        print(&chosen, &whole, output)?;
    }
    Ok(End::Done)
}

fn view(snapshot: &Snapshot) -> View<'_> {
    View {
        id: snapshot.id,
        time: snapshot.when(),
        source: &snapshot.source_key,
        stats: &snapshot.stats,
    }
}

fn whole(session: &Session<'_>, snapshots: &Snapshots) -> Result<Whole> {
    let mut whole = Whole::default();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    whole.requests = requests(snapshots.in_log_order());
    for known in snapshots.select(&Filter::default()) {
        let snapshot = &known.snapshot;
        whole.snapshots += 1;
        whole.files += snapshot.stats.files;
        whole.raw_bytes += snapshot.stats.bytes;
        newest.insert(&snapshot.source_key, snapshot.stats.files);
    }
    whole.current_files = newest.values().sum();
    count_objects(session, &mut whole)?;
    session.chunks()?.index.for_each(|_, record, pack| {
        if matches!(pack.key(), ObjectKey::Pack(_)) {
            whole.chunks += 1;
            whole.unique_bytes += u64::from(record.length);
        }
        Ok(())
    })?;
    whole.stored_bytes = whole.objects.all().iter().map(|(_, kind)| kind.bytes).sum();
    let files = whole.current_files;
    for kind in whole.objects.all_mut() {
        kind.bytes_per_file = factor(kind.bytes, files);
    }
    whole.dedup_ratio = factor(whole.raw_bytes, whole.unique_bytes);
    whole.compression_ratio = factor(whole.unique_bytes, whole.objects.packs.bytes);
    whole.total_ratio = factor(whole.raw_bytes, whole.stored_bytes);
    Ok(whole)
}

/// What all runs asked. Each snapshot of a run says what the run had asked until then, so the last one
/// says it all; that another has taken its place since changes nothing.
fn requests<'a>(snapshots: impl Iterator<Item = &'a Snapshot>) -> Requests {
    let mut runs: BTreeMap<RunId, (u64, u64)> = BTreeMap::new();
    for snapshot in snapshots.filter(|snapshot| snapshot.stats.requests > 0) {
        let (requests, stored) = runs.entry(snapshot.run).or_default();
        *requests = snapshot.stats.requests.max(*requests);
        *stored = snapshot.stats.stored_bytes.max(*stored);
    }
    let count = runs.values().map(|(requests, _)| requests).sum::<u64>();
    let stored_bytes = runs.values().map(|(_, stored)| stored).sum();
    Requests { count, stored_bytes, per_gb: factor(count.saturating_mul(GB), stored_bytes) }
}

/// Plans a restore of the newest snapshot, and counts what it asks of the store.
fn restore(
    session: &Session<'_>,
    snapshots: &Snapshots,
    settings: &Settings,
) -> Result<Option<Restore>> {
    let all = snapshots.select(&Filter::default());
    let Some(newest) = all.last().map(|known| &known.snapshot) else { return Ok(None) };
    let chunks = session.chunks()?;
    let meter = session.repository.io().meter();
    let before = meter.snapshot();
    let options = RestoreOptions {
        dry_run: true,
        memory_bytes: settings.memory_bytes / 2,
        ..RestoreOptions::new("/")
    };
    let origin = Origin { reader: &chunks.reader, locate: &*chunks.index };
    let report = lifeboat::restore::restore(origin, newest, &options, &Context::default());
    Ok(match report {
        Ok(report) => {
            let trees = meter.snapshot().since(&before).requests();
            Some(Restore {
                snapshot: newest.id,
                requests: trees + report.fetch.map_or(0, |fetch| fetch.requests),
                bytes: report.bytes,
            })
        }
        // A root that was missing leaves nothing to restore.
        Err(error) if error.kind() == lifeboat::Kind::NotFound => None,
        Err(error) => return Err(error.into()),
    })
}

/// What lies in the store, by kind.
fn count_objects(session: &Session<'_>, whole: &mut Whole) -> Result<()> {
    let io = session.repository.io();
    for prefix in [PACKS, TREES, INDEX, LOG, CHECKPOINTS, KEYS, CONFIG] {
        io.list(prefix, |listed| {
            let Ok(key) = listed.key.parse::<ObjectKey>() else { return Ok(()) };
            let kinds = &mut whole.objects;
            let kind = match key {
                ObjectKey::Log(_) => &mut kinds.log,
                ObjectKey::Checkpoint(_) => &mut kinds.checkpoints,
                ObjectKey::Slot(_) => &mut kinds.keys,
                ObjectKey::Config => &mut kinds.config,
                named if session.fold.object(&named).is_none() => &mut whole.unreferenced,
                ObjectKey::Pack(_) => &mut kinds.packs,
                ObjectKey::Tree(_) => &mut kinds.tree_packs,
                ObjectKey::Index(_) => &mut kinds.index,
            };
            kind.add(listed.size);
            Ok(())
        })?;
    }
    Ok(())
}

fn factor(a: u64, b: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a ratio is good to three digits")]
    let factor = || a as f64 / b as f64;
    (b > 0).then(factor).map(|factor| (factor * 1000.0).round() / 1000.0)
}

fn print(chosen: &[&Snapshot], whole: &Whole, output: &Output) -> Result<()> {
    let mut table =
        Table::new(["ID", "Time", "Files", "Size", "Read", "New", "Stored", "Requests"]);
    for snapshot in chosen {
        let stats = &snapshot.stats;
        table.row(vec![
            short(snapshot),
            time_text(snapshot.when()),
            digits(stats.files),
            bytes(stats.bytes),
            bytes(stats.read_bytes),
            bytes(stats.new_bytes),
            bytes(stats.stored_bytes),
            if stats.requests > 0 { digits(stats.requests) } else { "-".to_owned() },
        ]);
    }
    output.lines(table.lines())?;
    output.line("")?;
    output.line(format!(
        "{} with {}: {}",
        count(whole.snapshots, "snapshot"),
        count(whole.files, "file"),
        bytes(whole.raw_bytes)
    ))?;
    output.line(format!(
        "deduplicated: {} in {} (factor {})",
        bytes(whole.unique_bytes),
        count(whole.chunks, "chunk"),
        ratio(whole.raw_bytes, whole.unique_bytes)
    ))?;
    output.line(format!(
        "compressed: {} in packs (factor {})",
        bytes(whole.objects.packs.bytes),
        ratio(whole.unique_bytes, whole.objects.packs.bytes)
    ))?;
    output.line(format!(
        "stored in all: {} (factor {})",
        bytes(whole.stored_bytes),
        ratio(whole.raw_bytes, whole.stored_bytes)
    ))?;
    if let Some(per_gb) = whole.requests.per_gb {
        output.line(format!(
            "requests: {} for {} stored ({per_gb:.0} a GiB)",
            digits(whole.requests.count),
            bytes(whole.requests.stored_bytes)
        ))?;
    }
    if let Some(Restore { snapshot, requests, bytes: restored }) = &whole.restore {
        let (requests, restored) = (count(*requests, "request"), bytes(*restored));
        output.line(format!("restoring {snapshot:.8}: {requests} for {restored}"))?;
    }
    output.line("")?;
    let mut table = Table::new(["Kind", "Objects", "Size", "Bytes a file"]);
    for (name, kind) in whole.objects.all() {
        let per_file =
            kind.bytes_per_file.map_or_else(|| "-".to_owned(), |per| format!("{per:.1}"));
        table.row(vec![name.to_owned(), digits(kind.count), bytes(kind.bytes), per_file]);
    }
    output.lines(table.lines())?;
    if whole.unreferenced.count > 0 {
        output.line(format!(
            "not counted: {} ({}) that nothing refers to, left by interrupted runs",
            count(whole.unreferenced.count, "object"),
            bytes(whole.unreferenced.bytes)
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn factors() {
        assert_eq!(super::factor(3, 2), Some(1.5));
        assert_eq!(super::factor(2, 3), Some(0.667));
        assert_eq!(super::factor(1, 0), None);
    }
}
