//! Mending: a pack's damaged stripes made again from its own parity.
//!
//! Knows stripes and their checksums; opens nothing, so it needs no key. Writes nothing: what it makes is a [`Patch`] on
//! the bytes that are there.
//!
//! Invariants: a stripe that was made again has the checksum that the pack's table says, or there is no patch. A stripe
//! that can't be read is damaged. Memory: a pack up to the limit given is held whole, of a larger one a column of all
//! stripes; and those that were made again.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use lifeboat_codec::hash::object_hash;
use lifeboat_codec::parity::{Code, Column};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{Footer, TAIL_LEN, parse_stripes, stripe_checksum};

use crate::error::{Error, Kind, Result};
use crate::io::Io;

const OPERATION: &str = "mend";
/// Damaged stripes that are named one by one in messages.
const NAMED_MAX: usize = 8;
/// A column of all stripes where the pack is in memory, in bytes: a few kilobytes of each.
const COLUMN_BYTES: usize = 4 << 20;

/// The stripes of a pack that were damaged, as they must be.
#[derive(Debug)]
pub(crate) struct Patch {
    stripes: Vec<u64>,
    /// Their bytes, by where they begin in the pack.
    pieces: BTreeMap<u64, Bytes>,
}

impl Patch {
    /// The numbers of the stripes that were made again.
    pub(crate) fn stripes(&self) -> &[u64] {
        &self.stripes
    }

    /// A range of the pack by `read`, which is asked for nothing that is damaged.
    ///
    /// # Errors
    /// Those of `read`.
    pub(crate) fn read(
        &self,
        range: Range<u64>,
        read: impl Fn(Range<u64>) -> Result<Bytes>,
    ) -> Result<Bytes> {
        let mut bytes = BytesMut::with_capacity(place(range.end - range.start));
        let mut start = range.start;
        for (at, piece) in self.pieces.range(..range.end) {
            let (from, to) = (start.max(*at), range.end.min(at + piece.len() as u64));
            if from >= to {
                continue;
            }
            if start < from {
                bytes.extend_from_slice(&read(start..from)?);
            }
            bytes.extend_from_slice(&piece[place(from - at)..place(to - at)]);
            start = to;
        }
        if start < range.end {
            bytes.extend_from_slice(&read(start..range.end)?);
        }
        Ok(bytes.freeze())
    }
}

/// Makes again what is damaged of the pack `key` of `size` bytes, holding about `memory` bytes.
///
/// # Errors
/// [`Kind::Corrupt`] when nothing is damaged that a checksum shows, or more than there is parity for, and the store's.
pub(crate) fn mend(io: &Io, key: ObjectKey, size: u64, memory: u64) -> Result<Patch> {
    Pack::open(io, key, size, memory)?.mend(memory)
}

/// All bytes of the pack as they were written: it, its parity and the ends of both copies of its table are made again.
///
/// # Errors
/// As [`mend`], and [`Kind::Corrupt`] when the bytes do not have the hash that the pack's name says all the same.
pub(crate) fn whole(io: &Io, key: ObjectKey, size: u64) -> Result<Bytes> {
    let pack = Pack::open(io, key, size, u64::MAX)?;
    let content = pack.footer.content_range();
    let bytes = match pack.damaged().as_slice() {
        [] => pack.read(content.clone())?,
        _ => pack.mend(u64::MAX)?.read(content, |range| pack.read(range))?,
    };
    let table: Vec<u8> = pack.checksums.iter().flat_map(|crc| crc.to_le_bytes()).collect();
    let footer = pack.footer.encode();
    let mut mended = BytesMut::from(&bytes[..]);
    for part in [&table[..], &table, &footer, &footer] {
        mended.extend_from_slice(part);
    }
    let is_whole = key.name().is_some_and(|name| object_hash(&mended) == name.hash);
    if is_whole {
        return Ok(mended.freeze());
    }
    Err(corrupt(key, "all its stripes are as their checksums say, and its name says otherwise"))
}

/// A pack whose table of checksums was read.
struct Pack<'a> {
    io: &'a Io,
    key: ObjectKey,
    whole: Option<Bytes>,
    footer: Footer,
    checksums: Vec<u32>,
}

impl<'a> Pack<'a> {
    fn open(io: &'a Io, key: ObjectKey, size: u64, memory: u64) -> Result<Self> {
        let whole = if size <= memory { io.get(&key).ok() } else { None };
        let read = |range| read(io, &key, whole.as_ref(), range);
        let of_format = |cause| Error::format(OPERATION, key, cause);
        let tail = read(size.saturating_sub(TAIL_LEN as u64)..size)?;
        let footer = Footer::parse(&tail, size).map_err(of_format)?;
        let checksums =
            parse_stripes(&read(footer.stripes_range())?, &footer).map_err(of_format)?;
        Ok(Self { io, key, whole, footer, checksums })
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        read(self.io, &self.key, self.whole.as_ref(), range)
    }

