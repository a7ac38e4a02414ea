//! Writing below a target directory, and nowhere else.
//!
//! Knows names, directories and file metadata; knows neither snapshots nor chunks.
//!
//! Invariants, whatever a hostile snapshot says and whoever plants symlinks in the target:
//! - Only the target directory itself is opened by a path. All below is reached through directory
//!   file descriptors, one validated name at a time (or by `openat2` with `RESOLVE_BENEATH`), and no
//!   link is ever followed.
//! - Files, links and special files are created exclusively; what is there already is never opened,
//!   replaced or changed, except that existing directories are entered.
//! - Metadata is set through descriptors of what this run has just made or entered.

pub mod dir;
pub mod fault;
pub mod file;
pub mod meta;
pub mod name;
pub mod node;
pub mod stack;

pub use dir::{Dir, FileId};
pub use fault::Fault;
pub use meta::{MetaWriter, Metadata};
pub use node::Node;
pub use stack::DirStack;

#[cfg(test)]
mod tests;
