//! Creating a repository: keys, slots, and `config` last.
//!
//! Invariants: `config` is the moment of creation, put only once, after the slots that open it; what an
//! interrupted `init` leaves are key slots of a repository that never was, and the next `init` passes
//! over them. A place where anything else lies is never taken.

use std::sync::Arc;

use lifeboat_codec::sign::SigningKey;
use lifeboat_codec::{Clock, Entropy};
use lifeboat_format::config::{Chunker, Config, GrantedKey, SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_format::id::{LogId, RepositoryId};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::{
    ContentKeys, EpochKeys, KeyBundle, Secret32, SigningRole, SigningSecret,
};
use lifeboat_store::Payload;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::open::config::{Contents, look_around};
use crate::open::{Inner, OpenOptions, OpenedBy, Repository, random};
use crate::slots::{self, NewSlot};

const OPERATION: &str = "create a repository at";

/// How a repository is created.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// Its id, known beforehand so that a key file can be written before the repository exists.
    pub repository: RepositoryId,
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The memory that the process may use, in bytes; deriving keys must fit in it.
    pub memory_bytes: u64,
    /// What it will open with; at least one.
    pub slots: Vec<NewSlot>,
    /// How content is cut.
    pub chunker: Chunker,
    /// How large packs become, in bytes.
    pub pack_bytes: u64,
    /// How much a frame of a data pack gathers before compression, in bytes.
    pub frame_bytes: u32,
    /// How much a frame of a tree pack gathers before compression, in bytes.
    pub tree_frame_bytes: u32,
    /// The program, such as `lifeboat 0.1.0`.
    pub tool: String,
}

impl InitOptions {
    /// A new random id, the default sizes, and no slots yet.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] without randomness.
    pub fn new(
        entropy: Entropy,
        clock: Arc<dyn Clock>,
        memory_bytes: u64,
        tool: impl Into<String>,
    ) -> Result<Self> {
        let repository = RepositoryId(random(&entropy)?);
        let tool = tool.into();
        let log = LogId([0; 16]);
        // The sizes have one home, which is the configuration.
        let Config { chunker, pack_bytes, frame_bytes, tree_frame_bytes, .. } =
            Config::new(repository, log, clock.now(), tool.clone(), Vec::new());
        Ok(Self {
            repository,
            entropy,
            clock,
            memory_bytes,
            slots: Vec::new(),
            chunker,
            pack_bytes,
            frame_bytes,
            tree_frame_bytes,
            tool,
        })
    }
}

/// Creates a repository at `io` and opens it.
///
/// # Errors
/// [`Kind::AlreadyExists`] when there is one, [`Kind::Corrupt`] when there are the objects of one,
/// [`Kind::Invalid`] when there is anything else or an option makes no sense; else the store's. After
/// [`Kind::Unavailable`] it may exist all the same: try to open it.
pub fn init(io: Io, options: &InitOptions) -> Result<Repository> {
    if options.slots.is_empty() {
        return Err(Error::new(Kind::Invalid, OPERATION, io.describe())
            .because("without a passphrase or key file nobody could open it"));
    }
    require_empty(&io)?;
    let keys = NewKeys::generate(options)?;
    let (config, config_bytes) = keys.config(options, &io)?;
    let mut written = Vec::new();
    for slot in &options.slots {
        let slot = slots::seal_slot(
            &keys.bundle,
            slot,
            &options.entropy,
            &options.clock,
            options.memory_bytes,
        )?;
        io.put_new(&ObjectKey::Slot(slot.slot), Payload::from(slot.encode()))?;
        written.push(OpenedBy { slot: slot.slot, kind: slot.kind, label: slot.label });
    }
    put_config(&io, &config_bytes, &written)?;
    let opened_by = written.swap_remove(0);
    let options = OpenOptions {
        entropy: options.entropy.clone(),
        clock: Arc::clone(&options.clock),
        memory_bytes: options.memory_bytes,
        remembered: None,
    };
    let keyring = Arc::new(Keyring::new(keys.bundle));
    let inner = Inner {
        io,
        config,
        config_bytes,
        keyring,
        opened_by,
        options,
        read_only: None,
        warnings: Vec::new(),
    };
    Ok(Repository { inner: Arc::new(inner) })
}

