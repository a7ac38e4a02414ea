//! Healing index segments: the same bytes from a replica, or their records from the packs.
//!
//! What is damaged is *merged* into what takes its place, by a maintainer's entry: so readers ask that where the damaged
//! one would have answered, older programs understand it, and the collector removes what was merged. Knows segments by name;
//! what is in packs is [`super::rebuild`]'s.
//!
//! Invariant: a segment is merged away only into something that has all records that are left of it.

use std::collections::BTreeMap;

use lifeboat_format::entry::ObjectKind;
use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;

use super::rebuild::{Rebuild, Unread};
use super::{HealReport, OPERATION, Outcome, Remedy, from_replica, is_of_the_store, put_again};
use super::{kind_of, read_whole};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::index::Index;
use crate::log::{self, Fold, LiveSegment};
use crate::open::Repository;

/// What healing segments works with.
pub(super) struct Segments<'a> {
    pub(super) repository: &'a Repository,
    pub(super) run: RunId,
    pub(super) replica: Option<(&'a Repository, &'a Fold)>,
    pub(super) cancel: &'a Cancel,
}

impl Segments<'_> {
    /// Heals these, and what else turns out to be damaged on the way.
    pub(super) fn heal(&self, fold: &mut Fold, keys: &[ObjectKey]) -> Result<HealReport> {
        let (mut report, mut lost) = (HealReport::new(), Vec::new());
        for key in keys {
            match self.heal_by_replica(fold, *key)? {
                Some(outcome) => report.push((*key, outcome)),
                None => lost.push(*key),
            }
        }
        if !lost.is_empty() {
            let rebuild = Rebuild {
                repository: self.repository,
                run: self.run,
                unread: Unread::KeepsItsSegment,
                cancel: self.cancel,
            };
            report.extend(rebuild.segments(fold, lost)?);
        }
        let order: BTreeMap<&ObjectKey, usize> = keys.iter().zip(0..).collect();
        report.sort_by_key(|(key, _)| order.get(key).copied().unwrap_or(usize::MAX));
        Ok(report)
    }

    /// What becomes of a segment without a look into packs; nothing where they are needed.
    fn heal_by_replica(&self, fold: &mut Fold, key: ObjectKey) -> Result<Option<Outcome>> {
        let (Some(ObjectKind::Index), Some(name), Some(_)) =
            (kind_of(&key), key.name(), fold.object(&key))
        else {
            let reason = "it is no pack or index segment that counts";
            return Err(Error::new(Kind::Invalid, OPERATION, key)
                .because(reason)
                .hint("give keys as `scrub` and `check` name them"));
        };
        let Some(segment) = fold.segments().into_iter().find(|segment| segment.key == key) else {
            let reason = "others have its records; the next collection condemns it";
            return Ok(Some(Outcome::NotNeeded(reason.to_owned())));
        };
        match self.is_whole(fold, &segment) {
            Ok(()) => return Ok(Some(Outcome::Whole)),
            Err(error) if is_of_the_store(&error) => return Err(error),
            Err(error) if matches!(error.kind(), Kind::Unsupported | Kind::Denied) => {
                return Ok(Some(Outcome::Lost(error)));
            }
            Err(error) => tracing::debug!(%error, "{key} is damaged"),
        }
        let found =
            self.replica.and_then(|replica| from_replica(replica, ObjectKind::Index, &name));
        let Some(bytes) = found else { return Ok(None) };
        let (new, listed) = put_again(self.repository, ObjectKind::Index, name, bytes)?;
        // What has the right hash may still be what nobody can open, if whoever wrote it wanted that.
        let again = LiveSegment { prefix: segment.prefix, ..LiveSegment::whole(new, listed.size) };
        if self.is_whole(fold, &again).is_err() {
            return Ok(None);
        }
        self.repository.io().sync()?;
        let made = [(listed, segment.prefix)];
        let counts =
            log::commit_merge(self.repository, fold, self.run, &[key], &made, |_head| true)?;
        Ok(Some(match counts {
            true => Outcome::Healed(new, Remedy::Replica),
            false => meanwhile(),
        }))
    }

    /// Whether all bytes of a segment are what its name says and can be opened.
    fn is_whole(&self, fold: &Fold, segment: &LiveSegment) -> Result<()> {
        let Some(name) = segment.key.name() else { return Ok(()) };
        read_whole(self.repository, &segment.key, &name)?;
        let mut failure = None;
        let index = Index::of_segments(self.repository, fold, &[], |lost| {
            failure.get_or_insert(lost.error);
        });
        index.read_through(segment)
    }
}

/// That somebody else was faster.
pub(super) fn meanwhile() -> Outcome {
    Outcome::NotNeeded("another has merged it or taken it away meanwhile".to_owned())
}
