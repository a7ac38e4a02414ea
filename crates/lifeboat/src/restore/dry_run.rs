//! The dry run: counts what a restore would write, and writes nothing.
//!
//! Reads trees, but no content. What is in the way in the target is not looked at.

use std::sync::atomic::Ordering;

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Entry, EntryKind};
use lifeboat_repo::reader::Reader;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::scan::Scan;

use super::filter::{Choice, Filter};
use super::job::{Counts, Job};
use super::links::{Links, Member, Original};
use super::place::{self, Piece};
use crate::error::Result;
use crate::target::FileId;

/// What stands for a file that is not made.
const NO_FILE: FileId = FileId { device: 0, inode: 0 };

pub(super) fn count(
    job: &Job<'_>,
    source: &Reader,
    snapshot: &Snapshot,
    filter: &Filter,
    pieces: Vec<Piece>,
) -> Result<()> {
    let mut links = Links::new(job.options.memory_bytes / 16);
    for piece in pieces {
        let root = &snapshot.roots[piece.root];
        let Some(id) = root.tree else { continue };
        let root = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
        let absolute = piece.absolute(&piece.start);
        let above = filter.choose_dir(&place::absolute_path(place::split(&absolute).0));
        // Directories above the next entry, and what was decided on them.
        let mut dirs = Vec::new();
        let mut scan = Scan::new(source, &root).range(&piece.start);
        let mut found = false;
        while let Some(next) = scan.next() {
            job.go_on()?;
            found = true;
            let (key, entry) = match next {
                Ok(next) => next,
                Err(error) => {
                    job.problem(piece.way(&absolute), "restore below", job.damage(error)?);
                    continue;
                }
            };
            while dirs.last().is_some_and(|(dir, _)| !key.is_in(dir)) {
                dirs.pop();
            }
            let parent = dirs.last().map_or(above, |(_, choice)| *choice);
            let path = place::absolute_path(&piece.absolute(&key));
            let choice = filter.choose(&path, entry.kind == EntryKind::Dir, parent);
            if choice == Choice::Take {
                add(job, &mut links, &entry);
            }
            if entry.kind == EntryKind::Dir {
                match key.subtree_end() {
                    Some(end) if choice == Choice::Skip => scan.seek(end),
                    _ => dirs.push((key, choice)),
                }
            }
        }
        if !found {
            return Err(place::not_found(&absolute));
        }
        links.finish_root();
    }
    Ok(())
}

fn add(job: &Job<'_>, links: &mut Links, entry: &Entry) {
    let counts = &job.counts;
    match (entry.kind, links.member(entry)) {
        (EntryKind::Dir, _) => Counts::add(&counts.dirs, 1),
        (_, Member::Further { .. }) => Counts::add(&counts.links, 1),
        (kind, _) => {
            links.insert(entry, &Original::new(b"", NO_FILE, None));
            if kind == EntryKind::File {
                Counts::add(&counts.files, 1);
                // Unlike a restore's own count, with holes: where they are is not read.
                counts.bytes.fetch_add(entry.size, Ordering::Relaxed);
            } else {
                Counts::add(&counts.other, 1);
            }
        }
    }
}
