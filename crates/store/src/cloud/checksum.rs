//! Checksums that a service compares with the bytes that reached it.
//!
//! What each takes: S3 a CRC-64/NVME (or, for those of its like that know none, an MD5), Google a
//! CRC-32C, Azure an MD5. Ours are in the objects' names: these find a bad transfer before it is
//! acknowledged.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use http::{HeaderName, HeaderValue};
use md5::Digest;

use crate::Payload;
use crate::url::Provider;

/// Longer payloads are hashed on a thread that may be busy: an MD5 of 1 MiB takes 2 ms.
const BUSY_BYTES_MIN: u64 = 1 << 20;

/// Which checksum goes with a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// `x-amz-checksum-crc64nvme`
    Crc64Nvme,
    /// `Content-MD5`
    Md5,
    /// `x-goog-hash`
    Crc32c,
}

/// What is computed of one payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Computed {
    pub(super) header: (HeaderName, HeaderValue),
    /// For the signature, where it covers the body.
    pub(super) sha256: Option<[u8; 32]>,
}

impl Checksum {
    /// What a service takes. `old` says that it is an S3 that knows no other than MD5.
    pub(super) fn of(provider: Provider, old: bool) -> Self {
        match provider {
            Provider::S3 if old => Self::Md5,
            Provider::S3 => Self::Crc64Nvme,
            Provider::Gcs => Self::Crc32c,
            Provider::Azure => Self::Md5,
        }
    }

    /// Computes the checksum of `payload`, and its SHA-256 if that is asked for.
    pub(super) async fn compute(self, payload: &Payload, sha256: bool) -> Computed {
        if payload.len() < BUSY_BYTES_MIN {
            return self.compute_here(payload.parts(), sha256);
        }
        let parts = payload.parts().to_vec();
        let computed = tokio::task::spawn_blocking(move || self.compute_here(&parts, sha256)).await;
        // The thread can only have been refused by a runtime that is ending.
        computed.unwrap_or_else(|_ending| self.compute_here(payload.parts(), sha256))
    }

    fn compute_here(self, parts: &[Bytes], sha256: bool) -> Computed {
        let (name, digest) = match self {
            Self::Crc64Nvme => {
                let crc = crc(CrcAlgorithm::Crc64Nvme, parts);
                ("x-amz-checksum-crc64nvme", BASE64_STANDARD.encode(crc))
            }
            Self::Crc32c => {
                let crc = crc(CrcAlgorithm::Crc32Iscsi, parts);
                ("x-goog-hash", format!("crc32c={}", BASE64_STANDARD.encode(&crc[4..])))
            }
            Self::Md5 => {
                let mut md5 = md5::Md5::new();
                parts.iter().for_each(|part| md5.update(part));
                ("content-md5", BASE64_STANDARD.encode(md5.finalize()))
            }
        };
        let value = HeaderValue::try_from(digest).expect("base64 is ASCII");
        let sha256 = sha256.then(|| {
            let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
            parts.iter().for_each(|part| hash.update(part));
            let mut bytes = [0; 32];
            bytes.copy_from_slice(hash.finish().as_ref());
            bytes
        });
        Computed { header: (HeaderName::from_static(name), value), sha256 }
    }
}

/// The checksum's bytes as they are written: the most significant first.
fn crc(algorithm: CrcAlgorithm, parts: &[Bytes]) -> [u8; 8] {
    let mut digest = crc_fast::Digest::new(algorithm);
    parts.iter().for_each(|part| digest.update(part));
    #[expect(clippy::big_endian_bytes, reason = "the services' order, nothing of ours")]
    digest.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests;
