//! Schedules: when a cron expression runs next, in a time zone.
//!
//! Five fields as in crontab(5): minute, hour, day of the month, month, day of the week, with names, ranges, lists and
//! steps, or `@daily` and the like. A time that the change to summer time leaves out is run right after it, and one that
//! is there twice in autumn once.

use std::str::FromStr as _;

use croner::Cron;
use jiff::Zoned;

use crate::{Error, Result};

/// When something runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
}

impl Schedule {
    /// The schedule that a cron expression means.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let cron = Cron::from_str(text).map_err(|cause| {
            Error::new(format!(
                "{text:?} is no schedule ({cause}); write one like \"0 2 * * *\" (minute, hour, day, month, day of the week)"
            ))
        })?;
        Ok(Self { cron })
    }

    /// The first run after `time`, in its zone.
    ///
    /// # Errors
    /// When there is none that a calendar has, such as on February 30.
    pub fn next_after(&self, time: &Zoned) -> Result<Zoned> {
        self.cron
            .find_next_occurrence(time, false)
            .map_err(|cause| Error::new(format!("the schedule has no run after {time}: {cause}")))
    }
}

#[cfg(test)]
mod tests;
