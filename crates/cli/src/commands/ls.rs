//! `ls`: lists what a snapshot holds.

use anyhow::Result;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::tree::{EntryKind, PathKey};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::scan::Scan;
use serde::Serialize;

use super::session::{Session, filter};
use super::tree::{Part, parts};
use super::{heard, paths};
use crate::args::LsArgs;
use crate::exit::End;
use crate::render::{EntryView, Output, Stream};
use crate::settings::Settings;

#[derive(Serialize)]
struct Head {
    message_type: &'static str,
    snapshot: SnapshotId,
    warnings: Vec<String>,
}

pub(super) fn run(args: &LsArgs, settings: &Settings, output: &Output) -> Result<End> {
    let wanted = args.snapshot.path.as_deref().map(paths::snapshot_path).transpose()?;
    let wanted = wanted.unwrap_or_default();
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let snapshot = &snapshots.resolve(&args.snapshot.snapshot, &filter(&args.select)?)?.snapshot;
    let chunks = session.chunks()?;
    let parts = parts(snapshot, &wanted)?;
    let head = Head { message_type: "ls", snapshot: snapshot.id, warnings: session.warnings() };
    let mut list = Listing {
        stream: Stream::begin(output, &head, "entries")?,
        problems: heard::Heard::default(),
        long: args.long,
        one_level: args.directory,
        found: false,
    };
    for part in &parts {
        list.part(&chunks.reader, part)?;
    }
    let Listing { stream, problems, found, .. } = list;
    if !found && problems.is_empty() && !wanted.is_root() {
        let error = lifeboat_repo::Error::new(
            lifeboat_repo::Kind::NotFound,
            "find in the snapshot",
            format!("/{wanted}"),
        )
        .because("the snapshot has no such path");
        return Err(error.into());
    }
    let end = problems.end();
    stream.end(&problems)?;
    Ok(end)
}

struct Listing {
    stream: Stream,
    problems: heard::Heard,
    long: bool,
    one_level: bool,
    found: bool,
}

impl Listing {
    fn part(&mut self, reader: &Reader, part: &Part) -> Result<()> {
        let mut scan = Scan::new(reader, &part.tree).range(&part.start);
        scan.seek(&part.start);
        while let Some(entry) = scan.next() {
            let (key, entry) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.problems.add(error)?;
                    continue;
                }
            };
            self.found = true;
            let is_start = key == part.start;
            if self.one_level && is_start && entry.kind == EntryKind::Dir {
                continue;
            }
            let view = EntryView::new(&part.absolute(&key), &entry);
            self.stream.item(&view, view.line("", self.long))?;
            if self.one_level && !is_start {
                seek_past(&mut scan, &key);
            }
        }
        Ok(())
    }
}

/// Goes behind all that lies below this entry.
fn seek_past(scan: &mut Scan<'_>, key: &PathKey) {
    if let Some(end) = key.subtree_end() {
        scan.seek(end);
    }
}
