//! The estimate of a first backup: a second, quicker walk ahead of the one that works.
//!
//! For progress alone; nothing depends on it, and what goes wrong here the real walk will tell.

use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_format::tree::EntryKind;

use super::Job;
use super::roots::BackupRoot;
use crate::source::exclude::Excludes;
use crate::source::walk::Walk;

/// Tell the monitor after so many files.
const EVERY: u64 = 4096;

/// Counts files and bytes below the roots for the monitor.
///
/// Ends early when the run is `over`, however it ended.
pub(super) fn count(job: Job<'_>, roots: &[BackupRoot], over: &AtomicBool) {
    let Ok(excludes) = Excludes::new(&job.options.excludes) else { return };
    let (mut files, mut bytes) = (0_u64, 0_u64);
    for root in roots {
        let Ok(walk) = Walk::new(&root.path, &root.walk, &excludes) else { continue };
        for item in walk.flatten() {
            files += 1;
            if item.stat.kind == EntryKind::File {
                bytes = bytes.saturating_add(item.stat.size);
            }
            if files.is_multiple_of(EVERY) {
                if over.load(Ordering::Relaxed) || job.context.cancel.is_cancelled() {
                    return;
                }
                job.context.monitor.expect(files, bytes);
            }
        }
    }
    job.context.monitor.expect(files, bytes);
}
