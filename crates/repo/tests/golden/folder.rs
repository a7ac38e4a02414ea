//! The folder of fixtures: where each is, what files it has, and the sums that say it was never edited.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lifeboat_codec::compress::Level;
use lifeboat_codec::hash::object_hash;
use lifeboat_format::config::Parity;

/// A golden repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixture {
    /// Its folder.
    pub(crate) name: &'static str,
    /// How it was compressed.
    pub(crate) level: Level,
    /// How much parity its packs have.
    pub(crate) parity: Parity,
}

/// All golden repositories that there ever were; one of a released format stays for good.
pub(crate) const FIXTURES: [Fixture; 3] = [
    // Written anew by a test, byte for byte.
    Fixture { name: "v1-stored", level: Level::STORED, parity: NO_PARITY },
    Fixture { name: "v1-parity", level: Level::STORED, parity: SOME_PARITY },
    // Only ever read: another zstd may compress differently.
    Fixture { name: "v1-zstd", level: Level::DEFAULT, parity: NO_PARITY },
];

const NO_PARITY: Parity = Parity { data_permille: 0, tree_permille: 0 };
/// So much that some packs have several stripes of it.
const SOME_PARITY: Parity = Parity { data_permille: 400, tree_permille: 30 };

/// The list of BLAKE3 sums, as `b3sum` writes and checks it.
pub(crate) const SUMS: &str = "SUMS";

/// The folder in a fixture that is the repository; beside it are its secrets and `expected.json`.
pub(crate) const REPOSITORY: &str = "repository";

/// Files by their paths below some folder.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The folder of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All files below `folder`.
pub(crate) fn files_below(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    gather(folder, "", &mut files)?;
    Ok(files)
}

fn gather(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// The lines of [`SUMS`] for all `files` of the fixture `name`.
pub(crate) fn sums(name: &str, files: &Files) -> Vec<String> {
    files.iter().map(|(path, bytes)| format!("{}  {name}/{path}", object_hash(bytes))).collect()
}
