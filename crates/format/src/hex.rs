//! Lower-case hexadecimal text: the only place that writes or reads it.
//!
//! Invariant: reading is strict (lower case, even length), so a value has one text.

use crate::{Error, Result};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The lower-case hex text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes of a lower-case hex text.
///
/// # Errors
/// `Invalid` when the length is odd or a character is not `0-9a-f`.
pub fn decode(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return Err(Error::invalid("hex text", format!("odd length {}", bytes.len())));
    }
    bytes.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Exactly `N` bytes from a lower-case hex text of `2 * N` characters.
///
/// # Errors
/// `Invalid` when the length differs or a character is not `0-9a-f`.
pub fn decode_array<const N: usize>(text: &str) -> Result<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        let found = bytes.len();
        let expected = 2 * N;
        return Err(Error::invalid(
            "hex text",
            format!("expected {expected} digits, found {found}"),
        ));
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(out)
}

fn digit(character: u8) -> Result<u8> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        other => Err(Error::invalid(
            "hex text",
            format!("'{}' is not a lower-case hex digit", char::from(other).escape_default()),
        )),
    }
}

/// Serde as hex text, for byte vectors: `#[serde(with = "crate::hex::text")]`.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        super::decode(&text).map_err(serde::de::Error::custom)
    }
}
