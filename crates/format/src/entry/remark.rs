//! Remarks: what the sealed body of an entry says to people, as JSON.
//!
//! The header of an entry is readable without a key, so whatever is personal is here. Nothing depends on it: a program
//! that can't open a remark knows what the entry does all the same.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The version of remarks that this crate writes.
pub const REMARK_VERSION: u32 = 1;
/// The longest reason, in bytes of UTF-8.
pub const REASON_BYTES_MAX: usize = 4096;

const WHAT: &str = "remark";

/// What an entry says to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The version of the structure, [`REMARK_VERSION`].
    pub version: u32,
    /// Why the entry was written, in its author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The program that wrote it, such as `lifeboat 0.1.0`.
    pub tool: String,
}

impl Remark {
    /// The plaintext of an entry's body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers have a JSON form")
    }

    /// The remark that `bytes` are, which the body held. Members of a newer version are passed over.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes are no remark or its reason is too long.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        crate::json::check_version(WHAT, bytes, REMARK_VERSION)?;
        let remark: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        if remark.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(Error::corrupt(
                WHAT,
                format!("a reason of more than {REASON_BYTES_MAX} bytes"),
            ));
        }
        Ok(remark)
    }
}

#[cfg(test)]
mod tests;
