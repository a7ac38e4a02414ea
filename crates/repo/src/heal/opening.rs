//! Healing what opens a repository: `config` and key slots, from a copy that is open.
//!
//! Their names are fixed, so this is the one place where something is put under a name that was used before: what is damaged
//! is removed, and then the copy's bytes are created, unless somebody else was faster. Knows both objects and the store; the
//! repository need not open, and mostly does not.
//!
//! Invariants: nothing is removed before the copy of it was verified: a configuration by the root key's signature and by the
//! log's entries, which name its log; a slot by having opened the copy, or, where what is here can't be read at all, by being
//! one of this repository. What is here and valid is never replaced. A slot that is not here was perhaps taken away on
//! purpose: it comes back only when it is named, or when no other is left.

use lifeboat_codec::sign::verify;
use lifeboat_format as format;
use lifeboat_format::config::{CONFIG_MAX, SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_format::entry::{LOG_ENTRY_MAX, LogEntry};
use lifeboat_format::id::LogId;
use lifeboat_format::key::{LOG, ObjectKey};
use lifeboat_format::keyslot::{KeySlot, SLOT_MAX};
use lifeboat_store::Payload;

use super::{HealReport, OPERATION, Outcome, Remedy};
use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::Repository;
use crate::slots::{self, FoundSlot};

/// So many of the log's entries are looked at to learn which log it is.
const ENTRIES_MAX: usize = 16;

/// Puts back `config` and key slots at `io` that are damaged or lost, from `copy`; of slots that are lost those that are
/// `named`, and all if none is left. What is whole is not in the report, unless it is named.
///
/// # Errors
/// [`Kind::Invalid`] if the copy is one of another repository or log; [`Kind::Unsupported`] for a configuration of a newer
/// version; the store's.
pub fn heal_opening(io: &Io, copy: &Repository, named: &[ObjectKey]) -> Result<HealReport> {
    let mut report = HealReport::new();
    let whole = heal_config(io, copy)?;
    if !matches!(whole, Outcome::Whole) || named.contains(&ObjectKey::Config) {
        report.push((ObjectKey::Config, whole));
    }
    heal_slots(io, copy, named, &mut report)?;
    Ok(report)
}

fn heal_config(io: &Io, copy: &Repository) -> Result<Outcome> {
    let key = ObjectKey::Config;
    let present = match io.get_at_most(&key, CONFIG_MAX as u64) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) if error.kind() == Kind::Corrupt || error.is_unreadable() => Some(Vec::new()),
        Err(error) => return Err(error),
    };
    if present.as_deref().is_some_and(|bytes| bytes == copy.config_bytes()) {
        return Ok(Outcome::Whole);
    }
    if let Some(bytes) = &present {
        match SignedConfig::decode(bytes) {
            Ok(signed) if is_signed(&signed) => return is_ours(&signed, copy),
            Err(cause) if cause.kind() == format::Kind::Unsupported => {
                return Err(Error::format(OPERATION, key, cause));
            }
            _ => {}
        }
    }
    match log_here(io)? {
        Some(log) if log == copy.log_id() => {}
        Some(_) => return Err(of_another(io, "the entries of the log here are of another log")),
        None => {
            return Err(of_another(
                io,
                "there is no log entry here to tell whose configuration is missing",
            ));
        }
    }
    known_here(copy)?;
    replace(io, key, present.is_some(), copy.config_bytes().to_vec())?;
    Ok(Outcome::Healed(key, Remedy::Replica))
}

/// Refuses where the configuration asks of who writes what this version does not know. That the copy itself can't be
/// written to, as in a store without locks, is nothing: it is only read.
fn known_here(copy: &Repository) -> Result<()> {
    let known = copy.config().check_writable();
    known.map_err(|cause| Error::format(OPERATION, ObjectKey::Config, cause))
}

/// Whether the key that it calls its root has signed it.
fn is_signed(signed: &SignedConfig) -> bool {
    let message = &signed.message[SIGNATURE_CONTEXT.len()..];
    let by = |root| verify(&root, SIGNATURE_CONTEXT, message, &signed.signature).is_ok();
    signed.config.root().is_some_and(by)
}

