//! What `check` and `scrub` have in common: both read what is stored, at the pace that others leave, and show how far they
//! are.

use anyhow::Result;
use lifeboat_repo::cancel::Cancel;
use lifeboat_repo::open::Repository;
use lifeboat_repo::pace::Pace;

use super::traffic::Traffic;
use super::{open, session};
use crate::render::{LineMonitor, Output, progress_monitor};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;
use crate::yielding;

/// What reads: how it is stopped and paced.
pub(crate) struct Reading {
    pub(crate) cancel: Cancel,
    pub(crate) pace: Pace,
}

/// Opens the repository, lets `read` read it, and says what it found and what the store was asked.
pub(crate) fn read<T>(
    settings: &Settings,
    output: &Output,
    read: impl FnOnce(&Repository, Reading, &LineMonitor) -> lifeboat_repo::error::Result<T>,
) -> Result<(T, Traffic)> {
    let pace = yielding::pace(&settings.polite()?)?;
    let reading = Reading { cancel: cancel_on_signals()?, pace };
    let repository = open::open(settings, output)?;
    let monitor = progress_monitor(output);
    let found = read(&repository, reading, &monitor);
    monitor.finish();
    let found =
        found.map_err(|error| session::mark_rollback(error.into(), &repository, settings))?;
    let requests = Traffic::of(repository.io());
    requests.log();
    Ok((found, requests))
}
