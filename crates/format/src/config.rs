//! The object `config`: what a repository is, in clear JSON signed by its root key.
//!
//! Knows the text and which of its bytes are signed; not how a signature is made or checked.
//!
//! Invariant: what a reader does not know is either in a list that stops it, or harmless to it.

use serde::{Deserialize, Serialize};

use crate::id::{LogId, PublicKey, RepositoryId};
use crate::keys::SigningRole;
use crate::pack::{FRAME_RAW_MAX, PARITY_MAX};
use crate::time::Time;
use crate::{Error, FORMAT_VERSION, Result, hex};

/// The largest `config` that is read, in bytes.
pub const CONFIG_MAX: usize = 1 << 20;
/// The chunker of this version: FastCDC as of 2020 with a gear table made from the cut key.
pub const CHUNKER: &str = "fastcdc-2020-keyed-gear";
/// What a signature of a configuration is over, before its text.
pub const SIGNATURE_CONTEXT: &[u8] = b"lifeboat 1 config";

/// The feature of a repository in a store that can't create conditionally: only one writer at a time,
/// and each says that it is the only one.
pub const EXCLUSIVE: &str = "exclusive";

/// The feature of a repository whose packs have parity: who does not know it would write some without.
pub const PARITY: &str = "parity";

/// The feature of a repository whose objects are locked: who does not know it would put some without.
pub const OBJECT_LOCK: &str = "object-lock";

/// The features without which nothing may be written, and which this version has.
const WRITE_FEATURES: [&str; 3] = [EXCLUSIVE, PARITY, OBJECT_LOCK];

/// The longest lock, in seconds: a hundred years.
pub const LOCK_SECONDS_MAX: u64 = 100 * 365 * 24 * 60 * 60;

const WHAT: &str = "config";
const SIGNATURE_MEMBER: &str = ",\n  \"signature\": \"";
const END: &str = "\"\n}\n";

/// The smallest and largest of every size in a configuration, in bytes.
const SIZES: std::ops::RangeInclusive<u64> = 64..=1 << 32;

/// A repository's configuration, without its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The format's version, 1.
    pub format: u32,
    /// The repository.
    pub repository: RepositoryId,
    /// Its log.
    pub log: LogId,
    /// When it was made.
    pub created: Time,
    /// The program that made it.
    pub tool: String,
    /// What one must know to read it, and to write it.
    pub features: Features,
    /// How content is cut.
    pub chunker: Chunker,
    /// How much a frame of a data pack gathers before compression, in bytes.
    pub frame_bytes: u32,
    /// How much a frame of a tree pack gathers before compression, in bytes.
    pub tree_frame_bytes: u32,
    /// How large a pack becomes, in bytes.
    pub pack_bytes: u64,
    /// How much parity packs have; none in repositories that were made before there was any.
    #[serde(default, skip_serializing_if = "Parity::is_none")]
    pub parity: Parity,
    /// How objects are locked against deletion; left out where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// The keys that may sign, and what.
    pub keys: Vec<GrantedKey>,
}

/// How every object is locked by its put, and for how long from then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// [`GOVERNANCE`](Self::GOVERNANCE) or [`COMPLIANCE`](Self::COMPLIANCE); another forbids writing, not reading.
    pub mode: String,
    /// For how long, in seconds, up to [`LOCK_SECONDS_MAX`].
    pub seconds: u64,
}

impl Lock {
    /// Who has a permission of its own can delete all the same.
    pub const GOVERNANCE: &str = "governance";
    /// Nobody can.
    pub const COMPLIANCE: &str = "compliance";
}

/// How much parity packs have, in thousandths of their bodies, up to [`PARITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parity {
    /// Of data packs.
    pub data_permille: u16,
    /// Of tree packs.
    pub tree_permille: u16,
}

impl Parity {
    /// Whether no pack has any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Names of features that a program must know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features {
    /// Without knowing these, nothing may be read.
    pub read_required: Vec<String>,
    /// Without knowing these, nothing may be written.
    pub write_required: Vec<String>,
}

/// The chunker and its sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunker {
    /// Its name; [`CHUNKER`] is the only one known.
    pub id: String,
    /// The smallest chunk, but for the last of a file.
    pub min: u32,
    /// The size aimed at.
    pub avg: u32,
    /// The largest chunk.
    pub max: u32,
}

impl Default for Chunker {
    fn default() -> Self {
        Self { id: CHUNKER.to_owned(), min: 16 << 10, avg: 64 << 10, max: 256 << 10 }
    }
}

/// A key that may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedKey {
    /// The Ed25519 public key.
    pub public: PublicKey,
    /// What it may sign.
    pub roles: Vec<SigningRole>,
}

/// A configuration as it was read: with its signature, which is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedConfig {
    /// What it says.
    pub config: Config,
    /// What the signature must be over: the context and the text before it.
    pub message: Vec<u8>,
    /// The Ed25519 signature by the root key.
    pub signature: [u8; 64],
}

impl Config {
    /// A configuration with this version's parameters.
    #[must_use]
    pub fn new(
        repository: RepositoryId,
        log: LogId,
        created: Time,
        tool: String,
        keys: Vec<GrantedKey>,
    ) -> Self {
        Self {
            format: u32::from(FORMAT_VERSION),
            repository,
            log,
            created,
            tool,
            features: Features::default(),
            chunker: Chunker::default(),
            frame_bytes: 1 << 20,
            tree_frame_bytes: 256 << 10,
            pack_bytes: 32 << 20,
            parity: Parity::default(),
            lock: None,
            keys,
        }
    }

