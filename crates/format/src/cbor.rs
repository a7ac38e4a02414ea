//! The part of CBOR (RFC 8949) that the format uses, in its deterministic form.
//!
//! Unsigned and negative integers, byte strings, arrays, maps and booleans, all with definite lengths and
//! shortest heads, map keys ascending. Written here rather than taken from a library, because none of those refuses the
//! other forms, and a value that has two encodings would have two ids. Any CBOR library can read what is written here.
//!
//! Invariant: a count is never believed beyond the bytes that are left.

use std::fmt;

use crate::{Error, Result};

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;

/// The length in bytes of the head that says `value`.
pub(crate) fn head_len(value: u64) -> usize {
    match value {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    let bytes = value.to_le_bytes();
    // Multi-byte arguments stand with the highest byte first, as CBOR wants it.
    let (info, len) = match head_len(value) {
        1 => return out.push(major | bytes[0]),
        2 => (24, 1),
        3 => (25, 2),
        5 => (26, 4),
        _ => (27, 8),
    };
    out.push(major | info);
    out.extend(bytes[..len].iter().rev());
}

pub(crate) fn uint(out: &mut Vec<u8>, value: impl Into<u64>) {
    head(out, UINT, value.into());
}

pub(crate) fn int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        head(out, NEGATIVE, (!value).unsigned_abs());
    } else {
        head(out, UINT, value.unsigned_abs());
    }
}

pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    head(out, BYTES, value.len() as u64);
    out.extend_from_slice(value);
}

pub(crate) fn array(out: &mut Vec<u8>, len: usize) {
    head(out, ARRAY, len as u64);
}

pub(crate) fn map(out: &mut Vec<u8>, len: usize) {
    head(out, MAP, len as u64);
}

pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { TRUE } else { FALSE });
}

/// What kind of item comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Uint,
    Negative,
    Bytes,
    Text,
    Array,
    Map,
    Tag,
    Simple,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uint => "an unsigned integer",
            Self::Negative => "a negative integer",
            Self::Bytes => "a byte string",
            Self::Text => "a text string",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Tag => "a tag",
            Self::Simple => "a simple value",
        })
    }
}

