//! Checkpoints: the fold up to some entry, so that opening need not read what is before it.
//!
//! Knows the fold's state as blocks of facts. Only a maintainer writes them; whoever reads verifies
//! signature and blocks, and that the entry it speaks of is the one in the log.
//!
//! Invariant: as long as the log is whole a checkpoint is never needed. One that is damaged, forged or of another log is
//! passed over with a warning, and the log read from its start. Where entries are damaged or lost a checkpoint that covers
//! them has what they said: it was written by a maintainer who had read them whole.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_codec::sign::verify;
use lifeboat_format::checkpoint::{
    CHECKPOINT_PREFIX_LEN, Checkpoint, CheckpointBlock, CondemnFact, MergeFact, ObjectFact,
    SECTION_CONDEMNS, SECTION_COPIES, SECTION_GONE, SECTION_GONE_SEGMENTS, SECTION_KEEPING,
    SECTION_LOCKS, SECTION_MERGES, SECTION_PACKS, SECTION_SCRUBS, SECTION_SEGMENTS,
    SECTION_SNAPSHOTS, SIGNATURE_CONTEXT, SnapshotFact, decode_condemns, decode_gone,
    decode_keeping, decode_merges, decode_objects, decode_snapshots, encode_condemns, encode_gone,
    encode_keeping, encode_merges, encode_objects, encode_snapshots,
};
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::id::SnapshotId;
use lifeboat_format::index::IdPrefix;
use lifeboat_format::key::{CHECKPOINTS, ObjectKey};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::locks::{decode_locks, encode_locks};
use lifeboat_format::scrub::{ScrubFact, decode_scrubs, encode_scrubs};
use lifeboat_store::Payload;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::log::collected::Condemn;
use crate::log::fetch::Fetched;
use crate::log::fold::{Fold, LiveObject, SnapshotRecord, is_damaged};
use crate::log::merges::Merge;
use crate::log::{Head, fetch};
use crate::open::Repository;

/// Entries after the last checkpoint from which on a new one is worth its bytes.
const ENTRIES_MIN: u64 = 64;
/// Checkpoints that are tried, from the newest, before the log is read from its start.
const TRIES_MAX: usize = 3;
/// How much of a checkpoint is read at once, in bytes; what does not fit is read block by block.
const BEGIN_MAX: u64 = 4 << 20;
/// Objects in one block: about 1 MiB.
const BLOCK_OBJECTS: usize = 16 << 10;
/// Names of segments in one block of merges, unless a single merge has more: about 1 MiB.
const BLOCK_NAMES: usize = 24 << 10;
/// Ids of snapshots in one block: about 1 MiB.
const BLOCK_IDS: usize = 60 << 10;
/// Objects of notes in one block, unless a single one has more: about 1 MiB.
const BLOCK_SHORT_NAMES: usize = 48 << 10;
/// Bytes of snapshots in one block, unless a single one is larger.
const BLOCK_SNAPSHOT_BYTES: usize = 1 << 20;

/// Writes a checkpoint of `fold`'s head if the last one is more than 64 entries back, and the keys may
/// sign one; whether it did.
///
/// # Errors
/// The store's.
pub fn maybe_write(repository: &Repository, fold: &Fold) -> Result<bool> {
    let since = fold.next_number() - fold.checkpoint.map_or(0, |number| number + 1);
    let may = repository.keyring().signer(&SigningRole::Maintain).is_ok();
    if since <= ENTRIES_MIN || !may || repository.require_writable().is_err() {
        return Ok(false);
    }
    write(repository, fold)
}

