//! Every byte that Lifeboat writes to a store: the public repository format, as types.
//!
//! Knows nothing of stores, files, clocks, keys in use or compression: each function here turns bytes
//! into values or values into bytes. docs/format.md specifies the same in words and tables, and
//! records the hash of this source.
//!
//! Invariants: no decoder panics or allocates by a count that its input does not bear out; what a
//! newer version wrote is [`Kind::Unsupported`], what nobody can have written is [`Kind::Corrupt`].

mod bytes;
mod cbor;
pub mod checkpoint;
pub mod compression;
pub mod config;
pub mod entry;
pub mod envelope;
mod error;
pub mod hex;
pub mod id;
pub mod index;
mod json;
pub mod key;
pub mod keys;
pub mod keyslot;
pub mod locks;
pub mod pack;
pub mod scrub;
pub mod snapshot;
pub mod time;
pub mod tree;

pub use compression::Codec;
pub use error::{Error, Kind, Result};
pub use time::Time;

/// The version of the repository format that this crate reads and writes.
pub const FORMAT_VERSION: u8 = 1;

#[cfg(test)]
mod tests;
