//! Opening: from a place and a secret to a repository whose keys are at hand.
//!
//! Knows `config`, key slots and how they vouch for each other; nothing of the log and of what it
//! names. A [`Repository`] is what all other modules are given: the door to the store, the
//! configuration, the keys, and where time, randomness and memory come from.
//!
//! Invariants: a configuration is believed only when the root key that the bundle names has signed
//! it. Opening writes nothing. What can still be read is opened, and why it can't be written is kept.

mod config;
mod init;
#[cfg(test)]
pub(crate) mod testing;
mod unlock;

use std::fmt;
use std::sync::Arc;

use lifeboat_codec::{Clock, Entropy};
use lifeboat_format::config::Config;
use lifeboat_format::id::{LogId, PublicKey, RepositoryId, SlotId};
use lifeboat_format::keys::SigningRole;
use lifeboat_format::keyslot::{KeyFile, SlotKind};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::locks;
use crate::log::Head;
use crate::open::config::LoadedConfig;

pub use self::init::{InitOptions, init};

pub(crate) use self::unlock::open_slot;

/// What a user opens a repository with.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase.
    Passphrase(Zeroizing<String>),
    /// A key file or a recovery sheet.
    KeyFile(Box<KeyFile>),
}

/// What a repository works with once it is open.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The memory that the process may use, in bytes; deriving a key must fit in it, too.
    pub memory_bytes: u64,
    /// The head of the log when it was last seen, so that a log that was rolled back is noticed.
    pub remembered: Option<Head>,
    /// Nobody else writes meanwhile, on the user's word: without it a repository that is marked
    /// [exclusive](Config::is_exclusive) is only read.
    pub exclusive: bool,
}

/// An open repository; clones are the same one.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

/// The slot that opened a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedBy {
    /// Its id.
    pub slot: SlotId,
    /// Its kind.
    pub kind: SlotKind,
    /// Its label.
    pub label: String,
}

struct Inner {
    io: Io,
    config: Config,
    /// The bytes of `config` as they were signed, for recovery sheets.
    config_bytes: Vec<u8>,
    keyring: Arc<Keyring>,
    opened_by: OpenedBy,
    options: OpenOptions,
    /// Why nothing may be written, if so.
    read_only: Option<ReadOnly>,
    warnings: Vec<String>,
    /// What the store was asked until this was open.
    opening_requests: u64,
}

/// Why nothing may be written, and what the user can do.
struct ReadOnly {
    kind: Kind,
    reason: String,
    hint: &'static str,
}

impl ReadOnly {
    fn without_locks(error: Error) -> Self {
        Self {
            kind: Kind::Unsupported,
            reason: format!("its objects are to be locked, and this store can't: {error}"),
            hint: "reading and restoring work; write to the repository where locks are enforced",
        }
    }

    fn of(config: &Config, is_copy: bool, exclusive: bool) -> Option<Self> {
        let unsupported = |reason| Self {
            kind: Kind::Unsupported,
            reason,
            hint: "reading and restoring work; upgrade Lifeboat or repair 'config' to write",
        };
        match config.check_writable() {
            Err(cause) => Some(unsupported(cause.to_string())),
            Ok(()) if is_copy => Some(unsupported(
                "'config' is missing or damaged, and a copy is in its place".to_owned(),
            )),
            Ok(()) if config.is_exclusive() && !exclusive => Some(Self {
                kind: Kind::Invalid,
                reason: "its store can't keep two writers apart, so it takes one at a time, and \
                         nobody has said that this is the only one"
                    .to_owned(),
                hint: "make sure that nothing else writes to this repository meanwhile, and say so \
                       with --exclusive; reading and restoring work without",
            }),
            Ok(()) => None,
        }
    }
}

/// Opens the repository at `io`.
///
/// # Errors
/// [`Kind::NotFound`] when there is none (nothing at all, or only what Lifeboat did not write),
/// [`Kind::WrongKey`] when no slot opens, [`Kind::Corrupt`] when `config` or the slots are damaged or
/// lost, [`Kind::Unsupported`] for a newer format, [`Kind::Invalid`] when deriving the key needs more
/// memory than `memory_bytes`.
pub fn open(io: Io, unlock: &Unlock, options: &OpenOptions) -> Result<Repository> {
    let asked_before = io.meter().snapshot();
    let mut warnings = Vec::new();
    let loaded = config::load(&io, unlock, &mut warnings)?;
    let (bundle, opened_by) =
        unlock::find_bundle(&io, loaded.config(), unlock, options, &mut warnings)?;
    loaded.verify(&bundle)?;
    let LoadedConfig { config, bytes, is_copy } = loaded.into_config();
    let unlocked = locks::begin(&io, &config);
    let read_only = ReadOnly::of(&config, is_copy, options.exclusive)
        .or_else(|| unlocked.map(ReadOnly::without_locks));
    let opening_requests = io.meter().snapshot().since(&asked_before).requests();
    Ok(Repository {
        inner: Arc::new(Inner {
            io,
            config,
            config_bytes: bytes,
            keyring: Arc::new(Keyring::new(bundle)),
            opened_by,
            options: options.clone(),
            read_only,
            warnings,
            opening_requests,
        }),
    })
}

impl Repository {
    /// The door to its store.
    pub fn io(&self) -> &Io {
        &self.inner.io
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The bytes of `config`, signature included.
    pub fn config_bytes(&self) -> &[u8] {
        &self.inner.config_bytes
    }

    /// Its secrets.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.inner.keyring
    }

    /// The slot that opened it.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.inner.opened_by
    }

    /// Where randomness comes from.
    pub fn entropy(&self) -> &Entropy {
        &self.inner.options.entropy
    }

    /// What time it is.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.options.clock
    }

    /// The memory that the process may use, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.inner.options.memory_bytes
    }

    /// The head of the log that the caller saw last.
    pub fn remembered(&self) -> Option<Head> {
        self.inner.options.remembered
    }

    /// Which repository it is; replicas share the id.
    pub fn id(&self) -> RepositoryId {
        self.inner.config.repository
    }

    /// Which log it has.
    pub fn log_id(&self) -> LogId {
        self.inner.config.log
    }

    /// What was wrong and could be passed over while opening, for the user.
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// How many requests opening or making it took.
    pub fn opening_requests(&self) -> u64 {
        self.inner.opening_requests
    }

    /// Whether the configuration grants `role` to the key.
    pub fn grants(&self, key: &PublicKey, role: &SigningRole) -> bool {
        self.inner.config.roles(key).contains(role)
    }

    /// Refuses when nothing may be written.
    ///
    /// # Errors
    /// [`Kind::Unsupported`], with the features that this version would have to know, or that
    /// `config` is missing; [`Kind::Invalid`] when the repository is exclusive and
    /// [`OpenOptions::exclusive`] was not said.
    pub fn require_writable(&self) -> Result<()> {
        match &self.inner.read_only {
            None => Ok(()),
            Some(ReadOnly { kind, reason, hint }) => {
                Err(Error::new(*kind, "write to", self.io().describe())
                    .because(reason.clone())
                    .hint(hint))
            }
        }
    }

    /// Random bytes.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the system has none.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        random(self.entropy())
    }
}

/// Random bytes, or the error of this crate.
pub(crate) fn random<const N: usize>(entropy: &Entropy) -> Result<[u8; N]> {
    entropy
        .bytes()
        .map_err(|cause| Error::new(Kind::Unavailable, "draw", "random bytes").because(cause))
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({} at {})", self.id(), self.io().describe())
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::KeyFile(_) => "KeyFile(..)",
        })
    }
}

#[cfg(test)]
mod tests;
