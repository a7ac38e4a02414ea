//! What is tried, one promise after the other, and what each answer means.
//!
//! An error of a store that can't be reached ends the probe; every other answer is a finding.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::probe::place::{Place, is_answer};
use crate::probe::race::{Outcome, create_raced};
use crate::probe::report::{Deletes, Grade, ProbeReport, Subject};
use crate::probe::{ProbeOptions, Watch, speed};
use crate::{Error, ErrorKind, Guard, Payload, Result};

/// The object that most checks read: long enough for ranges, short enough to cost nothing.
const OBJECT_BYTES: usize = 1000;

/// Stores round times to the second, and nobody cares about less than a minute.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(60);

const NO_WRITING: &str = "with these credentials nothing can be backed up; restoring may work";
const TWO_WRITERS: &str = "two writers at once could each take the same place in the log, and the \
                           backup of one of them would be lost without a word";
const ONE_WRITER: &str = "keep the repository in another store; or create it with --exclusive, and \
                          let never more than one writer work at a time";
const WRONG_STORE: &str = "no repository can be kept here";
const ANOTHER_STORE: &str = "keep the repository in another store, and tell those who run this one";

/// Tries everything, until something rules out the rest or the watch stops it.
pub(super) async fn all(
    place: &mut Place,
    options: &ProbeOptions,
    watch: &dyn Watch,
) -> Result<ProbeReport> {
    let mut report = ProbeReport::default();
    let first = Bytes::from_iter((0..OBJECT_BYTES).map(|at| (at * 7 + at / 251).to_le_bytes()[0]));
    let Some(mut object) = create_first(place, options, &mut report, &first).await? else {
        return Ok(report);
    };
    let goes_on = || !watch.is_stopped();
    if goes_on() {
        create_again(place, options, &mut report, &mut object, watch).await?;
    }
    if goes_on() {
        read(place, &mut report, &object).await?;
    }
    if goes_on() {
        list(place, &mut report).await?;
    }
    if goes_on() {
        ranges(place, &mut report, &object).await?;
    }
    if goes_on() && report.grade() < Grade::Unfit {
        speed::measure(place, options, &mut report, &object.key, watch).await?;
    }
    if goes_on() {
        delete(place, &mut report).await?;
    }
    report.is_stopped = watch.is_stopped();
    Ok(report)
}

/// The object that was created first.
struct Object {
    key: String,
    /// What must be in it.
    bytes: Bytes,
}

/// Creates an object of a new name; `None` when that is refused, and nothing else can be tried.
async fn create_first(
    place: &mut Place,
    options: &ProbeOptions,
    report: &mut ProbeReport,
    bytes: &Bytes,
) -> Result<Option<Object>> {
    let before = (options.now)();
    let put = place.put("object", bytes.clone().into()).await;
    let after = (options.now)();
    let error = match put {
        Ok(key) => {
            if let Ok(info) = place.store.head(&key).await {
                clock(report, before, after, info.modified);
                report.capabilities.versions = info.guard.is_version.then_some(true);
                lock(report, options.locks, info.guard, after);
            }
            return Ok(Some(Object { key, bytes: bytes.clone() }));
        }
        Err(error) => error,
    };
    let found = format!("an object of a new name can't be created: {error}");
    match error.kind() {
        ErrorKind::Denied => {
            let advice = "give credentials that may create objects, or mount it writable";
            report.tell(Subject::Create, Grade::ReadOnly, found, NO_WRITING, advice);
        }
        ErrorKind::Unsupported | ErrorKind::AlreadyExists => {
            report.tell(Subject::Create, Grade::Unfit, found, WRONG_STORE, ANOTHER_STORE);
        }
        _ => return Err(error),
    }
    Ok(None)
}

/// Creates the same name once more, and then other names from many sides at once.
async fn create_again(
    place: &mut Place,
    options: &ProbeOptions,
    report: &mut ProbeReport,
    object: &mut Object,
    watch: &dyn Watch,
) -> Result<()> {
    let other = Bytes::from_static(b"a second create of this name must fail");
    match place.store.put_new(&object.key, other.clone().into()).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if !is_answer(&error) => return Err(error),
        Err(error) => {
            let found =
                format!("a second create of one name fails otherwise than it must: {error}");
            report.tell(Subject::Create, Grade::Unfit, found, WRONG_STORE, ANOTHER_STORE);
            return Ok(());
        }
        Ok(()) => {
            object.bytes = other;
            report.capabilities.conditional_create = Some(false);
            let found = "this store ignores conditional creates: a second create of a name replaced \
                         the first";
            report.tell(Subject::Create, Grade::OneWriter, found, TWO_WRITERS, ONE_WRITER);
            return Ok(());
        }
    }
    let (mut rounds, mut bad, mut creates, mut won) = (0_u32, 0_u32, 0, 0);
    while rounds < options.rounds && !watch.is_stopped() {
        let key = place.take(&format!("race/{rounds:04}"));
        let race = create_raced(&place.store, &key, &candidates(options.racers)).await?;
        rounds += 1;
        creates += race.creates;
        won += race.won;
        bad += u32::from(!matches!(race.outcome, Outcome::Created(_)));
    }
    report.capabilities.conditional_create = Some(bad == 0);
    if bad == 0 {
        let found = format!(
            "a create fails when the name is taken, also when {} race for it: {rounds} of {rounds} \
             races had one winner",
            options.racers
        );
        let meaning = "any number of writers can use the repository at once";
        report.tell(Subject::Create, Grade::Good, found, meaning, "");
    } else {
        let found = format!(
            "this store does not keep racing creates apart: {won} of {creates} creates of {rounds} \
             names won, and {bad} of the {rounds} races ended wrongly"
        );
        report.tell(Subject::Create, Grade::OneWriter, found, TWO_WRITERS, ONE_WRITER);
    }
    Ok(())
}