/// A configuration that is valid stays, if it is one of the copy's repository.
fn is_ours(signed: &SignedConfig, copy: &Repository) -> Result<Outcome> {
    if signed.config.root() == Some(copy.keyring().root_public())
        && signed.config.repository == copy.id()
    {
        return Ok(Outcome::Whole);
    }
    let reason = format!("'config' here is of repository {}", signed.config.repository);
    Err(of_another(copy.io(), &reason))
}

/// Which log the entries here are of, by the first that can be read.
fn log_here(io: &Io) -> Result<Option<LogId>> {
    let mut numbers = Vec::new();
    io.list(LOG, |listed| {
        if let Ok(key @ ObjectKey::Log(_)) = listed.key.parse() {
            numbers.push(key);
        }
        Ok(())
    })?;
    numbers.sort_unstable();
    for key in numbers.into_iter().take(ENTRIES_MAX) {
        let Ok(bytes) = io.get_at_most(&key, LOG_ENTRY_MAX as u64) else { continue };
        if let Ok(entry) = LogEntry::decode(&bytes) {
            return Ok(Some(entry.header.log));
        }
    }
    Ok(None)
}

fn of_another(io: &Io, reason: &str) -> Error {
    Error::new(Kind::Invalid, OPERATION, io.describe())
        .because(format!("the copy does not fit: {reason}"))
        .hint("give a copy of this very repository")
}

fn heal_slots(
    io: &Io,
    copy: &Repository,
    named: &[ObjectKey],
    report: &mut HealReport,
) -> Result<()> {
    let here = slots::find(io)?;
    let found = |key: &ObjectKey| here.iter().find(|slot| slot.key == *key);
    let theirs: Vec<(ObjectKey, KeySlot)> = slots::list(copy)?
        .into_iter()
        .filter_map(|FoundSlot { key, slot, .. }| Some((key, slot.ok()?)))
        .filter(|(_, slot)| slot.repository == copy.id())
        .collect();
    // One that differs from the copy's may be the damaged one, so that nothing opens.
    let opens = |FoundSlot { key, slot, .. }: &FoundSlot| {
        let other = theirs.iter().find(|(of, _)| of == key);
        slot.as_ref().is_ok_and(|slot| {
            slot.repository == copy.id()
                && slot.is_usable()
                && other.is_none_or(|(_, other)| other == slot)
        })
    };
    let is_one_left = here.iter().any(opens);
    for (key, slot) in &theirs {
        let is_named = named.contains(key);
        let outcome = match found(key).map(|found| found.slot.as_ref()) {
            Some(Ok(same)) if same == slot => match is_named {
                true => Outcome::Whole,
                false => continue,
            },
            Some(Ok(_)) if copy.opened_by().slot != slot.slot => {
                let reason =
                    "it is another one in the copy, and nobody can tell here which is right";
                Outcome::Lost(Error::new(Kind::Corrupt, OPERATION, key).because(reason).hint(
                    "open the copy with what opens this slot: that shows that the copy's is right",
                ))
            }
            None if !is_named && is_one_left => continue,
            there => {
                known_here(copy)?;
                let bytes = copy.io().get_at_most(key, SLOT_MAX as u64)?;
                if slots::decode(*key, &bytes)? != *slot {
                    return Err(Error::new(Kind::Corrupt, OPERATION, key)
                        .because("the copy of it has changed since it was looked at"));
                }
                replace(io, *key, there.is_some(), bytes.to_vec())?;
                Outcome::Healed(*key, Remedy::Replica)
            }
        };
        report.push((*key, outcome));
    }
    for key in named.iter().filter(|key| matches!(key, ObjectKey::Slot(_))) {
        if !theirs.iter().any(|(of, _)| of == key) {
            let error = Error::new(Kind::NotFound, OPERATION, key);
            report.push((*key, Outcome::Lost(error.because("the copy does not have it whole"))));
        }
    }
    Ok(())
}

/// Puts bytes under a name that is taken by what is worth nothing, or is free.
fn replace(io: &Io, key: ObjectKey, is_there: bool, bytes: Vec<u8>) -> Result<()> {
    if is_there {
        match io.delete(&key) {
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => {}
        }
    }
    io.put_new(&key, Payload::from(bytes)).map_err(|error| match error.kind() {
        Kind::AlreadyExists => Error::new(error.kind(), OPERATION, key)
            .because("another has put it there meanwhile")
            .hint("run it again: it looks at what is there now"),
        _ => error,
    })
}
