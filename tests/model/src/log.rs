//! The log: its entries, and the fold that follows from the first of them.
//!
//! A fold is made anew from the entries whenever somebody looks, as docs/protocol.md has it
//! ("Folding"): nobody may know more of the log than the prefix that it has read. Signatures, roles
//! and the hash chain are not here; that an entry made for one head is never appended at another is
//! what `append.rs` does with the number.

use crate::{
    set::Set,
    state::{Contents, Object},
};

/// A number of an entry, or a head: how many entries somebody has read.
pub type Number = u8;

/// What an entry says, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The actor that made it.
    pub actor: u8,
    /// Which of the actor's runs: with the number, this stands for the nonce (P6).
    pub run: u8,
    /// What it says.
    pub says: Says,
}

/// The kinds of entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Says {
    /// Objects count from here on.
    Commit {
        /// Packs and segments.
        objects: Set,
        /// What is condemned at this entry's head and relied on all the same.
        relied: Set,
        /// Segments whose records these objects have, too: nobody looks into them any more.
        merged: Set,
        /// Snapshots that exist from here on.
        snapshots: Set,
    },
    /// A snapshot is hidden.
    Forget(u8),
    /// A snapshot is shown again.
    Restore(u8),
    /// A snapshot can't be hidden.
    Hold(u8),
    /// Nobody deduplicates against these objects any more.
    Condemn {
        /// The head of the mark.
        mark: Number,
        /// What it did not reach.
        objects: Set,
        /// The snapshots that it took for dead.
        dead: Set,
    },
    /// Of one condemn's list, these are gone for good.
    Delete {
        /// The condemn's number.
        closes: Number,
        /// What is gone.
        objects: Set,
        /// The snapshots that are gone with them.
        gone: Set,
    },
    /// A compaction that is a delete: old segments are gone, a new one counts. Only ever in a mutant.
    Swap {
        /// What is gone.
        removes: Set,
        /// What counts from here on.
        adds: Set,
    },
}

/// What a prefix of the log says.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// Objects that count.
    pub counts: Set,
    /// The same, in the order in which entries named them.
    pub order: Vec<u8>,
    /// Segments that were merged into others.
    pub merged: Set,
    /// Objects that are gone.
    pub deleted: Set,
    /// Condemns that no delete has closed.
    pub open: Vec<Number>,
    /// What these have on their lists.
    pub condemned: Set,
    /// Snapshots that were committed.
    pub known: Set,
    /// Snapshots that are hidden.
    pub hidden: Set,
    /// Snapshots that can't be hidden.
    pub held: Set,
    /// Snapshots that no restore brings back.
    pub gone: Set,
    hidden_at: [Number; 8],
    back: bool,
}

/// What a restore makes of a snapshot that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is void.
    Stays,
    /// It shows it. Only ever in a mutant.
    Returns,
}

impl Fold {
    /// Folds these entries.
    #[must_use]
    pub fn of(log: &[Entry], gone: Gone) -> Self {
        let mut fold = Self { back: gone == Gone::Returns, ..Self::default() };
        for (number, entry) in (0..).zip(log) {
            fold.add(number, &entry.says);
        }
        fold.condemned =
            fold.open.iter().map(|&number| condemned(log, number)).fold(Set::NONE, |a, b| a | b);
        fold
    }

    fn add(&mut self, number: Number, says: &Says) {
        match *says {
            // A merge of what does not count, or was merged already, does not count.
            Says::Commit { merged, .. }
                if merged.meets(self.merged) || !(merged - self.counts).is_empty() => {}
            Says::Commit { objects, merged, snapshots, .. } => {
                self.count(objects);
                self.merged |= merged;
                self.known |= snapshots;
            }
            Says::Forget(snapshot) => {
                let one = Set::of(snapshot) - self.held - self.hidden;
                if !one.is_empty() {
                    self.hidden_at[usize::from(snapshot)] = number;
                }
                self.hidden |= one;
            }
            Says::Restore(snapshot) => {
                if self.back {
                    self.gone -= Set::of(snapshot);
                }
                // Gone is gone: what it needs may be deleted.
                self.hidden -= Set::of(snapshot) - self.gone;
            }
            Says::Hold(snapshot) => self.held |= Set::of(snapshot) - self.gone,
            Says::Condemn { .. } => self.open.push(number),
            Says::Delete { closes, objects, gone } => {
                // One delete closes one condemn; a second says nothing.
                let Some(place) = self.open.iter().position(|&open| open == closes) else { return };
                self.open.remove(place);
                self.delete(objects);
                self.gone |= gone;
            }
            Says::Swap { removes, adds } => {
                self.delete(removes);
                self.count(adds);
            }
        }
    }

    fn delete(&mut self, objects: Set) {
        self.deleted |= objects;
        self.counts -= objects;
        self.order.retain(|&object| !objects.has(object));
    }

    fn count(&mut self, objects: Set) {
        self.order.extend((objects - self.counts).iter());
        self.counts |= objects;
    }

    /// Snapshots that lists show.
    #[must_use]
    pub fn visible(&self) -> Set {
        self.known - self.hidden - self.gone
    }

    /// Snapshots that a restore can bring back, with those that it need not.
    #[must_use]
    pub fn restorable(&self) -> Set {
        self.known - self.gone
    }

    /// Snapshots that a collector keeps at this head: visible, held, or hidden for less than the trash
    /// period, which is counted in entries here, since that is the only clock of the model.
    #[must_use]
    pub fn live(&self, head: Number, trash: Number) -> Set {
        let fresh = |s: &u8| head - self.hidden_at[usize::from(*s)] <= trash;
        let trashed = self.hidden.iter().filter(|s| trash > 0 && fresh(s));
        (self.visible() | self.held | trashed.collect()) - self.gone
    }

    /// The places of a chunk: pairs of a pack that has it and a segment that says so, which both
    /// count; in the order of packs, then of segments. A merged segment is not asked.
    pub fn places(&self, contents: &Contents, chunk: u8) -> Vec<Place> {
        let mut places = Vec::new();
        for &pack in &self.order {
            if !matches!(contents.of(pack), Object::Pack(chunks) if chunks.has(chunk)) {
                continue;
            }
            for &segment in self.order.iter().filter(|&&object| !self.merged.has(object)) {
                if matches!(contents.of(segment), Object::Segment(packs) if packs.has(pack)) {
                    places.push(Place(Set::of(pack) | Set::of(segment)));
                }
            }
        }
        places
    }
}

/// Where a chunk is: a pack and a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub Set);

impl Place {
    /// Whether both are among these objects.
    #[must_use]
    pub fn within(self, objects: Set) -> bool {
        (self.0 - objects).is_empty()
    }
}

/// The list of the condemn with this number.
#[must_use]
pub fn condemned(log: &[Entry], number: Number) -> Set {
    match log[usize::from(number)].says {
        Says::Condemn { objects, .. } => objects,
        _ => Set::NONE,
    }
}

/// What the deletes among these entries took.
#[must_use]
pub fn deleted(entries: &[Entry]) -> Set {
    entries.iter().fold(Set::NONE, |gone, entry| match entry.says {
        Says::Delete { objects, .. } => gone | objects,
        Says::Swap { removes, .. } => gone | removes,
        _ => gone,
    })
}
