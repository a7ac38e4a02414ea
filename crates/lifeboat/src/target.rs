//! Writing below a target directory, and nowhere else.
//!
//! Knows names, directories and file metadata; knows neither snapshots nor chunks.
//!
//! Invariants, whatever a hostile snapshot says and whoever plants symlinks in the target:
//! - Only the target directory itself is opened by a path. All below is reached through directory
//!   file descriptors, one validated name at a time (or by `openat2` with `RESOLVE_BENEATH`), and no
//!   link is ever followed.
//! - Files, links and special files are created exclusively; what is there already is opened, changed or taken away
//!   only by [`there`], for a caller who has looked at it, and only if it still is what was looked at.
//! - Metadata is set through descriptors of what this run has made, entered or opened.

pub mod dir;
pub mod fault;
pub mod file;
pub mod meta;
pub mod name;
pub mod node;
pub mod stack;
pub mod there;

pub use dir::{Dir, FileId};
pub use fault::Fault;
pub use meta::{MetaWriter, Metadata};
pub use node::Node;
pub use stack::DirStack;
pub use there::There;

#[cfg(test)]
mod tests;
