//! Healing the log: entries that are damaged or lost, and checkpoints that are damaged.
//!
//! A number of the log is given once, so no entry is ever removed or replaced. One that is *missing* is created again with the
//! copy's bytes, if these are proven to be what was there ([`crate::log::wounds`]). One that is *damaged* stays, and a checkpoint
//! is written that has what it said. What a checkpoint covers already needs no bytes; where such an entry is missing its place
//! is marked, so that nobody who does not see the far side of the hole fills it. A checkpoint is worth nothing without its
//! bytes, so that a damaged one is removed; the log, or the copy, has what it said.
//!
//! Invariant: nothing is made up. What neither a checkpoint nor a copy has is told as lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;
use lifeboat_store::Payload;

use super::{HealReport, OPERATION, Outcome, Remedy, require_maintainer};
use crate::error::{Error, Kind, Result};
use crate::log::wounds::{self, Wound, covered, proven, wounds};
use crate::log::{Decision, EntryDraft, Fold, append, checkpoint};
use crate::open::Repository;

/// So many checkpoints are looked at, from the newest, as a check does.
const CHECKPOINTS_MAX: usize = 3;

/// Heals entries and checkpoints of the log, from `copy` where that is needed. Entries behind the end are looked for in the
/// copy if they were seen before or are `named`.
///
/// # Errors
/// The store's; [`Kind::Denied`] if something is to be written and there is no key of role *maintain*;
/// [`Kind::Unsupported`] at an entry of a newer version.
pub fn heal_log(
    repository: &Repository,
    copy: Option<&Repository>,
    named: &[u64],
) -> Result<HealReport> {
    let covered = covered(repository)?;
    let wounds = wounds(repository, covered, named.iter().max().copied())?;
    let healer = Healer { repository, copy, covered };
    let mut report = healer.entries(&wounds)?;
    for number in named {
        if !wounds.iter().any(|wound| wound.number == *number) {
            report.push((ObjectKey::Log(*number), Outcome::Whole));
        }
    }
    healer.checkpoints(&mut report)?;
    Ok(report)
}

struct Healer<'a> {
    repository: &'a Repository,
    copy: Option<&'a Repository>,
    /// The last entry that a checkpoint covers.
    covered: Option<u64>,
}

