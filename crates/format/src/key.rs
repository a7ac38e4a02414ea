//! Object keys: the names of everything in a store, built and parsed here and nowhere else.
//!
//! Invariant: a key has one text, and parsing accepts exactly the texts that printing makes.

use std::fmt;
use std::str::FromStr;

use crate::id::{ObjectHash, SlotId};
use crate::{Error, Result, hex};

/// The key prefix below which data packs lie.
pub const PACKS: &str = "packs/";
/// The key prefix below which tree packs lie.
pub const TREES: &str = "trees/";
/// The key prefix below which index segments lie.
pub const INDEX: &str = "index/";
/// The key prefix below which key slots lie.
pub const KEYS: &str = "keys/";
/// The key prefix below which log entries lie.
pub const LOG: &str = "log/";
/// The key prefix below which checkpoints of the log lie.
pub const CHECKPOINTS: &str = "checkpoints/";
/// The key prefix below which stores are tried out: nothing there belongs to a repository.
pub const PROBE: &str = "probe/";
/// The key of the configuration.
pub const CONFIG: &str = "config";

/// The name of an object whose bytes can be verified without a key: the hash of its bytes, and random bytes
/// of the uploader that keep a deleted name from ever being used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// BLAKE3 of the object's bytes.
    pub hash: ObjectHash,
    /// Random bytes of whoever uploaded it.
    pub upload: [u8; 8],
}

/// The key of an object in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// `config`
    Config,
    /// `keys/<slot id>`
    Slot(SlotId),
    /// `packs/<hh>/<name>`, where `<hh>` are the first two hex digits of the hash
    Pack(ObjectName),
    /// `trees/<hh>/<name>`
    Tree(ObjectName),
    /// `index/<name>`
    Index(ObjectName),
    /// `log/<number>`, 16 hex digits
    Log(u64),
    /// `checkpoints/<number>`, 16 hex digits
    Checkpoint(u64),
}

impl ObjectKey {
    /// The name of a pack, tree pack or index segment; `None` for all others.
    #[must_use]
    pub fn name(&self) -> Option<ObjectName> {
        match self {
            Self::Pack(name) | Self::Tree(name) | Self::Index(name) => Some(*name),
            Self::Config | Self::Slot(_) | Self::Log(_) | Self::Checkpoint(_) => None,
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.hash, hex::encode(&self.upload))
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectName({self})")
    }
}

impl FromStr for ObjectName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (hash, upload) = text
            .split_once('.')
            .ok_or_else(|| Error::invalid("object name", format!("no '.' in {text:?}")))?;
        let upload = hex::decode_array(upload).map_err(|error| error.within("object name"))?;
        Ok(Self { hash: hash.parse().map_err(|error: Error| error.within("object name"))?, upload })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str(CONFIG),
            Self::Slot(slot) => write!(f, "{KEYS}{slot}"),
            Self::Pack(name) => write!(f, "{PACKS}{}/{name}", hex::encode(&name.hash.0[..1])),
            Self::Tree(name) => write!(f, "{TREES}{}/{name}", hex::encode(&name.hash.0[..1])),
            Self::Index(name) => write!(f, "{INDEX}{name}"),
            Self::Log(number) => write!(f, "{LOG}{number:016x}"),
            Self::Checkpoint(number) => write!(f, "{CHECKPOINTS}{number:016x}"),
        }
    }
}

impl FromStr for ObjectKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let key = if text == CONFIG {
            Self::Config
        } else if let Some(rest) = text.strip_prefix(KEYS) {
            Self::Slot(rest.parse().map_err(|error: Error| of_key(text, &error))?)
        } else if let Some(rest) = text.strip_prefix(PACKS) {
            Self::Pack(spread(text, rest)?)
        } else if let Some(rest) = text.strip_prefix(TREES) {
            Self::Tree(spread(text, rest)?)
        } else if let Some(rest) = text.strip_prefix(INDEX) {
            Self::Index(rest.parse().map_err(|error: Error| of_key(text, &error))?)
        } else if let Some(rest) = text.strip_prefix(LOG) {
            Self::Log(number(text, rest)?)
        } else if let Some(rest) = text.strip_prefix(CHECKPOINTS) {
            Self::Checkpoint(number(text, rest)?)
        } else {
            return Err(Error::invalid("object key", format!("{text:?} is none of this format")));
        };
        Ok(key)
    }
}

fn spread(text: &str, rest: &str) -> Result<ObjectName> {
    let (shard, name) = rest
        .split_once('/')
        .ok_or_else(|| Error::invalid("object key", format!("{text:?} has no second '/'")))?;
    let name: ObjectName = name.parse().map_err(|error: Error| of_key(text, &error))?;
    if hex::encode(&name.hash.0[..1]) == shard {
        Ok(name)
    } else {
        let detail = format!("{text:?}: {shard:?} is not the beginning of the hash");
        Err(Error::invalid("object key", detail))
    }
}

fn number(text: &str, rest: &str) -> Result<u64> {
    let bytes: [u8; 8] = hex::decode_array(rest).map_err(|error| of_key(text, &error))?;
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn of_key(text: &str, cause: &Error) -> Error {
    Error::invalid("object key", format!("{text:?}: {cause}"))
}

#[cfg(test)]
mod tests;