    /// The text up to the signature's member.
    #[must_use]
    pub fn unsigned_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a config has text keys only");
        text.truncate(text.trim_end_matches(['\n', '}']).trim_end().len());
        text
    }

    /// What the root key signs: the context and [`unsigned_text`](Self::unsigned_text).
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        [SIGNATURE_CONTEXT, self.unsigned_text().as_bytes()].concat()
    }

    /// The object's bytes, given the signature of [`message`](Self::message).
    #[must_use]
    pub fn encode(&self, signature: &[u8; 64]) -> Vec<u8> {
        let mut text = self.unsigned_text();
        text.push_str(SIGNATURE_MEMBER);
        text.push_str(&hex::encode(signature));
        text.push_str(END);
        text.into_bytes()
    }

    /// The root key: the first that has the role.
    #[must_use]
    pub fn root(&self) -> Option<PublicKey> {
        self.keys.iter().find(|key| key.roles.contains(&SigningRole::Root)).map(|key| key.public)
    }

    /// The roles of a key; none when it is not granted any.
    #[must_use]
    pub fn roles(&self, public: &PublicKey) -> &[SigningRole] {
        self.keys.iter().find(|key| key.public == *public).map_or(&[], |key| &key.roles)
    }

    /// Whether only one writer at a time may work on it: its store can't keep two apart.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.features.write_required.iter().any(|name| name == EXCLUSIVE)
    }

    /// Whether this version may write to the repository.
    ///
    /// # Errors
    /// `Unsupported`, naming the features or the chunker that it does not know.
    pub fn check_writable(&self) -> Result<()> {
        let unknown = |name: &&String| !WRITE_FEATURES.contains(&name.as_str());
        let unknown: Vec<&str> =
            self.features.write_required.iter().filter(unknown).map(String::as_str).collect();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            let detail = format!("writing to it needs features of a newer version: {names}");
            return Err(Error::unsupported(WHAT, detail));
        }
        if self.chunker.id != CHUNKER {
            let detail = format!("writing to it needs the unknown chunker {:?}", self.chunker.id);
            return Err(Error::unsupported(WHAT, detail));
        }
        let is_known = |mode: &str| [Lock::GOVERNANCE, Lock::COMPLIANCE].contains(&mode);
        if let Some(lock) = self.lock.as_ref().filter(|lock| !is_known(&lock.mode)) {
            let detail = format!("writing to it needs the unknown mode of locks {:?}", lock.mode);
            return Err(Error::unsupported(WHAT, detail));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let refuse = |detail: String| Err(Error::corrupt(WHAT, detail));
        if !self.features.read_required.is_empty() {
            let names = self.features.read_required.join(", ");
            let detail = format!("reading it needs features of a newer version: {names}");
            return Err(Error::unsupported(WHAT, detail));
        }
        let Chunker { min, avg, max, .. } = self.chunker;
        let sizes = [min, avg, max, self.frame_bytes, self.tree_frame_bytes].map(u64::from);
        if sizes.iter().chain([&self.pack_bytes]).any(|size| !SIZES.contains(size)) {
            return refuse("a size is beyond the limits".to_owned());
        }
        let even = [min, avg, max].iter().all(|size| size % 2 == 0);
        if !even || min >= avg || avg >= max || max > FRAME_RAW_MAX {
            return refuse(format!(
                "chunk sizes {min}, {avg}, {max} are not even or do not ascend within 16 MiB"
            ));
        }
        if self.frame_bytes.max(self.tree_frame_bytes) > FRAME_RAW_MAX {
            return refuse("frames of more than 16 MiB".to_owned());
        }
        let Parity { data_permille, tree_permille } = self.parity;
        if data_permille.max(tree_permille) > PARITY_MAX {
            return refuse("more parity than there is to protect".to_owned());
        }
        if self.lock.as_ref().is_some_and(|lock| !(1..=LOCK_SECONDS_MAX).contains(&lock.seconds)) {
            return refuse("a lock of no time, or of more than a hundred years".to_owned());
        }
        if self.root().is_none() {
            return refuse("no key has the role \"root\"".to_owned());
        }
        Ok(())
    }
}

impl SignedConfig {
    /// The configuration that `bytes` are. Its signature must still be checked against the root key that the caller
    /// trusts.
    ///
    /// # Errors
    /// `Unsupported` for a newer format or a feature without which it can't be read, `Corrupt` when the bytes are no
    /// configuration.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > CONFIG_MAX {
            let detail = format!("{} bytes, more than {CONFIG_MAX}", bytes.len());
            return Err(Error::corrupt(WHAT, detail));
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        if format > u32::from(FORMAT_VERSION) {
            let detail =
                format!("a repository of format {format} needs a newer version of Lifeboat");
            return Err(Error::unsupported(WHAT, detail));
        }
        if format == 0 {
            return Err(Error::corrupt(WHAT, "format 0 does not exist"));
        }
        let config: Config =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        config.check()?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Error::corrupt_at(WHAT, error.valid_up_to(), "not UTF-8"))?;
        let unsigned = text
            .strip_suffix(END)
            .and_then(|text| text.rsplit_once(SIGNATURE_MEMBER))
            .and_then(|(before, digits)| Some((before, hex::decode_array(digits).ok()?)));
        let Some((before, signature)) = unsigned else {
            return Err(Error::corrupt(WHAT, "does not end with a signature"));
        };
        let message = [SIGNATURE_CONTEXT, before.as_bytes()].concat();
        Ok(Self { config, message, signature })
    }
}

#[cfg(test)]
mod tests;
