//! Parity: Reed-Solomon stripes from which as many damaged ones of the same set are made again.
//!
//! Knows stripes of one length by number: those of a body first, its parity behind. Which stripes are damaged is known
//! to the caller, from checksums; here nothing finds damage. The code is that of the crate `reed-solomon-simd` (Leopard
//! over GF(2^16)), whose bytes are part of the format: fixtures/vectors.json has some.
//!
//! The code works on each 64 bytes of all stripes by themselves, so stripes are worked on column by column: whoever can't
//! hold all stripes holds a few kilobytes of each.

use std::ops::Range;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{
    HighRate, HighRateDecoder, HighRateEncoder, Rate as _, RateDecoder as _, RateEncoder as _,
};

use crate::error::{Error, Kind};

/// What the code takes at once; lengths of stripes and widths of columns are multiples of it, in bytes.
pub const UNIT_BYTES: usize = 64;

/// How a set of stripes is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    body: usize,
    parity: usize,
    stripe_bytes: usize,
}

impl Code {
    /// A code of so many stripes of `stripe_bytes` each; the last of the body is thought longer by zeros.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for no stripes, for more than the code has numbers for (65536, with parity rounded up to a power
    /// of two), for more parity than body, or a length that is no multiple of [`UNIT_BYTES`].
    pub fn new(body: usize, parity: usize, stripe_bytes: usize) -> Result<Self, Error> {
        if stripe_bytes == 0 || !stripe_bytes.is_multiple_of(UNIT_BYTES) {
            return Err(Error::new(Kind::Invalid, "stripes whose length is no multiple of 64"));
        }
        if parity > body || !HighRate::<DefaultEngine>::supports(body, parity) {
            return Err(Error::new(Kind::Invalid, "more stripes than a code has, or none"));
        }
        Ok(Self { body, parity, stripe_bytes })
    }

    /// How many stripes there are, with parity.
    #[must_use]
    pub fn stripes(&self) -> usize {
        self.body + self.parity
    }

    /// The columns of all stripes, each as wide as `memory` bytes for all stripes allow: where each begins and ends in
    /// every stripe.
    pub fn columns(&self, memory: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let units = memory / self.stripes() / UNIT_BYTES;
        let width = (units.max(1) * UNIT_BYTES).min(self.stripe_bytes);
        let end = self.stripe_bytes;
        (0..end).step_by(width).map(move |start| start..end.min(start + width))
    }
}

// Never the "low rate" code that the crate would choose by itself where parity is many: its bytes are others.
type Encoder = HighRateEncoder<DefaultEngine>;
type Decoder = HighRateDecoder<DefaultEngine>;

/// One column of all stripes, filled by the caller: the body's to make parity of, or all that are good to make the others
/// again.
pub struct Column {
    code: Code,
    width: usize,
    bytes: Vec<u8>,
    encoder: Encoder,
    decoder: Option<Decoder>,
}

impl Column {
    /// A column for stripes of this code; its width comes with [`begin`](Self::begin).
    ///
    /// # Errors
    /// [`Kind::Invalid`] when the code can't be made after all.
    pub fn new(code: Code) -> Result<Self, Error> {
        let engine = DefaultEngine::new();
        let encoder = Encoder::new(code.body, code.parity, UNIT_BYTES, engine, None);
        let encoder = encoder.map_err(refused)?;
        Ok(Self { code, width: 0, bytes: Vec::new(), encoder, decoder: None })
    }

    /// Empties the column, and makes it so wide, in bytes.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a width that is no multiple of [`UNIT_BYTES`].
    pub fn begin(&mut self, width: usize) -> Result<(), Error> {
        if width == 0 || !width.is_multiple_of(UNIT_BYTES) {
            return Err(Error::new(Kind::Invalid, "a column whose width is no multiple of 64"));
        }
        self.width = width;
        self.bytes.clear();
        self.bytes.resize(width * self.code.stripes(), 0);
        Ok(())
    }

    /// This column's bytes of a stripe.
    #[must_use]
    pub fn stripe(&self, stripe: usize) -> &[u8] {
        &self.bytes[stripe * self.width..][..self.width]
    }

    /// The same, to be filled in; what is left alone is zeros.
    pub fn stripe_mut(&mut self, stripe: usize) -> &mut [u8] {
        &mut self.bytes[stripe * self.width..][..self.width]
    }

    /// Makes the parity stripes from those of the body.
    ///
    /// # Errors
    /// [`Kind::Invalid`] before [`begin`](Self::begin).
    pub fn make_parity(&mut self) -> Result<(), Error> {
        let all: Vec<usize> = (self.code.body..self.code.stripes()).collect();
        self.encode(&all)
    }

    /// Makes the stripes with these numbers from all others.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when they are more than there are parity stripes, [`Kind::Invalid`] for a stripe that there is
    /// not, or before [`begin`](Self::begin).
    pub fn rebuild(&mut self, damaged: &[usize]) -> Result<(), Error> {
        if damaged.len() > self.code.parity {
            return Err(Error::new(Kind::Corrupt, "more stripes are damaged than have parity"));
        }
        if damaged.iter().any(|stripe| *stripe >= self.code.stripes()) {
            return Err(Error::new(Kind::Invalid, "a stripe beyond the last"));
        }
        let (of_body, of_parity): (Vec<usize>, Vec<usize>) =
            damaged.iter().partition(|stripe| **stripe < self.code.body);
        if !of_body.is_empty() {
            self.decode(damaged)?;
        }
        if of_parity.is_empty() { Ok(()) } else { self.encode(&of_parity) }
    }

    fn encode(&mut self, wanted: &[usize]) -> Result<(), Error> {
        let Code { body, parity, .. } = self.code;
        self.encoder.reset(body, parity, self.width).map_err(refused)?;
        for stripe in 0..body {
            let bytes = &self.bytes[stripe * self.width..][..self.width];
            self.encoder.add_original_shard(bytes).map_err(refused)?;
        }
        let made = self.encoder.encode().map_err(refused)?;
        for (stripe, bytes) in (body..).zip(made.recovery_iter()) {
            if wanted.contains(&stripe) {
                self.bytes[stripe * self.width..][..self.width].copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn decode(&mut self, damaged: &[usize]) -> Result<(), Error> {
        let Code { body, parity, .. } = self.code;
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => {
                let engine = DefaultEngine::new();
                let decoder = Decoder::new(body, parity, UNIT_BYTES, engine, None);
                none.insert(decoder.map_err(refused)?)
            }
        };
        decoder.reset(body, parity, self.width).map_err(refused)?;
        for stripe in (0..body + parity).filter(|stripe| !damaged.contains(stripe)) {
            let bytes = &self.bytes[stripe * self.width..][..self.width];
            match stripe.checked_sub(body) {
                None => decoder.add_original_shard(stripe, bytes),
                Some(of_parity) => decoder.add_recovery_shard(of_parity, bytes),
            }
            .map_err(refused)?;
        }
        let made = decoder.decode().map_err(refused)?;
        for (stripe, bytes) in made.restored_original_iter() {
            self.bytes[stripe * self.width..][..self.width].copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("code", &self.code).finish_non_exhaustive()
    }
}

fn refused(cause: reed_solomon_simd::Error) -> Error {
    Error::with_source(Kind::Invalid, "stripes that make no parity", cause)
}

#[cfg(test)]
mod tests;
