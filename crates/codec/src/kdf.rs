//! Keys from passphrases and key files, to open key slots with.
//!
//! Knows neither slots nor prompts. Argon2id takes the memory that its parameters name, and whoever
//! made the slot chose them: ask [`memory_bytes`] first and hold it against the memory budget.

use argon2::{Algorithm, Argon2, Params, Version};
use lifeboat_format::keys::{Secret32, context};
use lifeboat_format::keyslot::KdfParams;

use crate::error::{Error, Kind};

/// How much memory in bytes [`derive_kek_passphrase`] takes with these parameters.
#[must_use]
pub fn memory_bytes(kdf: &KdfParams) -> u64 {
    u64::from(kdf.memory_kib) * 1024
}

/// The key that a passphrase opens a slot with: Argon2id, version 0x13.
///
/// Takes [`memory_bytes`] and, on purpose, a good part of a second.
///
/// # Errors
/// [`Kind::Corrupt`] for parameters outside the format's limits; [`Kind::Unavailable`] if the system
/// has not the memory.
pub fn derive_kek_passphrase(kdf: &KdfParams, passphrase: &[u8]) -> Result<Secret32, Error> {
    let invalid = |cause: argon2::Error| match cause {
        argon2::Error::OutOfMemory => {
            Error::with_source(Kind::Unavailable, "no memory to derive the key with", cause)
        }
        cause => Error::with_source(Kind::Invalid, "can't derive a key with this", cause),
    };
    kdf.check()?;
    let params = Params::new(kdf.memory_kib, kdf.passes, kdf.lanes, Some(32)).map_err(invalid)?;
    let mut key = zeroize::Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, &kdf.salt, key.as_mut_slice())
        .map_err(invalid)?;
    Ok(Secret32::new(*key))
}

/// The key that a key file's secret opens a slot with.
#[must_use]
pub fn derive_kek_key_file(secret: &Secret32) -> Secret32 {
    secret.derive(context::KEY_FILE)
}

#[cfg(test)]
mod tests;
