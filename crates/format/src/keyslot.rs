//! Key slots: a key bundle wrapped for one passphrase or key file; and the texts of key files and recovery sheets.
//!
//! Knows the clear fields and how they are bound to what is sealed; not the sealing and not the derivation.
//!
//! Invariant: no clear field can be altered without the envelope failing to open, since all are in
//! [`KeySlot::binding`].

mod file;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{RepositoryId, SlotId};
use crate::time::Time;
use crate::{Error, Result, hex};

pub use file::{KeyFile, SheetSlot};

/// The version of slots that this crate writes.
pub const SLOT_VERSION: u32 = 1;
/// The largest slot object that is read, in bytes.
pub const SLOT_MAX: usize = 1 << 20;

const WHAT: &str = "key slot";
const BINDING: &str = "lifeboat 1 key slot";
const ARGON2ID: &str = "argon2id";

/// What opens a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotKind {
    /// A passphrase, by Argon2id.
    Passphrase,
    /// A key file.
    KeyFile,
    /// Something that this version can't use (`x25519` and `kms` are reserved): listed, never opened.
    #[serde(untagged)]
    Other(String),
}

impl SlotKind {
    /// Its name in a slot.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key-file",
            Self::Other(name) => name,
        }
    }
}

/// The cost of making a key from a passphrase: Argon2id, version 1.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB, from 8 to 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, from 1 to 64.
    pub passes: u32,
    /// Lanes, from 1 to 64.
    pub lanes: u32,
    /// The salt, from 8 to 64 bytes; 16 are written.
    pub salt: Vec<u8>,
}

impl KdfParams {
    /// The smallest and largest memory that is accepted, in KiB.
    pub const MEMORY_KIB: std::ops::RangeInclusive<u32> = 8..=1 << 20;
    /// The fewest and most passes, and the fewest and most lanes.
    pub const PASSES_AND_LANES: std::ops::RangeInclusive<u32> = 1..=64;

    /// The parameters that new slots get: 64 MiB, 3 passes, 4 lanes.
    #[must_use]
    pub fn with_salt(salt: [u8; 16]) -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 4, salt: salt.to_vec() }
    }

    /// Whether all are within their limits, so that a forged slot can't take the reader's machine away.
    ///
    /// # Errors
    /// `Corrupt`, with the parameter.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, found: String| {
            Err(Error::corrupt(WHAT, format!("{what} {found} is beyond the limits")))
        };
        if !Self::MEMORY_KIB.contains(&self.memory_kib) {
            return refuse("memory_kib", self.memory_kib.to_string());
        }
        if !Self::PASSES_AND_LANES.contains(&self.passes) {
            return refuse("passes", self.passes.to_string());
        }
        // Argon2 needs 8 KiB a lane.
        if !Self::PASSES_AND_LANES.contains(&self.lanes) || self.lanes > self.memory_kib / 8 {
            return refuse("lanes", self.lanes.to_string());
        }
        if !(8..=64).contains(&self.salt.len()) {
            return refuse("salt of bytes", self.salt.len().to_string());
        }
        Ok(())
    }
}

/// The object `keys/<slot id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySlot {
    /// The repository it opens.
    pub repository: RepositoryId,
    /// Its own id, as in its object key.
    pub slot: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// The user's words for it.
    pub label: String,
    /// When it was made.
    pub created: Time,
    /// How the passphrase becomes a key; set for passphrases only.
    pub kdf: Option<KdfParams>,
    /// The envelope with the key bundle; empty where the kind is unknown and has none.
    pub sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    repository: RepositoryId,
    slot: SlotId,
    kind: SlotKind,
    label: String,
    created: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kdf: Option<Value>,
    #[serde(default, with = "hex::text", skip_serializing_if = "Vec::is_empty")]
    sealed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct WireKdf {
    algorithm: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    #[serde(with = "hex::text")]
    salt: Vec<u8>,
}

impl KeySlot {
    /// The bytes of the object.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kdf = self.kdf.as_ref().map(|kdf| {
            let KdfParams { memory_kib, passes, lanes, salt } = kdf.clone();
            let wire = WireKdf { algorithm: ARGON2ID.to_owned(), memory_kib, passes, lanes, salt };
            serde_json::to_value(wire).expect("numbers and texts")
        });
        let wire = Wire {
            version: SLOT_VERSION,
            repository: self.repository,
            slot: self.slot,
            kind: self.kind.clone(),
            label: self.label.clone(),
            created: self.created,
            kdf,
            sealed: self.sealed.clone(),
        };
        let mut out = serde_json::to_vec_pretty(&wire).expect("a slot has text keys only");
        out.push(b'\n');
        out
    }

    /// The slot that `bytes` are.
    ///
    /// A kind that is unknown is no error: such a slot can be listed, and others may open.
    ///
    /// # Errors
    /// `Unsupported` for a newer version or an unknown key derivation, `Corrupt` when the bytes are no slot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > SLOT_MAX {
            return Err(Error::corrupt(
                WHAT,
                format!("{} bytes, more than {SLOT_MAX}", bytes.len()),
            ));
        }
        crate::json::check_version(WHAT, bytes, SLOT_VERSION)?;
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        let Wire { repository, slot, kind, label, created, kdf, sealed, .. } = wire;
        let kdf = match (&kind, kdf) {
            (SlotKind::Passphrase, Some(kdf)) => Some(decode_kdf(kdf)?),
            (SlotKind::Passphrase, None) => return Err(Error::corrupt(WHAT, "no \"kdf\"")),
            (SlotKind::KeyFile, Some(_)) => {
                return Err(Error::corrupt(WHAT, "a key file's slot with a \"kdf\""));
            }
            (SlotKind::KeyFile, None) | (SlotKind::Other(_), _) => None,
        };
        if sealed.is_empty() && !matches!(kind, SlotKind::Other(_)) {
            return Err(Error::corrupt(WHAT, "no \"sealed\" bundle"));
        }
        Ok(Self { repository, slot, kind, label, created, kdf, sealed })
    }

    /// Whether this version can open it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !matches!(self.kind, SlotKind::Other(_))
    }

    /// The 16 bytes of the envelope's associated data that bind the clear fields: the first half of BLAKE3 over a text
    /// of them all.
    #[must_use]
    pub fn binding(&self) -> [u8; 16] {
        let kdf = self.kdf.as_ref().map_or_else(
            || "-".to_owned(),
            |KdfParams { memory_kib, passes, lanes, salt }| {
                format!("{ARGON2ID} {memory_kib} {passes} {lanes} {}", hex::encode(salt))
            },
        );
        let Self { repository, slot, kind, label, created, .. } = self;
        let kind = kind.name();
        // The label stands last, since only it can hold a line feed.
        let text = format!("{BINDING}\n{repository}\n{slot}\n{kind}\n{created}\n{kdf}\n{label}");
        let mut binding = [0; 16];
        binding.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        binding
    }
}

fn decode_kdf(value: Value) -> Result<KdfParams> {
    let algorithm = value.get("algorithm").and_then(Value::as_str).unwrap_or_default();
    if algorithm != ARGON2ID {
        let detail = format!("the key derivation {algorithm:?} comes from a newer version");
        return Err(Error::unsupported(WHAT, detail));
    }
    let wire: WireKdf = serde_json::from_value(value).map_err(|error| Error::json(WHAT, &error))?;
    let WireKdf { memory_kib, passes, lanes, salt, .. } = wire;
    let kdf = KdfParams { memory_kib, passes, lanes, salt };
    kdf.check()?;
    Ok(kdf)
}

#[cfg(test)]
mod tests;
