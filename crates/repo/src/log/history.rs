//! The log as a trail: who said what, when and why, entry by entry from the first.
//!
//! Knows entries and what each is worth; adds nothing up. Each entry names the hash of the one before, so that what is told
//! is what was written, in that order: an entry that was changed or left out later is told as such.

use lifeboat_format::entry::{LogEntry, LogKind, Until};
use lifeboat_format::id::{ObjectHash, PublicKey, RunId, SnapshotId};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;
use lifeboat_format::time::Time;
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::log::fetch::{self, Fetched};
use crate::log::fold::Fold;
use crate::log::judge::{Link, Verdict, judge};
use crate::log::remark;
use crate::open::Repository;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// BLAKE3 of its bytes; zeros where it is missing.
    pub hash: ObjectHash,
    /// When the store says that it came.
    pub time: Option<Time>,
    /// What it says, if it can be read.
    pub said: Option<Said>,
    /// Why it means nothing, if that is so.
    pub void: Option<String>,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Its kind: commit, forget, restore, hold, condemn, delete, config, note.
    pub kind: String,
    /// The key that signed it.
    pub author: PublicKey,
    /// What that key may do.
    pub roles: Vec<SigningRole>,
    /// The run that it belongs to.
    pub run: RunId,
    /// Objects that it names, and their length together in bytes.
    pub objects: u64,
    /// See `objects`.
    pub bytes: u64,
    /// Snapshots that it brings, hides, shows, holds, or takes for dead.
    pub snapshots: Vec<SnapshotId>,
    /// Until when it holds them, in seconds since 1970.
    pub until: Option<u64>,
    /// Of a delete: the condemn that it closes.
    pub closes: Option<u64>,
    /// Why it was written, in its author's words.
    pub reason: Option<String>,
    /// The program that wrote it.
    pub tool: Option<String>,
}

/// Calls `each` with every entry from `first` on, up to the head of `fold`, those that are missing among them.
///
/// # Errors
/// The store's, and what `each` returns. [`Kind::Unsupported`] at an entry of a newer version.
pub fn history(
    repository: &Repository,
    fold: &Fold,
    first: u64,
    mut each: impl FnMut(Told) -> Result<()>,
) -> Result<()> {
    let io = repository.io();
    let mut link = match first.checked_sub(1) {
        None => Link::Follows(ObjectHash([0; 32])),
        Some(before) => match fetch::entry(io, before)? {
            Some(fetched) => {
                link_behind(&judge(before, &fetched, Link::Unknown, repository.config())?, &fetched)
            }
            None => Link::Unknown,
        },
    };
    for number in first..fold.next_number() {
        let Some(fetched) = fetch::entry(io, number)? else {
            let void = Some("it is missing from the store".to_owned());
            each(Told { number, hash: ObjectHash([0; 32]), time: None, said: None, void })?;
            link = Link::Unknown;
            continue;
        };
        let verdict = judge(number, &fetched, link, repository.config())?;
        let void = match &verdict {
            Verdict::Counts(..) | Verdict::Noted(_) | Verdict::Skipped => None,
            Verdict::Void(reason) | Verdict::Damaged(reason) => Some(reason.clone()),
        };
        link = link_behind(&verdict, &fetched);
        let entry = fetched.bytes.as_ref().and_then(|bytes| LogEntry::decode(bytes).ok());
        let said = entry.map(|entry| said(repository, number, entry)).transpose()?;
        let time = match io.head(&ObjectKey::Log(number)) {
            Ok(info) => Some(time_of(info.modified)),
            Err(error) if error.kind() == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        each(Told { number, hash: fetched.hash, time, said, void })?;
    }
    Ok(())
}

/// Whether any entry from `first` on condemns or deletes something, as it says itself: whoever began before and misses
/// something now may begin anew. Reads them one by one, since a checkpoint does not tell when something was collected.
///
/// # Errors
/// The store's.
pub fn has_collected_since(repository: &Repository, first: u64) -> Result<bool> {
    for number in first.. {
        let Some(fetched) = fetch::entry(repository.io(), number)? else { break };
        let entry = fetched.bytes.as_ref().and_then(|bytes| LogEntry::decode(bytes).ok());
        let kind = entry.map(|entry| entry.header.kind);
        if matches!(kind, Some(LogKind::Condemn | LogKind::Delete)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What the entry behind this one must name.
fn link_behind(verdict: &Verdict, fetched: &Fetched) -> Link {
    match verdict {
        Verdict::Damaged(_) => Link::Unknown,
        _ => Link::Follows(fetched.hash),
    }
}

fn said(repository: &Repository, number: u64, entry: LogEntry) -> Result<Said> {
    let remark = match entry.body.is_empty() {
        true => None,
        false => match remark::open(repository, number, &entry.body) {
            Ok(remark) => Some(remark),
            // Whoever has not the key, or meets what somebody else made of it, is told the rest.
            Err(error) if is_of_the_body(&error) => None,
            Err(error) => return Err(error),
        },
    };
    let header = entry.header;
    let brought = header.snapshots.iter().map(|snapshot| snapshot.id);
    let snapshots = brought.chain(header.ids).chain(header.gone).collect();
    Ok(Said {
        kind: name(header.kind),
        author: entry.public,
        roles: repository.config().roles(&entry.public).to_vec(),
        run: header.run,
        objects: header.objects.len() as u64,
        bytes: header.objects.iter().map(|object| object.size).fold(0, u64::saturating_add),
        snapshots,
        until: header.until.map(Until::number),
        closes: header.closes,
        reason: remark.as_ref().and_then(|remark| remark.reason.clone()),
        tool: remark.map(|remark| remark.tool),
    })
}

fn name(kind: LogKind) -> String {
    match kind {
        LogKind::Other(number) => format!("kind {number}"),
        known => format!("{known:?}").to_lowercase(),
    }
}

fn is_of_the_body(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::Denied | Kind::Unsupported)
}

fn time_of(time: std::time::SystemTime) -> Time {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}
