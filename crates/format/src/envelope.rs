//! The preamble of every sealed object, and what each sealed part is bound to.
//!
//! Owns the layout, the nonces and the associated data; the sealing itself is the codec's.
//!
//! Invariant: what is sealed is valid in one repository, one object, one role and one place only.

use crate::bytes::{Fields, newer};
use crate::id::{LogId, RepositoryId};
use crate::{Error, FORMAT_VERSION, Result};

/// The length of a preamble without a sealed key.
pub const PREAMBLE_LEN: usize = 104;
/// The length of the authentication tag after every ciphertext.
pub const TAG_LEN: usize = 16;
/// The length of [`associated_data`].
pub const ASSOCIATED_DATA_LEN: usize = 57;
/// The further associated data of parts that bind nothing more.
pub const NO_EXTRA: [u8; 16] = [0; 16];

const MAGIC: &[u8; 8] = b"LIFEBOAT";
const WHAT: &str = "preamble";
const DERIVED: u8 = 0;
const SEALED_TO_PUBLIC_KEY: u8 = 1;

/// What a sealed object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectType {
    /// A pack of file content.
    DataPack = 1,
    /// A pack of metadata.
    TreePack = 2,
    /// An index segment.
    IndexSegment = 3,
    /// The key bundle of a slot.
    KeyBundle = 4,
    /// A snapshot.
    Snapshot = 5,
    /// The body of a log entry.
    LogBody = 6,
}

impl ObjectType {
    fn from_number(number: u8) -> Result<Self> {
        Ok(match number {
            1 => Self::DataPack,
            2 => Self::TreePack,
            3 => Self::IndexSegment,
            4 => Self::KeyBundle,
            5 => Self::Snapshot,
            6 => Self::LogBody,
            0 => return Err(Error::corrupt_at(WHAT, 8, "object type 0 does not exist")),
            _ => {
                let detail = format!("objects of type {number} come from a newer version");
                return Err(Error::unsupported(WHAT, detail));
            }
        })
    }
}

/// What a sealed part is within its object; each role has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// A frame of a pack.
    Frame = 1,
    /// The trailer of a pack.
    Trailer = 2,
    /// A block of an index segment.
    Block = 3,
    /// The directory of an index segment.
    Directory = 4,
    /// The whole body of a small object.
    Body = 5,
}

impl Role {
    /// The context in which the role's key is derived from the object's key.
    #[must_use]
    pub const fn context(self) -> &'static str {
        match self {
            Self::Frame => "lifeboat 1 seal frame",
            Self::Trailer => "lifeboat 1 seal trailer",
            Self::Block => "lifeboat 1 seal block",
            Self::Directory => "lifeboat 1 seal directory",
            Self::Body => "lifeboat 1 seal body",
        }
    }
}

/// The clear beginning of every sealed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// What the object is.
    pub object_type: ObjectType,
    /// The epoch of the key that its own key was derived from.
    pub epoch: u32,
    /// The repository it belongs to.
    pub repository: RepositoryId,
    /// Random bytes from which its own key was derived, never used for anything else.
    pub salt: [u8; 32],
    /// Proves which key it was sealed with, because AES-GCM alone does not.
    pub commitment: [u8; 32],
}

impl Preamble {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; PREAMBLE_LEN] {
        let mut out = [0; PREAMBLE_LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8] = self.object_type as u8;
        out[9] = FORMAT_VERSION;
        out[10] = DERIVED;
        out[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        out[16..32].copy_from_slice(&self.repository.0);
        out[32..64].copy_from_slice(&self.salt);
        out[64..96].copy_from_slice(&self.commitment);
        out
    }

