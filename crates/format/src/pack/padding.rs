//! Padding: how long a pack becomes so that its length says little.

use crate::pack::{PACK_MAX, parity_len};

/// The Padmé length of `len`: the next that has no more significant bits than its own length's length, so at most 12 %
/// longer, and ever less for longer ones.
#[must_use]
pub fn padme(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let significant = exponent.checked_ilog2().map_or(0, |log| log + 1);
    let mask = (1_u64 << (exponent - significant)) - 1;
    len.checked_add(mask).map_or(len, |longer| longer & !mask)
}

/// How many bytes of padding stand between `used` bytes of preamble and frames and a sealed trailer of `trailer_len`
/// bytes, so that all three have a Padmé length; 0 where that would make the pack, with its parity of so many thousandths,
/// too long.
#[must_use]
pub fn padding(used: u64, trailer_len: u64, parity: u16) -> u64 {
    let len = used.saturating_add(trailer_len);
    let padded = padme(len);
    let parity_len = parity_len(padded, parity);
    // Stripe tables and footers come on top: 8 bytes a stripe, of which none of so long a pack is shorter, and 128.
    let tail = parity_len + 8 * (padded.div_ceil(1 << 20) + (parity_len >> 20)) + 128;
    if padded.saturating_add(tail) > PACK_MAX { 0 } else { padded - len }
}

#[cfg(test)]
mod tests;
