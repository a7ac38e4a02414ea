//! The objects: is every one that counts there, with its size, and what else is there?
//!
//! Knows names and sizes; opens nothing.

use std::collections::HashSet;

use lifeboat_format::key::{INDEX, ObjectKey, PACKS, TREES};

use crate::check::{Check, CheckProgress};
use crate::error::{Kind, Result};
use crate::log::Fold;

/// What is left over that is named one by one in the notes.
const NAMED_MAX: usize = 5;

/// An object, and what is wrong with it.
type Fault = (ObjectKey, String);

impl Check<'_> {
    /// Compares the log's objects with the store's lists.
    pub(super) fn objects(&mut self, fold: &Fold) -> Result<()> {
        let mut bytes = 0;
        for (key, object) in fold.objects() {
            bytes += object.size;
            let counts = &mut self.report.counts;
            match key {
                ObjectKey::Pack(_) => counts.packs += 1,
                ObjectKey::Tree(_) => counts.tree_packs += 1,
                _ => counts.segments += 1,
            }
        }
        self.report.counts.stored_bytes = bytes;
        (self.progress)(CheckProgress::Objects { bytes });
        let mut missing: HashSet<ObjectKey> = fold.objects().keys().copied().collect();
        let mut wrong = Vec::new();
        let mut left_over = Vec::new();
        let counts = &mut self.report.counts;
        for prefix in [PACKS, TREES, INDEX] {
            self.repository.io().list(prefix, |listed| {
                let object =
                    listed.key.parse().ok().and_then(|key| Some((key, fold.object(&key)?)));
                match object {
                    Some((key, object)) => {
                        missing.remove(&key);
                        if object.size != listed.size {
                            wrong.push((key, object.size, listed.size));
                        }
                    }
                    None => {
                        counts.unreferenced_objects += 1;
                        counts.unreferenced_bytes += listed.size;
                        if left_over.len() < NAMED_MAX {
                            left_over.push(listed.key);
                        }
                    }
                }
                Ok(())
            })?;
        }
        self.go_on()?;
        self.note_left_over(&left_over, fold);
        let mut faults: Vec<Fault> = wrong
            .into_iter()
            .map(|(key, wanted, found)| (key, wrong_size(wanted, found)))
            .collect();
        let mut missing: Vec<ObjectKey> = missing.into_iter().collect();
        missing.sort_unstable();
        for key in missing {
            self.go_on()?;
            faults.extend(self.missing(key, fold)?.map(|what| (key, what)));
        }
        self.tell(faults, fold);
        Ok(())
    }

    /// Tells what is wrong with objects; of what others stand for it is no loss.
    fn tell(&mut self, mut faults: Vec<Fault>, fold: &Fold) {
        let twins = fold.twins();
        // What was healed is judged by what took its place.
        faults.sort_by_key(|(key, _)| twins.contains_key(key));
        for (key, what) in faults {
            match twins.get(&key) {
                Some(twin) if !self.lost.has_pack(twin) => {
                    self.report.note(format!("{key}: {what}; it was healed, as {twin}"));
                    self.lost.pack(key, None);
                }
                _ if fold.is_merged(&key) => {
                    let text =
                        format!("{key}: {what}; others have its records, so nothing is lost");
                    self.report.note(text);
                }
                _ => {
                    let place = self.report.problem(key, what);
                    if is_pack(&key) {
                        self.lost.pack(key, place);
                    }
                }
            }
        }
    }

    /// What no entry names: of a run that was killed, or is still at work.
    fn note_left_over(&mut self, examples: &[String], fold: &Fold) {
        let counts = self.report.counts;
        let origin = if fold.void_count() > 0 {
            "of the entries that mean nothing, or"
        } else {
            "left over"
        };
        if counts.unreferenced_objects > 0 {
            self.report.note(format!(
                "{} objects ({} bytes) are named by no entry of the log: {origin} from interrupted \
                 runs, or of a backup at work ({})",
                counts.unreferenced_objects,
                counts.unreferenced_bytes,
                examples.join(", ")
            ));
        }
    }

    /// What is wrong with an object that no list shows: that is a hint, so it is asked for by name.
    fn missing(&self, key: ObjectKey, fold: &Fold) -> Result<Option<String>> {
        match self.repository.io().head(&key) {
            Ok(info) => {
                let wanted = fold.object(&key).map_or(info.size, |object| object.size);
                Ok((info.size != wanted).then(|| wrong_size(wanted, info.size)))
            }
            Err(error) if error.kind() == Kind::NotFound => {
                Ok(Some("it is missing from the store".to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}

fn wrong_size(wanted: u64, found: u64) -> String {
    format!("it has {found} bytes where the log says {wanted}")
}

fn is_pack(key: &ObjectKey) -> bool {
    matches!(key, ObjectKey::Pack(_) | ObjectKey::Tree(_))
}