impl Healer<'_> {
    fn entries(&self, wounds: &[Wound]) -> Result<HealReport> {
        let mut report = HealReport::new();
        if wounds.is_empty() {
            return Ok(report);
        }
        self.require_healer()?;
        let covered = self.covered;
        let mut found: BTreeMap<u64, Result<Bytes>> = BTreeMap::new();
        // The next entry vouches for each, so that the last comes first.
        for Wound { number, .. } in wounds.iter().rev() {
            let Some(copy) = self.copy else { break };
            let next = number.checked_add(1).and_then(|next| found.get(&next)?.as_ref().ok());
            let bytes = proven(self.repository, *number, next, copy);
            match bytes {
                Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                    return Err(error);
                }
                bytes => drop(found.insert(*number, bytes)),
            }
        }
        let mut spares = BTreeMap::new();
        for Wound { number, reason, is_missing } in wounds {
            let key = ObjectKey::Log(*number);
            let is_covered = covered >= Some(*number);
            let outcome = match found.remove(number) {
                Some(Ok(bytes)) if *is_missing => {
                    self.create(key, bytes)?;
                    Outcome::Healed(key, Remedy::Replica)
                }
                _ if is_covered && *is_missing => {
                    self.create(key, mark(*number, covered))?;
                    Outcome::Healed(key, Remedy::Checkpoint)
                }
                _ if is_covered => {
                    let newest = ObjectKey::Checkpoint(covered.unwrap_or(*number));
                    Outcome::NotNeeded(format!("{reason}; {newest} has what it said"))
                }
                Some(Ok(bytes)) => {
                    spares.insert(*number, bytes);
                    continue;
                }
                Some(Err(error)) => Outcome::Lost(error),
                None => {
                    Outcome::Lost(Error::new(Kind::Corrupt, OPERATION, key).because(reason.clone()))
                }
            };
            report.push((key, outcome));
        }
        self.cover(&spares, &mut report)?;
        report.sort_unstable_by_key(|(key, _)| *key);
        Ok(report)
    }

    /// Writes a checkpoint that has what these entries said, which are damaged here.
    fn cover(&self, spares: &BTreeMap<u64, Bytes>, report: &mut HealReport) -> Result<()> {
        if spares.is_empty() {
            return Ok(());
        }
        let keys = spares.keys().map(|number| ObjectKey::Log(*number));
        let mut fold = wounds::fold_with(self.repository, spares)?;
        if let Some(damage) = fold.last_damage().map(|damage| damage.number).or(fold.gap()) {
            let other = ObjectKey::Log(damage);
            report.extend(keys.map(|key| {
                let reason = format!(
                    "the copy has it, but {other} is lost, and a checkpoint can't have the one without the other"
                );
                (key, Outcome::Lost(Error::new(Kind::Corrupt, OPERATION, key).because(reason)))
            }));
            return Ok(());
        }
        // A checkpoint is of an entry that is whole, and there is one at most for each.
        let mut is_written = checkpoint::write(self.repository, &fold)?;
        if !is_written {
            let run = RunId(self.repository.random()?);
            append(self.repository, &mut fold, |_| {
                Ok(Decision::Append(EntryDraft::note(run, SigningRole::Maintain)))
            })?;
            is_written = checkpoint::write(self.repository, &fold)?;
        }
        let Some(head) = fold.head().filter(|_| is_written) else {
            return Err(Error::new(Kind::Unavailable, OPERATION, self.repository.io().describe())
                .because("no checkpoint could be written")
                .hint("run it again"));
        };
        let healed = ObjectKey::Checkpoint(head.number);
        report.extend(keys.map(|key| (key, Outcome::Healed(healed, Remedy::Replica))));
        Ok(())
    }

    /// Removes the newest checkpoints that are damaged, if nothing else is wrong with the log, and puts others there.
    fn checkpoints(&self, report: &mut HealReport) -> Result<()> {
        let newest = checkpoint::all(self.repository)?.into_iter().rev().take(CHECKPOINTS_MAX);
        for (number, size) in newest {
            let error = match checkpoint::read(self.repository, number, size) {
                Ok(_) => continue,
                Err(error) if error.kind() == Kind::Corrupt || error.is_unreadable() => error,
                Err(error) if error.kind() == Kind::Unsupported => continue,
                Err(error) => return Err(error),
            };
            self.require_healer()?;
            let key = ObjectKey::Checkpoint(number);
            let fold = Fold::load(self.repository)?;
            if fold.last_damage().is_some() || fold.gap().is_some() {
                report.push((key, Outcome::Lost(error)));
                continue;
            }
            let theirs = self.copy.and_then(|copy| whole_checkpoint(copy, number));
            self.repository.io().delete(&key)?;
            let outcome = match theirs {
                Some(bytes) => {
                    self.create(key, bytes)?;
                    Outcome::Healed(key, Remedy::Replica)
                }
                None => {
                    checkpoint::write(self.repository, &fold)?;
                    let head = fold.head().map_or(key, |head| ObjectKey::Checkpoint(head.number));
                    Outcome::Healed(head, Remedy::Log)
                }
            };
            report.push((key, outcome));
        }
        Ok(())
    }

    fn require_healer(&self) -> Result<()> {
        self.repository.require_writable()?;
        require_maintainer(self.repository, OPERATION)
    }

    fn create(&self, key: ObjectKey, bytes: Bytes) -> Result<()> {
        match self.repository.io().put_new(&key, Payload::from(bytes)) {
            // Whoever was faster had it from somewhere, too: the fold says what it is worth.
            Err(error) if error.kind() != Kind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// What takes the place of an entry that is not needed: everybody takes it for one that is damaged.
fn mark(number: u64, covered: Option<u64>) -> Bytes {
    let checkpoint = ObjectKey::Checkpoint(covered.unwrap_or(number));
    let key = ObjectKey::Log(number);
    Bytes::from(format!("{key} was lost; {checkpoint} has what it said.\n"))
}

/// The copy's checkpoint of that number, if it is whole.
fn whole_checkpoint(copy: &Repository, number: u64) -> Option<Bytes> {
    let key = ObjectKey::Checkpoint(number);
    let size = copy.io().head(&key).ok()?.size;
    checkpoint::read(copy, number, size).ok()?;
    copy.io().get(&key).ok()
}
