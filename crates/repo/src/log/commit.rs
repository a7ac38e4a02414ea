//! Commits: objects and snapshots of a run, in as many entries as they need.
//!
//! Knows how large an entry may become. The snapshots come last, so that they exist only when all
//! that they reach counts.
//!
//! A writer must look, before each append, whether a collector has said anything about what it relies on
//! (docs/protocol.md, *The writer*). What a run has put itself is looked at here; what its snapshot reaches is the
//! caller's ([`crate::stand`]), who is asked at each head.

use lifeboat_format::entry::{LOG_ENTRY_MAX, ListedObject, ListedSnapshot, ReliedObject, Until};
use lifeboat_format::id::RunId;
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::{ObjectKey, ObjectName};
use lifeboat_format::keys::SigningRole;

use crate::error::{Error, Kind, Result};
use crate::log::append::{Decision, EntryDraft, append};
use crate::log::fold::Fold;
use crate::log::{Head, collected};
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

/// Appends copies of chunks that a maintainer has verified, without a snapshot.
///
/// # Errors
/// As [`commit`].
pub fn commit_copies(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    objects: Vec<ListedObject>,
) -> Result<()> {
    for part in parts(objects, Vec::new(), LOG_ENTRY_MAX - OTHER_BYTES)? {
        append_objects(repository, fold, (run, SigningRole::Maintain), part)?;
    }
    Ok(())
}

/// Appends packs that have the bytes of others, which are damaged: those of which the other still counts at the head that the
/// entry follows.
///
/// # Errors
/// As [`commit`].
pub(crate) fn commit_twins(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    twins: &[(ObjectKey, ListedObject)],
) -> Result<()> {
    append(repository, fold, |head| {
        // What a collector has taken meanwhile needs no twin.
        let wanted = twins.iter().filter(|(original, _)| head.object(original).is_some());
        let wanted: Vec<ListedObject> = wanted.map(|(_, twin)| *twin).collect();
        let (objects, relied) = head.left_of(&wanted);
        if objects.is_empty() {
            return Ok(Decision::Nothing);
        }
        let draft = EntryDraft::commit(run, SigningRole::Maintain);
        Ok(Decision::Append(EntryDraft { objects, relied, ..draft }))
    })
    .map(drop)
}

/// Appends that these index segments have the records of those parts, unless another has merged or taken away one of these
/// meanwhile; whether it counts. What `may` says of the head decides, too.
///
/// # Errors
/// As [`append`].
pub(crate) fn commit_merge(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    parts: &[ObjectKey],
    made: &[(ListedObject, IdPrefix)],
    may: impl Fn(&Fold) -> bool,
) -> Result<bool> {
    let name_of = |part: &ObjectKey| match part {
        ObjectKey::Index(name) => Some(*name),
        _ => None,
    };
    let key_of = |object: &ListedObject| object.kind.key(object.name);
    let merged: Vec<ObjectName> = parts.iter().filter_map(name_of).collect();
    append(repository, fold, |head| {
        let is_in_the_way = |part: &ObjectKey| head.is_merged(part) || head.object(part).is_none();
        if !may(head) || parts.iter().any(is_in_the_way) {
            return Ok(Decision::Nothing);
        }
        // While this run was away a collector took them for orphans.
        let keys = || made.iter().map(|(object, _)| key_of(object));
        if keys().any(|key| head.is_lately_gone(&key)) {
            return Ok(Decision::Nothing);
        }
        let relied = collected::relied(keys().filter(|key| head.is_condemned(key)));
        let draft = EntryDraft::commit(run, SigningRole::Maintain);
        let objects = made.iter().map(|(object, _)| *object).collect();
        let is_divided = made.iter().any(|(_, prefix)| *prefix != IdPrefix::WHOLE);
        let prefixes = made.iter().filter(|_| is_divided).map(|(_, prefix)| *prefix).collect();
        let merged = merged.clone();
        Ok(Decision::Append(EntryDraft { objects, merged, prefixes, relied, ..draft }))
    })?;
    Ok(made.iter().all(|(object, _)| fold.parts(&key_of(object)).len() == parts.len()))
}

/// Appends the objects of a run, and a snapshot that `seal` makes for the head that it will follow, with what is
/// condemned there and relied on all the same: it is asked anew whenever another writer was faster. The snapshot is held
/// until then, if that is given.
///
/// # Errors
/// As [`commit`], and those of `seal`. What was appended before an error stays, and does no harm.
pub fn commit_snapshot(
    repository: &Repository,
    fold: &mut Fold,
    run: RunId,
    objects: Vec<ListedObject>,
    until: Option<Until>,
    mut seal: impl FnMut(&Fold) -> Result<(ListedSnapshot, Vec<ReliedObject>)>,
) -> Result<Option<Head>> {
    // The first answer says how much room it takes; a later one differs by digits. It may have taken a look at the whole
    // tree, so it is not asked for again at the same head.
    let mut sealed_at = fold.head();
    let mut sealed = seal(fold)?;
    let room = (LOG_ENTRY_MAX - OTHER_BYTES).saturating_sub(sealed.1.len() * OBJECT_BYTES);
    let mut parts = parts(objects, vec![sealed.0.clone()], room)?;
    let last = parts.pop().map_or_else(Vec::new, |part| part.objects);
    for part in parts {
        append_objects(repository, fold, (run, SigningRole::Write), part)?;
    }
    append(repository, fold, |head| {
        if head.head() != sealed_at {
            (sealed, sealed_at) = (seal(head)?, head.head());
        }
        let (snapshot, relied) = sealed.clone();
        let (objects, snapshots) = (last.clone(), vec![snapshot]);
        let draft = EntryDraft::commit(run, SigningRole::Write);
        Ok(Decision::Append(EntryDraft { objects, snapshots, relied, until, ..draft }))
    })
}

/// Appends what is left of a part at the head that it will follow.
fn append_objects(
    repository: &Repository,
    fold: &mut Fold,
    (run, role): (RunId, SigningRole),
    part: Part,
) -> Result<Option<Head>> {
    append(repository, fold, |head| {
        let (objects, relied) = head.left_of(&part.objects);
        if objects.is_empty() && part.snapshots.is_empty() {
            return Ok(Decision::Nothing);
        }
        let snapshots = part.snapshots.clone();
        let draft = EntryDraft::commit(run, role.clone());
        Ok(Decision::Append(EntryDraft { objects, snapshots, relied, ..draft }))
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
        head = append_objects(repository, fold, (run, SigningRole::Write), part)?;
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
