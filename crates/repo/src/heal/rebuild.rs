//! Rebuilding index segments: what packs say of themselves becomes records again.
//!
//! A pack's table names its chunks, so a lost segment is made of the tables of the packs that were committed with it, or with
//! what it was merged from. Knows packs, their tables and segments; needs the keys of packs.
//!
//! Invariants: what is rebuilt answers where the lost segment did, and has records of no pack that was committed with
//! another one: of several records of a chunk the earliest still counts. Records that another segment has are not written
//! again. Memory: the records of as many lost segments as fit into a part of it.

use std::collections::{BTreeSet, HashMap, HashSet};

use lifeboat_codec::compress::Compression;
use lifeboat_format::entry::ListedObject;
use lifeboat_format::id::RunId;
use lifeboat_format::index::{IdPrefix, IndexRecord, PackKind, PackRecord};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::Trailer;
use lifeboat_store::Payload;

use super::segments::meanwhile;
use super::{HealReport, OPERATION, Outcome, Remedy, is_of_the_store};
use crate::cancel::Cancel;
use crate::check::pack::read_contents;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::index::merge::drafts::Drafts;
use crate::index::write::SegmentDraft;
use crate::log::{self, Fold, LiveSegment};
use crate::mend;
use crate::open::Repository;
use crate::reader::Locate as _;

/// So many packs' tables are read at once.
const TABLES_TOGETHER: usize = 64;
/// The part of the memory that lost segments may have had in the store that are rebuilt at once: a record takes some three
/// times as much while it is worked on.
const LOST_PART: u64 = 16;
/// The most records of one segment of those that belong to no lost one.
const RECORDS_MAX: usize = 120_000;
/// What a damaged pack may take of memory while its parity is worked on.
const MEND_BYTES: u64 = 8 << 20;

/// What becomes of a lost segment if a pack can't be read that it spoke of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is left, so that a copy that has it whole can heal it later.
    KeepsItsSegment,
    /// The pack's records are given up.
    IsGivenUp,
}

/// What rebuilding works with.
pub(crate) struct Rebuild<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) run: RunId,
    pub(crate) unread: Unread,
    pub(crate) cancel: &'a Cancel,
}

/// A pack that counts, as one of all with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pack {
    /// The entry that named the first of these.
    entry: u64,
    /// The one that stands for all.
    key: ObjectKey,
    size: u64,
}

/// What was found for one lost segment.
struct Found {
    segment: LiveSegment,
    /// The entries whose packs it spoke of.
    origins: HashSet<u64>,
    records: Vec<(IndexRecord, PackRecord)>,
    /// Packs among those that can't be read, and why.
    unread: Vec<(ObjectKey, String)>,
}

/// Why a try has to be made again.
enum Again {
    /// These segments are damaged, too.
    AlsoLost(BTreeSet<ObjectKey>),
    Failed(Error),
}

impl From<Error> for Again {
    fn from(error: Error) -> Self {
        match error.subject().parse() {
            Ok(key @ ObjectKey::Index(_))
                if matches!(error.kind(), Kind::Corrupt | Kind::NotFound) =>
            {
                Self::AlsoLost(BTreeSet::from([key]))
            }
            _ => Self::Failed(error),
        }
    }
}

