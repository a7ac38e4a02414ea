//! What is reachable in a repository: its log, index, trees and packs.
//!
//! Knows objects, chunks and snapshots; knows neither the protected files, nor argv, environment,
//! terminal or wall clock (a clock and a source of randomness are passed in).
//!
//! The interface blocks: store traffic runs on a runtime of its own behind [`io::Io`], and callers
//! use plain threads (docs/decisions/0002). Never call it from inside an async task.

pub mod cancel;
pub mod check;
pub mod claim;
pub mod error;
pub mod forget;
pub mod gc;
pub mod heal;
pub mod index;
pub mod inspect;
pub mod io;
pub mod keyring;
pub mod locks;
pub mod log;
mod mend;
pub mod open;
pub mod pace;
pub mod packer;
pub mod planted;
mod reach;
pub mod reader;
pub mod repair;
pub mod scrub;
pub mod slots;
pub mod snapshots;
pub mod stand;
pub mod tree;
pub mod view;

pub use error::{Error, Kind};
