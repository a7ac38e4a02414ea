//! Extending the locks of what still counts, in time, and saying so in the log.
//!
//! One note says for all objects until when they are locked at least, so that nobody has to ask for each. Knows names;
//! reads no object.
//!
//! Invariants: the note comes after every lock that it speaks of. What is condemned is not extended: its lock is to end.

use lifeboat_format::id::RunId;
use lifeboat_format::key::{CHECKPOINTS, KEYS, ObjectKey};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::locks::{Extended, LockNote};
use lifeboat_store::locking::Locking;
use lifeboat_store::options::ObjectLock;
use lifeboat_store::{Error as StoreError, ErrorKind};
use serde::Serialize;

use super::{now, of_repository, seconds, time};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::log::{Decision, EntryDraft, Fold, append};
use crate::open::Repository;

const OPERATION: &str = "extend locks in";
/// Objects whose locks are extended between two looks at whether to go on.
const TOGETHER: usize = 1000;
/// Locks are extended when less than this part of the period is left of them.
const DUE_PART: u64 = 2;

/// When to extend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once half of the period is over.
    Due,
    /// Now.
    Now,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExtendReport {
    /// How many objects are locked for longer now; none if it was not time yet.
    pub extended: u64,
    /// How many that count are not there, so that nothing was noted: the next run tries again.
    pub missing: u64,
    /// Until when everything that counts is locked at least, in seconds since 1970.
    pub until: u64,
}

/// Locks everything that counts, and is not condemned, for another period from now, if it is time to.
///
/// # Errors
/// [`Kind::Invalid`] if the repository's objects are not locked; [`Kind::Denied`] without a key of role *maintain*, or
/// where the store refuses; the store's; [`Kind::Cancelled`].
pub fn extend(
    repository: &Repository,
    fold: &mut Fold,
    when: When,
    cancel: &Cancel,
) -> Result<ExtendReport> {
    let (lock, locking) = of_repository(repository)?;
    repository.require_writable()?;
    fold.require_appendable()?;
    repository.keyring().signer(&SigningRole::Maintain)?;
    let (now, period) = (now(repository), lock.period.as_secs());
    let created = u64::try_from(repository.config().created.secs).unwrap_or(0);
    let known = fold.locks().and_then(|note| note.extended).map(|extended| extended.until);
    // What was there first was locked first.
    let known = known.unwrap_or(created.saturating_add(period));
    let is_due = known <= now.saturating_add(period / DUE_PART);
    let Some(head) = fold.head().filter(|_| is_due || when == When::Now) else {
        return Ok(ExtendReport { until: known, ..ExtendReport::default() });
    };
    let until = now.saturating_add(period);
    let keys = keys(repository, fold, head.number)?;
    let io = repository.io();
    let mut report = ExtendReport { until, ..ExtendReport::default() };
    let mut gone = Vec::new();
    for some in keys.chunks(TOGETHER) {
        if cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, OPERATION, io.describe())
                .because("it was asked to stop")
                .hint("the next run extends the rest"));
        }
        let outcomes =
            io.each_of(some, |key| io.block_on(extend_one(&*locking, *key, lock, until)));
        for (key, outcome) in some.iter().zip(outcomes) {
            match outcome {
                Ok(()) => report.extended += 1,
                Err(error) if error.kind() == ErrorKind::NotFound => gone.push(*key),
                Err(error) => return Err(refused(error)),
            }
        }
    }
    // What was collected meanwhile need not be there.
    fold.refresh(io)?;
    let is_wanted = |key: &&ObjectKey| {
        key.name().is_none() || (fold.object(key).is_some() && !fold.is_condemned(key))
    };
    report.missing = gone.iter().filter(is_wanted).count() as u64;
    if report.missing > 0 {
        report.until = known;
        return Ok(report);
    }
    note(repository, fold, Extended { through: head.number, until })?;
    Ok(report)
}

async fn extend_one(
    locking: &dyn Locking,
    key: ObjectKey,
    lock: ObjectLock,
    until: u64,
) -> lifeboat_store::Result<()> {
    let key = key.to_string();
    let error = match locking.extend(&key, lock, time(until)).await {
        Err(error) if error.kind() != ErrorKind::NotFound && !error.is_retryable() => error,
        extended => return extended,
    };
    // Stores refuse to shorten, each in its own words: it is locked for longer already, or it is refused.
    match locking.locked_until(&key).await {
        Ok(Some(end)) if seconds(end) >= until => Ok(()),
        Ok(_) => Err(error),
        Err(also) => Err(if also.kind() == ErrorKind::NotFound { also } else { error }),
    }
}

/// Everything that counts at this head and is not condemned.
fn keys(repository: &Repository, fold: &Fold, head: u64) -> Result<Vec<ObjectKey>> {
    let mut keys = vec![ObjectKey::Config];
    for prefix in [KEYS, CHECKPOINTS] {
        repository.io().list(prefix, |listed| {
            keys.extend(listed.key.parse::<ObjectKey>());
            Ok(())
        })?;
    }
    keys.extend((0..=head).map(ObjectKey::Log));
    keys.extend(fold.objects().keys().filter(|key| !fold.is_condemned(key)));
    Ok(keys)
}

fn note(repository: &Repository, fold: &mut Fold, extended: Extended) -> Result<()> {
    let run = RunId(repository.random()?);
    append(repository, fold, |head| {
        let said = head.locks();
        if said.and_then(|note| note.extended).is_some_and(|other| other.until >= extended.until) {
            return Ok(Decision::Nothing);
        }
        let left = said.map(|note| note.left.clone()).unwrap_or_default();
        let note = LockNote { extended: Some(extended), left };
        Ok(Decision::Append(EntryDraft::locks(run, note)))
    })?;
    Ok(())
}

fn refused(error: StoreError) -> Error {
    Error::store("extend the lock of", error).hint(
        "what extends locks needs the right s3:PutObjectRetention: give the maintenance credential \
         (docs/stores.md); what was not extended stays locked until its first lock ends",
    )
}
