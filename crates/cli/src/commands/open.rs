//! Opening and creating the repository that the settings name.
//!
//! The order in which a key is looked for: `--key-file`, a passphrase that was given, the key file of
//! this repository in the user's configuration folder, the terminal.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use lifeboat::repository::StoreOptions;
use lifeboat_codec::{Clock, Entropy, SystemClock};
use lifeboat_format::config::{Config, SignedConfig};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::Secret32;
use lifeboat_format::keyslot::KeyFile;
use lifeboat_repo::Kind;
use lifeboat_repo::io::Io;
use lifeboat_repo::open::{InitOptions, OpenOptions, Repository, Unlock};
use lifeboat_repo::slots::{KdfCost, NewSlot, SlotSecret};
use zeroize::Zeroizing;

use super::heads;
use crate::exit::{NoRepository, Usage, no_repository};
use crate::render::{Output, complain};
use crate::settings::{
    MEMORY_BYTES_MIN, Passphrase, PasswordSource, Place, Reach, Settings, ask_twice, has_terminal,
    warn_if_readable_by_others,
};

/// What writes snapshots and repositories.
pub(crate) const TOOL: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// Opens the repository.
pub(crate) fn open(settings: &Settings, output: &Output) -> Result<Repository> {
    check_memory(settings)?;
    open_at(connect(settings, Access::Existing)?, settings, output)
}

/// Opens the repository for a command that neither writes to it nor says whether it is whole: what was read of it before is
/// not asked for again.
pub(crate) fn open_to_read(settings: &Settings, output: &Output) -> Result<Repository> {
    check_memory(settings)?;
    let access = match &settings.cache {
        Some((dir, bytes)) => Access::Read(dir, *bytes),
        None => Access::Existing,
    };
    open_at(connect(settings, access)?, settings, output)
}

fn open_at(io: Io, settings: &Settings, output: &Output) -> Result<Repository> {
    let config = look_at_config(&io, settings)?;
    let unlock = find_unlock(settings, &config, output)?;
    let known = config.known();
    let options = OpenOptions {
        entropy: Entropy::os(),
        clock: system_clock(),
        memory_bytes: settings.memory_bytes,
        remembered: known.and_then(|known| heads::recall(settings, known.repository, known.log)),
        exclusive: settings.is_exclusive(),
    };
    let repository = lifeboat_repo::open::open(io, &unlock, &options)
        .map_err(|error| mark_missing(error, settings))?;
    for warning in repository.warnings() {
        output.notice(format!("warning: {warning}"));
    }
    Ok(repository)
}

/// Opens the repository; creates it first if there is none, but not for a dry run.
pub(crate) fn open_or_init(
    settings: &Settings,
    output: &Output,
    dry_run: bool,
) -> Result<Repository> {
    check_memory(settings)?;
    let is_there = match connect(settings, Access::Existing) {
        Ok(io) => look_at_config(&io, settings).map(|found| !matches!(found, Found::Nothing))?,
        Err(error) if no_repository(&error) => false,
        Err(error) => return Err(error),
    };
    if is_there {
        return open(settings, output);
    }
    if dry_run {
        let text =
            "there is no repository, and --dry-run creates none; leave --dry-run out to create it";
        return Err(Usage(text.to_owned()).into());
    }
    match init(settings, output, WithoutKey::MakeKeyFile, |_sizes| Ok(())) {
        // Another run that was started with this one was faster.
        Err(error) if is_taken(&error) => open(settings, output),
        Ok(repository) => {
            output.notice(format!(
                "created repository {} at {}",
                repository.id(),
                repository.io().describe()
            ));
            Ok(repository)
        }
        Err(error) => Err(error),
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<lifeboat_repo::Error>().map(lifeboat_repo::Error::kind);
    kind == Some(Kind::AlreadyExists)
}

/// What to do for a new repository when neither a passphrase nor a key file was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutKey {
    /// Ask for a passphrase.
    Ask,
    /// Make a key file in the user's configuration folder.
    MakeKeyFile,
}

