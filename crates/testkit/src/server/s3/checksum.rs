//! Checksums that come with a request's content: none is believed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use ring::digest;

use crate::server::answer::Answer;
use crate::server::request::Head;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The refusal of content that is not what its checksums say.
pub(super) fn refusal(head: &Head, content: &[u8]) -> Option<Answer> {
    if let Some(stated) = head.header("x-amz-content-sha256")
        && stated != UNSIGNED
    {
        if stated.starts_with("STREAMING-") {
            return Some(super::unsupported());
        }
        if !stated.eq_ignore_ascii_case(&hex_sha256(content)) {
            let code = "XAmzContentSHA256Mismatch";
            return Some(Answer::error(400, code, "the content is not what its SHA-256 says"));
        }
    }
    ALGORITHMS.iter().find_map(|(header, compute)| {
        let stated = head.header(header)?;
        let wrong = stated != STANDARD.encode(compute(content));
        let message = format!("the content is not what its {header} says");
        wrong.then(|| Answer::error(400, "BadDigest", &message))
    })
}

/// Whether there is a checksum of the content besides the signature's.
pub(super) fn is_there(head: &Head) -> bool {
    ALGORITHMS.iter().any(|(header, _)| head.headers.contains_key(*header))
}

type Compute = fn(&[u8]) -> Vec<u8>;

const ALGORITHMS: [(&str, Compute); 6] = [
    ("content-md5", |content| Md5::digest(content).to_vec()),
    ("x-amz-checksum-sha256", |content| digest::digest(&digest::SHA256, content).as_ref().to_vec()),
    ("x-amz-checksum-sha1", |content| {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, content).as_ref().to_vec()
    }),
    ("x-amz-checksum-crc32", |content| crc(CrcAlgorithm::Crc32IsoHdlc, 4, content)),
    ("x-amz-checksum-crc32c", |content| crc(CrcAlgorithm::Crc32Iscsi, 4, content)),
    ("x-amz-checksum-crc64nvme", |content| crc(CrcAlgorithm::Crc64Nvme, 8, content)),
];

/// The checksum's bytes in the order of the network, as the headers have them.
fn crc(algorithm: CrcAlgorithm, bytes: u32, content: &[u8]) -> Vec<u8> {
    let value = crc_fast::checksum(algorithm, content);
    (0..bytes).rev().map(|byte| u8::try_from(value >> (8 * byte) & 0xff).unwrap_or(0)).collect()
}

pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
