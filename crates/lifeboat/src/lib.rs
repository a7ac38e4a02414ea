//! Backs up, restores and checks volumes: the library behind the `lifeboat` command.
//!
//! The library never reads argv, environment, terminal or wall clock by itself, never prints, and
//! every error can be matched on. It blocks: call it from a plain thread.

pub mod backup;
pub mod context;
pub mod error;
pub mod monitor;
pub mod report;
pub mod restore;
pub mod source;
pub mod target;

pub use context::Context;
pub use error::{Error, Kind};
pub use lifeboat_repo::cancel::Cancel;
