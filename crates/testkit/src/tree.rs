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
pub(crate) use reach::{list, open_dir};
pub use scratch::Scratch;

/// Whether the test runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests;