impl Rebuild<'_> {
    /// Rebuilds these, which count and are not merged, and what else turns out to be damaged on the way.
    ///
    /// # Errors
    /// The store's, where they say nothing of an object; [`Kind::Cancelled`].
    pub(crate) fn segments(&self, fold: &mut Fold, lost: Vec<ObjectKey>) -> Result<HealReport> {
        let mut lost: BTreeSet<ObjectKey> = lost.into_iter().collect();
        let (mut report, mut done) = (HealReport::new(), BTreeSet::new());
        loop {
            let left: Vec<LiveSegment> = fold
                .segments()
                .into_iter()
                .filter(|segment| lost.contains(&segment.key) && !done.contains(&segment.key))
                .collect();
            let batch = batch(&left, self.repository.memory_bytes() / LOST_PART);
            if batch.is_empty() {
                return Ok(report);
            }
            match self.gather(fold, batch, &lost) {
                Ok((found, strays)) => {
                    self.keep(fold, strays, IdPrefix::WHOLE)?;
                    for found in found {
                        let key = found.segment.key;
                        done.insert(key);
                        report.push((key, self.replace(fold, found)?));
                    }
                }
                Err(Again::AlsoLost(also)) if !also.is_subset(&lost) => lost.extend(also),
                Err(Again::AlsoLost(also)) => {
                    let key = also.first().copied().unwrap_or(ObjectKey::Config);
                    return Err(Error::new(Kind::Internal, OPERATION, key));
                }
                Err(Again::Failed(error)) => return Err(error),
            }
        }
    }

    /// Reads the tables of all packs that the lost segments of a batch spoke of, and of those that none ever spoke of; the
    /// records that no other segment has.
    #[expect(clippy::type_complexity, reason = "records with their packs, as drafts take them")]
    fn gather(
        &self,
        fold: &Fold,
        batch: &[LiveSegment],
        lost: &BTreeSet<ObjectKey>,
    ) -> Result<(Vec<Found>, Vec<(IndexRecord, PackRecord)>), Again> {
        let mut others = fold.segments();
        others.retain(|segment| !lost.contains(&segment.key));
        let mut also = Vec::new();
        let index = Index::of_segments(self.repository, fold, &others, |lost| also.push(lost));
        let mut damaged = BTreeSet::new();
        for segment in also {
            match segment.error.kind() {
                Kind::Corrupt | Kind::NotFound => drop(damaged.insert(segment.key)),
                _ => return Err(Again::Failed(segment.error)),
            }
        }
        if !damaged.is_empty() {
            return Err(Again::AlsoLost(damaged));
        }
        let origins = |key: &ObjectKey| fold.merges().origins(fold.objects(), key);
        let of = |segment: &LiveSegment| Found {
            segment: *segment,
            origins: origins(&segment.key),
            records: Vec::new(),
            unread: Vec::new(),
        };
        let mut found: Vec<Found> = batch.iter().map(of).collect();
        let spoken_of = spoken_of(fold);
        let mut strays = Vec::new();
        let mut packs = packs(fold);
        let by_entry = by_entry(&found);
        packs.retain(|pack| !spoken_of.contains(&pack.entry) || by_entry.contains_key(&pack.entry));
        for some in packs.chunks(TABLES_TOGETHER) {
            if self.cancel.is_cancelled() {
                let error = Error::new(Kind::Cancelled, OPERATION, self.repository.io().describe());
                return Err(Again::Failed(error.because("it was asked to stop")));
            }
            let tables = self
                .repository
                .io()
                .each_of(some, |pack| table(self.repository, pack.key, pack.size));
            for (pack, table) in some.iter().zip(tables) {
                match table {
                    Ok(table) => {
                        let of_it = by_entry.get(&pack.entry).map(Vec::as_slice);
                        take(&index, pack, &table, (of_it, &mut found), &mut strays)?;
                    }
                    Err(error) if is_of_the_store(&error) => return Err(Again::Failed(error)),
                    Err(error) => {
                        for place in by_entry.get(&pack.entry).into_iter().flatten() {
                            found[*place].unread.push((pack.key, error.to_string()));
                        }
                    }
                }
            }
        }
        Ok((found, strays))
    }

    /// Puts the records of a lost segment in its place.
    fn replace(&self, fold: &mut Fold, found: Found) -> Result<Outcome> {
        let Found { segment, records, unread, .. } = found;
        let key = segment.key;
        if let Some((pack, why)) = unread.first().filter(|_| self.unread == Unread::KeepsItsSegment)
        {
            let reason = format!(
                "{} packs that it spoke of can't be read, among them {pack}: {why}",
                unread.len()
            );
            self.keep(fold, records, segment.prefix)?;
            return Ok(Outcome::Lost(Error::new(Kind::Corrupt, "rebuild", key).because(reason).hint(
                "all else that it said is found again; heal the packs, or give up what they have by `repair index`",
            )));
        }
        let mut made = self.put(records, segment.prefix)?;
        if made.is_empty() {
            made = match self.anything(fold) {
                Some(record) => self.put(vec![record], IdPrefix::WHOLE)?,
                None => Vec::new(),
            };
        }
        let Some((first, _)) = made.first().copied() else {
            let reason = "there is no pack that it could speak of";
            return Ok(Outcome::Lost(Error::new(Kind::NotFound, "rebuild", key).because(reason)));
        };
        self.repository.io().sync()?;
        match log::commit_merge(self.repository, fold, self.run, &[key], &made, |_head| true)? {
            true => Ok(Outcome::Healed(first.kind.key(first.name), Remedy::Packs)),
            false => Ok(meanwhile()),
        }
    }

    /// Makes these records count, behind all others.
    fn keep(
        &self,
        fold: &mut Fold,
        mut records: Vec<(IndexRecord, PackRecord)>,
        prefix: IdPrefix,
    ) -> Result<()> {
        records.retain(|(record, _)| prefix.has(&record.id));
        for some in records.chunks(RECORDS_MAX) {
            let made = self.put(some.to_vec(), IdPrefix::WHOLE)?;
            self.repository.io().sync()?;
            let objects = made.into_iter().map(|(object, _)| object).collect();
            log::commit_copies(self.repository, fold, self.run, objects)?;
        }
        Ok(())
    }

    /// Puts segments with these records: the first of each chunk, the second, and so on.
    fn put(
        &self,
        records: Vec<(IndexRecord, PackRecord)>,
        prefix: IdPrefix,
    ) -> Result<Vec<(ListedObject, IdPrefix)>> {
        let mut drafts = Drafts::default();
        drafts.add(&records)?;
        drop(records);
        let put = |draft: SegmentDraft| {
            let segment = draft.seal(self.repository, Compression::default().level())?;
            self.repository.io().put_soon(&segment.key, Payload::from(segment.bytes))?;
            Ok((segment.object, prefix))
        };
        drafts.finish().into_iter().map(put).collect()
    }

    /// Any record of any pack: a segment has one at least, also where nothing is left to say.
    fn anything(&self, fold: &Fold) -> Option<(IndexRecord, PackRecord)> {
        packs(fold).iter().find_map(|pack| {
            let table = table(self.repository, pack.key, pack.size).ok()?;
            records(pack, &table)?.next()
        })
    }
}

