//! Commits: objects and snapshots of a run, in as many entries as they need.
//!
//! Knows how large an entry may become. The snapshots come last, so that they exist only when all
//! that they reach counts.
//!
//! A writer must look, before each append, whether a `delete` has removed what it relies on
//! (docs/protocol.md, *Writer*). This version stops at such an entry as at any that it does not know,
//! so what it finds at the head can only be more commits, and entries that hide or hold snapshots: none of
//! these removes anything.

use lifeboat_format::entry::{LOG_ENTRY_MAX, ListedObject, ListedSnapshot, Until};
use lifeboat_format::id::RunId;
use lifeboat_format::keys::SigningRole;

use crate::error::{Error, Kind, Result};
use crate::log::Head;
use crate::log::append::{Decision, EntryDraft, append};
use crate::log::fold::Fold;
use crate::open::Repository;

/// An encoded object takes at most 1 (array) + 1 (kind) + 34 (hash) + 9 (upload) + 9 (size) bytes.
const OBJECT_BYTES: usize = 54;
/// What a snapshot takes besides its envelope: array, id, and the length of a byte string.
const SNAPSHOT_BYTES: usize = 32;
/// Everything else of an entry, generously.
const OTHER_BYTES: usize = 4096;

/// Appends a commit, or several if one would be too large; the place of the last one. Nothing at all
/// is no entry, and no place.
///
/// # Errors
/// As [`append`]; [`Kind::Invalid`] for a snapshot that no entry can hold. What was appended before an
/// error stays, and does no harm: objects count that nothing refers to.
pub fn commit(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    objects: Vec<ListedObject>,
    snapshots: Vec<ListedSnapshot>,
) -> Result<Option<Head>> {
    commit_within(repository, fold, run, (objects, snapshots), LOG_ENTRY_MAX - OTHER_BYTES)
}

/// Appends the objects of a run, and a snapshot that `seal` makes for the head that it will follow: it
/// is asked anew whenever another writer was faster. The snapshot is held until then, if that is given.
///
/// # Errors
/// As [`commit`], and those of `seal`.
pub fn commit_snapshot(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    objects: Vec<ListedObject>,
    until: Option<Until>,
    mut seal: impl FnMut(&Fold) -> Result<ListedSnapshot>,
) -> Result<Option<Head>> {
    // The first answer says how much room it takes; a later one differs by digits.
    let mut parts = parts(objects, vec![seal(fold)?], LOG_ENTRY_MAX - OTHER_BYTES)?;
    let last = parts.pop().map_or_else(Vec::new, |part| part.objects);
    for part in parts {
        let draft =
            EntryDraft { objects: part.objects, ..EntryDraft::commit(run, SigningRole::Write) };
        append(repository, fold, |_head| Ok(Decision::Append(draft.clone())))?;
    }
    append(repository, fold, |head| {
        let (objects, snapshots) = (last.clone(), vec![seal(head)?]);
        let draft = EntryDraft::commit(run, SigningRole::Write);
        Ok(Decision::Append(EntryDraft { objects, snapshots, until, ..draft }))
    })
}

/// As [`commit`], with entries of about `bytes_max`.
pub(super) fn commit_within(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    (objects, snapshots): (Vec<ListedObject>, Vec<ListedSnapshot>),
    bytes_max: usize,
) -> Result<Option<Head>> {
    let mut head = None;
    for part in parts(objects, snapshots, bytes_max)? {
        let draft = EntryDraft {
            objects: part.objects,
            snapshots: part.snapshots,
            ..EntryDraft::commit(run, SigningRole::Write)
        };
        head = append(repository, fold, |_head| Ok(Decision::Append(draft.clone())))?;
    }
    Ok(head)
}

/// What goes into one entry.
#[derive(Debug, Default)]
struct Part {
    objects: Vec<ListedObject>,
    snapshots: Vec<ListedSnapshot>,
    bytes: usize,
}

fn parts(
    objects: Vec<ListedObject>,
    snapshots: Vec<ListedSnapshot>,
    bytes_max: usize,
) -> Result<Vec<Part>> {
    let mut done = Vec::new();
    let mut open = Part::default();
    let mut make_room = |open: &mut Part, bytes: usize| {
        if open.bytes > 0 && open.bytes + bytes > bytes_max {
            done.push(std::mem::take(open));
        }
        open.bytes += bytes;
    };
    for object in objects {
        make_room(&mut open, OBJECT_BYTES);
        open.objects.push(object);
    }
    for snapshot in snapshots {
        let bytes = SNAPSHOT_BYTES + snapshot.sealed.len();
        if bytes > bytes_max {
            let reason = format!("its {bytes} bytes are more than an entry can hold");
            return Err(Error::new(Kind::Invalid, "commit snapshot", snapshot.id).because(reason));
        }
        make_room(&mut open, bytes);
        open.snapshots.push(snapshot);
    }
    if open.bytes > 0 {
        done.push(open);
    }
    Ok(done)
}
