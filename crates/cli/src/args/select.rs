//! Options that choose snapshots.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// Which snapshots `latest` and lists are about.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which snapshots")]
pub(crate) struct SelectArgs {
    /// Only snapshots of this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only snapshots of this host
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Only snapshots with this tag (repeated: with all of them)
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only snapshots with this root (repeated: with all of them)
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
}

/// A snapshot, and perhaps a path in it: `latest`, `1a2b:/etc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotPath {
    /// The beginning of an id, or `latest`.
    pub(crate) snapshot: String,
    /// The absolute path after the colon.
    pub(crate) path: Option<String>,
}

impl FromStr for SnapshotPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None => Ok(Self { snapshot: text.to_owned(), path: None }),
            Some((snapshot, path)) if path.starts_with('/') => {
                Ok(Self { snapshot: snapshot.to_owned(), path: Some(path.to_owned()) })
            }
            Some(_) => Err("the path after ':' must begin with '/'".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SnapshotPath;

    #[test]
    fn with_and_without_path() {
        let parsed: SnapshotPath = "latest:/etc/a:b".parse().unwrap();
        assert_eq!((parsed.snapshot.as_str(), parsed.path.as_deref()), ("latest", Some("/etc/a:b")));
        assert_eq!("1a2b".parse::<SnapshotPath>().unwrap().path, None);
        assert!("1a2b:etc".parse::<SnapshotPath>().is_err());
    }
}