struct NewKeys {
    bundle: KeyBundle,
    root: SigningKey,
    granted: Vec<GrantedKey>,
}

impl NewKeys {
    fn generate(options: &InitOptions) -> Result<Self> {
        let entropy = &options.entropy;
        let secret = || random(entropy).map(Secret32::new);
        let root = SigningKey::from_secret(&secret()?);
        let owner = SigningKey::from_secret(&secret()?);
        let owner_roles = vec![SigningRole::Maintain, SigningRole::Write, SigningRole::Replicate];
        let signing =
            [(&root, vec![SigningRole::Root]), (&owner, owner_roles)].map(|(key, roles)| {
                SigningSecret { public: key.public(), secret: key.secret(), roles }
            });
        let granted = signing
            .iter()
            .map(|key| GrantedKey { public: key.public, roles: key.roles.clone() })
            .collect();
        let bundle = KeyBundle::new(
            options.repository,
            root.public(),
            ContentKeys::derive(&secret()?),
            vec![EpochKeys::derive(0, &secret()?)],
            signing.into(),
        );
        Ok(Self { bundle, root, granted })
    }

    /// The configuration and its signed bytes, read back as every reader will.
    fn config(&self, options: &InitOptions, io: &Io) -> Result<(Config, Vec<u8>)> {
        let config = Config {
            chunker: options.chunker.clone(),
            pack_bytes: options.pack_bytes,
            frame_bytes: options.frame_bytes,
            tree_frame_bytes: options.tree_frame_bytes,
            ..Config::new(
                options.repository,
                LogId(random(&options.entropy)?),
                options.clock.now(),
                options.tool.clone(),
                self.granted.clone(),
            )
        };
        let signature = self.root.sign(SIGNATURE_CONTEXT, config.unsigned_text().as_bytes());
        let bytes = config.encode(&signature);
        let invalid = |cause| Error::new(Kind::Invalid, OPERATION, io.describe()).because(cause);
        let read = SignedConfig::decode(&bytes).map_err(invalid)?;
        read.config.check_writable().map_err(invalid)?;
        debug_assert_eq!(read.config, config);
        Ok((config, bytes))
    }
}

fn require_empty(io: &Io) -> Result<()> {
    let (kind, reason) = match look_around(io)? {
        Contents::Nothing | Contents::OnlySlots => return Ok(()),
        Contents::Objects(_) if exists(io)? => {
            (Kind::AlreadyExists, "there is a repository already".to_owned())
        }
        Contents::Objects(example) => (
            Kind::Corrupt,
            format!(
                "there are objects of a repository ({example}) without its 'config'; \
                 open it with a recovery sheet, or choose another place"
            ),
        ),
        Contents::Foreign(example) => {
            (Kind::Invalid, format!("other things are there ({example}); choose an empty place"))
        }
    };
    Err(Error::new(kind, OPERATION, io.describe()).because(reason))
}

fn exists(io: &Io) -> Result<bool> {
    match io.head(&ObjectKey::Config) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn put_config(io: &Io, bytes: &[u8], slots: &[OpenedBy]) -> Result<()> {
    let Err(error) = io.put_new(&ObjectKey::Config, Payload::from(bytes.to_vec())) else {
        return Ok(());
    };
    // The answer to our own put may have been lost, here or in a layer that tried again.
    match io.get(&ObjectKey::Config) {
        Ok(found) if found == bytes => return Ok(()),
        Ok(_) if error.kind() == Kind::AlreadyExists => {}
        _ => return Err(error),
    }
    // Somebody else was faster: these slots open nothing, and only tidiness asks to remove them.
    for slot in slots {
        if let Err(error) = io.delete(&ObjectKey::Slot(slot.slot)) {
            tracing::warn!(%error, "a key slot that opens nothing is left behind");
        }
    }
    Err(Error::new(Kind::AlreadyExists, OPERATION, io.describe())
        .because("another `init` has just created one"))
}
