//! Parity: how much of it a body has, and into stripes of which length both are cut.
//!
//! Knows lengths only; what the bytes of parity are is `codec::parity`'s.
//!
//! Invariant: the length of a stripe follows from that of the body, so that a footer can't ask for any other.

use crate::pack::STRIPE_SIZE;

/// The most parity, in thousandths of the body: as much again.
pub const PARITY_MAX: u16 = 1000;

/// What a disk loses at least when it loses something, in bytes. Shorter stripes would cost tiny packs less, and one
/// lost sector would be several of them.
const SECTOR: u64 = 4096;
/// A longer body has at least so many stripes, until they are a MiB long: parity is counted in whole ones.
const STRIPES: u64 = 128;
/// What the code takes at once.
const UNIT: u64 = 64;

/// The length of a stripe, in bytes, of a pack with parity whose body has so many bytes: 4 KiB, a body of less in one
/// piece; for longer ones the largest power of two of which there are at least 128, and a MiB at most.
#[must_use]
pub fn stripe_bytes(body_len: u64) -> u32 {
    let bytes = if body_len < SECTOR {
        body_len.max(1).next_multiple_of(UNIT)
    } else {
        let exponent = (body_len / STRIPES).max(SECTOR).ilog2();
        (1_u64 << exponent).min(u64::from(STRIPE_SIZE))
    };
    u32::try_from(bytes).unwrap_or(STRIPE_SIZE)
}

/// The length of the parity, in bytes, of a body of `body_len` bytes of which `share` thousandths are wanted: in whole
/// stripes, rounded up, at least one; 0 for a share of 0.
#[must_use]
pub fn parity_len(body_len: u64, share: u16) -> u64 {
    let size = u64::from(stripe_bytes(body_len));
    let share = u64::from(share.min(PARITY_MAX));
    (body_len.div_ceil(size) * share).div_ceil(u64::from(PARITY_MAX)) * size
}

#[cfg(test)]
mod tests;
