//! `diff`: shows how two snapshots differ.

use anyhow::Result;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::PathKey;
use lifeboat_format::tree::{Entry, EntryKind};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::snapshots::Filter;
use lifeboat_repo::tree::diff::{Change, ChangeKind, Diff};
use lifeboat_repo::tree::scan::Scan;
use serde::Serialize;

use super::heard::Heard;
use super::session::Session;
use super::tree::{Part, root_key, tree_root};
use crate::args::DiffArgs;
use crate::exit::End;
use crate::render::{Output, Stream, bytes};
use crate::settings::Settings;
use lifeboat::report::escape;

#[derive(Serialize)]
struct Head {
    message_type: &'static str,
    old: SnapshotId,
    new: SnapshotId,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ChangeView {
    change: &'static str,
    path: String,
    old_size: Option<u64>,
    new_size: Option<u64>,
}

#[derive(Serialize)]
struct Tail<'a> {
    summary: &'a Summary,
    #[serde(flatten)]
    problems: &'a Heard,
}

/// Counts of entries; sizes of files in bytes.
#[derive(Debug, Default, Serialize)]
struct Summary {
    added: u64,
    removed: u64,
    modified: u64,
    type_changed: u64,
    metadata_changed: u64,
    bytes_added: u64,
    bytes_removed: u64,
}

pub(super) fn run(args: &DiffArgs, settings: &Settings, output: &Output) -> Result<End> {
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let resolve = |name: &str| snapshots.resolve(name, &Filter::default());
    let (old, new) = (&resolve(&args.old)?.snapshot, &resolve(&args.new)?.snapshot);
    let chunks = session.chunks()?;
    let head =
        Head { message_type: "diff", old: old.id, new: new.id, warnings: session.warnings() };
    let mut listing = Listing {
        stream: Stream::begin(output, &head, "changes")?,
        summary: Summary::default(),
        problems: Heard::default(),
        metadata: args.metadata,
    };
    listing.roots(&chunks.reader, old, new)?;
    let Listing { stream, summary, problems, .. } = listing;
    let end = problems.end();
    stream.end(&Tail { summary: &summary, problems: &problems })?;
    if !output.json && !output.quiet {
        output.line(summary.text())?;
    }
    Ok(end)
}

struct Listing {
    stream: Stream,
    summary: Summary,
    problems: Heard,
    metadata: bool,
}

impl Listing {
    /// Roots of one path belong together; all others were added or removed whole.
    fn roots(&mut self, reader: &Reader, old: &Snapshot, new: &Snapshot) -> Result<()> {
        let find = |roots: &[Root], path: &[u8]| {
            roots.iter().find(|root| root.path == path && !root.is_missing()).cloned()
        };
        for root in old.roots.iter().filter(|root| !root.is_missing()) {
            self.pair(reader, Some(root), find(&new.roots, &root.path).as_ref())?;
        }
        for root in new.roots.iter().filter(|root| !root.is_missing()) {
            if find(&old.roots, &root.path).is_none() {
                self.pair(reader, None, Some(root))?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, reader: &Reader, old: Option<&Root>, new: Option<&Root>) -> Result<()> {
        let (old_tree, new_tree) = (old.and_then(tree_root), new.and_then(tree_root));
        let (Some(root), Some(tree)) = (old.or(new), old_tree.or(new_tree)) else { return Ok(()) };
        let part = Part { at: root_key(root)?, tree, start: PathKey::root() };
        if let (Some(old), Some(new)) = (old_tree, new_tree) {
            for change in Diff::new(reader, &old, &new) {
                match change {
                    Ok(change) => self.change(&part, change)?,
                    Err(error) => self.problems.add(error)?,
                }
            }
            return Ok(());
        }
        for entry in Scan::new(reader, &tree) {
            match entry {
                Ok((key, entry)) => {
                    let (old, new) =
                        if new.is_some() { (None, Some(entry)) } else { (Some(entry), None) };
                    self.change(&part, Change { key, old, new })?;
                }
                Err(error) => self.problems.add(error)?,
            }
        }
        Ok(())
    }

    fn change(&mut self, part: &Part, change: Change) -> Result<()> {
        let Some((sign, name)) = self.summary.count(&change) else { return Ok(()) };
        if name == METADATA && !self.metadata {
            return Ok(());
        }
        let path = escape(&part.absolute(&change.key));
        let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.size);
        let line = format!("{sign} {path}");
        let (old_size, new_size) = (size(&change.old), size(&change.new));
        self.stream.item(&ChangeView { change: name, path, old_size, new_size }, line)
    }
}

const METADATA: &str = "metadata";

impl Summary {
    /// Counts the change; its sign and its name, if it is one that people see.
    fn count(&mut self, change: &Change) -> Option<(char, &'static str)> {
        let kind_of = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.kind);
        let named = match change.kind() {
            ChangeKind::Added => {
                self.added += 1;
                ('+', "added")
            }
            ChangeKind::Removed => {
                self.removed += 1;
                ('-', "removed")
            }
            ChangeKind::Changed(_) if kind_of(&change.old) != kind_of(&change.new) => {
                self.type_changed += 1;
                ('T', "type")
            }
            ChangeKind::Changed(differences) if differences.content => {
                self.modified += 1;
                ('M', "modified")
            }
            ChangeKind::Changed(differences) if differences.metadata => {
                self.metadata_changed += 1;
                return Some(('U', METADATA));
            }
            ChangeKind::Changed(_) => return None,
        };
        let file = |entry: &Option<Entry>| match entry {
            Some(entry) if entry.kind == EntryKind::File => entry.size,
            _ => 0,
        };
        self.bytes_added += file(&change.new);
        self.bytes_removed += file(&change.old);
        Some(named)
    }

    fn text(&self) -> String {
        format!(
            "{} added, {} removed, {} modified, {} of another type, {} with other metadata\n\
             {} in new and changed files, {} in those that were there before",
            self.added,
            self.removed,
            self.modified,
            self.type_changed,
            self.metadata_changed,
            bytes(self.bytes_added),
            bytes(self.bytes_removed)
        )
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_format::tree::{Entry, EntryKind, Extent, PathKey};
    use lifeboat_repo::tree::diff::Change;

    use super::Summary;

    fn file(content: &[u8], mode: u16) -> Entry {
        let content = content.to_vec();
        Entry {
            mode,
            size: content.len() as u64,
            content: vec![Extent::Inline(content)],
            ..Entry::default()
        }
    }

    fn sign(summary: &mut Summary, old: Option<Entry>, new: Option<Entry>) -> Option<char> {
        let change = Change { key: PathKey::root(), old, new };
        summary.count(&change).map(|(sign, _)| sign)
    }

    #[test]
    fn signs_and_sums() {
        let mut summary = Summary::default();
        let mut sign = |old, new| sign(&mut summary, old, new);
        assert_eq!(sign(None, Some(file(b"abc", 0))), Some('+'));
        assert_eq!(sign(Some(file(b"abcd", 0)), None), Some('-'));
        assert_eq!(sign(Some(file(b"a", 0)), Some(file(b"bb", 0))), Some('M'));
        assert_eq!(sign(Some(file(b"a", 0)), Some(file(b"a", 1))), Some('U'));
        let dir = Entry { kind: EntryKind::Dir, ..Entry::default() };
        assert_eq!(sign(Some(dir), Some(file(b"a", 0))), Some('T'));
        let inode = Entry { inode: 7, ..file(b"a", 0) };
        assert_eq!(sign(Some(inode), Some(file(b"a", 0))), None);
        assert_eq!((summary.bytes_added, summary.bytes_removed), (3 + 2 + 1, 4 + 1));
    }
}
