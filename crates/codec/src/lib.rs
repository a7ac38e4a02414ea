//! Bytes to bytes: cutting, hashing, compressing, sealing, signing and key derivation.
//!
//! Knows no names, stores, files or threads, and performs no I/O. What is not a function of its
//! input (time, randomness) comes in through [`Clock`] and [`Entropy`], so that a caller can fix
//! both. Everything here may be called from many threads; what needs scratch space
//! ([`compress::Compressor`], [`compress::Decompressor`]) is owned by one of them.

pub mod clock;
pub mod compress;
pub mod cut;
pub mod entropy;
pub mod error;
pub mod hash;
pub mod kdf;
pub mod parity;
pub mod seal;
pub mod sign;
#[cfg(test)]
mod vectors;

pub use clock::{Clock, SystemClock, Time};
pub use entropy::Entropy;
pub use error::{Error, Kind};
