//! What a maintainer says in the log of locks: until when what counts is locked, and what is gone and still locked.
//!
//! Owns the bytes of the field in a note and of the section in a checkpoint. Knows objects by short names; nothing of how a
//! store locks.
//!
//! Invariants: a note says all there is to say, so that the last one counts alone; names ascend, so there is one encoding.

use std::collections::BTreeMap;

use crate::cbor::{self, Reader};
use crate::scrub::ShortName;
use crate::{Error, Result};

/// The most objects that a note names.
pub const NOTED_LEFT_MAX: usize = 200_000;

const WHAT: &str = "lock note";

/// Everything that counted at an entry, and was not condemned, is locked for so long at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// The number of the entry.
    pub through: u64,
    /// The end of the locks, in seconds since 1970.
    pub until: u64,
}

/// An object that a `delete` has named, and whose lock kept it from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftObject {
    /// When its lock ends, in seconds since 1970.
    pub until: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What one note says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockNote {
    /// What was extended last; nothing before the first time.
    pub extended: Option<Extended>,
    /// What is deleted in the log and still in the store.
    pub left: BTreeMap<ShortName, LeftObject>,
}

impl LockNote {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        cbor::array(out, 2);
        match self.extended {
            None => cbor::array(out, 0),
            Some(Extended { through, until }) => {
                cbor::array(out, 2);
                cbor::uint(out, through);
                cbor::uint(out, until);
            }
        }
        cbor::array(out, self.left.len().min(NOTED_LEFT_MAX));
        for (name, LeftObject { until, bytes }) in self.left.iter().take(NOTED_LEFT_MAX) {
            cbor::array(out, 3);
            cbor::bytes(out, &name.0);
            cbor::uint(out, *until);
            cbor::uint(out, *bytes);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self> {
        from.array_len(2)?;
        let at = from.position();
        let extended = match from.array()? {
            0 => None,
            2 => Some(Extended { through: from.uint()?, until: from.uint()? }),
            other => return Err(from.corrupt(at, format!("an extension of {other} parts"))),
        };
        let at = from.position();
        let count = from.array()?;
        if count > NOTED_LEFT_MAX {
            return Err(from.corrupt(at, format!("{count} objects that are left")));
        }
        let mut left: BTreeMap<ShortName, LeftObject> = BTreeMap::new();
        for _ in 0..count {
            let at = from.position();
            from.array_len(3)?;
            let name = ShortName(from.array_of()?);
            if left.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(from.corrupt(at, "names that do not ascend"));
            }
            left.insert(name, LeftObject { until: from.uint()?, bytes: from.uint()? });
        }
        Ok(Self { extended, left })
    }
}

/// The bytes of the block of a checkpoint.
#[must_use]
pub fn encode_locks(note: &LockNote) -> Vec<u8> {
    let mut out = Vec::new();
    note.encode(&mut out);
    out
}

/// What the last note said, from the block of a checkpoint, which has one.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_locks(bytes: &[u8], count: u32) -> Result<LockNote> {
    if count != 1 {
        return Err(Error::expected(WHAT, 0, "one note", count));
    }
    let mut from = Reader::new(WHAT, bytes);
    let note = LockNote::decode(&mut from)?;
    from.finish()?;
    Ok(note)
}

#[cfg(test)]
mod tests;
