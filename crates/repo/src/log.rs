//! The log: what counts in a repository, decided entry by entry without locks.
//!
//! Knows signed entries, objects by name and sealed snapshots; nothing of chunks, trees, files or
//! clocks. docs/protocol.md says why appending by create-if-absent is all the coordination there is.
//!
//! Invariants: the fold of the same entries is the same for everybody. An entry that is damaged,
//! forged, or signed by a key without the role occupies its number, means nothing and is chained
//! over. An entry whose meaning this version does not know stops it, unless the entry says that it may
//! be skipped. Nothing is ever appended that was not decided at the very head it follows.

mod append;
mod backoff;
pub mod checkpoint;
pub(crate) mod collected;
mod commit;
mod fetch;
mod fold;
pub mod history;
mod judge;
mod keeping;
mod ledger;
mod merges;
pub(crate) mod remark;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod wounds;

use lifeboat_format::id::ObjectHash;

pub use self::append::{Decision, EntryDraft, append};
pub use self::collected::Condemn;
pub use self::commit::{commit, commit_copies, commit_snapshot};
pub(crate) use self::commit::{commit_merge, commit_twins};
pub use self::fold::{Fold, LiveObject, SnapshotRecord, VoidEntry};
pub use self::keeping::Hold;
pub use self::ledger::{Ledger, Seen};
pub use self::merges::{LiveSegment, Merges};
pub use self::remark::seal_remark;

/// The last entry of a log, or one that was the last when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// The entry's number.
    pub number: u64,
    /// BLAKE3 of the entry's bytes.
    pub hash: ObjectHash,
}

#[cfg(test)]
mod tests;
