//! Creating a repository: keys, slots, and `config` last.
//!
//! Invariants: `config` is the moment of creation, put only once, after the slots that open it; what an
//! interrupted `init` leaves are key slots of a repository that never was, and the next `init` passes
//! over them. A place where anything else lies is never taken.
//!
//! What is written first is also what the store is tried with: several creates race for the first key
//! slot and for `config`, each with bytes that are fit to stay. So a store that can't create
//! conditionally is found before anything counts, and where objects can't be deleted nothing is left.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lifeboat_codec::sign::SigningKey;
use lifeboat_codec::{Clock, Entropy};
use lifeboat_format::config::{
    Chunker, Config, EXCLUSIVE, GrantedKey, OBJECT_LOCK, PARITY, Parity, SIGNATURE_CONTEXT,
    SignedConfig,
};
use lifeboat_format::id::{LogId, RepositoryId};
use lifeboat_format::key::{KEYS, ObjectKey, PROBE};
use lifeboat_format::keys::{
    ContentKeys, EpochKeys, KeyBundle, Secret32, SigningRole, SigningSecret,
};
use lifeboat_format::keyslot::KeySlot;
use lifeboat_store::Payload;
use lifeboat_store::options::{Now, ObjectLock};
use lifeboat_store::probe::{Outcome, Race, create_raced, try_locks};

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::keyring::Keyring;
use crate::locks;
use crate::open::config::{Contents, look_around};
use crate::open::{Inner, OpenOptions, OpenedBy, Repository, random};
use crate::slots::{self, NewSlot};

const OPERATION: &str = "create a repository at";

/// Enough that a store which looks first and writes later is caught; they cost one round trip.
const RACERS: usize = 8;

/// How much parity tree packs get, in thousandths: they are small, and a lost node costs all paths below it.
const TREE_PARITY: u16 = 30;

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
    /// How much parity packs have.
    pub parity: Parity,
    /// The program, such as `lifeboat 0.1.0`.
    pub tool: String,
    /// Never more than one writer works at a time, on the user's word: for stores that can't create
    /// conditionally. The repository is marked, and whoever writes to it has to say so again.
    pub exclusive: bool,
    /// How every object is locked, if it is: the store must enforce it, which is tried out first.
    pub lock: Option<ObjectLock>,
    /// How many creates race for the first key slot and for `config`, to see that the store lets one
    /// win. With one nothing is tried, and the same randomness makes the same repository.
    pub racers: usize,
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
            parity: Parity { data_permille: 0, tree_permille: TREE_PARITY },
            tool,
            exclusive: false,
            lock: None,
            racers: RACERS,
        })
    }
}

