//! Compression of frames, blocks and trailers: zstd, or nothing where it does not pay.
//!
//! Knows bytes and a codec's number. The output always holds what is to be sealed, whichever codec
//! was taken. A compressor that gained less than 2 % costs every reader time for nothing, so such
//! bytes are stored as they are; bytes that look random are not even tried (see [`looks_random`]).

use lifeboat_format::compression::Codec;
use zstd::zstd_safe;

use crate::error::{Error, Kind};

/// The longest plaintext in bytes that is accepted either way, 256 MiB: far above any frame, block
/// or trailer, so that nothing that was read can ask for much more memory than that.
pub const RAW_MAX: usize = 1 << 28;

/// How hard to compress; more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(Option<i32>);

impl Level {
    /// Nothing is compressed; golden fixtures use it, since their bytes must not depend on zstd.
    pub const STORED: Self = Self(None);
    /// zstd's level 3.
    pub const DEFAULT: Self = Self(Some(3));

    /// A level of zstd: -7 (fastest) to -1, or 1 to 19 (smallest).
    ///
    /// # Errors
    /// [`Kind::Invalid`] for any other number.
    pub fn zstd(level: i32) -> Result<Self, Error> {
        match level {
            -7..=-1 | 1..=19 => Ok(Self(Some(level))),
            _ => Err(Error::new(
                Kind::Invalid,
                "a compression level is -7 to -1 or 1 to 19 (use STORED for none)",
            )),
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Who says how hard to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// The run does, as it goes on: as hard as there is time for while the store is waited for, and
    /// [`Level::DEFAULT`] while it is not.
    #[default]
    Auto,
    /// Always this hard.
    Fixed(Level),
}

impl Compression {
    /// The level of what is too little to be weighed: trailers and index segments.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::Auto => Level::DEFAULT,
            Self::Fixed(level) => level,
        }
    }
}

/// Compresses one buffer after another with one zstd context; each thread has its own.
pub struct Compressor {
    level: Level,
    /// None if nothing is to be compressed.
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    /// A compressor for this level.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if zstd gets no memory for its context.
    pub fn new(level: Level) -> Result<Self, Error> {
        let start = |number| {
            let mut zstd = zstd::bulk::Compressor::new(number)?;
            fit_tables(&mut zstd, number)?;
            Ok(zstd)
        };
        let zstd = level.0.map(start).transpose().map_err(|cause: std::io::Error| {
            Error::with_source(Kind::Unavailable, "zstd can't start", cause)
        })?;
        Ok(Self { level, zstd })
    }

    /// Compresses at this level from now on, with the same context.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if zstd gets no memory for its context.
    pub fn set_level(&mut self, level: Level) -> Result<(), Error> {
        if level == self.level {
            return Ok(());
        }
        match (self.zstd.as_mut(), level.0) {
            (Some(zstd), Some(number)) => {
                let set =
                    zstd.set_compression_level(number).and_then(|()| fit_tables(zstd, number));
                set.map_err(|cause| {
                    Error::with_source(Kind::Unavailable, "zstd can't change its level", cause)
                })?;
                self.level = level;
            }
            _ => *self = Self::new(level)?,
        }
        Ok(())
    }

    /// Replaces the content of `out` by `raw`, compressed if that gains at least 2 %, and says which.
    ///
    /// The capacity of `out` may grow to a little more than the length of `raw`, and is kept.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if `raw` is longer than [`RAW_MAX`]; [`Kind::Unavailable`] if zstd fails,
    /// which it does for want of memory alone.
    pub fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<Codec, Error> {
        if raw.len() > RAW_MAX {
            return Err(Error::new(Kind::Invalid, "more than 256 MiB to compress at once"));
        }
        out.clear();
        if let Some(zstd) = self.zstd.as_mut().filter(|_| !looks_random(raw)) {
            out.reserve(zstd_safe::compress_bound(raw.len()));
            let length = zstd
                .compress_to_buffer(raw, out)
                .map_err(|cause| Error::with_source(Kind::Unavailable, "zstd failed", cause))?;
            if length <= raw.len() - raw.len().div_ceil(GAIN_MIN) {
                return Ok(Codec::Zstd);
            }
            out.clear();
        }
        out.extend_from_slice(raw);
        Ok(Codec::Stored)
    }
}

