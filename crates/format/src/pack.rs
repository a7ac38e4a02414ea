//! Packs.

/// The most bytes that a frame may have before compression.
pub const FRAME_RAW_MAX: u32 = 16 << 20;
