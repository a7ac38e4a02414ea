//! What a collection that was only planned would ask of the store, were it carried out.
//!
//! Knows the plan; asks the store for no more than the age of what is condemned. What planning asks is not in it: whoever has planned has
//! counted that. Merging index segments, and looking at what came between a mark and its `condemn`, are not foreseen.

use serde::Serialize;

use super::mark::Usage;
use super::plan::Plan;
use super::{Run, condemn, living, repack};
use crate::error::Result;
use crate::index::Index;

/// What is to come, from the first copy to the last object removed, whether that is now or after the delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// Requests that read: bytes, or what is known of an object.
    pub get: u64,
    /// Requests that create.
    pub put: u64,
    /// Requests that remove.
    pub delete: u64,
    /// Requests for lists.
    pub list: u64,
    /// Bytes that are read to be copied.
    pub bytes_down: u64,
    /// About how many bytes are put.
    pub bytes_up: u64,
    /// Bytes of objects that are removed.
    pub bytes_freed: u64,
}

impl Ahead {
    /// The requests together.
    pub fn requests(&self) -> u64 {
        self.get + self.put + self.delete + self.list
    }

    /// What this plan takes, and the `delete`s that are due before it.
    pub(super) fn of(
        run: &Run<'_>,
        index: &std::sync::Arc<Index>,
        usage: &Usage,
        plan: &Plan,
    ) -> Result<Self> {
        let mut ahead = Self::default();
        for (number, open) in run.fold.condemns() {
            // How old it is.
            ahead.get += 1;
            if living::age(run.repository, *number)? >= run.options.delay {
                ahead.put += 1;
                ahead.delete += open.objects.len() as u64;
                ahead.bytes_freed += open.objects.iter().map(|object| object.size).sum::<u64>();
            }
        }
        if !plan.repack.is_empty() {
            repack::forecast(run, index, usage, plan, &mut ahead)?;
        }
        let entries = plan.objects.len().div_ceil(condemn::OBJECTS_MAX) as u64;
        // Each is condemned, looked at and deleted.
        ahead.put += 2 * entries;
        ahead.get += entries;
        ahead.delete += plan.objects.len() as u64;
        ahead.bytes_freed += plan.tally().bytes;
        Ok(ahead)
    }
}