    fn damaged(&self) -> Vec<u64> {
        let is_good = |(stripe, wanted): &(u64, &u32)| {
            let bytes = self.read(self.footer.stripe_range(*stripe));
            bytes.is_ok_and(|bytes| stripe_checksum(&bytes) == **wanted)
        };
        let stripes = (0..).zip(&self.checksums);
        stripes.filter(|stripe| !is_good(stripe)).map(|(stripe, _)| stripe).collect()
    }

    fn mend(&self, memory: u64) -> Result<Patch> {
        let footer = &self.footer;
        let damaged = self.damaged();
        if damaged.is_empty() {
            return Err(corrupt(self.key, "none of its stripes is damaged"));
        }
        if damaged.len() as u64 > footer.parity_stripes() {
            return Err(corrupt(self.key, too_many(&damaged, footer)));
        }
        let made = self.rebuild(&damaged, memory)?;
        let mut pieces = BTreeMap::new();
        for (stripe, mut bytes) in damaged.iter().zip(made) {
            let range = footer.stripe_range(*stripe);
            bytes.truncate(place(range.end - range.start));
            if self.checksums.get(place(*stripe)) != Some(&stripe_checksum(&bytes)) {
                let reason = format!("stripe {stripe} was made again and is not what it was");
                return Err(corrupt(self.key, reason));
            }
            pieces.insert(range.start, Bytes::from(bytes));
        }
        Ok(Patch { stripes: damaged, pieces })
    }

    /// The damaged stripes, each as long as all are.
    fn rebuild(&self, damaged: &[u64], memory: u64) -> Result<Vec<Vec<u8>>> {
        let failed = |cause| Error::codec(OPERATION, self.key, cause);
        let footer = &self.footer;
        let size = footer.stripe_size() as usize;
        let code = Code::new(place(footer.body_stripes()), place(footer.parity_stripes()), size)
            .map_err(failed)?;
        let numbers: Vec<usize> = damaged.iter().map(|stripe| place(*stripe)).collect();
        let mut made = vec![Vec::with_capacity(size); damaged.len()];
        let mut column = Column::new(code).map_err(failed)?;
        let width = if self.whole.is_some() { COLUMN_BYTES } else { place(memory) };
        for range in code.columns(width) {
            column.begin(range.len()).map_err(failed)?;
            for stripe in (0..code.stripes()).filter(|stripe| !numbers.contains(stripe)) {
                let of_stripe = footer.stripe_range(stripe as u64);
                let start = of_stripe.end.min(of_stripe.start + range.start as u64);
                let bytes =
                    self.read(start..of_stripe.end.min(of_stripe.start + range.end as u64))?;
                column.stripe_mut(stripe)[..bytes.len()].copy_from_slice(&bytes);
            }
            column.rebuild(&numbers).map_err(failed)?;
            for (made, stripe) in made.iter_mut().zip(&numbers) {
                made.extend_from_slice(column.stripe(*stripe));
            }
        }
        Ok(made)
    }
}

/// How many stripes are damaged and which, and why that is too many.
pub(crate) fn too_many(damaged: &[u64], footer: &Footer) -> String {
    let is = if damaged.len() == 1 { "is" } else { "are" };
    let parity = match footer.parity_stripes() {
        0 => "it has no parity".to_owned(),
        1 => "it has parity for one".to_owned(),
        stripes => format!("it has parity for {stripes}"),
    };
    format!("{} {is} damaged, and {parity}", named(damaged))
}

/// Stripes by their numbers.
pub(crate) fn named(stripes: &[u64]) -> String {
    let numbers: Vec<String> = stripes.iter().take(NAMED_MAX).map(u64::to_string).collect();
    let (word, list) = (if stripes.len() == 1 { "stripe" } else { "stripes" }, numbers.join(", "));
    match stripes.len().saturating_sub(NAMED_MAX) {
        0 => format!("{word} {list}"),
        more => format!("{word} {list} and {more} more"),
    }
}

fn corrupt(key: ObjectKey, reason: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, OPERATION, key).because(reason.into())
}

fn read(io: &Io, key: &ObjectKey, whole: Option<&Bytes>, range: Range<u64>) -> Result<Bytes> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let Some(whole) = whole else { return io.get_range(key, range) };
    let range = place(range.start)..place(range.end);
    match whole.get(range.clone()) {
        Some(_) => Ok(whole.slice(range)),
        None => Err(corrupt(*key, "it ends before its stripes do")),
    }
}

/// Beyond what memory can address there is nothing.
fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
