//! Sealing and opening the pieces of an object, each bound to its place.
//!
//! AES-256-GCM under a key that belongs to one object and one role alone, derived from a random salt;
//! the nonce is the piece's number. Knows preambles, roles and numbers; not what is inside, nor who
//! may have which key.
//!
//! Invariants: within one object, a (role, number) is sealed at most once, gaps are legal, and what
//! has to be made again gets a new [`ObjectSealer`] (a new salt) with every piece sealed anew. The
//! commitment is compared before anything is opened, so that no piece is ever opened under two keys.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Tag};
use lifeboat_format::envelope::{
    ASSOCIATED_DATA_LEN, Envelope, ObjectType, PREAMBLE_LEN, Preamble, Role, associated_data,
    nonce, preamble_hash,
};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::keys::{Secret32, context};
use subtle::ConstantTimeEq as _;

use crate::entropy::Entropy;
use crate::error::{Error, Kind};

pub use lifeboat_format::envelope::{NO_EXTRA, TAG_LEN as TAG_BYTES};

/// Further associated data of a piece (docs/format.md says what for which role).
pub type Extra = [u8; 16];

/// What an object is: its type, its key's epoch and its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The type of the object, which also says which role's key seals it.
    pub object_type: ObjectType,
    /// The epoch of the key that seals it (0 for key bundles, which have none).
    pub epoch: u32,
    /// The repository it belongs to.
    pub repository: RepositoryId,
}

/// Seals the pieces of one new object; threads share it by reference.
pub struct ObjectSealer {
    preamble: Preamble,
    keys: ObjectKeys,
    /// Every (role, number) so far: sealing two plaintexts under one nonce would give both away.
    sealed: Mutex<HashSet<(u8, u64)>>,
}

impl ObjectSealer {
    /// Begins an object with a salt of its own.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn new(role_key: &Secret32, subject: &Subject, entropy: &Entropy) -> Result<Self, Error> {
        Ok(Self::with_salt(role_key, subject, entropy.bytes()?))
    }

    fn with_salt(role_key: &Secret32, subject: &Subject, salt: [u8; 32]) -> Self {
        let object_key = object_key(role_key, &salt);
        let preamble = Preamble {
            object_type: subject.object_type,
            epoch: subject.epoch,
            repository: subject.repository,
            salt,
            commitment: commitment(&object_key),
        };
        let keys = ObjectKeys::new(object_key, &preamble);
        Self { preamble, keys, sealed: Mutex::default() }
    }

    /// The bytes that the object begins with.
    #[must_use]
    pub fn preamble(&self) -> [u8; PREAMBLE_LEN] {
        self.preamble.encode()
    }

    /// Seals all of `buffer` in place and appends the tag.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if this role and number were sealed before in this object, or the buffer is
    /// longer than AES-GCM can seal (64 GiB). The buffer is then as it was.
    pub fn seal(
        &self,
        role: Role,
        number: u64,
        extra: &Extra,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let first_time =
            self.sealed.lock().unwrap_or_else(PoisonError::into_inner).insert((role as u8, number));
        if !first_time {
            return Err(Error::new(Kind::Invalid, "a number is sealed at most once in an object"));
        }
        let tag = self
            .keys
            .cipher(role)
            .encrypt_inout_detached(
                &nonce(number).into(),
                &self.keys.associated_data(role, number, extra),
                buffer.as_mut_slice().into(),
            )
            .map_err(|aes_gcm::Error| Error::new(Kind::Invalid, "too long to be sealed"))?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }
}

impl std::fmt::Debug for ObjectSealer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ObjectSealer").field("preamble", &self.preamble).finish_non_exhaustive()
    }
}

/// Opens the pieces of one object; threads share it by reference.
pub struct ObjectOpener {
    preamble: Preamble,
    keys: ObjectKeys,
}

impl ObjectOpener {
    /// Checks that `role_key` is the key of the object that begins with `preamble`, and that the
    /// object is of this type and repository.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] for another type or repository; [`Kind::WrongKey`] if the commitment is
    /// not of this key.
    pub fn new(
        role_key: &Secret32,
        object_type: ObjectType,
        repository: RepositoryId,
        preamble: &Preamble,
    ) -> Result<Self, Error> {
        preamble.expect(object_type, &repository)?;
        let object_key = object_key(role_key, &preamble.salt);
        if !bool::from(commitment(&object_key).ct_eq(&preamble.commitment)) {
            return Err(Error::new(Kind::WrongKey, "not the key that sealed this object"));
        }
        let keys = ObjectKeys::new(object_key, preamble);
        Ok(Self { preamble: *preamble, keys })
    }

