//! Packs that no entry names are taken in again: those whose commits are lost.
//!
//! What is found in a list is never adopted as it is (rule P2): a collector may be about to remove it. Its bytes, verified in
//! every way, are put once more under a new key, and a maintainer's commit names that, with a segment that says what is in
//! it. What a killed run has left behind is taken in, too: it is as good, and the next collection lets go of what nobody needs.
//!
//! Invariant: of each hash one pack is taken in, and none that counts already. Memory: a pack, and the records of a commit.

use lifeboat_codec::compress::Compression;
use lifeboat_format::entry::{ListedObject, ObjectKind};
use lifeboat_format::id::{ObjectHash, RunId};
use lifeboat_format::index::{IndexRecord, PackKind, PackRecord};
use lifeboat_format::key::{ObjectKey, ObjectName, PACKS, TREES};
use lifeboat_store::Payload;
use serde::Serialize;
use std::collections::HashSet;

use crate::cancel::Cancel;
use crate::check::data::{Outcome, Reading, read_object};
use crate::check::pack::PackChecker;
use crate::error::{Error, Kind, Result};
use crate::heal::{self, require_healer};
use crate::index::write::SegmentDraft;
use crate::log::{self, Fold};
use crate::open::Repository;

const OPERATION: &str = "take in packs of";
/// So many packs are named by one commit, unless they have more records.
const TOGETHER: usize = 64;
const RECORDS_MAX: usize = 100_000;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PacksReport {
    /// Packs that no entry names.
    pub found: u64,
    /// What was taken in, or would be: where it was found, and the key that it has now.
    pub taken: Vec<Taken>,
    /// Their length in bytes.
    pub bytes: u64,
    /// How many chunks they have.
    pub chunks: u64,
    /// What was left, and why.
    pub left: Vec<Left>,
    /// Whether nothing was written since only saying was asked for.
    pub dry_run: bool,
}

/// A pack that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Where it was found.
    pub found: String,
    /// Its key now; none where only saying was asked for.
    pub key: Option<String>,
}

/// A pack that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its key.
    pub found: String,
    /// Why.
    pub why: String,
}

/// What is to be named by the next commit.
#[derive(Default)]
struct Put {
    objects: Vec<ListedObject>,
    packs: Vec<PackRecord>,
    records: Vec<IndexRecord>,
}

/// Takes in all packs that no entry names and that are whole.
///
/// # Errors
/// [`Kind::Denied`] without a key of role *maintain*; the store's; [`Kind::Cancelled`]. What was named before stays.
pub fn repair(
    repository: &Repository,
    fold: &mut Fold,
    dry_run: bool,
    cancel: &Cancel,
) -> Result<PacksReport> {
    if !dry_run {
        require_healer(repository, fold)?;
    }
    let run = RunId(repository.random()?);
    let mut report = PacksReport { dry_run, ..PacksReport::default() };
    let mut known: HashSet<ObjectHash> =
        fold.objects().keys().filter_map(|key| Some(key.name()?.hash)).collect();
    let reading = Reading::of(repository, 1);
    let mut checker = reading.checker(repository);
    let mut put = Put::default();
    for (key, size) in unnamed(repository, fold)? {
        if cancel.is_cancelled() {
            put.name(repository, fold, run)?;
            let place = repository.io().describe();
            return Err(
                Error::new(Kind::Cancelled, OPERATION, place).because("it was asked to stop")
            );
        }
        report.found += 1;
        let found = key.to_string();
        let Some(name) = key.name().filter(|name| !known.contains(&name.hash)) else {
            report.left.push(Left { found, why: "a pack with the same bytes counts".to_owned() });
            continue;
        };
        if let Some(why) = fault(&mut checker, key, size)? {
            report.left.push(Left { found, why });
            continue;
        }
        known.insert(name.hash);
        report.bytes += size;
        let taken = put.add(repository, key, name, size, dry_run, &mut report.chunks)?;
        report.taken.push(Taken { found, key: taken.map(|key| key.to_string()) });
        if put.objects.len() >= TOGETHER || put.records.len() >= RECORDS_MAX {
            put.name(repository, fold, run)?;
        }
    }
    put.name(repository, fold, run)?;
    Ok(report)
}

/// The packs in the store that no entry names and no collection has spoken of, in order.
fn unnamed(repository: &Repository, fold: &Fold) -> Result<Vec<(ObjectKey, u64)>> {
    let mut unnamed = Vec::new();
    for prefix in [PACKS, TREES] {
        repository.io().list(prefix, |listed| {
            if let Ok(key) = listed.key.parse::<ObjectKey>()
                && fold.object(&key).is_none()
                && !fold.is_condemned(&key)
                && !fold.is_lately_gone(&key)
            {
                unnamed.push((key, listed.size));
            }
            Ok(())
        })?;
    }
    unnamed.sort_unstable();
    Ok(unnamed)
}

/// Why a pack is of no use, after all of it was read.
fn fault(checker: &mut PackChecker<'_>, key: ObjectKey, size: u64) -> Result<Option<String>> {
    Ok(match read_object(checker, key, size, |_| Ok(Vec::new()))? {
        Outcome::Pack(found) if !found.problems.is_empty() => Some(found.problems.join("; ")),
        Outcome::Pack(found) if !found.is_opened => {
            Some("these keys do not open it, so that what is in it can't be verified".to_owned())
        }
        Outcome::Pack(_) => None,
        Outcome::Segment(why) => why,
        Outcome::Unreadable(error) => Some(error.to_string()),
    })
}

impl Put {
    /// Puts a pack once more and takes its table in; its new key.
    fn add(
        &mut self,
        repository: &Repository,
        key: ObjectKey,
        name: ObjectName,
        size: u64,
        dry_run: bool,
        chunks: &mut u64,
    ) -> Result<Option<ObjectKey>> {
        let table = heal::table(repository, key, size)?;
        *chunks += table.chunks.len() as u64;
        if dry_run {
            return Ok(None);
        }
        let (object, kind) = match key {
            ObjectKey::Tree(_) => (ObjectKind::Tree, PackKind::Tree),
            _ => (ObjectKind::Pack, PackKind::Data),
        };
        let bytes = heal::read_whole(repository, &key, &name)?;
        let name = ObjectName { upload: repository.random()?, ..name };
        let new = object.key(name);
        repository.io().put_soon(&new, Payload::from(bytes))?;
        self.objects.push(ListedObject { kind: object, name, size });
        let place = u32::try_from(self.packs.len()).expect("a commit names some packs");
        self.packs.push(PackRecord { name, size, kind });
        self.records.extend(table.chunks.iter().filter_map(|chunk| {
            Some(IndexRecord::of(chunk, table.frames.get(chunk.frame as usize)?, place))
        }));
        Ok(Some(new))
    }

    /// Makes what was put count.
    fn name(&mut self, repository: &Repository, fold: &mut Fold, run: RunId) -> Result<()> {
        let Self { mut objects, packs, records } = std::mem::take(self);
        if records.is_empty() {
            return Ok(());
        }
        let draft = SegmentDraft { packs, records };
        let segment = draft.seal(repository, Compression::default().level())?;
        repository.io().sync()?;
        repository.io().put_soon(&segment.key, Payload::from(segment.bytes))?;
        repository.io().sync()?;
        objects.push(segment.object);
        log::commit_copies(repository, fold, run, objects)
    }
}
