//! Orphans: objects in the store that no entry of the log names.
//!
//! Left behind by runs that were cut off, or by a removal that was. Young ones are left alone: a run that is under way may
//! be about to name them. That is a courtesy; what such a run relies on it looks at before it does.

use lifeboat_format::key::{INDEX, ObjectKey, PACKS, TREES};

use super::plan::Plan;
use super::{GcReport, Run, living};
use crate::error::Result;

/// Adds them to the plan. Where objects are locked, those that are can wait, and those of earlier collections whose time has
/// come are removed.
pub(super) fn add(run: &mut Run<'_>, plan: &mut Plan, report: &mut GcReport) -> Result<()> {
    let mut orphans = Vec::new();
    for prefix in [PACKS, TREES, INDEX] {
        run.repository.io().list(prefix, |listed| {
            let Ok(key) = listed.key.parse::<ObjectKey>() else { return Ok(()) };
            let is_known = run.fold.object(&key).is_some() || run.fold.is_condemned(&key);
            if !is_known {
                orphans.push((key, listed.size, listed.modified));
            }
            Ok(())
        })?;
    }
    if let Some(left) = &mut run.left {
        let sifted = left.sift(run.repository, orphans, run.options.dry_run)?;
        sifted.removed.into_iter().for_each(|bytes| report.removed.add(bytes));
        orphans = sifted.orphans;
    }
    for (key, bytes, modified) in orphans {
        if living::since(run.repository, modified) >= run.options.delay {
            plan.add(key, bytes);
            plan.orphans.add(bytes);
        }
    }
    plan.objects.sort_unstable();
    Ok(())
}
