//! `find`: finds paths in snapshots.

mod wanted;

use anyhow::Result;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::PathKey;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::scan::Scan;
use serde::Serialize;

use self::wanted::Wanted;
use super::heard::Heard;
use super::open::system_clock;
use super::session::{Session, chosen, filter, short};
use super::tree::parts;
use crate::args::FindArgs;
use crate::exit::End;
use crate::render::{EntryView, Output, Stream};
use crate::settings::Settings;

#[derive(Serialize)]
struct Head {
    message_type: &'static str,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Match {
    snapshot: SnapshotId,
    #[serde(flatten)]
    entry: EntryView,
}

pub(super) fn run(args: &FindArgs, settings: &Settings, output: &Output) -> Result<End> {
    let wanted = Wanted::new(args, system_clock().now())?;
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let chosen = chosen(&snapshots, &args.snapshot, &filter(&args.select)?)?;
    let chunks = session.chunks()?;
    let mut stream = Stream::begin(
        output,
        &Head { message_type: "find", warnings: session.warnings() },
        "matches",
    )?;
    let mut problems = Heard::default();
    for known in chosen {
        let snapshot = &known.snapshot;
        search(snapshot, &wanted, &chunks.reader, args.long, &mut stream, &mut problems)?;
    }
    let end = problems.end();
    stream.end(&problems)?;
    Ok(end)
}

fn search(
    snapshot: &Snapshot,
    wanted: &Wanted,
    reader: &Reader,
    long: bool,
    stream: &mut Stream,
    problems: &mut Heard,
) -> Result<()> {
    // As `restore` and `cat` take it.
    let place = format!("{}:", short(snapshot));
    for part in parts(snapshot, &PathKey::root())? {
        for entry in Scan::new(reader, &part.tree) {
            match entry {
                Ok((key, entry)) => {
                    let path = part.absolute(&key);
                    if wanted.matches(&path, &entry) {
                        let entry = EntryView::new(&path, &entry);
                        let line = entry.line(&place, long);
                        stream.item(&Match { snapshot: snapshot.id, entry }, line)?;
                    }
                }
                Err(error) => problems.add(error)?,
            }
        }
    }
    Ok(())
}
