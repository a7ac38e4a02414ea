//! Judging one entry: does it count, is it void, or does it stop this version?
//!
//! Pure: an entry's bytes, where it lies, what it must follow, and the configuration's keys. The order
//! of the questions matters: a meaning is believed, and an unknown one stops the reader, only after
//! the signature of a key that may say such a thing.

use lifeboat_codec::sign::{SIGNATURE_BYTES, verify};
use lifeboat_format as format;
use lifeboat_format::config::Config;
use lifeboat_format::entry::{LogEntry, LogHeader, LogKind, SIGNATURE_CONTEXT};
use lifeboat_format::id::{ObjectHash, PublicKey};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;

use crate::error::{Error, Kind, Result};
use crate::log::fetch::Fetched;

/// What an entry must name as the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The entry with this hash; zeros for the first.
    Follows(ObjectHash),
    /// The entry before is damaged or missing, so that nobody can tell any more. Damage to one entry
    /// must not void the next: its signature and its number still say that it belongs here.
    Unknown,
}

/// What an entry is worth.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It counts.
    Counts(PublicKey, Box<LogHeader>),
    /// It is in order, and says what whoever may change anything may take in: what scrubs have found, what is locked.
    Noted(Box<LogHeader>),
    /// It is in order, and says nothing that this version must know.
    Skipped,
    /// It means nothing, but its bytes are what somebody signed.
    Void(String),
    /// It means nothing, and its bytes may not be what they were.
    Damaged(String),
}

/// Judges the entry at `number`.
///
/// # Errors
/// [`Kind::Unsupported`] when only a newer version knows what it means.
pub(super) fn judge(number: u64, fetched: &Fetched, link: Link, rules: &Config) -> Result<Verdict> {
    let Some(bytes) = &fetched.bytes else {
        return Ok(Verdict::Damaged("it is larger than an entry can be".to_owned()));
    };
    let Some(author) = author(bytes) else {
        return Ok(Verdict::Damaged("its signature does not match its bytes".to_owned()));
    };
    let roles = rules.roles(&author);
    if roles.is_empty() {
        return Ok(Verdict::Void(format!("it is signed by {author}, a key without a role")));
    }
    let unsupported = |error: Error| error.hint("use a newer version of Lifeboat");
    let header = match LogEntry::decode(bytes) {
        Ok(entry) => entry.header,
        Err(cause) if cause.kind() == format::Kind::Unsupported => {
            return Err(unsupported(Error::format("read", ObjectKey::Log(number), cause)));
        }
        Err(cause) => return Ok(Verdict::Void(cause.to_string())),
    };
    if let Some(reason) = misplaced(&header, number, rules) {
        return Ok(Verdict::Damaged(reason));
    }
    if let Link::Follows(hash) = link
        && header.previous != hash
    {
        return Ok(Verdict::Void("it does not follow the entry before it".to_owned()));
    }
    let allowed: &[SigningRole] = match header.kind {
        LogKind::Commit => &[SigningRole::Write, SigningRole::Replicate, SigningRole::Maintain],
        LogKind::Forget | LogKind::Restore | LogKind::Hold | LogKind::Condemn | LogKind::Delete => {
            &[SigningRole::Maintain]
        }
        LogKind::Config => &[SigningRole::Root],
        LogKind::Note | LogKind::Other(_) => roles,
    };
    if !roles.iter().any(|role| allowed.contains(role)) {
        let reason = format!("its key {author} has no role for {}", name(header.kind));
        return Ok(Verdict::Void(reason));
    }
    match header.kind {
        LogKind::Commit
        | LogKind::Forget
        | LogKind::Restore
        | LogKind::Hold
        | LogKind::Condemn
        | LogKind::Delete => Ok(Verdict::Counts(author, Box::new(header))),
        // Who only writes could say of damaged packs that they were read and are good.
        LogKind::Note if header.may_skip && roles.contains(&SigningRole::Maintain) => {
            Ok(Verdict::Noted(Box::new(header)))
        }
        _ if header.may_skip => Ok(Verdict::Skipped),
        kind => {
            let reason = format!("it is {}, which this version does not know", name(kind));
            let error = Error::new(Kind::Unsupported, "read", ObjectKey::Log(number));
            Err(unsupported(error.because(reason)))
        }
    }
}

/// Who signed these bytes; `None` when nobody did. Every version of entries ends with a public key and
/// its signature over all that is before.
fn author(bytes: &[u8]) -> Option<PublicKey> {
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
    let public = PublicKey(*signed.last_chunk()?);
    verify(&public, SIGNATURE_CONTEXT, signed, signature).ok()?;
    Some(public)
}

/// Why an entry does not belong where it lies. No writer put it there, so it is not what the next one
/// follows.
fn misplaced(header: &LogHeader, number: u64, rules: &Config) -> Option<String> {
    if header.log != rules.log {
        return Some(format!("it is of another log, {}", header.log));
    }
    if header.number != number {
        return Some(format!("it says that it is entry {}", header.number));
    }
    None
}

/// The name of a kind in messages.
fn name(kind: LogKind) -> String {
    match kind {
        LogKind::Commit => "a commit".to_owned(),
        LogKind::Forget => "a 'forget'".to_owned(),
        LogKind::Restore => "a 'restore'".to_owned(),
        LogKind::Hold => "a 'hold'".to_owned(),
        LogKind::Condemn => "a 'condemn'".to_owned(),
        LogKind::Delete => "a 'delete'".to_owned(),
        LogKind::Config => "a change of the configuration".to_owned(),
        LogKind::Note => "a note".to_owned(),
        LogKind::Other(number) => format!("an entry of kind {number}"),
    }
}
