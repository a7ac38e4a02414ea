//! Secrets: the key bundle that a slot wraps, how its keys are derived, and who may sign what.
//!
//! Knows the bundle as JSON; not how it is sealed, nor what a key is used on.
//!
//! Invariants: a secret is wiped when it is dropped and never printed; a bundle holds derived keys only, so one that is
//! given away for one purpose can't be turned into another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::{PublicKey, RepositoryId};
use crate::{Error, Result, hex};

const WHAT: &str = "key bundle";
const VERSION: u32 = 1;

/// The derivation contexts of docs/format.md, "Keys".
pub mod context {
    /// Content root to the key that names data chunks.
    pub const CHUNK_ID: &str = "lifeboat 1 content chunk-id";
    /// Content root to the key of the chunker.
    pub const CUT: &str = "lifeboat 1 content cut";
    /// Content root to the key of fine maps.
    pub const FINGERPRINT: &str = "lifeboat 1 content fingerprint";
    /// Content root to the key of the trees' boundaries.
    pub const TREE_BOUNDARY: &str = "lifeboat 1 content tree-boundary";
    /// Chunk-id key to the key that names tree nodes.
    pub const NODE_ID: &str = "lifeboat 1 node id";
    /// Chunk-id key to the key that names other chunks of metadata.
    pub const META_ID: &str = "lifeboat 1 meta id";
    /// Cut key to the gear table of the chunker.
    pub const GEAR_TABLE: &str = "lifeboat 1 gear table";
    /// Epoch root to the key of data packs.
    pub const EPOCH_DATA: &str = "lifeboat 1 epoch data";
    /// Epoch root to the key of tree packs.
    pub const EPOCH_META: &str = "lifeboat 1 epoch meta";
    /// Epoch root to the key of index segments.
    pub const EPOCH_INDEX: &str = "lifeboat 1 epoch index";
    /// Epoch root to the key of snapshots.
    pub const EPOCH_SNAPSHOT: &str = "lifeboat 1 epoch snapshot";
    /// Epoch root to the key of the log's bodies.
    pub const EPOCH_LOG: &str = "lifeboat 1 epoch log";
    /// The secret of a key file to the key that wraps a bundle.
    pub const KEY_FILE: &str = "lifeboat 1 key file";
    /// A signing secret of role *maintain* to the key that proves marks which were kept outside the repository.
    pub const KEPT_MARKS: &str = "lifeboat 1 kept marks";
    /// Role key and salt to the key of one object.
    pub const OBJECT: &str = "lifeboat 1 object";
    /// The key of one object to its commitment.
    pub const COMMITMENT: &str = "lifeboat 1 commitment";
}

/// Thirty-two secret bytes: wiped when dropped, never printed; hex text in JSON.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret32([u8; 32]);

impl Secret32 {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Shows the bytes, to be used at once.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key that BLAKE3's derivation makes of this one in `context`.
    #[must_use]
    pub fn derive(&self, context: &'static str) -> Self {
        Self(blake3::derive_key(context, &self.0))
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32(..)")
    }
}

impl Serialize for Secret32 {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret32 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        hex::decode_array(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What a signing key may sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SigningRole {
    /// Change the configuration, and all else.
    Root,
    /// Forget, hold, collect, checkpoint and commit.
    Maintain,
    /// Commit new snapshots.
    Write,
    /// Commit snapshots that were carried over from another replica.
    Replicate,
    /// A role of a newer version: it allows nothing here.
    #[serde(untagged)]
    Other(String),
}

/// A signing key with its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    /// Its Ed25519 public key.
    pub public: PublicKey,
    /// Its Ed25519 seed.
    pub secret: Secret32,
    /// What it may sign, as `config` grants it.
    pub roles: Vec<SigningRole>,
}

/// The keys that name chunks: the same for the repository's whole life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentKeys {
    /// Names data chunks, and by derivation all others.
    pub chunk_id: Secret32,
    /// Seeds the chunker.
    pub cut: Secret32,
    /// Keys the fingerprints of fine maps.
    pub fingerprint: Secret32,
    /// Decides where tree nodes end.
    pub tree_boundary: Secret32,
}

