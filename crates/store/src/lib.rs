//! Bytes at rest, elsewhere: objects by key, created once and never changed.
//!
//! Knows keys and bytes; nothing of repositories, formats, encryption or the protected files. It
//! depends on no other crate of this workspace, reads no clock but the store's own object times and
//! never prints.
//!
//! Invariants: an object is created whole or not at all; a key is never overwritten; a `put_new`
//! that returned `Ok` is durable as far as the store can promise it. Every method may be called
//! from many tasks at once.

mod error;
mod key;
mod memory;
mod payload;
mod store;

pub mod cloud;
pub mod conformance;
pub mod credentials;
pub mod layer;
pub mod local;
pub mod locking;
pub mod options;
pub mod probe;
pub mod stack;
pub mod url;

pub use error::{BoxError, Error, ErrorKind, Result};
pub use key::{KEY_BYTES_MAX, validate_key, validate_prefix};
pub use memory::mem;
pub use payload::Payload;
pub use store::{Guard, Listed, ObjectInfo, ObjectStream, Store, Verb};
