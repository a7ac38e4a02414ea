//! Where a stream of bytes is cut into chunks, decided by its content and a key.
//!
//! FastCDC of 2020 (normalisation level 1) with a gear table of the repository's own, so that the
//! lengths of chunks can't be looked up in a table made for everybody. Knows nothing of files.
//! A cut depends on the bytes since the last cut and on nothing else: not on how they arrived, not
//! on what came before.

use fastcdc::v2020;
use lifeboat_format::keys::{Secret32, context};
use zeroize::Zeroizing;

use crate::error::{Error, Kind};

/// The lengths that chunks may have, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    min: usize,
    avg: usize,
    max: usize,
}

impl Params {
    /// The least `min` that is accepted.
    pub const MIN_BYTES: u32 = 64;
    /// The greatest `max` that is accepted: what a frame may hold.
    pub const MAX_BYTES: u32 = lifeboat_format::pack::FRAME_RAW_MAX;

    /// Lengths of at least `min` bytes (but for the last chunk of a stream), about `avg`, and at
    /// most `max`.
    ///
    /// # Errors
    /// [`Kind::Invalid`] unless all are even, in rising order, and within [`Params::MIN_BYTES`] and
    /// [`Params::MAX_BYTES`].
    pub fn new(min: u32, avg: u32, max: u32) -> Result<Self, Error> {
        let even = [min, avg, max].iter().all(|bytes| bytes.is_multiple_of(2));
        if !even || min < Self::MIN_BYTES || avg <= min || max <= avg || max > Self::MAX_BYTES {
            return Err(Error::new(
                Kind::Invalid,
                "chunk lengths must be even, rise from minimum over average to maximum, \
                 and lie between 64 bytes and 16 MiB",
            ));
        }
        let bytes = |value: u32| usize::try_from(value).expect("16 MiB fit any usize we build for");
        Ok(Self { min: bytes(min), avg: bytes(avg), max: bytes(max) })
    }

    /// The longest chunk in bytes, which is also how much [`Cutter::next`] wants to see.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }
}

/// Cuts streams into chunks; one serves any number of streams and threads.
pub struct Cutter {
    params: Params,
    masks: Masks,
    gear: Zeroizing<[u64; 256]>,
    /// The same values shifted left by one, for the bytes at even positions.
    gear_shifted: Zeroizing<[u64; 256]>,
}

/// The bits that must be zero at a cut: more before the average length, fewer behind it.
#[derive(Clone, Copy)]
struct Masks {
    before: u64,
    behind: u64,
}

impl Cutter {
    /// A cutter for a repository with this `cut` key.
    #[must_use]
    pub fn new(params: &Params, cut_key: &Secret32) -> Self {
        let (before, behind) = v2020::select_masks(params.avg, v2020::Normalization::Level1);
        let gear = gear_table(cut_key);
        let mut gear_shifted = gear.clone();
        for value in gear_shifted.iter_mut() {
            *value <<= 1;
        }
        Self { params: *params, masks: Masks { before, behind }, gear, gear_shifted }
    }

    /// The longest chunk in bytes.
    #[must_use]
    pub fn max(&self) -> usize {
        self.params.max
    }

    /// The length in bytes of the first chunk of `data`, which begins right after the last cut.
    ///
    /// `None` asks for more: a cut is decided when [`Params::max`] bytes are there to be seen, or
    /// when they are all that will come (`at_end`). At the end of an empty stream there is no chunk.
    #[must_use]
    pub fn next(&self, data: &[u8], at_end: bool) -> Option<usize> {
        if data.is_empty() || (data.len() < self.params.max && !at_end) {
            return None;
        }
        let (_, length) = v2020::cut_gear(
            data,
            self.params.min,
            self.params.avg,
            self.params.max,
            self.masks.before,
            self.masks.behind,
            self.masks.before << 1,
            self.masks.behind << 1,
            self.gear.as_slice(),
            self.gear_shifted.as_slice(),
        );
        debug_assert!(length > 0 && length <= data.len().min(self.params.max));
        Some(length)
    }
}

impl std::fmt::Debug for Cutter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cutter").field("params", &self.params).finish_non_exhaustive()
    }
}

/// 256 pseudorandom numbers, one for each byte value, that only holders of the key know.
fn gear_table(cut_key: &Secret32) -> Zeroizing<[u64; 256]> {
    let mut bytes = Zeroizing::new([0; 256 * 8]);
    blake3::Hasher::new_derive_key(context::GEAR_TABLE)
        .update(cut_key.expose())
        .finalize_xof()
        .fill(bytes.as_mut_slice());
    let mut table = Zeroizing::new([0; 256]);
    for (value, eight) in table.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *value = u64::from_le_bytes(*eight);
    }
    table
}

#[cfg(test)]
mod tests;
