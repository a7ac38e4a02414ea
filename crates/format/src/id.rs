//! Names of things as newtypes over bytes, so that one can't stand for another.
//!
//! Knows their size and their hex text; not how they are made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, hex};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $size:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Its length in bytes.
            pub const LEN: usize = $size;

            /// The bytes themselves.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl From<[u8; $size]> for $name {
            fn from(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                hex::decode_array(text).map(Self).map_err(|error| error.within($what))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A repository, chosen at random by `init`; replicas share it.
    RepositoryId, 16, "repository id"
);
id!(
    /// A log, chosen at random: each replica has one of its own.
    LogId, 16, "log id"
);
id!(
    /// One run of a writer, chosen at random.
    RunId, 16, "run id"
);
id!(
    /// A snapshot, chosen at random.
    SnapshotId, 16, "snapshot id"
);
id!(
    /// A key slot, chosen at random.
    SlotId, 16, "slot id"
);
id!(
    /// A chunk: the keyed BLAKE3 of its plaintext.
    ChunkId, 32, "chunk id"
);
id!(
    /// An object: the BLAKE3 of its bytes, which anybody can verify without a key.
    ObjectHash, 32, "object hash"
);
id!(
    /// An Ed25519 public key.
    PublicKey, 32, "public key"
);

#[cfg(test)]
mod tests;
