//! The Python that runs the independent reader: the one that `cargo xtask setup` furnished.

use std::path::{Path, PathBuf};

/// The path of a Python 3 with the reader's packages.
#[must_use]
pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python3");
    assert!(python.exists(), "{} is missing; run `cargo xtask setup`", python.display());
    python
}
