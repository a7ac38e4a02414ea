//! The way back: what somebody has hidden by a delete, or put something over, is seen again.
//!
//! Works on the store alone, without any key, since `config` may be hidden, too. Every object is written once, so the oldest
//! version is the one that counts; of packs, tree packs and index segments the hash in the name proves which.
//!
//! Invariants: the version that is brought back is never removed; where more than one may be it, and none has the hash of
//! its name, nothing is changed.

use lifeboat_codec::hash::object_hash;
use lifeboat_format::key::ObjectKey;
use lifeboat_store::ErrorKind;
use lifeboat_store::locking::{Locking, Version, VersionMark};
use serde::Serialize;

use super::of_store;
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::gc::Tally;
use crate::io::Io;

const OPERATION: &str = "bring back";
/// Objects that are brought back between two looks at whether to go on.
const TOGETHER: usize = 256;

/// How to bring back.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Also key slots that were deleted, although others are there: who removed one may have meant it.
    pub keys: bool,
    /// Only says what would be done.
    pub dry_run: bool,
    /// Asks the run to stop.
    pub cancel: Cancel,
}

/// What was brought back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// Objects that were looked at.
    pub objects: u64,
    /// What a delete had hidden.
    pub unhidden: Tally,
    /// What something else had been put over.
    pub uncovered: Tally,
    /// Key slots that are deleted and were left so.
    pub slots_left: Vec<String>,
    /// Objects of which no version has the hash that their names say: nothing was changed.
    pub lost: Vec<String>,
    /// Whether nothing was changed since only saying was asked for.
    pub dry_run: bool,
}

/// An object that is not what it was.
struct Altered {
    key: ObjectKey,
    /// All versions, the newest first.
    versions: Vec<Version>,
}

impl Altered {
    /// Those that have bytes, the oldest first.
    fn real(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().rev().filter(|version| !version.is_marker)
    }

    fn is_hidden(&self) -> bool {
        self.versions.first().is_some_and(|newest| newest.is_marker)
    }
}

/// What became of one.
enum Outcome {
    Back(u64),
    /// It is what it was: an earlier run has put the right bytes in front.
    Whole,
    Lost,
}

/// Brings back what is hidden or covered in the store.
///
/// # Errors
/// [`Kind::Unsupported`] where the store keeps no versions; [`Kind::Denied`] without the right to remove and to put
/// versions; the store's; [`Kind::Cancelled`].
pub fn restore(io: &Io, options: &RestoreOptions) -> Result<RestoreReport> {
    let locking = of_store(io)?;
    let mut report = RestoreReport { dry_run: options.dry_run, ..RestoreReport::default() };
    let (altered, slots) = altered(io, &*locking, options, &mut report)?;
    bring_back(io, &*locking, options, altered, &mut report)?;
    bring_back(io, &*locking, options, slots, &mut report)?;
    Ok(report)
}

/// What is not as it was put, and key slots that are to be brought back.
fn altered(
    io: &Io,
    locking: &dyn Locking,
    options: &RestoreOptions,
    report: &mut RestoreReport,
) -> Result<(Vec<Altered>, Vec<Altered>)> {
    let (mut altered, mut slots, mut slots_there) = (Vec::new(), Vec::new(), 0_u64);
    let mut take = |versions: Vec<Version>| {
        let Some(Ok(key)) = versions.first().map(|version| version.key.parse::<ObjectKey>()) else {
            return;
        };
        report.objects += 1;
        let object = Altered { key, versions };
        let is_whole = object.versions.len() == 1 && !object.is_hidden();
        let is_slot = matches!(key, ObjectKey::Slot(_));
        slots_there += u64::from(is_slot && !object.is_hidden());
        let is_gone = object.real().next().is_none();
        // Of what was removed for good the marker may be left.
        if is_whole || is_gone {
            return;
        }
        let of_kind = if is_slot && object.is_hidden() { &mut slots } else { &mut altered };
        of_kind.push(object);
    };
    let mut mark: Option<VersionMark> = None;
    let mut of_key: Vec<Version> = Vec::new();
    loop {
        go_on(io, options)?;
        let page = io.block_on(locking.versions("", mark.as_ref()));
        let page = page.map_err(|cause| Error::store("list versions", cause).hint(
            "it needs the right s3:ListBucketVersions: give the maintenance credential (docs/stores.md)",
        ))?;
        for version in page.versions {
            if of_key.first().is_some_and(|first| first.key != version.key) {
                take(std::mem::take(&mut of_key));
            }
            of_key.push(version);
        }
        mark = page.next;
        if mark.is_none() {
            break;
        }
    }
    take(of_key);
    if slots_there > 0 && !options.keys {
        report.slots_left = slots.iter().map(|slot| slot.key.to_string()).collect();
        slots.clear();
    }
    Ok((altered, slots))
}

