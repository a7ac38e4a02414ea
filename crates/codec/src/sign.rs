//! Ed25519 signatures over a domain and a message.
//!
//! The domain ("lifeboat 1 log entry", ...) is signed in front of the message, so that a signature
//! for one kind of object is worthless for another. Who may sign what is not known here.

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use lifeboat_format::id::PublicKey;
use lifeboat_format::keys::Secret32;

use crate::entropy::Entropy;
use crate::error::{Error, Kind};

/// Length of a signature in bytes.
pub const SIGNATURE_BYTES: usize = ed25519_dalek::SIGNATURE_LENGTH;

/// A secret key that signs; wiped from memory when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn generate(entropy: &Entropy) -> Result<Self, Error> {
        Ok(Self::from_secret(&Secret32::new(entropy.bytes()?)))
    }

    /// The key with this seed, as a key bundle keeps it.
    #[must_use]
    pub fn from_secret(seed: &Secret32) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, for a key bundle.
    #[must_use]
    pub fn secret(&self) -> Secret32 {
        Secret32::new(self.0.to_bytes())
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `domain || message`.
    #[must_use]
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(&[domain, message].concat()).to_bytes()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey(public {})", self.public())
    }
}

/// Verifies a signature over `domain || message`.
///
/// Strict: weak keys and signatures with a second spelling are refused.
///
/// # Errors
/// [`Kind::Corrupt`] if it is not this key's signature of these bytes, or `public` is no key.
pub fn verify(
    public: &PublicKey,
    domain: &[u8],
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> Result<(), Error> {
    let key = VerifyingKey::from_bytes(&public.0).map_err(|cause| {
        Error::with_source(Kind::Corrupt, "not a valid Ed25519 public key", cause)
    })?;
    key.verify_strict(&[domain, message].concat(), &Signature::from_bytes(signature))
        .map_err(|cause| Error::with_source(Kind::Corrupt, "the signature does not match", cause))
}

#[cfg(test)]
mod tests;
