//! Packs: many sealed frames in one object, with a trailer that finds them again and checksums that need no key.
//!
//! Owns the trailer, the stripe table, the footer, the padding and how much parity there is. Knows bytes and chunk ids;
//! not the store, the index, the sealing, or how parity is computed.
//!
//! Invariants: frames do not overlap and lie between preamble and trailer; chunks lie within their frames.

mod footer;
mod padding;
mod parity;
mod stripes;
mod trailer;

pub(crate) use trailer::frame_fault;

pub use footer::{FOOTER_LEN, Footer, TAIL_LEN};
pub use padding::{padding, padme};
pub use parity::{PARITY_MAX, parity_len, stripe_bytes};
pub use stripes::{
    STRIPE_SIZE, Stripes, build_tail, damaged_stripes, parse_stripes, stripe_checksum,
};
pub use trailer::{
    ChunkRecord, FrameRecord, TRAILER_HEADER_LEN, TRAILER_RAW_MAX, Trailer, TrailerHeader,
};

/// The most bytes that a frame may have before compression.
pub const FRAME_RAW_MAX: u32 = 16 << 20;
/// The longest pack, in bytes: 4 GiB, since places in it are of 32 bits.
pub const PACK_MAX: u64 = 1 << 32;
