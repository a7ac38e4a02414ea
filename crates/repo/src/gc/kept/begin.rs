//! What a mark begins with: nothing, or what kept marks say, looked up as things are now.
//!
//! [`super`] has the argument. Knows the present index and what the log says of objects.

use std::collections::{HashMap, HashSet};

use lifeboat_format::id::ChunkId;
use lifeboat_format::key::ObjectKey;

use super::{Bits, Kept, Sums, is_set, require_found};
use crate::error::{Error, Kind, Result};
use crate::gc::Run;
use crate::gc::living::Living;
use crate::gc::mark::{OfPack, OfSegment, Usage};
use crate::heal;
use crate::index::Index;
use crate::index::marks::Marks;
use crate::log::Fold;
use crate::planted::{Planted, is_planted};

/// What a mark begins with.
#[derive(Debug)]
pub(in crate::gc) struct Begun {
    /// What is used, as far as that is known.
    pub(in crate::gc) usage: Usage,
    /// Nodes that need not be read.
    pub(in crate::gc) nodes: Marks,
    /// Whether all records of the index are counted in `usage`.
    pub(in crate::gc) is_counted: bool,
    /// Whether anything that was kept is of use.
    pub(in crate::gc) by_differences: bool,
}

/// Whether an error means only that what was kept can't be relied on.
fn is_doubt(error: &Error) -> bool {
    error.is_unreadable() || matches!(error.kind(), Kind::Corrupt | Kind::NotFound)
}

fn doubt(why: &str, object: impl std::fmt::Display) -> Error {
    Error::new(Kind::Corrupt, "take over the marks of", object).because(why.to_owned())
}

impl Begun {
    /// For who goes through everything.
    pub(in crate::gc) fn nothing(fold: &Fold) -> Self {
        let (usage, nodes) = (Usage::of(fold), Marks::new());
        Self { usage, nodes, is_counted: false, by_differences: false }
    }

