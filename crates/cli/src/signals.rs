//! Signals: the first asks the run to stop in order, the second ends the process at once.
//!
//! They are counted on one thread. In the handlers themselves two signals that arrive together run on
//! two threads, and each could take itself for the first.

use std::thread;

use anyhow::{Context as _, Result};
use lifeboat::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::exit::STOPPED;

/// A token that SIGINT and SIGTERM set.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn cancel_on_signals() -> Result<Cancel> {
    let cancel = Cancel::new();
    let ask = cancel.clone();
    on_first_signal(move || ask.cancel())?;
    Ok(cancel)
}

/// Calls `ask`, which must not block, at the first SIGINT or SIGTERM.
///
/// # Errors
/// When the system does not let signals be caught.
pub(crate) fn on_first_signal(ask: impl FnOnce() + Send + 'static) -> Result<()> {
    let mut ask = Some(ask);
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("catch signals")?;
    let watch = move || {
        for _ in signals.forever() {
            match ask.take() {
                Some(ask) => ask(),
                None => low_level::exit(STOPPED.into()),
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).context("catch signals")?;
    Ok(())
}
