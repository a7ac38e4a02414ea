//! `%20` and the like in URLs, both ways.

use std::fmt::{self, Write as _};

/// The bytes that `text` means; `None` if a `%` is not followed by two hexadecimal digits.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => (digit(rest.next()?)? << 4) | digit(rest.next()?)?,
            plain => plain,
        });
    }
    Some(bytes)
}

/// Writes `bytes` so that [`decode`] gives them back: letters of any language stay readable.
pub(super) fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for piece in bytes.utf8_chunks() {
        for letter in piece.valid().chars() {
            if is_plain(letter) {
                f.write_char(letter)?;
            } else {
                escape(letter.encode_utf8(&mut [0; 4]).as_bytes(), f)?;
            }
        }
        escape(piece.invalid(), f)?;
    }
    Ok(())
}

/// What means itself in a URL's path, and does not hide in a terminal or end a word.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(letter)
}

fn escape(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}"))
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