/// Creates the repository; `adjust` sets sizes.
pub(crate) fn init(
    settings: &Settings,
    output: &Output,
    without: WithoutKey,
    adjust: impl FnOnce(&mut InitOptions) -> Result<()>,
) -> Result<Repository> {
    check_memory(settings)?;
    let io = connect(settings, Access::Create)?;
    let (entropy, clock) = (Entropy::os(), system_clock());
    let mut options = InitOptions::new(entropy, clock, settings.memory_bytes, TOOL)?;
    options.exclusive = settings.is_exclusive();
    adjust(&mut options)?;
    if let Some(source) = settings.password.as_ref().or(settings.password_beside.as_ref()) {
        let passphrase = source.read()?;
        options.slots.push(passphrase_slot(&passphrase, "init"));
    }
    if let Some(path) = new_key_file_path(settings, &options, without)? {
        let key = take_or_make_key(&path, &mut options, output)?;
        options.slots.push(NewSlot { label: "init".to_owned(), secret: SlotSecret::KeyFile(key) });
    }
    if options.slots.is_empty() {
        let passphrase = ask_twice()?;
        options.slots.push(passphrase_slot(&passphrase, "init"));
    }
    let repository = lifeboat_repo::open::init(io, &options)?;
    for warning in repository.warnings() {
        output.notice(format!("warning: {warning}"));
    }
    Ok(repository)
}

/// A slot that a passphrase opens.
pub(crate) fn passphrase_slot(passphrase: &Passphrase, label: &str) -> NewSlot {
    let text = Zeroizing::new(passphrase.expose().to_owned());
    NewSlot { label: label.to_owned(), secret: SlotSecret::Passphrase(text, KdfCost::default()) }
}

/// A secret for a new key file.
pub(crate) fn random_key(entropy: &Entropy) -> Result<Secret32> {
    Ok(Secret32::new(entropy.bytes()?))
}

/// Writes a secret to a new file that only its owner can read, and waits until it is on the disk.
pub(crate) fn write_key_file(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        make_dirs(parent)?;
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::File::open(parent)?.sync_all()
    };
    write().with_context(|| format!("write the key file {}", path.display()))
}

/// Makes a directory with those above it; each is on the disk when this returns.
fn make_dirs(dir: &Path) -> std::io::Result<()> {
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && dir != above => {
            make_dirs(above)?;
            fs::DirBuilder::new().mode(0o700).create(dir)?;
        }
        Err(error) => return Err(error),
    }
    fs::File::open(above)?.sync_all()
}

/// What a key file says above its lines.
pub(crate) const KEY_FILE_HEADING: &str =
    "This is the key of a Lifeboat repository. Keep it secret, and keep a copy elsewhere.";

enum Access<'a> {
    Existing,
    Create,
    /// Of what there is, only reads, with a cache in this directory of so many bytes.
    Read(&'a Path, u64),
}

/// Connects to a store to see what it does of itself: without the look before each put that hides
/// whether it creates conditionally.
pub(crate) fn connect_to_try_out(settings: &Settings) -> Result<(Io, StoreOptions)> {
    let mut reach = settings.place()?.reach(&settings.store, &Entropy::os(), &system_clock())?;
    reach.options.exclusive = false;
    let io = connect_by(&reach, settings.place()?, Access::Existing)?;
    Ok((io, reach.options))
}

/// Connects to a store whatever is left in it.
pub(crate) fn connect_to_what_is_there(settings: &Settings) -> Result<Io> {
    connect(settings, Access::Existing)
}

fn connect(settings: &Settings, access: Access<'_>) -> Result<Io> {
    let place = settings.place()?;
    let reach = place.reach(&settings.store, &Entropy::os(), &system_clock())?;
    connect_by(&reach, place, access)
}

fn connect_by(reach: &Reach, place: &Place, access: Access<'_>) -> Result<Io> {
    use lifeboat::repository::{connect, connect_to_read, create};
    let Reach { location, options, .. } = reach;
    let connected = match access {
        Access::Create => return Ok(create(location, options)?),
        Access::Existing => connect(location, options),
        Access::Read(dir, bytes_max) => connect_to_read(location, options, dir, bytes_max),
    };
    match connected {
        Err(error) if error.kind() == Kind::NotFound => {
            Err(anyhow::Error::new(error).context(NoRepository(place.shown())))
        }
        connected => Ok(connected?),
    }
}

/// What lies at `config`, before anything is proven of it.
enum Found {
    /// Nothing.
    Nothing,
    /// Nothing that can be understood.
    Damaged,
    /// This.
    Config(Box<Config>),
}

impl Found {
    fn known(&self) -> Option<&Config> {
        match self {
            Self::Config(config) => Some(config),
            Self::Nothing | Self::Damaged => None,
        }
    }
}

/// Whether a repository is there, by one look; for who may not have its key.
pub(crate) fn is_there(reach: &Reach) -> Result<bool> {
    match lifeboat::repository::connect(&reach.location, &reach.options) {
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
        Ok(io) => match io.head(&ObjectKey::Config) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        },
    }
}

