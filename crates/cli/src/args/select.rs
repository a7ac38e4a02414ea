//! Options that choose snapshots.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _, ValueParser, ValueParserFactory};

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
    /// Only snapshots that have just this path as a root (repeated: all of them)
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
}

/// A snapshot, and perhaps a path in it: `latest`, `1a2b:/etc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotPath {
    /// The beginning of an id, or `latest`.
    pub(crate) snapshot: String,
    /// The absolute path after the colon, as raw bytes.
    pub(crate) path: Option<Vec<u8>>,
}

impl SnapshotPath {
    fn parse(text: &OsStr) -> Result<Self, String> {
        let bytes = text.as_bytes();
        let (snapshot, path) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], Some(bytes[colon + 1..].to_vec())),
            None => (bytes, None),
        };
        if path.as_ref().is_some_and(|path| path.first() != Some(&b'/')) {
            return Err("the path after ':' must begin with '/'".to_owned());
        }
        let snapshot = str::from_utf8(snapshot)
            .map_err(|_not_utf8| "a snapshot is 'latest' or the beginning of an id".to_owned())?;
        Ok(Self { snapshot: snapshot.to_owned(), path })
    }
}

/// Paths in snapshots need not be UTF-8, so the default parser, which asks for that, will not do.
impl ValueParserFactory for SnapshotPath {
    type Parser = ValueParser;

    fn value_parser() -> ValueParser {
        ValueParser::from(OsStringValueParser::new().try_map(|text| Self::parse(&text)))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::SnapshotPath;

    fn parse(text: &[u8]) -> Result<SnapshotPath, String> {
        SnapshotPath::parse(OsStr::from_bytes(text))
    }

    #[test]
    fn with_and_without_path() {
        let parsed = parse(b"latest:/etc/a:b").unwrap();
        assert_eq!(parsed.snapshot, "latest");
        assert_eq!(parsed.path.as_deref(), Some(&b"/etc/a:b"[..]));
        assert_eq!(parse(b"1a2b").unwrap().path, None);
        assert!(parse(b"1a2b:etc").is_err());
    }

    #[test]
    fn paths_of_any_bytes() {
        assert_eq!(parse(b"latest:/\xff\n").unwrap().path.as_deref(), Some(&b"/\xff\n"[..]));
        assert!(parse(b"\xff:/etc").is_err());
    }
}
