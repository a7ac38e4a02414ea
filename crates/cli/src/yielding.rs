//! Yielding to load: backup, restore and check work less while others wait for the CPU or a disk.
//!
//! What the kernel tells is in `load`, what follows from it in `governor`; docs/decisions/0021 says why so.
//! The library knows only that it is to ask (`lifeboat::Pace`).

mod governor;
mod load;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use lifeboat::repository::SystemClock;
use lifeboat::{Pace, Pacer};

use self::governor::Governor;
use self::load::{Proc, Source};
use crate::exit::Usage;
use crate::settings::Polite;

/// The pace of a run that was told to be polite so.
///
/// # Errors
/// [`Usage`] when yielding was asked for and the kernel does not tell of load.
pub(crate) fn pace(polite: &Polite) -> Result<Pace> {
    let Some(yielding) = polite.yield_to_load.as_ref().filter(|said| said.value > 0) else {
        return Ok(Pace::default());
    };
    let source = source(Path::new("/proc"), &yielding.origin)?;
    let governor = Governor::new(yielding.value, Arc::new(SystemClock::new()), Box::new(source));
    Ok(Pace::by(Arc::new(governor) as Arc<dyn Pacer>))
}

/// What tells of load, tried once.
fn source(proc: &Path, origin: &str) -> Result<Proc, Usage> {
    let source = Proc::new(proc);
    let tried = source.read().map(|_| source);
    tried.map_err(|error| {
        Usage(format!(
            "yield-to-load ({origin}): the kernel does not tell how long programs wait: {error}; it needs \
             pressure stall information (Linux 4.20 with CONFIG_PSI, in some distributions started with \
             psi=1); leave the option out, or use --nice and --io-class"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_does_not_tell_is_wrong_usage() {
        let proc = tempfile::tempdir().unwrap();
        let error = source(proc.path(), "--yield-to-load").unwrap_err().to_string();
        assert!(error.starts_with("yield-to-load (--yield-to-load): "), "{error}");
        assert!(error.contains("pressure/cpu") && error.contains("psi=1"), "{error}");
    }
}