fn bring_back(
    io: &Io,
    locking: &dyn Locking,
    options: &RestoreOptions,
    objects: Vec<Altered>,
    report: &mut RestoreReport,
) -> Result<()> {
    for some in objects.chunks(TOGETHER) {
        go_on(io, options)?;
        let outcomes =
            io.each_of(some, |object| io.block_on(one(locking, object, options.dry_run)));
        for (object, outcome) in some.iter().zip(outcomes) {
            let outcome = outcome.map_err(|cause| Error::store(OPERATION, cause).hint(
                "it needs the rights s3:GetObjectVersion, s3:DeleteObjectVersion and s3:PutObject: give the \
                 maintenance credential (docs/stores.md)",
            ))?;
            match outcome {
                Outcome::Back(bytes) if object.is_hidden() => report.unhidden.add(bytes),
                Outcome::Back(bytes) => report.uncovered.add(bytes),
                Outcome::Whole => {}
                Outcome::Lost => report.lost.push(object.key.to_string()),
            }
        }
    }
    Ok(())
}

async fn one(
    locking: &dyn Locking,
    object: &Altered,
    dry_run: bool,
) -> lifeboat_store::Result<Outcome> {
    let Some(right) = right(locking, object).await? else { return Ok(Outcome::Lost) };
    let key = object.key.to_string();
    let seen = object.versions.first().filter(|newest| !newest.is_marker);
    if seen.is_some_and(|seen| seen.id == right.id) {
        return Ok(Outcome::Whole);
    }
    if let Some(seen) = seen.filter(|seen| seen.size == right.size)
        && locking.get_version(&key, &seen.id).await?
            == locking.get_version(&key, &right.id).await?
    {
        return Ok(Outcome::Whole);
    }
    let back = Outcome::Back(right.size);
    if dry_run {
        return Ok(back);
    }
    let mut is_covered = false;
    let newer = object.versions.iter().take_while(|version| version.id != right.id);
    for version in newer {
        match locking.delete_version(&key, &version.id).await {
            // Also what a thief has put may be locked, by him.
            Err(error) if error.kind() == ErrorKind::Denied => is_covered = true,
            deleted => deleted?,
        }
    }
    if is_covered {
        locking.bring_back(&key, &right.id).await?;
    }
    Ok(back)
}

/// The version that counts.
async fn right<'a>(
    locking: &dyn Locking,
    object: &'a Altered,
) -> lifeboat_store::Result<Option<&'a Version>> {
    let mut real = object.real();
    let (Some(oldest), Some(_)) = (real.next(), real.next()) else {
        return Ok(object.real().next());
    };
    let Some(name) = object.key.name() else { return Ok(Some(oldest)) };
    let key = object.key.to_string();
    for version in object.real() {
        let bytes = locking.get_version(&key, &version.id).await?;
        if object_hash(&bytes) == name.hash {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

fn go_on(io: &Io, options: &RestoreOptions) -> Result<()> {
    match options.cancel.is_cancelled() {
        true => Err(Error::new(Kind::Cancelled, OPERATION, io.describe())
            .because("it was asked to stop")
            .hint("run it again: it goes on from there")),
        false => Ok(()),
    }
}