    /// The preamble with which `object` begins; what follows it is not looked at.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, an unknown type or a key that is sealed to a public key; `Corrupt` when the
    /// bytes are no preamble.
    pub fn decode(object: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(WHAT, object);
        fields.magic(MAGIC)?;
        let number = fields.u8()?;
        let at = fields.position();
        match fields.u8()? {
            FORMAT_VERSION => {}
            0 => return Err(fields.corrupt(at, "version 0 does not exist")),
            version => return Err(newer(WHAT, version.into(), FORMAT_VERSION.into())),
        }
        let object_type = ObjectType::from_number(number)?;
        let at = fields.position();
        match fields.u8()? {
            DERIVED => {}
            SEALED_TO_PUBLIC_KEY => {
                let detail = "a key that is sealed to a public key needs a newer version";
                return Err(Error::unsupported(WHAT, detail));
            }
            mode => {
                let detail = format!("key mode {mode} comes from a newer version");
                return Err(Error::unsupported(WHAT, format!("at byte {at}: {detail}")));
            }
        }
        fields.zeros(1)?;
        let epoch = fields.u32()?;
        let repository = RepositoryId(fields.array()?);
        let (salt, commitment) = (fields.array()?, fields.array()?);
        let at = fields.position();
        let sealed_key_len = fields.u16()?;
        if sealed_key_len != 0 {
            let found = format!("one of {sealed_key_len} bytes");
            return Err(Error::expected(WHAT, at, "no sealed key", found));
        }
        fields.zeros(6)?;
        Ok(Self { object_type, epoch, repository, salt, commitment })
    }

    /// Refuses an object of another type or of another repository.
    ///
    /// # Errors
    /// `Corrupt`, saying both.
    pub fn expect(&self, object_type: ObjectType, repository: &RepositoryId) -> Result<()> {
        if self.object_type != object_type {
            let (expected, found) = (format!("{object_type:?}"), format!("{:?}", self.object_type));
            return Err(Error::expected(WHAT, 8, expected, found));
        }
        if self.repository != *repository {
            let expected = format!("repository {repository}");
            return Err(Error::expected(WHAT, 16, expected, self.repository));
        }
        Ok(())
    }
}

/// An envelope: a small object that is a preamble and one sealed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The preamble.
    pub preamble: Preamble,
    /// The bytes of the preamble, to which the body is bound.
    pub preamble_bytes: &'a [u8],
    /// Ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart.
    ///
    /// # Errors
    /// As [`Preamble::decode`]; `Corrupt` when what follows is too short for a tag.
    pub fn split(bytes: &'a [u8]) -> Result<Self> {
        let preamble = Preamble::decode(bytes)?;
        let (preamble_bytes, sealed) = bytes.split_at(PREAMBLE_LEN);
        if sealed.len() < TAG_LEN {
            let found = format!("{} bytes", sealed.len());
            return Err(Error::expected("envelope", PREAMBLE_LEN, "a sealed body", found));
        }
        Ok(Self { preamble, preamble_bytes, sealed })
    }
}

/// The hash of the whole preamble, which all associated data of the object begin with.
#[must_use]
pub fn preamble_hash(preamble_bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(preamble_bytes).as_bytes()
}

/// What a sealed part is bound to: the preamble, its role, its number and `extra`.
#[must_use]
pub fn associated_data(
    preamble_hash: &[u8; 32],
    role: Role,
    number: u64,
    extra: &[u8; 16],
) -> [u8; ASSOCIATED_DATA_LEN] {
    let mut out = [0; ASSOCIATED_DATA_LEN];
    out[..32].copy_from_slice(preamble_hash);
    out[32] = role as u8;
    out[33..41].copy_from_slice(&number.to_le_bytes());
    out[41..].copy_from_slice(extra);
    out
}

/// The nonce of a sealed part: its number, which is used at most once with the role's key.
#[must_use]
pub fn nonce(number: u64) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&number.to_le_bytes());
    out
}

/// The further associated data of an index block: its section and how many items it has.
#[must_use]
pub fn block_extra(section: u8, count: u32) -> [u8; 16] {
    let mut extra = NO_EXTRA;
    extra[0] = section;
    extra[1..5].copy_from_slice(&count.to_le_bytes());
    extra
}

/// The further associated data of the body of a log entry: the log that it is in.
#[must_use]
pub fn log_extra(log: &LogId) -> [u8; 16] {
    log.0
}

#[cfg(test)]
mod tests;
