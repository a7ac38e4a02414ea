//! `find`: finds paths in snapshots.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Result;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::PathKey;
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::scan::Scan;
use serde::Serialize;

use super::heard::Heard;
use super::session::{Session, chosen, filter, short};
use super::tree::parts;
use crate::args::FindArgs;
use crate::exit::{End, Usage};
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
    let wanted = Wanted::new(&args.patterns, args.ignore_case)?;
    let session = Session::open(settings, output)?;
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
                    if wanted.matches(&path) {
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

/// Patterns on names, and patterns on whole paths.
struct Wanted {
    names: GlobSet,
    paths: GlobSet,
}

impl Wanted {
    fn new(patterns: &[String], ignore_case: bool) -> Result<Self> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern)
                .literal_separator(true)
                .case_insensitive(ignore_case)
                .build()
                .map_err(|error| Usage(format!("the pattern {pattern:?}: {error}")))?;
            if pattern.contains('/') {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        Ok(Self { names: names.build()?, paths: paths.build()? })
    }

    fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let as_path = |bytes| Path::new(OsStr::from_bytes(bytes));
        self.names.is_match(as_path(name)) || self.paths.is_match(as_path(path))
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    fn matches(pattern: &str, path: &str) -> bool {
        Wanted::new(&[pattern.to_owned()], false).unwrap().matches(path.as_bytes())
    }

    #[test]
    fn names_and_paths() {
        assert!(matches("*.conf", "/etc/a/b.conf"));
        assert!(!matches("/etc/*.conf", "/etc/a/b.conf"));
        assert!(matches("/etc/**/*.conf", "/etc/a/b.conf"));
        assert!(matches("{a,b}.txt", "/x/b.txt"));
        assert!(!matches("B.txt", "/x/b.txt"));
        assert!(Wanted::new(&["B.txt".to_owned()], true).unwrap().matches(b"/x/b.txt"));
        assert!(Wanted::new(&["[".to_owned()], false).is_err());
    }
}
