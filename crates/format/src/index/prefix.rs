//! Prefixes: which ids a segment has records of, as the bits that all of them begin with.
//!
//! Ids are keyed hashes and so uniform: those with a prefix one bit longer are half as many.

use crate::cbor::{self, Reader};
use crate::id::ChunkId;
use crate::{Error, Result};

const WHAT: &str = "id prefix";

/// All ids that begin with some bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IdPrefix {
    bits: u8,
    /// The bits as a number.
    value: u32,
}

impl IdPrefix {
    /// Any id.
    pub const WHOLE: Self = Self { bits: 0, value: 0 };
    /// The longest prefix.
    pub const BITS_MAX: u8 = 32;

    /// The prefix of so many bits that are the lowest ones of `value`.
    ///
    /// # Errors
    /// `Corrupt` for more bits than [`BITS_MAX`](Self::BITS_MAX), or a value of more bits.
    pub fn new(bits: u8, value: u32) -> Result<Self> {
        if bits > Self::BITS_MAX || u64::from(value) >> bits != 0 {
            return Err(Error::corrupt(WHAT, format!("{value:#b} of {bits} bits")));
        }
        Ok(Self { bits, value })
    }

    /// What the id begins with, in so many bits, at most [`BITS_MAX`](Self::BITS_MAX).
    #[must_use]
    #[expect(clippy::big_endian_bytes, reason = "the first bits are the highest")]
    pub fn of(id: &ChunkId, bits: u8) -> Self {
        let bits = bits.min(Self::BITS_MAX);
        let head = u32::from_be_bytes(id.0.first_chunk().copied().expect("an id has 32 bytes"));
        let value = head.checked_shr(u32::from(Self::BITS_MAX - bits)).unwrap_or(0);
        Self { bits, value }
    }

    /// How many bits it has.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Its bits as a number.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }

    /// Whether the id begins so.
    #[must_use]
    pub fn has(self, id: &ChunkId) -> bool {
        Self::of(id, self.bits) == self
    }

    /// Whether all ids that begin like `other` begin like this.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.bits <= other.bits
            && other.value.checked_shr(u32::from(other.bits - self.bits)).unwrap_or(0) == self.value
    }

    /// The four prefixes of two more bits that are this one together; `None` when there is no room for them.
    #[must_use]
    pub fn quarters(self) -> Option<[Self; 4]> {
        let bits = self.bits.checked_add(2).filter(|bits| *bits <= Self::BITS_MAX)?;
        Some([0, 1, 2, 3].map(|quarter| Self { bits, value: self.value << 2 | quarter }))
    }

    /// The first id that begins so, and the last.
    #[must_use]
    #[expect(clippy::big_endian_bytes, reason = "the first bits are the highest")]
    pub fn bounds(self) -> (ChunkId, ChunkId) {
        let rest = u32::from(Self::BITS_MAX - self.bits);
        let first = self.value.checked_shl(rest).unwrap_or(0);
        let last = first | u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
        let id = |head: u32, fill: u8| {
            let mut id = [fill; 32];
            id[..4].copy_from_slice(&head.to_be_bytes());
            ChunkId(id)
        };
        (id(first, 0), id(last, u8::MAX))
    }
}

/// Prefixes, one for each of a list of segments that stands elsewhere.
pub(crate) fn encode_prefixes(out: &mut Vec<u8>, prefixes: &[IdPrefix]) {
    cbor::array(out, prefixes.len());
    for prefix in prefixes {
        cbor::array(out, 2);
        cbor::uint(out, u64::from(prefix.bits));
        cbor::uint(out, u64::from(prefix.value));
    }
}

/// As they were encoded; `segments` is how many there must be.
pub(crate) fn decode_prefixes(from: &mut Reader<'_>, segments: usize) -> Result<Vec<IdPrefix>> {
    let at = from.position();
    let count = from.array()?;
    if count != segments {
        return Err(from.corrupt(at, format!("{count} prefixes for {segments} segments")));
    }
    let mut prefixes = Vec::new();
    for _ in 0..count {
        from.array_len(2)?;
        prefixes.push(IdPrefix::new(from.small()?, from.small()?)?);
    }
    Ok(prefixes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_has_each_of_its_prefixes_and_no_other(id: [u8; 32], bits in 0..=32_u8, value: u32) {
            let (id, bits_of) = (ChunkId(id), IdPrefix::of(&ChunkId(id), bits));
            prop_assert!(bits_of.has(&id));
            let (first, last) = bits_of.bounds();
            prop_assert!(first <= id && id <= last && bits_of.has(&first) && bits_of.has(&last));
            prop_assert_eq!(IdPrefix::new(bits_of.bits(), bits_of.value()), Ok(bits_of));
            if let Ok(other) = IdPrefix::new(bits, value) {
                let (first, last) = other.bounds();
                prop_assert_eq!(other.has(&id), first <= id && id <= last);
                prop_assert_eq!(other.has(&id), other == bits_of);
            }
        }

        #[test]
        fn quarters_are_the_whole(id: [u8; 32], bits in 0..=32_u8) {
            let id = ChunkId(id);
            let whole = IdPrefix::of(&id, bits);
            match whole.quarters() {
                None => prop_assert!(bits > 30),
                Some(quarters) => {
                    prop_assert_eq!(quarters.iter().filter(|quarter| quarter.has(&id)).count(), 1);
                    prop_assert!(quarters.iter().all(|quarter| whole.covers(*quarter)));
                    prop_assert!(quarters.iter().all(|quarter| !quarter.covers(whole)));
                    prop_assert_eq!(quarters[0].bounds().0, whole.bounds().0);
                    prop_assert_eq!(quarters[3].bounds().1, whole.bounds().1);
                }
            }
        }

        #[test]
        fn covering_is_having_all(a: [u8; 4], bits in 0..=32_u8, more in 0..=32_u8) {
            let mut id = [7; 32];
            id[..4].copy_from_slice(&a);
            let (id, longer) = (ChunkId(id), bits.saturating_add(more).min(32));
            let (short, long) = (IdPrefix::of(&id, bits), IdPrefix::of(&id, longer));
            prop_assert!(short.covers(long) && IdPrefix::WHOLE.covers(short));
            prop_assert_eq!(long.covers(short), bits == longer);
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for (bits, value) in [(33, 0), (0, 1), (3, 8), (255, 0)] {
            assert!(IdPrefix::new(bits, value).is_err(), "{bits} {value}");
        }
        assert!(IdPrefix::new(32, u32::MAX).is_ok());
    }

    #[test]
    fn an_encoded_list_must_fit_its_segments() {
        let mut out = Vec::new();
        let prefixes = [IdPrefix::WHOLE, IdPrefix::new(4, 0b1101).unwrap()];
        encode_prefixes(&mut out, &prefixes);
        assert_eq!(out, [0x82, 0x82, 0, 0, 0x82, 4, 13]);
        let read = |bytes: &[u8], count| decode_prefixes(&mut Reader::new(WHAT, bytes), count);
        assert_eq!(read(&out, 2), Ok(prefixes.to_vec()));
        assert!(read(&out, 3).is_err());
        out[6] = 16;
        assert!(read(&out, 2).is_err());
    }
}