impl ContentKeys {
    /// All content keys of one random root.
    #[must_use]
    pub fn derive(root: &Secret32) -> Self {
        Self {
            chunk_id: root.derive(context::CHUNK_ID),
            cut: root.derive(context::CUT),
            fingerprint: root.derive(context::FINGERPRINT),
            tree_boundary: root.derive(context::TREE_BOUNDARY),
        }
    }

    /// The key that names tree nodes.
    #[must_use]
    pub fn node_id(&self) -> Secret32 {
        self.chunk_id.derive(context::NODE_ID)
    }

    /// The key that names chunks of metadata other than nodes.
    #[must_use]
    pub fn meta_id(&self) -> Secret32 {
        self.chunk_id.derive(context::META_ID)
    }
}

/// The sealing keys of one epoch; a bundle with less power lacks some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochKeys {
    /// The number of the epoch, from 0.
    pub epoch: u32,
    /// Seals data packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Secret32>,
    /// Seals tree packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Secret32>,
    /// Seals index segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Secret32>,
    /// Seals snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Secret32>,
    /// Seals the bodies of log entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Secret32>,
}

impl EpochKeys {
    /// All keys of an epoch of one random root.
    #[must_use]
    pub fn derive(epoch: u32, root: &Secret32) -> Self {
        Self {
            epoch,
            data: Some(root.derive(context::EPOCH_DATA)),
            meta: Some(root.derive(context::EPOCH_META)),
            index: Some(root.derive(context::EPOCH_INDEX)),
            snapshot: Some(root.derive(context::EPOCH_SNAPSHOT)),
            log: Some(root.derive(context::EPOCH_LOG)),
        }
    }
}

/// Everything that a slot gives to whoever opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBundle {
    /// The version of the bundle, 1.
    pub version: u32,
    /// The repository whose keys these are.
    pub repository: RepositoryId,
    /// The key that must have signed `config`, so that a replaced one is noticed.
    pub root_public: PublicKey,
    /// The keys that name chunks.
    pub content: ContentKeys,
    /// The sealing keys of all epochs, in ascending order.
    pub epochs: Vec<EpochKeys>,
    /// The keys to sign with; none in a reader's bundle.
    pub signing: Vec<SigningSecret>,
}

impl KeyBundle {
    /// A bundle of the version that this crate writes.
    #[must_use]
    pub fn new(
        repository: RepositoryId,
        root_public: PublicKey,
        content: ContentKeys,
        epochs: Vec<EpochKeys>,
        signing: Vec<SigningSecret>,
    ) -> Self {
        Self { version: VERSION, repository, root_public, content, epochs, signing }
    }

    /// The keys of the newest epoch.
    #[must_use]
    pub fn newest_epoch(&self) -> Option<&EpochKeys> {
        self.epochs.last()
    }

    /// The keys of one epoch.
    #[must_use]
    pub fn epoch(&self, epoch: u32) -> Option<&EpochKeys> {
        self.epochs.iter().find(|keys| keys.epoch == epoch)
    }

    /// The first key that has `role`.
    #[must_use]
    pub fn signing_key(&self, role: &SigningRole) -> Option<&SigningSecret> {
        self.signing.iter().find(|key| key.roles.contains(role))
    }

    /// The plaintext of a slot's envelope; wiped when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it from the start, so that growing leaves no copy behind.
        let keys = 4 + 5 * self.epochs.len() + 2 * self.signing.len();
        let mut out = Zeroizing::new(Vec::with_capacity(1024 + 160 * keys));
        serde_json::to_writer(&mut *out, self).expect("a bundle has no maps and writes to memory");
        out
    }

    /// The bundle that `bytes` are, which a slot's envelope held.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes are no bundle.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        crate::json::check_version(WHAT, bytes, VERSION)?;
        let bundle: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        if bundle.epochs.is_empty() {
            return Err(Error::corrupt(WHAT, "no key epochs"));
        }
        if !bundle.epochs.is_sorted_by(|left, right| left.epoch < right.epoch) {
            return Err(Error::corrupt(WHAT, "key epochs that do not ascend"));
        }
        Ok(bundle)
    }
}

#[cfg(test)]
mod tests;
