//! Parity of a pack that is complete: made from its parts as they lie in memory.
//!
//! Knows bytes and lengths; how much parity there is, is the configuration's, and what it is, the codec's.

use bytes::Bytes;
use lifeboat_codec::parity::{Code, Column};
use lifeboat_format::pack::{parity_len, stripe_bytes};

use super::finish::usize_of;
use crate::error::{Error, Result};

/// How much of all stripes is worked on at once, in bytes: little enough for a core's cache, and so much that each
/// stripe gives some kilobytes.
const WORK_BYTES: usize = 1 << 20;

/// The parity of a body of `parts`, of so many thousandths.
pub(super) fn parity_of(parts: &[Bytes], share: u16) -> Result<Vec<u8>> {
    const FAILED: &str = "make parity for";
    let failed = |cause| Error::codec(FAILED, "a pack", cause);
    let body = Body::new(parts);
    let len = parity_len(body.len, share);
    if len == 0 {
        return Ok(Vec::new());
    }
    let size = stripe_bytes(body.len) as usize;
    let stripes = usize_of(body.len)?.div_ceil(size);
    let mut parity = vec![0; usize_of(len)?];
    let code = Code::new(stripes, parity.len() / size, size).map_err(failed)?;
    let mut column = Column::new(code).map_err(failed)?;
    for range in code.columns(WORK_BYTES) {
        column.begin(range.len()).map_err(failed)?;
        for stripe in 0..stripes {
            body.copy(stripe * size + range.start, column.stripe_mut(stripe));
        }
        column.make_parity().map_err(failed)?;
        for (number, made) in parity.chunks_exact_mut(size).enumerate() {
            made[range.clone()].copy_from_slice(column.stripe(stripes + number));
        }
    }
    Ok(parity)
}

/// Bytes that lie one after another in several buffers.
struct Body<'a> {
    parts: &'a [Bytes],
    /// Where each part begins.
    starts: Vec<usize>,
    len: u64,
}

impl<'a> Body<'a> {
    fn new(parts: &'a [Bytes]) -> Self {
        let mut len = 0;
        let starts = parts.iter().map(|part| {
            len += part.len();
            len - part.len()
        });
        let starts = starts.collect();
        Self { parts, starts, len: len as u64 }
    }

    /// Copies the bytes from `at` on, as many as there are; what is beyond the end is left as it is.
    fn copy(&self, mut at: usize, mut into: &mut [u8]) {
        let first = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        for (part, start) in self.parts.iter().zip(&self.starts).skip(first) {
            let Some(rest) = part.get(at - start..) else { return };
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            into = &mut into[count..];
            at += count;
            if into.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_testkit::entropy::entropy;

    use super::*;

    fn cut(bytes: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
        let mut rest = bytes.clone();
        let mut parts: Vec<Bytes> =
            lengths.iter().map(|len| rest.split_to((*len).min(rest.len()))).collect();
        parts.push(rest);
        parts
    }

    #[test]
    fn how_a_body_lies_in_memory_makes_no_difference() {
        let mut bytes = vec![0; 1_300_000];
        entropy(1).fill(&mut bytes).unwrap();
        let bytes = Bytes::from(bytes);
        let whole = parity_of(std::slice::from_ref(&bytes), 30).unwrap();
        assert_eq!(whole.len(), 5 * 8192);
        for lengths in [&[104, 4000, 8192, 0, 500_000][..], &[0, 0, 8191, 1], &[1_300_000]] {
            assert!(parity_of(&cut(&bytes, lengths), 30).unwrap() == whole, "{lengths:?}");
        }
        assert!(parity_of(&[bytes], 0).unwrap().is_empty());
    }

    #[test]
    fn one_stripe_of_parity_of_one_stripe_is_as_long() {
        let body = [Bytes::from_static(&[7; 104]), Bytes::from_static(b"frame")];
        assert_eq!(parity_of(&body, 30).unwrap().len(), 128);
    }
}
