//! Orphans: objects in the store that no entry of the log names.
//!
//! Left behind by runs that were cut off, or by a removal that was. Young ones are left alone: a run that is under way may
//! be about to name them. That is a courtesy; what such a run relies on it looks at before it does.

use lifeboat_format::key::{INDEX, ObjectKey, PACKS, TREES};

use super::plan::Plan;
use super::{Run, living};
use crate::error::Result;

/// Adds them to the plan.
pub(super) fn add(run: &Run<'_>, plan: &mut Plan) -> Result<()> {
    for prefix in [PACKS, TREES, INDEX] {
        run.repository.io().list(prefix, |listed| {
            let Ok(key) = listed.key.parse::<ObjectKey>() else { return Ok(()) };
            let is_known = run.fold.object(&key).is_some() || run.fold.is_condemned(&key);
            if !is_known && living::since(run.repository, listed.modified) >= run.options.delay {
                plan.add(key, listed.size);
                plan.orphans.add(listed.size);
            }
            Ok(())
        })?;
    }
    plan.objects.sort_unstable();
    Ok(())
}
