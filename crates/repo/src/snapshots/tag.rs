//! Changing tags: a new record that stands for the old one, since entries never change.
//!
//! The record has the same content under a new id, names the old one as `replaces` and the first of
//! the chain as `original`. Nothing but the record is written; no tree is read unless a collection under way may take of it.

use lifeboat_format::id::{RunId, SnapshotId};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::snapshot::Snapshot;

use crate::error::{Error, Kind, Result};
use crate::log::{Decision, EntryDraft, Fold, append};
use crate::open::Repository;
use crate::snapshots::{Snapshots, Standing, seal};
use crate::stand::{self, Begun};

/// The longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 256;
/// The most tags of one snapshot.
pub const TAGS_MAX: usize = 100;

/// What to do with the tags of a snapshot: first `set`, then `remove`, then `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagEdit {
    /// Replaces all tags.
    pub set: Option<Vec<String>>,
    /// Tags to add; those that are there stay once.
    pub add: Vec<String>,
    /// Tags to remove; those that are not there are no error.
    pub remove: Vec<String>,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The snapshot as it was.
    pub old: SnapshotId,
    /// The record that now stands for it; the same as `old` when nothing had to change.
    pub new: SnapshotId,
    /// Its tags now.
    pub tags: Vec<String>,
}

/// Changes the tags of the snapshot `id`, or of what stands for it by now.
///
/// # Errors
/// [`Kind::Invalid`] for a tag that is none, [`Kind::NotFound`] without such a snapshot, or when it is forgotten,
/// [`Kind::Denied`] without a key of role *maintain*; else as [`append`].
pub fn tag(
    repository: &Repository,
    fold: &mut Fold,
    id: SnapshotId,
    edit: &TagEdit,
) -> Result<Tagged> {
    edit.set.iter().flatten().chain(&edit.add).try_for_each(|tag| check_tag(tag))?;
    let run = RunId(repository.random()?);
    let mut outcome = None;
    append(repository, fold, |fold| {
        // Decided anew for each head: somebody else may have edited the same snapshot.
        let snapshots = Snapshots::load(repository, fold)?;
        let current = snapshots.newest_form(id)?;
        if let Standing::Forgotten { entry } = current.standing {
            return Err(Error::forgotten("tag snapshot", id, entry));
        }
        let tags = edit.apply(&current.snapshot.tags)?;
        let unchanged = tags == current.snapshot.tags;
        let old = current.snapshot.id;
        let new = if unchanged { old } else { SnapshotId(repository.random()?) };
        outcome = Some(Tagged { old, new, tags: tags.clone() });
        if unchanged {
            return Ok(Decision::Nothing);
        }
        let record = Snapshot {
            id: new,
            tags,
            replaces: Some(old),
            original: Some(current.snapshot.original.unwrap_or(old)),
            ..current.snapshot.clone()
        };
        let mut draft = EntryDraft::commit(run, SigningRole::Maintain);
        // A mark that took the content for dead has not seen this record, and its delete would not say that it is gone.
        if !stand::is_protected(fold, &old, current.entry) {
            let never = Begun { next_number: 0 };
            draft.relied = stand::relied_on(repository, fold, never, &[], &record)?;
        }
        draft.snapshots.push(seal(repository, &record)?);
        // A hold is of the content, whatever its marks.
        draft.until = current.hold.map(|hold| hold.until);
        Ok(Decision::Append(draft))
    })?;
    outcome.ok_or_else(|| Error::new(Kind::Internal, "tag snapshot", id))
}

impl TagEdit {
    fn apply(&self, tags: &[String]) -> Result<Vec<String>> {
        let mut edited: Vec<String> = Vec::new();
        let kept = self.set.as_deref().unwrap_or(tags);
        let kept = kept.iter().filter(|tag| !self.remove.contains(tag));
        for tag in kept.chain(&self.add) {
            if !edited.contains(tag) {
                edited.push(tag.clone());
            }
        }
        if edited.len() > TAGS_MAX {
            let reason = format!("{} tags are more than {TAGS_MAX}", edited.len());
            return Err(Error::new(Kind::Invalid, "change", "tags").because(reason));
        }
        Ok(edited)
    }
}

/// Refuses what can't be typed as a tag again.
///
/// # Errors
/// [`Kind::Invalid`] for an empty or overlong tag, or one with a comma or control characters.
pub fn check_tag(tag: &str) -> Result<()> {
    let reason = if tag.is_empty() {
        "it is empty"
    } else if tag.len() > TAG_BYTES_MAX {
        "it is longer than 256 bytes"
    } else if tag.contains(|character: char| character == ',' || character.is_control()) {
        "it has a comma or a control character"
    } else {
        return Ok(());
    };
    Err(Error::new(Kind::Invalid, "use the tag", format!("{tag:?}")).because(reason))
}
