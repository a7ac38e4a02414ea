//! Bytes as base64 (RFC 4648, with padding) on their way to a writer, so that JSON can hold a file.

use std::io::Write;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes what is written to it; [`Base64::finish`] writes the end.
pub(crate) struct Base64<W> {
    out: W,
    /// What is left of the bytes before: at most two.
    rest: Vec<u8>,
}

impl<W: Write> Base64<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Self {
        Self { out, rest: Vec::with_capacity(3) }
    }

    /// Writes the last bytes with their padding, and gives the writer back.
    pub(crate) fn finish(mut self) -> std::io::Result<W> {
        if !self.rest.is_empty() {
            let mut group = [0; 3];
            group[..self.rest.len()].copy_from_slice(&self.rest);
            let mut letters = encode(group);
            letters[self.rest.len() + 1..].fill(b'=');
            self.out.write_all(&letters)?;
        }
        Ok(self.out)
    }
}

impl<W: Write> Write for Base64<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = (3 - self.rest.len()).min(bytes.len());
        let (first, bytes_left) = bytes.split_at(needed);
        self.rest.extend_from_slice(first);
        if let [a, b, c] = self.rest[..] {
            self.rest.clear();
            self.out.write_all(&encode([a, b, c]))?;
            let (groups, rest) = bytes_left.as_chunks::<3>();
            for group in groups {
                self.out.write_all(&encode(*group))?;
            }
            self.rest.extend_from_slice(rest);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn encode([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
    [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize])
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Base64;

    fn encoded(pieces: &[&[u8]]) -> String {
        let mut out = Base64::new(Vec::new());
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        String::from_utf8(out.finish().unwrap()).unwrap()
    }

    #[test]
    fn vectors_of_rfc_4648_in_any_pieces() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, wanted) in vectors {
            let bytes = text.as_bytes();
            assert_eq!(encoded(&[bytes]), wanted);
            for cut in 0..=bytes.len() {
                assert_eq!(encoded(&[&bytes[..cut], &bytes[cut..]]), wanted);
            }
        }
        assert_eq!(encoded(&[b"fooba"]), "Zm9vYmE=");
        assert_eq!(encoded(&[&[0xff, 0xfe, 0xfd]]), "//79");
    }
}
