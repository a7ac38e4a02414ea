//! One segment at a time: which there are, and all records of one.
//!
//! For whoever remembers what he has found in a segment: its key names its bytes, so its records and their order never change.

use lifeboat_format::index::{IndexRecord, PackRecord};
use lifeboat_format::key::ObjectKey;

use super::Index;
use crate::error::Result;
use crate::log::LiveSegment;

impl Index {
    /// The keys of all segments, in their order: that of an [`Ordinal`](super::Ordinal).
    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        self.table().slots().iter().map(|slot| slot.key).collect()
    }

    /// Calls `each` for every record of a segment, which this index need not have, with its position, its pack, and whether
    /// that is there.
    ///
    /// # Errors
    /// What `each` returns, or when the segment can't be opened or a block of it be fetched or opened.
    pub(crate) fn for_each_of(
        &self,
        segment: &LiveSegment,
        mut each: impl FnMut(u64, &IndexRecord, &PackRecord, bool) -> Result<()>,
    ) -> Result<()> {
        let believed = self.believed();
        self.open_for_merge(segment)?.for_each(&self.cache, |at, record, pack| {
            each(at, record, pack, believed.believes(&segment.key, &pack.key()))
        })
    }
}