    /// Opens one piece, and replaces the content of `out` by its plaintext.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] if these are not the bytes that were sealed at this place; `out` is then empty.
    pub fn open_into(
        &self,
        role: Role,
        number: u64,
        extra: &Extra,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let corrupt = || Error::new(Kind::Corrupt, "not the bytes that were sealed here");
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or_else(|| {
            out.clear();
            corrupt()
        })?;
        // Zeros only where it was shorter before: all of it is written over.
        out.resize(sealed.len(), 0);
        let both = InOutBuf::new(sealed, out).expect("they are of one length");
        let (nonce, tag) = (nonce(number).into(), Tag::from(*tag));
        let data = self.keys.associated_data(role, number, extra);
        let opened = self.keys.cipher(role).decrypt_inout_detached(&nonce, &data, both, &tag);
        opened.map_err(|aes_gcm::Error| {
            out.clear();
            corrupt()
        })
    }

    /// Opens one piece into a buffer of its own.
    ///
    /// # Errors
    /// As [`ObjectOpener::open_into`].
    pub fn open(
        &self,
        role: Role,
        number: u64,
        extra: &Extra,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.open_into(role, number, extra, sealed, &mut out)?;
        Ok(out)
    }
}

impl std::fmt::Debug for ObjectOpener {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ObjectOpener").field("preamble", &self.preamble).finish_non_exhaustive()
    }
}

/// Seals a small object whole: preamble and one sealed body.
///
/// # Errors
/// As [`ObjectSealer::new`] and [`ObjectSealer::seal`].
pub fn seal_envelope(
    role_key: &Secret32,
    subject: &Subject,
    extra: &Extra,
    plaintext: &[u8],
    entropy: &Entropy,
) -> Result<Vec<u8>, Error> {
    let sealer = ObjectSealer::new(role_key, subject, entropy)?;
    let mut body = Vec::with_capacity(PREAMBLE_LEN + plaintext.len() + TAG_BYTES);
    body.extend_from_slice(plaintext);
    sealer.seal(Role::Body, 0, extra, &mut body)?;
    body.splice(..0, sealer.preamble());
    Ok(body)
}

/// Opens what [`seal_envelope`] sealed.
///
/// # Errors
/// [`Kind::Unsupported`] and [`Kind::Corrupt`] if the preamble can't be read; else as
/// [`ObjectOpener::new`] and [`ObjectOpener::open`].
pub fn open_envelope(
    role_key: &Secret32,
    object_type: ObjectType,
    repository: RepositoryId,
    extra: &Extra,
    envelope: &[u8],
) -> Result<Vec<u8>, Error> {
    let Envelope { preamble, sealed, .. } = Envelope::split(envelope)?;
    let opener = ObjectOpener::new(role_key, object_type, repository, &preamble)?;
    opener.open(Role::Body, 0, extra, sealed)
}

/// What one object's pieces are sealed with.
struct ObjectKeys {
    object_key: Secret32,
    preamble_hash: [u8; 32],
}

impl ObjectKeys {
    fn new(object_key: Secret32, preamble: &Preamble) -> Self {
        Self { object_key, preamble_hash: preamble_hash(&preamble.encode()) }
    }

    /// Made anew for each piece: half a microsecond beside the milliseconds that a frame takes.
    fn cipher(&self, role: Role) -> Aes256Gcm {
        let key = self.object_key.derive(role.context());
        Aes256Gcm::new(key.expose().into())
    }

    fn associated_data(&self, role: Role, number: u64, extra: &Extra) -> [u8; ASSOCIATED_DATA_LEN] {
        associated_data(&self.preamble_hash, role, number, extra)
    }
}

fn object_key(role_key: &Secret32, salt: &[u8; 32]) -> Secret32 {
    let mut hasher = blake3::Hasher::new_derive_key(context::OBJECT);
    hasher.update(role_key.expose()).update(salt);
    Secret32::new(*hasher.finalize().as_bytes())
}

fn commitment(object_key: &Secret32) -> [u8; 32] {
    *object_key.derive(context::COMMITMENT).expose()
}

#[cfg(test)]
mod tests;
