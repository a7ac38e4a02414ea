//! Marks that are kept from one run to the next, so that a mark reads only the nodes that came since.
//!
//! Knows segments by name, bits and sums, and whoever keeps the bytes of all that ([`KeepMarks`]); nothing of files, and
//! not what is done with marks.
//!
//! # Why they can be relied on
//!
//! A bit too few loses data, so this is the argument, in the order of what it stands on.
//!
//! - **What is kept is a set of ids.** A segment's name has the hash of its bytes, so a bit is the id of one of its records,
//!   for ever. `trees` are the ids of root nodes, and a node's id is a hash of all that is below it. That what these
//!   trees reach are just those ids is therefore true or false once, wherever and whenever it is read: it
//!   depends on no head of the log, on no index and on no clock. It was true when it was written, since a mark was then
//!   gone through to its end; the bytes are proven by a key that only who may collect has.
//! - **Every such tree must live now**, or all is marked anew. Otherwise ids would be marked that nobody needs, for ever. More
//!   trees may live: their nodes are read. A node that has the second bit, *gone through*, was read then, with all that is
//!   below it, and is left out. It is a bit of its own: a mark alone may stem from a file that names the chunk of a node as its
//!   content, and says nothing of what is below.
//! - **Where an id's copy is now is looked up now**, by [`Index::find_best`], which is what a full mark does with each id
//!   ([`begin`]). Whatever was merged, repacked, healed, condemned, spared or deleted since is so taken
//!   into account by the same rule. An id that is not found, or a segment that can't be read to learn its ids, is
//!   a doubt.
//! - **The answer is taken over unasked only where it can't have changed**: nothing is condemned or known to be damaged, now or
//!   then, nothing that counted is gone, no pack was named that takes another's place, and the segment still answers itself. The answer
//!   was then the first record of its pack that counts; what was added since answers behind it, and a merge changes no
//!   answer (docs/protocol.md, *Merged segments*). With something condemned, the answer could have been a condemned copy for want of
//!   another, and a backup has stored the chunk again since, in front of which that copy does not stand. The sums
//!   of each pack are taken over with the answers, and only new segments are counted.
//! - **In doubt all is marked anew.** A file that is damaged, foreign, cut off, of another version or of a log that was put back is
//!   as good as none.
//!
//! Nobody else need know of it: a plan made of these marks is what a full mark would have made, and P12 to P15 hold for it as
//! they are. An old copy of the file that somebody puts back says less, and nothing wrong.

mod begin;
#[cfg(any(test, feature = "planted"))]
mod compared;
mod file;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::io;

use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use super::Run;
use super::living::Living;
use super::mark::{Marked, OfPack, OfSegment};
use crate::error::{Error, Kind, Result};
use crate::heal;
use crate::index::{Index, Ordinal};
use crate::log::{Fold, Head};
use crate::planted::{Planted, is_planted};

pub(super) use self::begin::Begun;
#[cfg(any(test, feature = "planted"))]
pub(super) use self::compared::require_alike;

/// The most bytes that kept marks may have: marks of a thousand million chunks in a million packs fit.
const BYTES_MAX: u64 = 512 << 20;

/// Keeps the marks of one repository between runs, outside of it, for this user alone.
pub trait KeepMarks: fmt::Debug + Send + Sync {
    /// What was kept last, if that has at most so many bytes; `None` if there is nothing.
    ///
    /// # Errors
    /// Why it can't be read: the run then does without.
    fn load(&self, bytes_max: u64) -> io::Result<Option<Vec<u8>>>;

    /// Keeps this in the place of what was kept before, all of it or nothing.
    ///
    /// # Errors
    /// Why not: the next run then does without.
    fn save(&self, bytes: &[u8]) -> io::Result<()>;
}

/// The marks of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits {
    /// Records of chunks that are reached.
    marked: Vec<u64>,
    /// Of these, nodes that were gone through with all below them.
    nodes: Vec<u64>,
}

/// What the records of segments add up to, where nothing was condemned.
#[derive(Clone, Debug, PartialEq)]
struct Sums {
    has_deleted: bool,
    /// All packs that counted.
    packs: Vec<(ObjectKey, OfPack)>,
    segments: Vec<(ObjectKey, OfSegment)>,
}

/// Marks as they are kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    /// The head of the log at which they were made.
    head: Head,
    /// The root nodes from which they were made.
    trees: BTreeSet<ChunkId>,
    bits: BTreeMap<ObjectKey, Bits>,
    /// None if something was condemned or damaged, or if marks were moved since to where their chunks are now.
    sums: Option<Sums>,
}

/// What marks are about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct About {
    head: Head,
    trees: BTreeSet<ChunkId>,
    has_sums: bool,
}

impl Kept {
    /// What is kept of this repository, if it can be used; nothing else is said of what can't.
    pub(super) fn load(run: &Run<'_>) -> Option<Self> {
        let keeper = run.options.marks.as_ref()?;
        let ignored = |why: &dyn fmt::Display| {
            tracing::debug!("kept marks are not used: {why}");
            None
        };
        let bytes = match keeper.load(BYTES_MAX) {
            Ok(bytes) => bytes?,
            Err(error) => return ignored(&error),
        };
        match file::decode(run.repository, &bytes) {
            Ok(kept) => Some(kept),
            Err(why) => ignored(&why),
        }
    }