fn candidates(racers: u32) -> Vec<Payload> {
    let candidate = |racer| format!("racer {racer} ").repeat(32).into_bytes();
    (0..racers.max(2)).map(|racer| candidate(racer).into()).collect()
}

async fn read(place: &Place, report: &mut ProbeReport, object: &Object) -> Result<()> {
    let size = place.store.head(&object.key).await.map(|info| info.size);
    let wrong = match (place.store.get(&object.key).await, size) {
        (Err(error), _) | (_, Err(error)) => Some(unless_away(error)?),
        (Ok(bytes), Ok(size)) if bytes == object.bytes && size == bytes.len() as u64 => None,
        (Ok(bytes), Ok(size)) => Some(format!(
            "other bytes were read than were written ({} of {}, with a size of {size})",
            bytes.len(),
            object.bytes.len()
        )),
    };
    report.capabilities.read_after_write = Some(wrong.is_none());
    match wrong {
        None => {
            let found = "what was just written is read at once, and is the same";
            report.tell(Subject::Read, Grade::Good, found, "", "");
        }
        Some(wrong) => {
            let found = format!("what was just written can't be read: {wrong}");
            let advice = "give credentials that may read, or keep the repository in another store";
            report.tell(Subject::Read, Grade::Unfit, found, WRONG_STORE, advice);
        }
    }
    Ok(())
}

async fn list(place: &Place, report: &mut ProbeReport) -> Result<()> {
    let listed = match place.store.list(place.prefix()).await {
        Ok(stream) => stream.map_ok(|listed| listed.key).try_collect::<Vec<_>>().await,
        Err(error) => Err(error),
    };
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            let found = format!("what is there can't be listed: {}", unless_away(error)?);
            let advice = "give credentials that may list";
            report.tell(Subject::List, Grade::Unfit, found, WRONG_STORE, advice);
            return Ok(());
        }
    };
    let missing = place.written().iter().filter(|key| !listed.contains(key)).count();
    let strange = listed.iter().find(|key| !place.written().contains(key));
    report.capabilities.list_after_write = Some(missing == 0);
    if let Some(strange) = strange {
        let found =
            format!("a list shows what is not below its prefix, or was never put: {strange}");
        report.tell(Subject::List, Grade::Unfit, found, WRONG_STORE, ANOTHER_STORE);
    } else if missing > 0 {
        let written = place.written().len();
        let found = format!("a list is late: it shows {missing} of {written} new objects not yet");
        let meaning = "nothing is concluded from what a list does not show; but a new key, and a log \
                       checkpoint, may be found late by others";
        report.tell(Subject::List, Grade::Note, found, meaning, "");
    } else {
        let found = "a list shows what was just written";
        report.tell(Subject::List, Grade::Good, found, "", "");
    }
    Ok(())
}

async fn ranges(place: &Place, report: &mut ProbeReport, object: &Object) -> Result<()> {
    let whole = match place.store.get(&object.key).await {
        Ok(whole) => whole,
        // The finding about reading says so already.
        Err(error) => return unless_away(error).map(drop),
    };
    let len = whole.len();
    let mut wrong = None;
    for range in [0..1, 0..len, len / 4..len / 2, len - 7..len, len..len] {
        let got = place.store.get_range(&object.key, wide(&range)).await;
        match got {
            Ok(bytes) if bytes == whole.slice(range.clone()) => {}
            Ok(bytes) => wrong = Some(format!("{range:?} gave {} wrong bytes", bytes.len())),
            Err(error) => wrong = Some(format!("{range:?}: {}", unless_away(error)?)),
        }
    }
    for range in [len - 7..len + 1, len..len + 1, len + 10..len + 20] {
        match place.store.get_range(&object.key, wide(&range)).await {
            Err(error) if error.kind() == ErrorKind::Range => {}
            Err(error) => wrong = Some(format!("{range:?}: {}", unless_away(error)?)),
            Ok(bytes) => {
                wrong = Some(format!("{range:?} of {len} bytes gave {} bytes", bytes.len()));
            }
        }
    }
    report.capabilities.ranges = Some(wrong.is_none());
    match wrong {
        None => {
            let found =
                "parts of an object are read exactly, and what lies beyond its end is refused";
            report.tell(Subject::Ranges, Grade::Good, found, "", "");
        }
        Some(wrong) => {
            let found = format!("parts of an object are not read as they must be: {wrong}");
            report.tell(Subject::Ranges, Grade::Unfit, found, WRONG_STORE, ANOTHER_STORE);
        }
    }
    Ok(())
}

