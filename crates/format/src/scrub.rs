//! What a scrub says in the log: which objects it has read, when, and which of them were damaged.
//!
//! Owns the bytes of the field in a note and of the section in a checkpoint. Knows objects by names, which are short;
//! nothing of when an object is due again.
//!
//! Invariants: names ascend, so there is one encoding; what is damaged names its stripes ascending.

use std::collections::BTreeMap;

use crate::cbor::{self, Reader};
use crate::key::ObjectName;
use crate::{Error, Result};

/// The most damaged stripes that a note names of one object; any more are only counted as such by its state.
pub const NOTED_STRIPES_MAX: usize = 64;

const WHAT: &str = "scrub note";

/// An object in a note: the first eight bytes of its hash and its eight upload bytes. As many as there are objects, none
/// are the same but by chance, and then one is read sooner or later than it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortName(pub [u8; 16]);

impl From<&ObjectName> for ShortName {
    fn from(name: &ObjectName) -> Self {
        let mut short = [0; 16];
        short[..8].copy_from_slice(&name.hash.0[..8]);
        short[8..].copy_from_slice(&name.upload);
        Self(short)
    }
}

/// What reading an object found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Its bytes have the hash that its name says.
    Whole,
    /// And all chunks in it have their ids.
    Verified,
    /// These stripes are damaged, and its own parity makes them again.
    Mendable(Vec<u32>),
    /// It is damaged, in these stripes as far as that can be told, and parity does not help.
    Damaged(Vec<u32>),
}

/// What one scrub says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrubNote {
    /// When it began, in seconds since the Unix epoch: nothing was read before.
    pub when: u64,
    /// What it found.
    pub objects: BTreeMap<ShortName, Condition>,
}

/// What is left of a note in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubFact {
    /// The entry that said it.
    pub number: u64,
    /// What of it was not said anew by later ones.
    pub note: ScrubNote,
}

impl ScrubNote {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        cbor::array(out, 4);
        cbor::uint(out, self.when);
        for wanted in [Condition::Whole, Condition::Verified] {
            let names = self.objects.iter().filter(|(_, condition)| **condition == wanted);
            cbor::bytes(out, &names.flat_map(|(name, _)| name.0).collect::<Vec<u8>>());
        }
        let damaged = self.objects.iter().filter_map(|(name, condition)| match condition {
            Condition::Whole | Condition::Verified => None,
            Condition::Mendable(stripes) => Some((name, true, stripes)),
            Condition::Damaged(stripes) => Some((name, false, stripes)),
        });
        let damaged: Vec<_> = damaged.collect();
        cbor::array(out, damaged.len());
        for (name, is_mendable, stripes) in damaged {
            cbor::array(out, 3);
            cbor::bytes(out, &name.0);
            cbor::boolean(out, is_mendable);
            let stripes = &stripes[..stripes.len().min(NOTED_STRIPES_MAX)];
            cbor::array(out, stripes.len());
            for stripe in stripes {
                cbor::uint(out, *stripe);
            }
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self> {
        from.array_len(4)?;
        let mut note = Self { when: from.uint()?, objects: BTreeMap::new() };
        for condition in [Condition::Whole, Condition::Verified] {
            let at = from.position();
            let bytes = from.bytes()?;
            let (names, []) = bytes.as_chunks() else {
                return Err(from.corrupt(at, format!("names of {} bytes", bytes.len())));
            };
            if !names.is_sorted_by(|one, other| one < other) {
                return Err(from.corrupt(at, "names that do not ascend"));
            }
            for name in names {
                note.add(ShortName(*name), condition.clone(), from, at)?;
            }
        }
        let mut before = None;
        for _ in 0..from.array()? {
            let at = from.position();
            from.array_len(3)?;
            let name = ShortName(from.array_of()?);
            if before.replace(name).is_some_and(|before| before >= name) {
                return Err(from.corrupt(at, "names that do not ascend"));
            }
            let is_mendable = from.boolean()?;
            let stripes = decode_stripes(from)?;
            let condition = if is_mendable {
                Condition::Mendable(stripes)
            } else {
                Condition::Damaged(stripes)
            };
            note.add(name, condition, from, at)?;
        }
        Ok(note)
    }

    fn add(
        &mut self,
        name: ShortName,
        condition: Condition,
        from: &Reader<'_>,
        at: usize,
    ) -> Result<()> {
        match self.objects.insert(name, condition) {
            None => Ok(()),
            Some(_) => Err(from.corrupt(at, "an object in two conditions")),
        }
    }
}

fn decode_stripes(from: &mut Reader<'_>) -> Result<Vec<u32>> {
    let at = from.position();
    let count = from.array()?;
    if count > NOTED_STRIPES_MAX {
        return Err(from.corrupt(at, format!("{count} damaged stripes")));
    }
    let mut stripes = Vec::new();
    for _ in 0..count {
        stripes.push(from.small()?);
    }
    if !stripes.is_sorted_by(|one, other| one < other) {
        return Err(from.corrupt(at, "stripes that do not ascend"));
    }
    Ok(stripes)
}

/// The bytes of a block of a checkpoint.
#[must_use]
pub fn encode_scrubs(facts: &[ScrubFact]) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::array(&mut out, facts.len());
    for ScrubFact { number, note } in facts {
        cbor::array(&mut out, 2);
        cbor::uint(&mut out, *number);
        note.encode(&mut out);
    }
    out
}

/// What scrubs have said, from a block of `count` facts of a checkpoint.
///
/// # Errors
/// `Corrupt` when the bytes are no such block.
pub fn decode_scrubs(bytes: &[u8], count: u32) -> Result<Vec<ScrubFact>> {
    let mut from = Reader::new(WHAT, bytes);
    let found = from.array()?;
    if found != count as usize {
        return Err(Error::expected(WHAT, 0, format!("{count} facts"), found));
    }
    let mut facts: Vec<ScrubFact> = Vec::new();
    for _ in 0..found {
        let at = from.position();
        from.array_len(2)?;
        let number = from.uint()?;
        if facts.last().is_some_and(|last| last.number > number) {
            return Err(from.corrupt(at, "notes that are not in the order of the log"));
        }
        facts.push(ScrubFact { number, note: ScrubNote::decode(&mut from)? });
    }
    from.finish()?;
    Ok(facts)
}

#[cfg(test)]
mod tests;
