//! Guards: what is not forgotten unless the user insists.
//!
//! Knows what there is and what would go. Pure. A source is one of the key that signed it first: whoever calls its own
//! snapshots by another's source must not make that one's last look like one of many.

use std::collections::{BTreeMap, HashMap, HashSet};

use lifeboat_format::id::{PublicKey, SnapshotId};
use lifeboat_format::snapshot::Outcome;

use crate::error::{Error, Kind, Result};
use crate::snapshots::Snapshots;

/// What must be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The last snapshot of each source stays, and its last complete one.
    pub keep_last: bool,
    /// How many of all snapshots may go at once, in percent.
    pub share_percent_max: u8,
}

impl Guards {
    /// Half of all snapshots at most, and never the last of a source.
    pub const DEFAULT: Self = Self { keep_last: true, share_percent_max: 50 };
    /// None: the user insists.
    pub const OFF: Self = Self { keep_last: false, share_percent_max: 100 };

    /// Refuses where too much would go. Checkpoints of interrupted runs count neither here nor there.
    ///
    /// # Errors
    /// [`Kind::Denied`], with the source or the share that is guarded.
    pub fn check(&self, snapshots: &Snapshots, going: &[SnapshotId]) -> Result<()> {
        let going: HashSet<&SnapshotId> = going.iter().collect();
        let (mut all, mut gone) = (0_u64, 0_u64);
        let forms = snapshots.forms();
        let authors: HashMap<SnapshotId, PublicKey> =
            snapshots.all().iter().map(|known| (known.snapshot.id, known.author)).collect();
        let mut sources: BTreeMap<(&str, PublicKey), Left> = BTreeMap::new();
        for known in snapshots.live().filter(|known| !known.snapshot.is_checkpoint()) {
            let goes = going.contains(&known.snapshot.id);
            all += 1;
            gone += u64::from(goes);
            // Other marks are signed by whoever changed them.
            let first = forms.of(&known.snapshot.id).first().and_then(|id| authors.get(id));
            let author = first.copied().unwrap_or(known.author);
            let of_source = sources.entry((&known.snapshot.source_key, author)).or_default();
            of_source.count(goes, known.snapshot.outcome == Outcome::Complete);
        }
        if self.keep_last
            && let Some(((source, _), left)) = sources.iter().find(|(_, left)| left.is_too_little())
        {
            return Err(Error::new(Kind::Denied, "forget snapshots of", source)
                .because(left.reason())
                .hint("with --yes-really it is forgotten all the same"));
        }
        if gone * 100 > all * u64::from(self.share_percent_max) {
            let reason = format!(
                "{gone} of {all} snapshots are more than {} percent at once",
                self.share_percent_max
            );
            return Err(Error::new(Kind::Denied, "forget", format!("{gone} snapshots"))
                .because(reason)
                .hint("look at it with --dry-run; --max-share or --yes-really lets it happen"));
        }
        Ok(())
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a source has, and what would stay of it.
#[derive(Debug, Default)]
struct Left {
    goes: u64,
    stays: u64,
    complete_goes: u64,
    complete_stays: u64,
}

impl Left {
    fn count(&mut self, goes: bool, is_complete: bool) {
        let complete = u64::from(is_complete);
        if goes {
            self.goes += 1;
            self.complete_goes += complete;
        } else {
            self.stays += 1;
            self.complete_stays += complete;
        }
    }

    fn is_too_little(&self) -> bool {
        (self.goes > 0 && self.stays == 0) || (self.complete_goes > 0 && self.complete_stays == 0)
    }

    fn reason(&self) -> &'static str {
        if self.stays == 0 {
            "none would be left"
        } else {
            "no complete one would be left, only partial ones"
        }
    }
}