/// Looks whether there is a repository at all: that comes before any question for its key.
fn look_at_config(io: &Io, settings: &Settings) -> Result<Found> {
    match io.config() {
        Ok(bytes) => Ok(match SignedConfig::decode(&bytes) {
            Ok(signed) => Found::Config(Box::new(signed.config)),
            // Damaged or newer: opening says which.
            Err(_) => Found::Damaged,
        }),
        Err(error) => match error.kind() {
            Kind::NotFound => Ok(Found::Nothing),
            Kind::Corrupt => Ok(Found::Damaged),
            _ => Err(mark_missing(error, settings)),
        },
    }
}

fn mark_missing(error: lifeboat_repo::Error, settings: &Settings) -> anyhow::Error {
    let place = settings.place.as_ref().map(Place::shown).unwrap_or_default();
    match error.kind() {
        Kind::NotFound => anyhow::Error::new(error).context(NoRepository(place)),
        // What a service answers is told of a key; which service it was has to be said, too.
        Kind::Invalid | Kind::Denied | Kind::Unavailable => {
            anyhow::Error::new(error).context(format!("open {place}"))
        }
        _ => error.into(),
    }
}

fn find_unlock(settings: &Settings, config: &Found, output: &Output) -> Result<Unlock> {
    if let Some(path) = &settings.key_file {
        // A sheet opens what has lost its config; a key file that is not there opens nothing.
        if path.exists() || !matches!(config, Found::Nothing) {
            return read_key_file(path, output);
        }
    } else if let Some(source) = &settings.password {
        return Ok(passphrase(&source.read()?));
    }
    if matches!(config, Found::Nothing) {
        return Err(NoRepository(settings.place()?.shown()).into());
    }
    let id = config.known().map(|config| config.repository.to_string());
    if let Some(own) = id.and_then(|id| settings.own_key_file(&id)).filter(|own| own.exists()) {
        return read_key_file(&own, output);
    }
    if !has_terminal() {
        let text = "no passphrase and no key file: set LIFEBOAT_PASSWORD, or give --password-file, \
                    --password-command or --key-file";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(passphrase(&PasswordSource::Terminal.read()?))
}

fn passphrase(passphrase: &Passphrase) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(passphrase.expose().to_owned()))
}

fn read_key_file(path: &Path, output: &Output) -> Result<Unlock> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("read the key file {}", path.display()))?;
    if let Some(warning) = warn_if_readable_by_others(path) {
        output.notice(format!("warning: {warning}"));
    }
    let file = KeyFile::parse(&text)
        .map_err(|error| Usage(format!("{} is not a key file: {error}", path.display())))?;
    Ok(Unlock::KeyFile(Box::new(file)))
}

/// The key in the file, which then is the key of this repository to be; or a new one, written there.
fn take_or_make_key(path: &Path, options: &mut InitOptions, output: &Output) -> Result<Secret32> {
    if path.exists() {
        let Unlock::KeyFile(file) = read_key_file(path, output)? else {
            return Err(Usage(format!("{} is not a key file", path.display())).into());
        };
        options.repository = file.repository;
        return Ok(file.key.clone());
    }
    // The key exists only in this file, so it is on the disk before the repository exists.
    let key = random_key(&options.entropy)?;
    let file =
        KeyFile { repository: options.repository, key: key.clone(), config: None, slot: None };
    write_key_file(path, &file.to_text(KEY_FILE_HEADING))?;
    // Whoever asked for quiet still has to know this.
    complain(&format!(
        "The key of the new repository is in {}.\n\
         Keep a copy elsewhere: without it nothing can ever be restored.",
        path.display()
    ));
    Ok(key)
}

/// Where a new repository's key file is or goes; `None` when a passphrase opens it.
fn new_key_file_path(
    settings: &Settings,
    options: &InitOptions,
    without: WithoutKey,
) -> Result<Option<PathBuf>> {
    if let Some(path) = &settings.key_file {
        return Ok(Some(path.clone()));
    }
    if settings.password.is_some() {
        return Ok(None);
    }
    if has_terminal() {
        return Ok(match without {
            WithoutKey::Ask => None,
            WithoutKey::MakeKeyFile => settings.own_key_file(&options.repository.to_string()),
        });
    }
    let text = "no passphrase and no --key-file: without a terminal the key of a new repository \
                could be lost with this machine; say where to keep it with --key-file FILE, or give \
                a passphrase";
    Err(Usage(text.to_owned()).into())
}

fn check_memory(settings: &Settings) -> Result<()> {
    if settings.memory_bytes < MEMORY_BYTES_MIN {
        let text = format!(
            "--memory {} is too little to work with; give at least {}",
            crate::render::bytes(settings.memory_bytes),
            crate::render::bytes(MEMORY_BYTES_MIN),
        );
        return Err(Usage(text).into());
    }
    Ok(())
}

/// The clock of this machine.
pub(crate) fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}