/// At the default level, a table of matches that stays in the cache of one core: zstd's own choice for a frame of 1 MiB
/// is twice as large. On the bench corpus a backup takes a fourteenth less CPU time and stores a hundredth more
/// (docs/decisions/0031-tables-that-fit.md).
fn fit_tables(zstd: &mut zstd::bulk::Compressor<'static>, level: i32) -> std::io::Result<()> {
    // 0 is zstd's own choice.
    let (long, short) = if Level(Some(level)) == Level::DEFAULT { (16, 15) } else { (0, 0) };
    zstd.set_parameter(zstd_safe::CParameter::HashLog(long))?;
    zstd.set_parameter(zstd_safe::CParameter::ChainLog(short))
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Compressor").field("stored", &self.zstd.is_none()).finish_non_exhaustive()
    }
}

/// One part in so many must be gained: a fiftieth, 2 %.
const GAIN_MIN: usize = 50;

/// Buffers below this length in bytes are compressed without a look: trying costs little.
const PROBE_MIN: usize = 32 * 1024;
/// The probe looks at so many stretches, evenly spread over the buffer ...
const PROBE_STRETCHES: usize = 16;
/// ... of so many bytes.
const PROBE_STRETCH_BYTES: usize = 512;

/// Whether a sample of `raw` says that compressing it is a waste of time.
///
/// Counts how many pairs of sampled bytes are equal. Uniform bytes give one pair in 256; the answer
/// is yes below one in 244 (a collision entropy of 7.93 bits), 17 standard deviations away, so that
/// ciphertext and archives are always known. An eighth of text among random bytes is noticed. What it can't see is repetition of random-looking stretches within one buffer; chunks
/// that repeat are found by their id long before. On one core of an EPYC a frame of 1 MiB is probed in
/// 3 µs, where zstd at level 3 needs 170 µs to find out by trying (benches/benches/codec.rs).
#[must_use]
pub fn looks_random(raw: &[u8]) -> bool {
    if raw.len() < PROBE_MIN {
        return false;
    }
    let mut counts = [0_u32; 256];
    for stretch in 0..PROBE_STRETCHES {
        let start = (raw.len() - PROBE_STRETCH_BYTES) * stretch / (PROBE_STRETCHES - 1);
        for &byte in &raw[start..start + PROBE_STRETCH_BYTES] {
            counts[usize::from(byte)] += 1;
        }
    }
    let sampled = (PROBE_STRETCHES * PROBE_STRETCH_BYTES) as u64;
    let equal_pairs: u64 =
        counts.iter().map(|&count| u64::from(count)).map(|count| count * count).sum::<u64>()
            - sampled;
    equal_pairs * 244 < sampled * sampled
}

/// Undoes a [`Compressor`]'s work with one zstd context; each thread has its own.
#[derive(Default)]
pub struct Decompressor {
    /// Made for the first body that is compressed: that takes as long as opening a small one.
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// A decompressor.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the content of `out` by the plaintext of `body`, of exactly `raw_len` bytes.
    ///
    /// No more than `raw_len` bytes are allocated, and those only once the body's own header agrees.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if the body is damaged, has another length than `raw_len`, or `raw_len` is
    /// more than [`RAW_MAX`]. `out` is then empty.
    pub fn decompress(
        &mut self,
        codec: Codec,
        body: &[u8],
        raw_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        out.clear();
        match codec {
            Codec::Stored if body.len() == raw_len => {
                out.extend_from_slice(body);
                Ok(())
            }
            Codec::Stored => Err(Error::new(Kind::Corrupt, "stored bytes of another length")),
            Codec::Zstd => self.inflate(body, raw_len, out).inspect_err(|_| out.clear()),
        }
    }

    fn inflate(&mut self, body: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let corrupt = |what| Error::new(Kind::Corrupt, what);
        if raw_len > RAW_MAX {
            return Err(corrupt("a plaintext of more than 256 MiB is announced"));
        }
        // A block of a zstd frame has a header of 3 bytes and at most 128 KiB of content; what
        // announces more than its blocks could hold gets no memory.
        if raw_len.div_ceil(128 * 1024) * 3 > body.len() {
            return Err(corrupt("more plaintext is announced than the compressed bytes can hold"));
        }
        if zstd_safe::find_frame_compressed_size(body) != Ok(body.len()) {
            return Err(corrupt("not exactly one zstd frame"));
        }
        match zstd_safe::get_frame_content_size(body) {
            Ok(Some(length)) if length == raw_len as u64 => {}
            _ => return Err(corrupt("a zstd frame of another length")),
        }
        out.reserve_exact(raw_len);
        let zstd = self.zstd.get_or_insert_default();
        let length = zstd.decompress_to_buffer(body, out).map_err(|cause| {
            Error::with_source(Kind::Corrupt, "zstd can't decompress this", cause)
        })?;
        if length == raw_len { Ok(()) } else { Err(corrupt("a plaintext of another length")) }
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
