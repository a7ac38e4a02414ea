//! Arguments of `find`.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use lifeboat_format::tree::EntryKind;

use super::{ByteSize, SelectArgs};

/// `find`
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Names or paths to look for: globs; one with a `/` is matched against the whole path. Without any,
    /// all that the other options leave
    #[arg(value_name = "PATTERN")]
    #[arg(required_unless_present_any = ["size", "newer", "older", "kinds"])]
    pub(crate) patterns: Vec<String>,
    /// Looks only in these snapshots: beginnings of ids, or `latest` (may be repeated)
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) snapshot: Vec<String>,
    /// Takes upper and lower case as the same
    #[arg(short, long)]
    pub(crate) ignore_case: bool,
    /// Only files of this size, such as 4096; +10M for more than that, -1K for less (repeated: all of
    /// them, as in --size=+1M --size=-10M)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) size: Vec<SizeTest>,
    /// Only what was last modified at this time or later, such as 2026-11-20T15:04:05Z, '2026-11-20
    /// 15:04', or 7d for seven days ago
    #[arg(long, value_name = "TIME", visible_alias = "oldest")]
    pub(crate) newer: Option<String>,
    /// Only what was last modified at this time or earlier
    #[arg(long, value_name = "TIME", visible_alias = "newest")]
    pub(crate) older: Option<String>,
    /// Only this type (repeated: any of them)
    #[arg(id = "kinds", short = 't', long = "type", value_name = "TYPE")]
    pub(crate) kinds: Vec<KindTest>,
    /// Shows modes, owners, sizes and times
    #[arg(short, long)]
    pub(crate) long: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// What the size of a file has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeTest {
    /// More than so many bytes.
    More(u64),
    /// Less than so many bytes.
    Less(u64),
    /// Just so many bytes.
    Just(u64),
}

impl SizeTest {
    /// Whether a file of `bytes` passes.
    pub(crate) fn matches(self, bytes: u64) -> bool {
        match self {
            Self::More(limit) => bytes > limit,
            Self::Less(limit) => bytes < limit,
            Self::Just(wanted) => bytes == wanted,
        }
    }
}

impl FromStr for SizeTest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = |text: &str| {
            let size: ByteSize = text.parse().map_err(|error| {
                format!("{error}; with + before it for more than that, or - for less")
            })?;
            Ok::<u64, String>(size.0)
        };
        match text.split_at_checked(1) {
            Some(("+", size)) => bytes(size).map(Self::More),
            Some(("-", size)) => bytes(size).map(Self::Less),
            _ => bytes(text).map(Self::Just),
        }
    }
}

/// What something is; the letters are those of `find`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindTest {
    /// A regular file
    #[value(alias = "f")]
    File,
    /// A directory
    #[value(alias = "d")]
    Dir,
    /// A symbolic link
    #[value(alias = "l")]
    Symlink,
    /// A named pipe
    #[value(alias = "p")]
    Fifo,
    /// A socket
    #[value(alias = "s")]
    Socket,
    /// A character device
    #[value(alias = "c")]
    Char,
    /// A block device
    #[value(alias = "b")]
    Block,
}

impl From<KindTest> for EntryKind {
    fn from(kind: KindTest) -> Self {
        match kind {
            KindTest::File => Self::File,
            KindTest::Dir => Self::Dir,
            KindTest::Symlink => Self::Symlink,
            KindTest::Fifo => Self::Fifo,
            KindTest::Socket => Self::Socket,
            KindTest::Char => Self::Char,
            KindTest::Block => Self::Block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SizeTest;

    #[test]
    fn sizes() {
        assert_eq!("+10M".parse(), Ok(SizeTest::More(10 << 20)));
        assert_eq!("-1K".parse(), Ok(SizeTest::Less(1024)));
        assert_eq!("0".parse(), Ok(SizeTest::Just(0)));
        for bad in ["", "+", "--1", "big", "+-1", "é"] {
            assert!(bad.parse::<SizeTest>().is_err(), "{bad}");
        }
        assert!(SizeTest::More(5).matches(6) && !SizeTest::More(5).matches(5));
        assert!(SizeTest::Less(5).matches(4) && !SizeTest::Less(5).matches(5));
        assert!(SizeTest::Just(5).matches(5) && !SizeTest::Just(5).matches(4));
    }
}