    /// What a mark has made at this head.
    pub(super) fn of(
        fold: &Fold,
        head: Head,
        living: &Living,
        index: &Index,
        marked: &Marked,
    ) -> Self {
        let Marked { usage, nodes, .. } = marked;
        let bits = |place| {
            let (marked, nodes) = (usage.marks.words(place), nodes.words(place));
            Bits { marked: marked.to_vec(), nodes: nodes.to_vec() }
        };
        let keys = index.keys().into_iter().enumerate();
        let is_undoubted = fold.condemns().is_empty() && heal::lost_packs(fold).is_empty();
        let sums = || Sums {
            has_deleted: fold.has_deleted(),
            packs: usage.packs.iter().map(|(key, pack)| (*key, *pack)).collect(),
            segments: usage.segments.iter().map(|(key, of)| (*key, *of)).collect(),
        };
        Self {
            head,
            trees: living.trees(),
            bits: keys.map(|(place, key)| (key, bits(place))).collect(),
            sums: (is_undoubted || is_planted(Planted::KeptMarksNotAsked)).then(sums),
        }
    }

    /// What it is about. Who has as much kept already need not keep it again.
    pub(super) fn about(&self) -> About {
        About { head: self.head, trees: self.trees.clone(), has_sums: self.sums.is_some() }
    }

    /// Lets go of what only the next run can use.
    pub(super) fn without_sums(self) -> Self {
        Self { sums: None, ..self }
    }

    /// Moves the marks of segments that do not answer any more, or are `going`, to those that do, as long as they can be
    /// read; whether there were any.
    ///
    /// # Errors
    /// Where they can't be moved: they are then of no use.
    pub(super) fn follow(
        &mut self,
        fold: &Fold,
        index: &Index,
        going: &HashSet<ObjectKey>,
    ) -> Result<bool> {
        let mut there: BTreeSet<ObjectKey> = index.keys().into_iter().collect();
        there.retain(|key| !going.contains(key));
        let left: Vec<ObjectKey> =
            self.bits.keys().filter(|key| !there.contains(key)).copied().collect();
        for key in &left {
            let Some(bits) = self.bits.remove(key) else { continue };
            bits.each_marked(fold, index, key, |id, is_node| {
                let found = index.find_best(id)?;
                require_found(id, &found)?;
                for found in found {
                    let bits = self.bits.entry(found.segment).or_default();
                    set(&mut bits.marked, found.at);
                    if is_node {
                        set(&mut bits.nodes, found.at);
                    }
                }
                Ok(())
            })?;
        }
        if !left.is_empty() {
            self.sums = None;
        }
        Ok(!left.is_empty())
    }

    /// Keeps it for the next run.
    pub(super) fn save(&self, run: &Run<'_>) {
        let Some(keeper) = &run.options.marks else { return };
        let saved = file::encode(run.repository, self).map(|bytes| keeper.save(&bytes));
        match saved {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "marks are not kept"),
            None => tracing::debug!("marks are not kept without a key of role maintain"),
        }
    }
}

impl Bits {
    /// Calls `each` with the id of every marked record, and whether it is of a node that was gone through.
    ///
    /// # Errors
    /// [`Kind::NotFound`] and [`Kind::Corrupt`] where not all of them can be read; the store's; those of `each`.
    fn each_marked(
        &self,
        fold: &Fold,
        index: &Index,
        key: &ObjectKey,
        mut each: impl FnMut(&ChunkId, bool) -> Result<()>,
    ) -> Result<()> {
        let mut left: u64 = self.marked.iter().map(|word| u64::from(word.count_ones())).sum();
        if left == 0 {
            return Ok(());
        }
        let segment = fold.segment(key).ok_or_else(|| Error::new(Kind::NotFound, "find", key))?;
        index.for_each_of(&segment, |at, record, _, _| {
            if !is_set(&self.marked, at) {
                return Ok(());
            }
            left -= 1;
            each(&record.id, is_set(&self.nodes, at))
        })?;
        if left == 0 {
            return Ok(());
        }
        Err(Error::new(Kind::Corrupt, "read", key).because("it has fewer records than marks"))
    }
}

/// Refuses where a chunk that is needed is nowhere.
///
/// # Errors
/// [`Kind::Corrupt`].
pub(super) fn require_found(id: &ChunkId, found: &[crate::index::Found]) -> Result<()> {
    if !found.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, "find chunk", id)
        .because("a snapshot needs it, and no index segment knows it")
        .hint("`check` says which paths are hit; nothing is collected meanwhile"))
}

fn is_set(words: &[u64], record: u64) -> bool {
    let word = usize::try_from(record / 64).ok().and_then(|place| words.get(place));
    word.is_some_and(|word| word & (1 << (record % 64)) != 0)
}

fn set(words: &mut Vec<u64>, at: Ordinal) {
    let place = usize::try_from(at.record / 64).expect("a segment has fewer records than bytes");
    if words.len() <= place {
        words.resize(place + 1, 0);
    }
    words[place] |= 1 << (at.record % 64);
}

#[cfg(test)]
mod tests;
