//! Signals: the first asks the run to stop in order, the second ends the process at once.

use anyhow::{Context as _, Result};
use lifeboat::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A token that SIGINT and SIGTERM set.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn cancel_on_signals() -> Result<Cancel> {
    let cancel = Cancel::new();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag set by the first.
        flag::register_conditional_shutdown(signal, 130, cancel.flag()).context("catch signals")?;
        flag::register(signal, cancel.flag()).context("catch signals")?;
    }
    Ok(cancel)
}