    /// With what is kept, if it can be relied on.
    ///
    /// # Errors
    /// The store's; [`Kind::Cancelled`].
    pub(in crate::gc) fn of(
        run: &Run<'_>,
        index: &Index,
        living: &Living,
        kept: Option<Kept>,
    ) -> Result<Self> {
        let Some(kept) = &kept else { return Ok(Self::nothing(&run.fold)) };
        if !run.fold.has_entry(run.repository.io(), kept.head)? {
            tracing::debug!("kept marks are not used: they are of another log");
            return Ok(Self::nothing(&run.fold));
        }
        if !kept.trees.is_subset(&living.trees()) {
            tracing::debug!("kept marks are not used: a tree does not live any more");
            return Ok(Self::nothing(&run.fold));
        }
        for take in [by_sums, by_ids] {
            match take(run, index, kept) {
                Ok(begun) => return Ok(begun),
                Err(error) if is_doubt(&error) => {
                    tracing::debug!(%error, "kept marks can't be taken over so");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self::nothing(&run.fold))
    }

    fn reached(&mut self, index: &Index, id: &ChunkId, is_node: bool) -> Result<()> {
        let found = index.find_best(id)?;
        require_found(id, &found)?;
        if let Some(first) = found.first().filter(|_| is_node) {
            self.nodes.set(first.at);
        }
        found.iter().for_each(|found| self.usage.reached(found));
        Ok(())
    }
}

/// Looks every id up.
fn by_ids(run: &Run<'_>, index: &Index, kept: &Kept) -> Result<Begun> {
    let mut begun = Begun { by_differences: true, ..Begun::nothing(&run.fold) };
    for (key, bits) in &kept.bits {
        run.options.go_on(run.repository)?;
        bits.each_marked(&run.fold, index, key, |id, is_node| begun.reached(index, id, is_node))?;
    }
    Ok(begun)
}

/// Takes over what segments say that still answer, if nothing that the log says of objects is otherwise than it was.
fn by_sums(run: &Run<'_>, index: &Index, kept: &Kept) -> Result<Begun> {
    let Some(sums) = &kept.sums else { return Err(doubt("there are no sums", "packs")) };
    let (fold, usage) = (&run.fold, Usage::of(&run.fold));
    let mut added = sums.stand_as_then(fold, &usage)?;
    let mut begun = Begun { usage, nodes: Marks::new(), is_counted: true, by_differences: true };
    for (key, OfPack { raw, raw_used, chunks_used, .. }) in &sums.packs {
        // That it is there was looked at.
        if let Some(pack) = begun.usage.packs.get_mut(key) {
            *pack = OfPack {
                size: pack.size,
                raw: *raw,
                raw_used: *raw_used,
                chunks_used: *chunks_used,
            };
        }
    }
    let places: HashMap<ObjectKey, usize> =
        index.keys().into_iter().enumerate().map(|(place, key)| (key, place)).collect();
    let counts: HashMap<_, _> = sums.segments.iter().copied().collect();
    let mut left = Vec::new();
    for (key, bits) in &kept.bits {
        match (places.get(key), counts.get(key)) {
            (Some(place), Some(count)) => {
                begun.usage.marks.put(*place, bits.marked.clone());
                begun.nodes.put(*place, bits.nodes.clone());
                begun.usage.segments.insert(*key, *count);
            }
            (Some(_), None) => return Err(doubt("its records are not counted", key)),
            (None, _) => left.push((key, bits)),
        }
    }
    for key in places.keys().filter(|key| !kept.bits.contains_key(key)) {
        run.options.go_on(run.repository)?;
        add_segment(fold, index, key, &mut begun.usage, &mut added)?;
    }
    // Healed packs are named by no segment.
    if let Some(pack) = added.iter().min() {
        return Err(doubt("no segment speaks of it", pack));
    }
    for (key, bits) in left {
        run.options.go_on(run.repository)?;
        take_segment(fold, index, key, bits, &mut begun.usage)?;
        bits.each_marked(fold, index, key, |id, is_node| begun.reached(index, id, is_node))?;
    }
    Ok(begun)
}

impl Sums {
    /// The packs that were added, if nothing else is otherwise.
    fn stand_as_then(&self, fold: &Fold, usage: &Usage) -> Result<HashSet<ObjectKey>> {
        let is_otherwise = !fold.condemns().is_empty()
            || fold.has_deleted() != self.has_deleted
            || !heal::lost_packs(fold).is_empty();
        if is_otherwise && !is_planted(Planted::KeptMarksNotAsked) {
            return Err(doubt("something was condemned, deleted or damaged since", "packs"));
        }
        let then: HashSet<&ObjectKey> = self.packs.iter().map(|(key, _)| key).collect();
        if let Some(gone) = then.iter().find(|key| !usage.packs.contains_key(**key)) {
            return Err(doubt("it does not count any more", gone));
        }
        let is_added = |key: &ObjectKey| usage.packs.contains_key(key) && !then.contains(key);
        let twins = fold.twins();
        if let Some((pack, _)) = twins.iter().find(|(one, other)| is_added(one) || is_added(other))
        {
            return Err(doubt("it was healed since", pack));
        }
        Ok(usage.packs.keys().filter(|key| !then.contains(key)).copied().collect())
    }
}

/// Counts the records of a segment that was added, and takes from `unspoken` the packs that it speaks of.
fn add_segment(
    fold: &Fold,
    index: &Index,
    key: &ObjectKey,
    usage: &mut Usage,
    unspoken: &mut HashSet<ObjectKey>,
) -> Result<()> {
    let segment = fold.segment(key).ok_or_else(|| doubt("it does not count", key))?;
    let mut of = OfSegment::default();
    index.for_each_of(&segment, |_, record, pack, is_believed| {
        of.records += 1;
        if !is_believed {
            return Ok(());
        }
        of.believed += 1;
        let pack = index.standing(&pack.key());
        unspoken.remove(&pack);
        if let Some(pack) = usage.packs.get_mut(&pack) {
            pack.raw += u64::from(record.length);
        }
        Ok(())
    })?;
    usage.segments.insert(*key, of);
    Ok(())
}

/// Takes away what the records of a segment that was merged since have been counted for.
fn take_segment(
    fold: &Fold,
    index: &Index,
    key: &ObjectKey,
    bits: &Bits,
    usage: &mut Usage,
) -> Result<()> {
    let segment = fold.segment(key).ok_or_else(|| doubt("it is gone", key))?;
    index.for_each_of(&segment, |at, record, pack, is_believed| {
        let pack = is_believed.then(|| index.standing(&pack.key()));
        let Some(pack) = pack.and_then(|pack| usage.packs.get_mut(&pack)) else { return Ok(()) };
        let (length, used) = (u64::from(record.length), u64::from(is_set(&bits.marked, at)));
        let less = |sum: u64, part: u64| {
            sum.checked_sub(part).ok_or_else(|| doubt("more is in it than was counted", key))
        };
        pack.raw = less(pack.raw, length)?;
        pack.raw_used = less(pack.raw_used, length * used)?;
        pack.chunks_used = less(pack.chunks_used, used)?;
        Ok(())
    })
}
