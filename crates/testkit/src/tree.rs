//! Trees for tests to back up: awkward ones, random ones, and random edits of them.
//!
//! Knows the file system and nothing of the product. What needs rights that the test does not have, or a
//! feature that the file system lacks, is left out and named in the result, so a test can say so.

mod awkward;
mod random;
mod reach;
mod scratch;

pub use awkward::Awkward;
pub use random::{Shape, edit, random};
pub(crate) use reach::{Reach, list, split};
pub use scratch::Scratch;

/// The paths of everything below the directory `root`, names joined by `/`, in no useful order.
///
/// # Errors
/// Those of reading it.
pub fn paths(root: &std::path::Path) -> std::io::Result<Vec<Vec<u8>>> {
    Ok(list(root)?.into_iter().map(|found| found.path).collect())
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests;
