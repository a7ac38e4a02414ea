//! The bytes of an object to be put, as a list of pieces that is never joined.
//!
//! Knows nothing of stores. Cloning costs no copy, so that a put can be repeated.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// The content of one object in several pieces; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    parts: Arc<[Bytes]>,
    len: u64,
}

impl Payload {
    /// The pieces in order; some may be empty.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// What is left of the pieces behind the first `skip` bytes.
    pub fn parts_from(&self, mut skip: usize) -> Vec<Bytes> {
        let mut rest = Vec::new();
        for part in self.parts.iter() {
            let from = skip.min(part.len());
            skip -= from;
            if from < part.len() {
                rest.push(part.slice(from..));
            }
        }
        rest
    }

    /// The number of bytes in all pieces together.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes in one piece: a copy unless there is only one piece.
    pub fn to_bytes(&self) -> Bytes {
        if let [only] = &*self.parts {
            return only.clone();
        }
        let mut joined = BytesMut::new();
        for part in self.parts.iter() {
            joined.extend_from_slice(part);
        }
        joined.freeze()
    }

    /// Whether the pieces, joined, are exactly `bytes`.
    pub fn equals(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        for part in self.parts.iter() {
            match rest.strip_prefix(part.as_ref()) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }

    /// Whether the pieces, joined, hold `bytes` from position `start` on.
    pub fn holds_at(&self, start: u64, bytes: &[u8]) -> bool {
        let (mut skip, mut rest) = (start, bytes);
        for part in self.parts.iter() {
            // What does not fit a usize is longer than any part.
            let from = usize::try_from(skip).unwrap_or(usize::MAX).min(part.len());
            skip -= from as u64;
            let both = rest.len().min(part.len() - from);
            if rest[..both] != part[from..from + both] {
                return false;
            }
            rest = &rest[both..];
        }
        rest.is_empty()
    }
}

impl FromIterator<Bytes> for Payload {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        let parts: Arc<[Bytes]> = parts.into_iter().collect();
        let len = parts.iter().map(|part| part.len() as u64).sum();
        Self { parts, len }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::from_iter([bytes])
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(parts: Vec<Bytes>) -> Self {
        parts.into_iter().collect()
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl<const N: usize> From<&'static [u8; N]> for Payload {
    fn from(bytes: &'static [u8; N]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

#[cfg(test)]
mod tests;