/// The segments that are worked on together: as many as have so many bytes, and at least one.
fn batch(left: &[LiveSegment], bytes_max: u64) -> &[LiveSegment] {
    let mut bytes = 0;
    let fits = |segment: &&LiveSegment| {
        bytes += segment.object.size;
        bytes <= bytes_max
    };
    let count = left.iter().take_while(fits).count().max(1).min(left.len());
    &left[..count]
}

/// The entries that named index segments beside what else they named.
fn spoken_of(fold: &Fold) -> HashSet<u64> {
    let is_segment = |key: &ObjectKey| matches!(key, ObjectKey::Index(_));
    let there = fold.objects().iter().filter(|(key, _)| is_segment(key));
    there.map(|(_, live)| live.entry).chain(fold.merges().gone_entries()).collect()
}

/// All packs that count, each once, in the order in which they came to count.
fn packs(fold: &Fold) -> Vec<Pack> {
    let twins = fold.twins();
    let mut packs: HashMap<ObjectKey, Pack> = HashMap::new();
    for (key, live) in fold.objects() {
        if matches!(key, ObjectKey::Index(_)) {
            continue;
        }
        let standing = *twins.get(key).unwrap_or(key);
        let pack = packs.entry(standing).or_insert(Pack {
            entry: live.entry,
            key: standing,
            size: live.size,
        });
        pack.entry = pack.entry.min(live.entry);
    }
    let mut packs: Vec<Pack> = packs.into_values().collect();
    packs.sort_unstable();
    packs
}

/// The records of a pack, as its table has them.
fn records<'t>(
    pack: &Pack,
    table: &'t Trailer,
) -> Option<impl Iterator<Item = (IndexRecord, PackRecord)> + use<'t>> {
    let (kind, name) = match pack.key {
        ObjectKey::Pack(name) => (PackKind::Data, name),
        ObjectKey::Tree(name) => (PackKind::Tree, name),
        _ => return None,
    };
    let record = PackRecord { name, size: pack.size, kind };
    Some(table.chunks.iter().filter_map(move |chunk| {
        let frame = table.frames.get(chunk.frame as usize)?;
        Some((IndexRecord::of(chunk, frame, 0), record))
    }))
}

/// Where among those found are the segments that spoke of the packs of an entry.
fn by_entry(found: &[Found]) -> HashMap<u64, Vec<usize>> {
    let mut by_entry: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, found) in found.iter().enumerate() {
        found.origins.iter().for_each(|entry| by_entry.entry(*entry).or_default().push(place));
    }
    by_entry
}

/// Gives each record of a pack that no other segment has to the first lost one that had it; of a pack of which none ever
/// spoke to the strays.
fn take(
    index: &Index,
    pack: &Pack,
    table: &Trailer,
    (of_it, found): (Option<&[usize]>, &mut [Found]),
    strays: &mut Vec<(IndexRecord, PackRecord)>,
) -> Result<()> {
    let Some(records) = records(pack, table) else { return Ok(()) };
    for record in records {
        let id = &record.0.id;
        let first = of_it.map(|of_it| of_it.iter().find(|at| found[**at].segment.prefix.has(id)));
        let Some(to) = first.map_or(Some(None), |first| first.map(Some)) else { continue };
        if index.copies(id)?.iter().any(|copy| copy.frame.pack == pack.key) {
            continue;
        }
        match to {
            Some(at) => found[*at].records.push(record),
            None => strays.push(record),
        }
    }
    Ok(())
}

/// A pack's table, by the pack's own parity where it is damaged.
///
/// # Errors
/// Where it can't be had: as for [`read_contents`].
pub(crate) fn table(repository: &Repository, key: ObjectKey, size: u64) -> Result<Trailer> {
    let (io, keyring) = (repository.io(), repository.keyring());
    let read = |range| io.get_range(&key, range);
    let error = match read_contents(keyring, key, size, read) {
        Ok((_, _, trailer)) => return Ok(trailer),
        Err(error) => error,
    };
    if error.kind() != Kind::Corrupt && !error.is_unreadable() {
        return Err(error);
    }
    match mend::mend(io, key, size, MEND_BYTES) {
        Ok(patch) => {
            let (_, _, trailer) =
                read_contents(keyring, key, size, |range| patch.read(range, read))?;
            Ok(trailer)
        }
        Err(_also) => Err(error),
    }
}
