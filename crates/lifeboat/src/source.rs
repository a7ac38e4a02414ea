//! The reading side of a backup: what is there, what is left out, and what it holds.
//!
//! Knows files, directories and their metadata; not the repository, chunks or snapshots. Nothing here
//! is ever written to, followed through a symbolic link, or reached by a path that could be swapped
//! between two looks: every call goes through the descriptor of a directory that was opened without
//! following links ([`dir`]).
//!
//! [`walk`] gives the entries of a root in path order and asks [`exclude`] what to leave out;
//! [`unchanged`] says which files need not be read; [`meta`] makes an entry of one item; [`read`] gives
//! the bytes of a file. Linux only so far.
//!
//! Problems are data ([`crate::report::Problem`]): whatever fails on one path leaves the walk going.

pub mod dir;
pub mod exclude;
pub mod meta;
mod names;
pub mod read;
pub mod stat;
pub mod unchanged;
pub mod walk;

pub use walk::{Walk, WalkItem, WalkOptions};
