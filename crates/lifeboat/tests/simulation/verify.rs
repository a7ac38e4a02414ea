//! Comparing: what the log shows has the content that it had when it was backed up, and what should be shown is.

use std::collections::BTreeMap;

use lifeboat::Error;
use lifeboat::repository::View;
use lifeboat_format::snapshot::{Root, Snapshot};
use lifeboat_format::tree::{Entry, EntryKind, Extent};
use lifeboat_repo::check::{CheckOptions, check};
use lifeboat_repo::reader::ChunkKind;
use lifeboat_repo::snapshots::Standing;
use lifeboat_repo::tree::TreeRoot;
use lifeboat_repo::tree::map::MapReader;
use lifeboat_repo::tree::scan::Scan;

use crate::source::{ROOTS, bytes_of};
use crate::world::World;

/// Compares all snapshots that are shown with what was backed up.
pub(crate) fn contents(world: &World) {
    let sure = world.book().sure.clone();
    let view = match View::load(&world.admin) {
        Ok(view) => view,
        Err(error) => return world.find(format!("the repository can't be read: {error}")),
    };
    for unreadable in view.snapshots.unreadable() {
        world.find(format!("snapshot {} can't be read: {}", unreadable.id, unreadable.reason));
    }
    for known in view.snapshots.live() {
        let id = known.snapshot.id;
        match difference(world, &view, &known.snapshot) {
            Ok(None) => {}
            Ok(Some(difference)) => {
                world.find(format!("snapshot {id} is not as it was: {difference}"));
            }
            Err(error) => world.find(format!("snapshot {id} can't be restored: {error}")),
        }
    }
    for id in sure {
        let known = view.snapshots.all().iter().find(|known| known.snapshot.id == id);
        let standing = known.map(|known| known.standing);
        if !matches!(standing, Some(Standing::Live | Standing::Replaced(_))) {
            world.find(format!("snapshot {id} is not shown any more: {standing:?}"));
        }
    }
}

/// Checks everything that the log counts.
pub(crate) fn is_clean(world: &World, read_data: bool) {
    let options = CheckOptions { read_data, threads: 1, ..CheckOptions::default() };
    match check(&world.admin, &options, &|_| {}) {
        Ok(report) if report.is_clean() => {}
        Ok(report) => world.find(format!("check finds {:?}", report.problems)),
        Err(error) => world.find(format!("check fails: {error}")),
    }
}

/// The number of the attempt that made a snapshot.
pub(crate) fn attempt_of(snapshot: &Snapshot) -> Option<usize> {
    snapshot.tags.iter().find_map(|tag| tag.parse().ok())
}

fn difference(world: &World, view: &View, snapshot: &Snapshot) -> Result<Option<String>, Error> {
    let attempt = attempt_of(snapshot);
    let expected = attempt.and_then(|attempt| world.book().attempts.get(attempt).cloned());
    let Some(expected) = expected else { return Ok(Some("nobody has made it".to_owned())) };
    let is_checkpoint = snapshot.is_checkpoint();
    if !is_checkpoint && snapshot.roots.len() != ROOTS {
        return Ok(Some(format!("it has {} roots", snapshot.roots.len())));
    }
    for (root, expected) in snapshot.roots.iter().zip(&expected) {
        let found = files_of(view, root)?;
        for (name, bytes) in &found {
            if expected.get(name).map(|content| bytes_of(*content)).as_ref() != Some(bytes) {
                return Ok(Some(format!("{name:?} has other content")));
            }
        }
        if !is_checkpoint && found.len() != expected.len() {
            return Ok(Some(format!("{} files of {}", found.len(), expected.len())));
        }
    }
    Ok(None)
}

fn files_of(view: &View, root: &Root) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    let Some(id) = root.tree else { return Ok(files) };
    let tree = TreeRoot { id, level: root.level, entries: root.entries, bytes: root.bytes };
    for found in Scan::new(&view.reader, &tree) {
        let (key, entry) = found?;
        if entry.kind == EntryKind::File {
            let name = String::from_utf8_lossy(key.name()).into_owned();
            files.insert(name, content_of(view, &entry)?);
        }
    }
    Ok(files)
}

fn content_of(view: &View, entry: &Entry) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    for extent in MapReader::new(&view.reader, entry) {
        match extent? {
            Extent::Hole(len) | Extent::Zeros(len) => {
                content.resize(content.len() + usize::try_from(len).unwrap(), 0);
            }
            Extent::Inline(bytes) => content.extend(bytes),
            Extent::Chunk { id, offset, length } => {
                let chunk = view.reader.read_chunk(ChunkKind::Data, id)?;
                let (start, end) = (offset as usize, (offset + length) as usize);
                content.extend_from_slice(&chunk[start..end]);
            }
        }
    }
    Ok(content)
}
