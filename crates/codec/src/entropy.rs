//! Randomness, as a value that is passed in.
//!
//! Salts, nonces, ids and keys all come from an [`Entropy`]. Two uses never share bytes: clones draw
//! from one stream. The seeded kind exists only with the feature `seeded`, which the test kit alone
//! turns on, so a released program can't be made to repeat a salt.

use crate::error::{Error, Kind};

/// A source of random bytes; clones are the same source.
#[derive(Clone, Debug)]
pub struct Entropy {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// The operating system's generator.
    System,
    /// A fixed stream, for tests and golden fixtures.
    #[cfg(feature = "seeded")]
    Seeded(std::sync::Arc<std::sync::Mutex<blake3::OutputReader>>),
}

impl Entropy {
    /// The operating system's generator.
    #[must_use]
    pub fn os() -> Self {
        Self { source: Source::System }
    }

    /// A stream that depends on `seed` and the order of the calls alone.
    #[cfg(feature = "seeded")]
    #[must_use]
    pub fn seeded(seed: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("lifeboat 1 seeded entropy");
        hasher.update(&seed);
        let stream = std::sync::Arc::new(std::sync::Mutex::new(hasher.finalize_xof()));
        Self { source: Source::Seeded(stream) }
    }

    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if the operating system has no randomness to give; nothing that needs
    /// it may then be written.
    pub fn fill(&self, out: &mut [u8]) -> Result<(), Error> {
        match &self.source {
            Source::System => getrandom::fill(out).map_err(|cause| {
                Error::with_source(Kind::Unavailable, "no random bytes from the system", cause)
            }),
            #[cfg(feature = "seeded")]
            Source::Seeded(stream) => {
                stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(out);
                Ok(())
            }
        }
    }

    /// An array of random bytes.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
