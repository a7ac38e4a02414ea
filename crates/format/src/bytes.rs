//! Fixed-width little-endian fields: read with the place in every error.

use crate::{Error, Result};

/// Reads fields one after another from a structure of known layout.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    what: &'static str,
    input: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(what: &'static str, input: &'a [u8]) -> Self {
        Self { what, input, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let left = &self.input[self.at..];
        let Some(taken) = left.get(..len) else {
            let (expected, found) = (format!("{len} bytes"), left.len());
            return Err(Error::expected(self.what, self.at, expected, found));
        };
        self.at += len;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Refuses anything but these bytes.
    pub(crate) fn magic(&mut self, magic: &[u8]) -> Result<()> {
        let at = self.at;
        let found = self.take(magic.len())?;
        if found == magic {
            return Ok(());
        }
        let (expected, found) = (magic.escape_ascii(), found.escape_ascii());
        Err(Error::expected(self.what, at, format!("\"{expected}\""), format!("\"{found}\"")))
    }

    /// Refuses reserved bytes that are not zero: a later version would use them only where this one does not look.
    pub(crate) fn zeros(&mut self, len: usize) -> Result<()> {
        let at = self.at;
        if self.take(len)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(self.corrupt(at, "reserved bytes that are not zero"))
    }

    /// Refuses every version but `known`: 0 as corrupt, larger ones as of a newer program.
    pub(crate) fn version(&mut self, known: u32) -> Result<()> {
        let at = self.at;
        match self.u32()? {
            0 => Err(self.corrupt(at, "version 0 does not exist")),
            version if version > known => Err(newer(self.what, version, known)),
            _ => Ok(()),
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        if self.at == self.input.len() {
            return Ok(());
        }
        let left = self.input.len() - self.at;
        Err(Error::expected(self.what, self.at, "the end", format!("{left} more bytes")))
    }

    pub(crate) fn corrupt(&self, at: usize, detail: impl Into<String>) -> Error {
        Error::corrupt_at(self.what, at, detail)
    }
}

pub(crate) fn newer(what: &str, version: u32, known: u32) -> Error {
    let detail = format!("version {version} is newer than {known}, the newest known here");
    Error::unsupported(what, detail)
}

/// The column of `count` numbers that begins `column` columns of four bytes into `raw`.
pub(crate) fn column(raw: &[u8], count: usize) -> impl Iterator<Item = u32> {
    raw[..4 * count].as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}
