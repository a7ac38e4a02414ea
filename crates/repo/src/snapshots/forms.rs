//! Forms: the records of one content, of which a change of marks has made several.
//!
//! Forgetting and holding mean the content, so they speak of all its forms. Invariant: each step goes to a later
//! record of the log, so every walk ends.

use std::collections::HashMap;

use lifeboat_format::id::SnapshotId;

use crate::error::{Error, Kind, Result};
use crate::snapshots::{Known, Snapshots, Standing};

/// Which record stands for each content, and which others there are.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    newest: HashMap<SnapshotId, SnapshotId>,
    all: HashMap<SnapshotId, Vec<SnapshotId>>,
}

impl Forms {
    /// The record that stands for the content of this one: itself, unless it was replaced.
    pub fn newest(&self, id: &SnapshotId) -> SnapshotId {
        self.newest.get(id).copied().unwrap_or(*id)
    }

    /// All records of the content of this one, in the order of the log, itself among them if it is known.
    pub fn of(&self, id: &SnapshotId) -> &[SnapshotId] {
        self.all.get(&self.newest(id)).map_or(&[], Vec::as_slice)
    }
}

impl Snapshots {
    /// The records by their content.
    pub fn forms(&self) -> Forms {
        let mut forms = Forms::default();
        // From the newest to the oldest, so that what a record was replaced by is settled already.
        for known in self.all().iter().rev() {
            let id = known.snapshot.id;
            let newest = self.replaced.get(&id).map_or(id, |by| forms.newest(by));
            forms.newest.insert(id, newest);
            forms.all.entry(newest).or_default().push(id);
        }
        forms.all.values_mut().for_each(|forms| forms.reverse());
        forms
    }

    /// What stands for the snapshot `id` now, forgotten or not.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is no such snapshot.
    pub fn newest_form(&self, id: SnapshotId) -> Result<&Known> {
        let find = |id: SnapshotId| {
            self.all()
                .iter()
                .find(|known| known.snapshot.id == id)
                .ok_or_else(|| Error::new(Kind::NotFound, "find snapshot", id))
        };
        let mut current = find(id)?;
        while let Some(by) = self.replaced.get(&current.snapshot.id) {
            current = find(*by)?;
        }
        Ok(current)
    }

    /// The number of the forget that hides this record, or the one that stands for it.
    pub fn forgotten_by(&self, known: &Known) -> Option<u64> {
        let hidden = |known: &Known| match known.standing {
            Standing::Forgotten { entry } => Some(entry),
            _ => None,
        };
        // Most have one form only, which needs no search.
        match known.standing {
            Standing::Replaced(by) => self.newest_form(by).ok().and_then(hidden),
            _ => hidden(known),
        }
    }
}
