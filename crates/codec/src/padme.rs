//! Padmé: lengths that say little about what they are the length of.
//!
//! From "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs" (Nikitin and
//! others, 2019): at most 12 % longer, and less the longer it is, with a number of possible lengths
//! that grows with the logarithm of the logarithm.

/// The least padded length, in bytes, that is not below `length`.
#[must_use]
pub fn padme(length: u64) -> u64 {
    let Some(exponent) = length.checked_ilog2().filter(|&exponent| exponent > 0) else {
        return length;
    };
    // As many leading bits may vary as it takes to write the exponent; the rest are zero.
    let free_bits = exponent - (exponent.ilog2() + 1);
    let low = (1 << free_bits) - 1;
    length.checked_add(low).map_or(length, |above| above & !low)
}

#[cfg(test)]
mod tests;