/// Creates a repository at `io` and opens it.
///
/// # Errors
/// [`Kind::AlreadyExists`] when there is one, [`Kind::Corrupt`] when there are the objects of one,
/// [`Kind::Invalid`] when there is anything else or an option makes no sense, [`Kind::Unsupported`]
/// when the store lets two creates of one name succeed; else the store's. After
/// [`Kind::Unavailable`] it may exist all the same: try to open it.
pub fn init(io: Io, options: &InitOptions) -> Result<Repository> {
    if options.slots.is_empty() {
        return Err(Error::new(Kind::Invalid, OPERATION, io.describe())
            .because("without a passphrase or key file nobody could open it"));
    }
    let asked_before = io.meter().snapshot();
    require_empty(&io)?;
    if let Some(lock) = options.lock {
        begin_locks(&io, lock, options)?;
    }
    let keys = NewKeys::generate(options)?;
    let racers = if options.exclusive { 1 } else { options.racers.max(1) };
    let (configs, texts) = keys.configs(options, racers, &io)?;
    let mut written = Written { io: &io, objects: Vec::new() };
    let mut opened_by = None;
    for (number, slot) in options.slots.iter().enumerate() {
        let times = if number == 0 { racers } else { 1 };
        let slots = seal_slots(&keys.bundle, slot, options, times)?;
        let texts: Vec<Vec<u8>> = slots.iter().map(KeySlot::encode).collect();
        let Some(winner) = written.create(ObjectKey::Slot(slots[0].slot), &texts)? else {
            return Err(Error::new(Kind::AlreadyExists, OPERATION, io.describe())
                .because("a new key slot exists already"));
        };
        let slot = &slots[winner];
        let first =
            OpenedBy { slot: slot.slot, kind: slot.kind.clone(), label: slot.label.clone() };
        opened_by.get_or_insert(first);
    }
    let opened_by = opened_by.expect("there is at least one slot");
    let warnings = warn_of_late_list(&io, &opened_by)?;
    let Some(winner) = written.create(ObjectKey::Config, &texts)? else {
        // Somebody else was faster: these slots open nothing, and only tidiness asks to remove them.
        written.remove();
        return Err(Error::new(Kind::AlreadyExists, OPERATION, io.describe())
            .because("another `init` has just created one"));
    };
    let (config, config_bytes) = (configs[winner].clone(), texts[winner].clone());
    let options = OpenOptions {
        entropy: options.entropy.clone(),
        clock: Arc::clone(&options.clock),
        memory_bytes: options.memory_bytes,
        remembered: None,
        exclusive: options.exclusive,
    };
    let keyring = Arc::new(Keyring::new(keys.bundle));
    let read_only = None;
    let opening_requests = io.meter().snapshot().since(&asked_before).requests();
    let inner = Inner {
        io,
        config,
        config_bytes,
        keyring,
        opened_by,
        options,
        read_only,
        warnings,
        opening_requests,
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

    /// Configurations that differ in their log's id alone, and their signed bytes.
    fn configs(
        &self,
        options: &InitOptions,
        count: usize,
        io: &Io,
    ) -> Result<(Vec<Config>, Vec<Vec<u8>>)> {
        (0..count).map(|_| self.config(options, io)).collect()
    }

    /// A configuration and its signed bytes, read back as every reader will.
    fn config(&self, options: &InitOptions, io: &Io) -> Result<(Config, Vec<u8>)> {
        let mut config = Config {
            chunker: options.chunker.clone(),
            pack_bytes: options.pack_bytes,
            frame_bytes: options.frame_bytes,
            tree_frame_bytes: options.tree_frame_bytes,
            parity: options.parity,
            lock: options.lock.map(locks::to_config),
            ..Config::new(
                options.repository,
                LogId(random(&options.entropy)?),
                options.clock.now(),
                options.tool.clone(),
                self.granted.clone(),
            )
        };
        let features = [
            (EXCLUSIVE, options.exclusive),
            (PARITY, !options.parity.is_none()),
            (OBJECT_LOCK, options.lock.is_some()),
        ];
        let features = features.into_iter().filter(|(_, is_wanted)| *is_wanted);
        config.features.write_required.extend(features.map(|(name, _)| name.to_owned()));
        let signature = self.root.sign(SIGNATURE_CONTEXT, config.unsigned_text().as_bytes());
        let bytes = config.encode(&signature);
        let invalid = |cause| Error::new(Kind::Invalid, OPERATION, io.describe()).because(cause);
        let read = SignedConfig::decode(&bytes).map_err(invalid)?;
        read.config.check_writable().map_err(invalid)?;
        debug_assert_eq!(read.config, config);
        Ok((config, bytes))
    }
}

/// Tries out whether the store enforces locks, and has it lock whatever is put from now on.
fn begin_locks(io: &Io, lock: ObjectLock, options: &InitOptions) -> Result<()> {
    const HINT: &str = "take a bucket of S3 or its like that was made with object lock (and so keeps versions), and \
                        credentials that may put and see locks (docs/stores.md); or leave --lock out";
    let locking = locks::of_store(io)?;
    let random: [u8; 8] = random(&options.entropy)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let clock = Arc::clone(&options.clock);
    let now: Now = Arc::new(move || {
        let now = clock.now();
        let since = Duration::new(u64::try_from(now.secs).unwrap_or(0), now.nanos);
        SystemTime::UNIX_EPOCH + since
    });
    let key = format!("{PROBE}{name}/lock");
    let tried = io.block_on(try_locks(io.store(), &key, lock.mode, &now));
    let broken = tried.map_err(|cause| {
        let cause = Error::store("try out locks in", cause);
        // A bucket that was made without locks calls the request wrong.
        let kind = if cause.kind() == Kind::Invalid { Kind::Unsupported } else { cause.kind() };
        Error::new(kind, OPERATION, io.describe()).because(cause).hint(HINT)
    })?;
    if let Some(broken) = broken {
        return Err(Error::new(Kind::Unsupported, OPERATION, io.describe())
            .because(format!("this store does not enforce locks: {broken}"))
            .hint(HINT));
    }
    locking.lock_new(Some(lock));
    Ok(())
}

fn seal_slots(
    bundle: &KeyBundle,
    slot: &NewSlot,
    options: &InitOptions,
    times: usize,
) -> Result<Vec<KeySlot>> {
    let InitOptions { entropy, clock, memory_bytes, .. } = options;
    slots::seal_slots(bundle, slot, entropy, clock, *memory_bytes, times)
}

/// Slots are found by a list: one that does not show them at once is worth knowing.
fn warn_of_late_list(io: &Io, opened_by: &OpenedBy) -> Result<Vec<String>> {
    let wanted = ObjectKey::Slot(opened_by.slot).to_string();
    let mut is_listed = false;
    io.list(KEYS, |listed| {
        is_listed |= listed.key == wanted;
        Ok(())
    })?;
    if is_listed {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "a list of {} does not show what was just written: a new key may be found only later",
        io.describe()
    )])
}