/// Reads items one after another; each error says the structure and the place.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    what: &'static str,
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, input: &'a [u8]) -> Self {
        Self { what, input, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.input.len()
    }

    /// Refuses bytes that follow the last item.
    pub(crate) fn finish(self) -> Result<()> {
        if self.is_at_end() {
            return Ok(());
        }
        let left = self.input.len() - self.at;
        Err(Error::expected(self.what, self.at, "the end", format!("{left} more bytes")))
    }

    pub(crate) fn corrupt(&self, at: usize, detail: impl Into<String>) -> Error {
        Error::corrupt_at(self.what, at, detail)
    }

    /// The kind of the next item, which is not taken.
    pub(crate) fn peek(&self) -> Result<Item> {
        let Some(first) = self.input.get(self.at) else {
            return Err(self.short(1));
        };
        Ok(match first >> 5 {
            UINT => Item::Uint,
            NEGATIVE => Item::Negative,
            BYTES => Item::Bytes,
            TEXT => Item::Text,
            ARRAY => Item::Array,
            MAP => Item::Map,
            TAG => Item::Tag,
            _ => Item::Simple,
        })
    }

    pub(crate) fn uint(&mut self) -> Result<u64> {
        self.expect(Item::Uint)?;
        self.head()
    }

    /// An unsigned integer that fits into `T`.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T> {
        let at = self.at;
        let value = self.uint()?;
        T::try_from(value).ok().ok_or_else(|| {
            let bits = 8 * size_of::<T>();
            Error::expected(self.what, at, format!("a number of {bits} bits"), value)
        })
    }

    pub(crate) fn int(&mut self) -> Result<i64> {
        let at = self.at;
        let negative = self.peek()? == Item::Negative;
        if !negative {
            self.expect(Item::Uint)?;
        }
        let value = self.head()?;
        let value = i64::try_from(value)
            .ok()
            .ok_or_else(|| Error::expected(self.what, at, "a signed number of 64 bits", value))?;
        Ok(if negative { !value } else { value })
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        self.expect(Item::Bytes)?;
        let len = self.head()?;
        self.take(len)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn array_of<const N: usize>(&mut self) -> Result<[u8; N]> {
        let at = self.at;
        let found = self.bytes()?;
        found.try_into().ok().ok_or_else(|| {
            let (expected, found) = (format!("{N} bytes"), format!("{} bytes", found.len()));
            Error::expected(self.what, at, expected, found)
        })
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        let at = self.at;
        self.expect(Item::Simple)?;
        match self.take(1)?[0] {
            FALSE => Ok(false),
            TRUE => Ok(true),
            other => {
                Err(Error::expected(self.what, at, "a boolean", format!("the byte {other:#04x}")))
            }
        }
    }

    /// The number of items of the array that begins here.
    pub(crate) fn array(&mut self) -> Result<usize> {
        self.expect(Item::Array)?;
        self.count(1)
    }

    /// An array of exactly `len` items.
    pub(crate) fn array_len(&mut self, len: usize) -> Result<()> {
        let at = self.at;
        match self.array()? {
            found if found == len => Ok(()),
            found => Err(Error::expected(self.what, at, format!("{len} items"), found)),
        }
    }

    /// The number of pairs of the map that begins here.
    pub(crate) fn map(&mut self) -> Result<usize> {
        self.expect(Item::Map)?;
        self.count(2)
    }

    /// Passes over one item with everything in it, however deep.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let mut todo: usize = 1;
        while todo > 0 {
            todo -= 1;
            match self.peek()? {
                Item::Uint | Item::Negative => drop(self.head()?),
                Item::Bytes | Item::Text => {
                    let len = self.head()?;
                    self.take(len)?;
                }
                Item::Array => todo = todo.saturating_add(self.count(1)?),
                Item::Map => todo = todo.saturating_add(self.count(2)?.saturating_mul(2)),
                Item::Tag => {
                    self.head()?;
                    todo = todo.saturating_add(1);
                }
                Item::Simple => {
                    let len = match self.take(1)?[0] & 31 {
                        0..=23 => 0,
                        24 => 1,
                        25 => 2,
                        26 => 4,
                        27 => 8,
                        _ => return Err(self.indefinite(self.at - 1)),
                    };
                    self.take(len)?;
                }
            }
        }
        Ok(())
    }

    fn expect(&self, expected: Item) -> Result<()> {
        let found = self.peek()?;
        if found == expected {
            Ok(())
        } else {
            Err(Error::expected(self.what, self.at, expected, found))
        }
    }

    fn head(&mut self) -> Result<u64> {
        let at = self.at;
        let len = match self.take(1)?[0] & 31 {
            small @ 0..=23 => return Ok(u64::from(small)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(self.indefinite(at)),
        };
        let value =
            self.take(len)?.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        if head_len(value) as u64 == len + 1 {
            Ok(value)
        } else {
            Err(self.corrupt(at, format!("the number {value} is not written in its shortest form")))
        }
    }

    fn count(&mut self, items_each: u64) -> Result<usize> {
        let at = self.at;
        let count = self.head()?;
        let left = self.input.len() - self.at;
        match usize::try_from(count) {
            Ok(fitting) if count.saturating_mul(items_each) <= left as u64 => Ok(fitting),
            _ => Err(self.corrupt(at, format!("a count of {count} in the {left} bytes left"))),
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        let left = &self.input[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| left.get(..len));
        let Some(taken) = taken else {
            return Err(self.short(len));
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn short(&self, wanted: u64) -> Error {
        let left = self.input.len() - self.at;
        Error::expected(self.what, self.at, format!("{wanted} bytes"), format!("{left}"))
    }

    fn indefinite(&self, at: usize) -> Error {
        self.corrupt(at, "an item of indefinite length or a reserved form")
    }
}

#[cfg(test)]
mod tests;