fn wide(range: &Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

async fn delete(place: &mut Place, report: &mut ProbeReport) -> Result<()> {
    let key = match place.put("deleted", b"this object is deleted".into()).await {
        Ok(key) => key,
        Err(error) => return unless_away(error).map(drop),
    };
    let deletes = match place.store.delete(&key).await {
        Err(error) if !is_answer(&error) => return Err(error),
        Err(error) => {
            let found = format!("deletes are refused: {error}");
            let meaning = "backup and restore work; who gets hold of these credentials can't remove \
                           a backup, and removing a key or freeing space needs others";
            report.tell(Subject::Delete, Grade::Good, found, meaning, "");
            Deletes::Refused
        }
        Ok(()) => match place.store.get(&key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let found = "deletes are allowed";
                let meaning = "who gets hold of these credentials can remove backups; to back up and \
                               to restore, credentials that may create, read and list are enough";
                report.tell(Subject::Delete, Grade::Good, found, meaning, "");
                Deletes::Allowed
            }
            Err(error) => return unless_away(error).map(drop),
            Ok(_) => {
                let found = "deletes are answered with success, and the object stays";
                let meaning = "backup and restore work; a key can't be removed, and space can't be \
                               freed";
                report.tell(Subject::Delete, Grade::Note, found, meaning, "");
                Deletes::Ignored
            }
        },
    };
    report.capabilities.deletes = Some(deletes);
    if deletes == Deletes::Allowed {
        create_after_delete(place, report, &key).await?;
    }
    Ok(())
}

/// On a bucket that keeps versions a plain delete hides the object, and frees its name.
async fn create_after_delete(place: &Place, report: &mut ProbeReport, key: &str) -> Result<()> {
    let free = match place.store.put_new(key, b"created after a delete".into()).await {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => return unless_away(error).map(drop),
    };
    report.capabilities.deleted_name_is_free = Some(free);
    let found = match free {
        true => "a name is free again once its object is deleted",
        false => "a name stays taken when its object is deleted",
    };
    let meaning = if report.capabilities.versions == Some(true) {
        "the store keeps versions: a delete only hides an object, which can be brought back, and goes \
         on costing until a rule of the bucket removes it"
    } else if free {
        "Lifeboat never uses a name twice, so nothing depends on it; but who may delete can put \
         another object in the place of one"
    } else {
        ""
    };
    report.tell(Subject::Versions, Grade::Good, found, meaning, "");
    Ok(())
}

/// Whether a new object is locked, as it is to be or by the bucket's own rule.
fn lock(report: &mut ProbeReport, wanted: bool, guard: Guard, now: SystemTime) {
    let until = guard.locked_until.and_then(|until| until.duration_since(now).ok());
    match until {
        Some(left) => {
            report.capabilities.locks = Some(true);
            let hours = left.as_secs().div_ceil(3600);
            let found = format!("a new object is locked: for {hours} h it can't be deleted");
            let meaning = "what this trial wrote stays until then, too, if only as an old version";
            report.tell(Subject::Lock, Grade::Good, found, meaning, "");
        }
        None if wanted => {
            report.capabilities.locks = Some(false);
            let found = "no lock shows on a new object, although one was asked for";
            let meaning = "the store took the lock's headers and ignored them, or these credentials \
                           may not see it: backups may be deleted before their time";
            let advice = "switch object lock on for the bucket, give the credentials the right to see \
                          it (s3:GetObjectRetention), or leave the option out";
            report.tell(Subject::Lock, Grade::Unfit, found, meaning, advice);
        }
        None => {}
    }
}

fn clock(report: &mut ProbeReport, before: SystemTime, after: SystemTime, theirs: SystemTime) {
    let half = after.duration_since(before).unwrap_or_default() / 2;
    let ours = before + half;
    let (off, ahead) = match theirs.duration_since(ours) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    };
    let ms = i64::try_from(off.as_millis()).unwrap_or(i64::MAX);
    report.clock_ahead_ms = Some(if ahead { ms } else { -ms });
    if off <= CLOCK_OFF_MAX + half {
        let found = "the store's clock agrees with this machine's to a minute";
        report.tell(Subject::Clock, Grade::Good, found, "", "");
        return;
    }
    let side = if ahead { "ahead of" } else { "behind" };
    let found = format!("the store's clock is {} s {side} this machine's", off.as_secs());
    let meaning = "no backup depends on it; but times of retention and of locks are the store's, times \
                   of snapshots are this machine's";
    report.tell(Subject::Clock, Grade::Note, found, meaning, "set the clock that is wrong");
}

/// The error's text, unless the store can't be reached: then there is nothing to find out.
fn unless_away(error: Error) -> Result<String> {
    if is_answer(&error) { Ok(error.to_string()) } else { Err(error) }
}
