//! The keyring: the secrets of an opened repository, ready for use.
//!
//! Knows which key serves what; not how a slot was opened, nor what is sealed. What a bundle lacks (a
//! writer's has no `snapshot` key) is refused here, in one place and with one text.
//!
//! Invariants: new objects are sealed under the newest epoch; nothing here prints a secret.

use lifeboat_codec::hash::IdKeys;
use lifeboat_codec::sign::SigningKey;
use lifeboat_format::envelope::ObjectType;
use lifeboat_format::id::{PublicKey, RepositoryId};
use lifeboat_format::keys::{EpochKeys, KeyBundle, Secret32, SigningRole, SigningSecret, context};

use crate::error::{Error, Kind, Result};

/// The secrets of one opened repository.
#[derive(Debug)]
pub struct Keyring {
    bundle: KeyBundle,
    ids: IdKeys,
    signers: Vec<Signer>,
}

#[derive(Debug)]
struct Signer {
    key: SigningKey,
    roles: Vec<SigningRole>,
}

impl Keyring {
    pub(crate) fn new(bundle: KeyBundle) -> Self {
        let ids = IdKeys::new(&bundle.content.chunk_id);
        let signers = bundle
            .signing
            .iter()
            .map(|signing| Signer {
                key: SigningKey::from_secret(&signing.secret),
                roles: signing.roles.clone(),
            })
            .collect();
        Self { bundle, ids, signers }
    }

    /// The repository that the keys belong to.
    pub fn repository(&self) -> RepositoryId {
        self.bundle.repository
    }

    /// The key that must have signed `config`.
    pub fn root_public(&self) -> PublicKey {
        self.bundle.root_public
    }

    /// The keys that name chunks.
    pub fn ids(&self) -> &IdKeys {
        &self.ids
    }

    /// The key of the chunker.
    pub fn cut_key(&self) -> &Secret32 {
        &self.bundle.content.cut
    }

    /// The key of the trees' boundaries.
    pub fn tree_boundary_key(&self) -> &Secret32 {
        &self.bundle.content.tree_boundary
    }

    /// The epoch under which new objects are sealed.
    pub fn newest_epoch(&self) -> u32 {
        self.bundle.newest_epoch().map_or(0, |keys| keys.epoch)
    }

    /// The key that seals objects of this type in this epoch.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for an epoch that the bundle does not have (a key added since it was
    /// made), [`Kind::Denied`] when it was made without this key.
    pub fn role_key(&self, object_type: ObjectType, epoch: u32) -> Result<&Secret32> {
        let Some(keys) = self.bundle.epoch(epoch) else {
            return Err(Error::new(
                Kind::Unsupported,
                "find the keys of",
                format!("epoch {epoch}"),
            )
            .because("these keys are older than the object")
            .hint("open the repository with a key slot made since"));
        };
        key_of(keys, object_type).ok_or_else(|| {
            Error::new(Kind::Denied, "find the key for", format!("{object_type:?} objects"))
                .because("the key slot was made without it")
        })
    }

    /// Whether the bundle can open objects of this type at all.
    pub fn has_key_of(&self, object_type: ObjectType) -> bool {
        self.role_key(object_type, self.newest_epoch()).is_ok()
    }

    /// The first signing key with `role`.
    ///
    /// # Errors
    /// [`Kind::Denied`] when the bundle has none.
    pub fn signer(&self, role: &SigningRole) -> Result<&SigningKey> {
        self.signers
            .iter()
            .find(|signer| signer.roles.contains(role))
            .map(|signer| &signer.key)
            .ok_or_else(|| {
                Error::new(Kind::Denied, "find a key to sign with, of role", role_name(role))
                    .because("the key slot holds none")
            })
    }

    /// The key that proves marks to have been kept by who may collect; `None` for who may not.
    pub(crate) fn kept_marks_key(&self) -> Option<Secret32> {
        let may_collect = |signing: &&SigningSecret| signing.roles.contains(&SigningRole::Maintain);
        let signing = self.bundle.signing.iter().find(may_collect)?;
        Some(signing.secret.derive(context::KEPT_MARKS))
    }

    /// The bundle itself, to be wrapped by another slot.
    pub(crate) fn bundle(&self) -> &KeyBundle {
        &self.bundle
    }
}

/// The name of a role in messages.
fn role_name(role: &SigningRole) -> &str {
    match role {
        SigningRole::Root => "root",
        SigningRole::Maintain => "maintain",
        SigningRole::Write => "write",
        SigningRole::Replicate => "replicate",
        SigningRole::Other(name) => name,
    }
}

fn key_of(keys: &EpochKeys, object_type: ObjectType) -> Option<&Secret32> {
    match object_type {
        ObjectType::DataPack => keys.data.as_ref(),
        ObjectType::TreePack => keys.meta.as_ref(),
        ObjectType::IndexSegment => keys.index.as_ref(),
        ObjectType::Snapshot => keys.snapshot.as_ref(),
        ObjectType::LogBody => keys.log.as_ref(),
        ObjectType::KeyBundle => None,
    }
}