/// What `init` has put so far.
struct Written<'a> {
    io: &'a Io,
    objects: Vec<ObjectKey>,
}

impl Written<'_> {
    /// Creates the object from one of `candidates`; which one, or `None` when it is another's.
    fn create(&mut self, key: ObjectKey, candidates: &[Vec<u8>]) -> Result<Option<usize>> {
        self.objects.push(key);
        let candidates: Vec<Payload> = candidates.iter().cloned().map(Payload::from).collect();
        if let [only] = candidates.as_slice() {
            let created = put(self.io, &key, only)?;
            return Ok(self.ours_if(created.then_some(0)));
        }
        let text = key.to_string();
        let race = self.io.block_on(create_raced(self.io.store(), &text, &candidates));
        let race = race.map_err(|cause| Error::store("put", cause))?;
        match race.outcome {
            Outcome::Created(winner) => Ok(Some(winner)),
            Outcome::Taken => Ok(self.ours_if(None)),
            Outcome::Overwritten => Err(self.refuse(&race)),
        }
    }

    /// What another has created is not removed.
    fn ours_if(&mut self, created: Option<usize>) -> Option<usize> {
        if created.is_none() {
            self.objects.pop();
        }
        created
    }

    fn refuse(&mut self, race: &Race) -> Error {
        let mut reason = format!(
            "this store does not create conditionally: {} of {} creates of one name won, and one \
             must; two writers at once would lose the backup of one of them without a word",
            race.won, race.creates
        );
        let left = self.remove();
        if !left.is_empty() {
            let names: Vec<_> = left.iter().map(ToString::to_string).collect();
            reason.push_str("; what was written could not be removed: ");
            reason.push_str(&names.join(", "));
        }
        Error::new(Kind::Unsupported, OPERATION, self.io.describe()).because(reason).hint(
            "choose another store; or, if never more than one writer works at a time, say so with \
             --exclusive (`doctor` says what this store can do)",
        )
    }

    /// Removes everything, the last first; what is left where that is refused.
    fn remove(&mut self) -> Vec<ObjectKey> {
        let mut left = Vec::new();
        while let Some(key) = self.objects.pop() {
            if let Err(error) = self.io.delete(&key)
                && error.kind() != Kind::NotFound
            {
                tracing::warn!(%key, %error, "what a failed init has written is left behind");
                left.push(key);
            }
        }
        left
    }
}

/// Puts the only candidate; whether it is there now.
fn put(io: &Io, key: &ObjectKey, data: &Payload) -> Result<bool> {
    let Err(error) = io.put_new(key, data.clone()) else {
        return Ok(true);
    };
    // The answer to our own put may have been lost, here or in a layer that tried again.
    match io.get(key) {
        Ok(found) if data.equals(&found) => Ok(true),
        Ok(_) if error.kind() == Kind::AlreadyExists => Ok(false),
        _ => Err(error),
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
