//! What `gc` can be told.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use lifeboat_repo::gc::Unused;

use super::{ByteSize, Period};

/// `gc`
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// How long what is condemned stays before it is deleted, and what no entry of the log names before it is condemned:
    /// for so long whoever reads by an older index finds everything
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub(crate) delay: Period,
    /// Deletes what it condemns in the same run, as --delay 0 does; runs under way are safe, and may have to store
    /// something again
    #[arg(long, conflicts_with = "delay")]
    pub(crate) now: bool,
    /// For how long a forgotten snapshot keeps what it needs, so that `forget --undo` brings it back
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) trash_period: Period,
    /// How much of the stored bytes may stay unused in packs of which something is used: a size, a share such as 5%, or
    /// unlimited. What is used of the others is copied into new packs
    #[arg(long, value_name = "LIMIT", default_value = "5%")]
    pub(crate) max_unused: UnusedArg,
    /// Copies at most so many bytes out of such packs; the rest is left to later runs
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_repack: Option<ByteSize>,
    /// Only says what would be condemned and copied
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

impl GcArgs {
    pub(crate) fn delay(&self) -> Duration {
        if self.now { Duration::ZERO } else { self.delay.0 }
    }
}

/// How much may stay unused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UnusedArg(pub(crate) Unused);

impl FromStr for UnusedArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(Unused::Unlimited));
        }
        let Some(percent) = text.strip_suffix('%') else {
            let size = text.parse().map(|ByteSize(bytes)| Self(Unused::Bytes(bytes)));
            return size.map_err(|_not_a_size| {
                format!(
                    "{text:?} is not a limit; write a size such as 512M or 10GiB, a share such as 5%, or unlimited"
                )
            });
        };
        match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(Unused::Percent(percent))),
            _ => Err(format!("{text:?} is not a share; write 0%, 2.5% or 10%")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!("unlimited".parse(), Ok(UnusedArg(Unused::Unlimited)));
        assert_eq!("2.5%".parse(), Ok(UnusedArg(Unused::Percent(2.5))));
        assert_eq!("0".parse(), Ok(UnusedArg(Unused::Bytes(0))));
        assert_eq!("1GiB".parse(), Ok(UnusedArg(Unused::Bytes(1 << 30))));
        for bad in ["101%", "-1%", "%", "NaN%", "much", ""] {
            assert!(bad.parse::<UnusedArg>().is_err(), "{bad}");
        }
        let error = "much".parse::<UnusedArg>().unwrap_err();
        assert!(error.contains("5%") && error.contains("unlimited"), "{error}");
    }
}