/// Writes a checkpoint of `fold`'s head; whether it did. A log with an entry that is damaged or missing
/// gets none: it would hide what is wrong.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*, or the store's.
pub fn write(repository: &Repository, fold: &Fold) -> Result<bool> {
    let signer = repository.keyring().signer(&SigningRole::Maintain)?;
    let Some(head) = fold.head() else { return Ok(false) };
    if !fold.head_is_whole || fold.gap().is_some() || fold.last_damage().is_some() {
        return Ok(false);
    }
    let blocks = blocks_of(fold);
    let mut bytes =
        Checkpoint::unsigned(&fold.log_id(), head.number, &head.hash, &blocks, &signer.public());
    let signature = signer.sign(SIGNATURE_CONTEXT, &bytes);
    bytes.extend(signature);
    let mut parts = vec![Bytes::from(bytes)];
    parts.extend(blocks.into_iter().map(|(_, _, block)| Bytes::from(block)));
    match repository.io().put_new(&ObjectKey::Checkpoint(head.number), Payload::from(parts)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == Kind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The state of the newest checkpoint that is whole, and what was wrong with those passed over.
///
/// Only those about the head are listed, and all of them only where none of these can be used: a log
/// of a million entries has some ten thousand checkpoints.
pub(super) fn newest(repository: &Repository) -> Result<(Option<Fold>, Vec<String>)> {
    let remembered = repository.remembered().map(|head| head.number);
    let last = fetch::last_step(repository.io(), remembered)?;
    let mut places = Vec::new();
    if let Some(before) = last.checked_sub(fetch::STEP) {
        places.extend([last, before].map(|step| fetch::step_prefix(ObjectKey::Checkpoint(step))));
    }
    places.push(CHECKPOINTS.to_owned());
    let (mut warnings, mut tried) = (Vec::new(), HashSet::new());
    for place in places {
        for (number, size) in listed(repository, &place)?.into_iter().rev() {
            if tried.len() == TRIES_MAX || !tried.insert(number) {
                continue;
            }
            match read(repository, number, size) {
                Ok(fold) => {
                    keep_place(repository.io(), number, size);
                    return Ok((Some(fold), warnings));
                }
                Err(error) if is_unusable(&error) => {
                    warnings.push(format!("{error}; it is passed over and the log read instead"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok((None, warnings))
}

/// Under which name the number and size are kept of the last checkpoint that was used.
const KEPT_PLACE: &str = "checkpoint";

fn keep_place(io: &Io, number: u64, size: u64) {
    io.keep(KEPT_PLACE, &[number.to_le_bytes(), size.to_le_bytes()].concat());
}

/// The state of the checkpoint that was used last on this machine, if it can be had once more; the entry of its number
/// as it is kept.
pub(super) fn kept(repository: &Repository) -> Option<Fold> {
    let place = repository.io().kept(KEPT_PLACE)?;
    let (number, size) = place.split_first_chunk()?;
    let (number, size) = (u64::from_le_bytes(*number), u64::from_le_bytes(size.try_into().ok()?));
    let entry = fetch::kept(repository.io(), number)?;
    let read = read_beside(repository, number, size, || Ok(Some(entry)));
    read.inspect_err(|error| tracing::debug!(%error, "the checkpoint that was used last")).ok()
}

/// The checkpoints that a list shows, ascending, with their sizes in bytes.
pub(crate) fn all(repository: &Repository) -> Result<Vec<(u64, u64)>> {
    listed(repository, CHECKPOINTS)
}

fn listed(repository: &Repository, prefix: &str) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    repository.io().list(prefix, |listed| {
        if let Ok(ObjectKey::Checkpoint(number)) = listed.key.parse() {
            found.push((number, listed.size));
        }
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// Reads one checkpoint of `size` bytes, verified in every way.
///
/// # Errors
/// [`Kind::Corrupt`] or [`Kind::Unsupported`] when it can't be used, or the store's.
pub(crate) fn read(repository: &Repository, number: u64, size: u64) -> Result<Fold> {
    read_beside(repository, number, size, || fetch::entry(repository.io(), number))
}

/// The same, with `entry` to get the entry of its number by.
fn read_beside(
    repository: &Repository,
    number: u64,
    size: u64,
    entry: impl FnOnce() -> Result<Option<Fetched>> + Send,
) -> Result<Fold> {
    const OPERATION: &str = "read";
    let io = repository.io();
    let key = ObjectKey::Checkpoint(number);
    let of_format = |cause| Error::format(OPERATION, key, cause);
    let corrupt =
        |reason: &str| Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason.to_owned()));
    // Most are read whole at once, beside the entry that they must agree with.
    let begin = size.min(BEGIN_MAX);
    let (begin, entry) = io.both(|| io.get_range(&key, 0..begin), entry);
    let begin = begin?;
    let prefix = begin.get(..CHECKPOINT_PREFIX_LEN).unwrap_or(&begin);
    let head_len = Checkpoint::head_len(prefix).map_err(of_format)?;
    let bytes = match usize::try_from(head_len).ok().and_then(|end| begin.get(..end)) {
        Some(head) => begin.slice_ref(head),
        None => io.get_range(&key, 0..head_len)?,
    };
    let checkpoint = Checkpoint::decode(&bytes).map_err(of_format)?;
    let signed = Checkpoint::signed_part(&bytes).map_err(of_format)?;
    if verify(&checkpoint.public, SIGNATURE_CONTEXT, signed, &checkpoint.signature).is_err() {
        return corrupt("its signature does not match its bytes");
    }
    if !repository.grants(&checkpoint.public, &SigningRole::Maintain) {
        return corrupt("it is signed by a key without the role \"maintain\"");
    }
    if checkpoint.log != repository.log_id() || checkpoint.number != number {
        return corrupt("it is of another log or number");
    }
    let mut fold = Fold::empty(repository);
    fold.head = Some(Head { number, hash: checkpoint.entry });
    match entry? {
        Some(entry) if entry.hash == checkpoint.entry => {}
        // What it said is here. Whoever did not know that may have named what is there now as the entry before.
        Some(entry) if is_damaged(number, &entry, &fold.rules)? => fold.head_is_whole = false,
        Some(_) => return corrupt("the log's entry of its number is another one"),
        None => (fold.head_is_whole, fold.gap) = (false, Some(number)),
    }
    fold.checkpoint = Some(number);
    let mut take = |block: &CheckpointBlock, bytes: &[u8]| {
        block.verify(bytes).map_err(of_format)?;
        if !fold.take_block(block, bytes).map_err(of_format)? {
            let reason = format!("section {} comes from a newer version", block.section);
            return Err(Error::new(Kind::Unsupported, OPERATION, key).because(reason));
        }
        Ok(())
    };
    let mut later = Vec::new();
    for block in &checkpoint.blocks {
        let start = head_len.saturating_add(block.offset);
        let range = start..start.saturating_add(block.length);
        match within(&begin, &range) {
            Some(bytes) => take(block, bytes)?,
            None => later.push((block, range)),
        }
    }
    let mut blocks = later.iter().map(|(block, _)| *block);
    io.each_range(&key, later.iter().map(|(_, range)| range.clone()), |bytes| {
        blocks.next().map_or(Ok(()), |block| take(block, &bytes))
    })?;
    Ok(fold)
}

impl Fold {
    /// Takes the facts of a block in; whether its section is known.
    fn take_block(
        &mut self,
        block: &CheckpointBlock,
        bytes: &[u8],
    ) -> Result<bool, lifeboat_format::Error> {
        match block.section {
            SECTION_SEGMENTS | SECTION_PACKS => {
                let objects = Arc::make_mut(&mut self.objects);
                for ObjectFact { number, object } in decode_objects(bytes, block)? {
                    let live = LiveObject { size: object.size, entry: number };
                    objects.insert(object.kind.key(object.name), live);
                }
            }
            SECTION_SNAPSHOTS => {
                for fact in decode_snapshots(bytes, block)? {
                    let SnapshotFact { number: entry, author, id, sealed } = fact;
                    if self.snapshot_ids.insert(id) {
                        let sealed = sealed.into();
                        self.snapshots.push(SnapshotRecord { id, entry, author, sealed });
                    }
                }
            }
            SECTION_CONDEMNS => {
                for fact in decode_condemns(bytes, block)? {
                    let CondemnFact { number, mark, objects, gone, relied } = fact;
                    let relied = relied.into_iter().collect();
                    self.collected.condemn(number, Condemn { mark, objects, gone, relied });
                }
            }
            SECTION_GONE => {
                self.has_deleted = true;
                let gone = decode_gone(bytes, block)?;
                self.snapshot_ids.extend(&gone);
                self.collected.add_gone(gone);
            }
            SECTION_COPIES => {
                let keys = decode_objects(bytes, block)?.into_iter();
                let keys = keys.map(|ObjectFact { object, .. }| object.kind.key(object.name));
                Arc::make_mut(&mut self.copies).extend(keys);
            }
            SECTION_GONE_SEGMENTS => {
                let merges = Arc::make_mut(&mut self.merges);
                for ObjectFact { number, object } in decode_objects(bytes, block)? {
                    let live = LiveObject { size: object.size, entry: number };
                    merges.add_gone(object.kind.key(object.name), live);
                }
            }
            SECTION_MERGES => {
                // In the order of the log, as they were folded: a part may be a merge itself.
                for fact in decode_merges(bytes, block)? {
                    let MergeFact { number: entry, into, of, prefixes } = fact;
                    let prefixes = prefixes.into_iter().chain(iter::repeat(IdPrefix::WHOLE));
                    let into = into.into_iter().map(ObjectKey::Index).zip(prefixes).collect();
                    let parts = of.into_iter().map(ObjectKey::Index).collect();
                    let merge = Merge { entry, into, parts };
                    if self.merges.can_add(&self.objects, &merge) {
                        Arc::make_mut(&mut self.merges).add(&self.objects, merge);
                    }
                }
            }
            SECTION_KEEPING => {
                for fact in decode_keeping(bytes, block)? {
                    self.keeping.take(&fact);
                }
            }
            SECTION_SCRUBS => {
                for ScrubFact { number, note } in decode_scrubs(bytes, block.count)? {
                    Arc::make_mut(&mut self.ledger).add(number, note);
                }
            }
            SECTION_LOCKS => self.locks = Some(Arc::new(decode_locks(bytes, block.count)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The bytes of `range`, where they are all in `begin`.
fn within<'b>(begin: &'b Bytes, range: &Range<u64>) -> Option<&'b [u8]> {
    let place = |at: u64| usize::try_from(at).ok();
    begin.get(place(range.start)?..place(range.end)?)
}

fn is_unusable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::NotFound)
}

/// The state as blocks: section, count, bytes.
fn blocks_of(fold: &Fold) -> Vec<(u8, u32, Vec<u8>)> {
    let (segments, packs) = facts_of(&fold.objects)
        .partition(|fact: &ObjectFact| fact.object.kind == ObjectKind::Index);
    let gone: Vec<ObjectFact> = facts_of(fold.merges.gone()).collect();
    let mut blocks = Vec::new();
    let is_copy =
        |fact: &&ObjectFact| fold.copies.contains(&fact.object.kind.key(fact.object.name));
    let packs: Vec<ObjectFact> = packs;
    let copies = packs.iter().filter(is_copy).copied().collect();
    let all: [(u8, Vec<ObjectFact>); 4] = [
        (SECTION_SEGMENTS, segments),
        (SECTION_PACKS, packs),
        (SECTION_GONE_SEGMENTS, gone),
        (SECTION_COPIES, copies),
    ];
    for (section, mut facts) in all {
        facts.sort_unstable();
        blocks.extend(
            facts.chunks(BLOCK_OBJECTS).map(|part| (section, count(part), encode_objects(part))),
        );
    }
    // Behind the segments that they speak of.
    let names = |merge: &MergeFact| merge.into.len() + merge.of.len();
    blocks.extend(
        divided(&merges_of(fold), BLOCK_NAMES, names)
            .map(|part| (SECTION_MERGES, count(part), encode_merges(part))),
    );
    let objects = |fact: &ScrubFact| 1 + fact.note.objects.len();
    blocks.extend(
        divided(&fold.ledger.facts(&fold.objects), BLOCK_SHORT_NAMES, objects)
            .map(|part| (SECTION_SCRUBS, count(part), encode_scrubs(part))),
    );
    blocks.extend(fold.locks().map(|note| (SECTION_LOCKS, 1, encode_locks(note))));
    for condemn in fold.collected.facts() {
        blocks.push((SECTION_CONDEMNS, 1, encode_condemns(&[condemn])));
    }
    if fold.has_deleted {
        let mut gone: Vec<_> = fold.collected.gone().iter().copied().collect();
        gone.sort_unstable();
        // That there is such a block says that something was deleted, even if no snapshot was.
        let mut parts: Vec<&[SnapshotId]> = gone.chunks(BLOCK_IDS).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        blocks.extend(parts.into_iter().map(|part| (SECTION_GONE, count(part), encode_gone(part))));
    }
    let mut part: Vec<SnapshotFact> = Vec::new();
    let mut bytes = 0;
    for record in &fold.snapshots {
        if !part.is_empty() && bytes + record.sealed.len() > BLOCK_SNAPSHOT_BYTES {
            blocks.push((SECTION_SNAPSHOTS, count(&part), encode_snapshots(&part)));
            (part, bytes) = (Vec::new(), 0);
        }
        bytes += record.sealed.len();
        part.push(SnapshotFact {
            number: record.entry,
            author: record.author,
            id: record.id,
            sealed: record.sealed.to_vec(),
        });
    }
    if !part.is_empty() {
        blocks.push((SECTION_SNAPSHOTS, count(&part), encode_snapshots(&part)));
    }
    let keeping = fold.keeping.facts();
    blocks.extend(
        keeping
            .chunks(BLOCK_OBJECTS)
            .map(|part| (SECTION_KEEPING, count(part), encode_keeping(part))),
    );
    blocks
}

/// Objects as facts, in no order.
fn facts_of(objects: &HashMap<ObjectKey, LiveObject>) -> impl Iterator<Item = ObjectFact> {
    objects.iter().filter_map(|(key, live)| {
        let (kind, name) = match key {
            ObjectKey::Pack(name) => (ObjectKind::Pack, *name),
            ObjectKey::Tree(name) => (ObjectKind::Tree, *name),
            ObjectKey::Index(name) => (ObjectKind::Index, *name),
            _ => return None,
        };
        let object = ListedObject { kind, name, size: live.size };
        Some(ObjectFact { number: live.entry, object })
    })
}

/// Facts in stretches of `weight_max` at most, unless a single one weighs more.
fn divided<T>(
    facts: &[T],
    weight_max: usize,
    weight: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut rest = facts;
    iter::from_fn(move || {
        let mut sum = 0;
        let is_within = |fact: &&T| {
            sum += weight(fact);
            sum <= weight_max
        };
        let fitting = rest.iter().take_while(is_within).count().max(1);
        let (part, later) = rest.split_at_checked(fitting)?;
        rest = later;
        Some(part)
    })
}

/// The merges, in the order of the log.
fn merges_of(fold: &Fold) -> Vec<MergeFact> {
    let name = |key: &ObjectKey| match key {
        ObjectKey::Index(name) => Some(*name),
        _ => None,
    };
    let fact = |merge: &Merge| {
        let is_divided = merge.into.iter().any(|(_, prefix)| *prefix != IdPrefix::WHOLE);
        let prefixes = merge.into.iter().filter(|_| is_divided).map(|(_, prefix)| *prefix);
        MergeFact {
            number: merge.entry,
            into: merge.into.iter().filter_map(|(into, _)| name(into)).collect(),
            of: merge.parts.iter().filter_map(name).collect(),
            prefixes: prefixes.collect(),
        }
    };
    fold.merges.all().iter().map(fact).collect()
}

fn count<T>(facts: &[T]) -> u32 {
    u32::try_from(facts.len()).expect("a block has a few thousand facts")
}
