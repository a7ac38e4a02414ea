//! Settings: options, environment and defaults made into one value.
//!
//! The only place that reads the environment. Secrets come from files, commands, the environment or
//! the terminal, never from argv, and are wiped when dropped.

mod cgroup;
mod config_file;
mod cores;
mod memory;
mod place;
mod polite;
mod secret;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::args::{ByteSize, CacheArgs, GlobalArgs};
use crate::exit::Usage;

pub(crate) use self::config_file::ConfigFile;
pub(crate) use self::memory::MEMORY_BYTES_MIN;
use self::place::MAINTENANCE;
pub(crate) use self::place::{Place, Purpose, Reach, Said, StoreSettings};
pub(crate) use self::polite::{Polite, PoliteSettings};
pub(crate) use self::secret::{
    Passphrase, PasswordSource, ask_twice, has_terminal, warn_if_readable_by_others,
};

/// What a command needs to know besides its own options.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where the repository is, if it was said.
    pub(crate) place: Option<Place>,
    /// How stores are reached.
    pub(crate) store: StoreSettings,
    /// The configuration file.
    pub(crate) file: ConfigFile,
    /// Where the passphrase comes from, if it was said.
    pub(crate) password: Option<PasswordSource>,
    /// The environment's passphrase beside a key file that was typed: only a new repository gets both.
    pub(crate) password_beside: Option<PasswordSource>,
    /// The key file or recovery sheet, if one was given.
    pub(crate) key_file: Option<PathBuf>,
    /// Whether an option or the environment said anything of passphrase or key file.
    pub(crate) keys_given: bool,
    /// A new passphrase for `key`, if it is in the environment.
    pub(crate) new_password: Option<Passphrase>,
    /// The host's name for snapshots, if it was said.
    pub(crate) host: Option<String>,
    /// The user's configuration folder.
    pub(crate) config_dir: Option<PathBuf>,
    /// The user's folder for what is worth remembering.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where what can be found out again is kept, and how many bytes of what was read of each far repository; nothing, if
    /// nothing is.
    pub(crate) cache: Option<(PathBuf, u64)>,
    /// The most memory that the process may hold, in bytes.
    pub(crate) memory_bytes: u64,
    /// How many threads work on bytes.
    pub(crate) threads: usize,
    /// What is said of giving way to others, whichever repository is used.
    pub(crate) polite_settings: PoliteSettings,
}

impl Settings {
    /// How the process gives way to others.
    ///
    /// # Errors
    /// [`Usage`] for what makes no sense, naming where it was said.
    pub(crate) fn polite(&self) -> Result<Polite> {
        self.polite_settings.of(self.place.as_ref())
    }

    /// Options first, then the environment, then defaults.
    pub(crate) fn new(args: &GlobalArgs, purpose: Purpose) -> Result<Self> {
        let threads = match args.threads {
            Some(0) => return Err(Usage("--threads must be at least 1".to_owned()).into()),
            Some(threads) => threads,
            None => cores::default_threads(),
        };
        let memory_bytes = size_or("LIFEBOAT_MEMORY", args.memory)?;
        let memory_bytes = memory_bytes.unwrap_or_else(|| memory::default_bytes(threads));
        let config_dir = user_dir("XDG_CONFIG_HOME", ".config");
        let file = config_file(args, config_dir.as_deref())?;
        let place = place(args, &file)?.map(|place| Place { purpose, ..place });
        let polite_settings = PoliteSettings::new(&args.polite)?;
        let typed = typed_password(args);
        let has_typed = typed.is_some();
        let own = match purpose {
            Purpose::Maintenance => maintenance_keys()?,
            Purpose::Ordinary => (None, None),
        };
        let has_own = own.0.is_some() || own.1.is_some();
        let from_environment = match typed {
            Some(_) => None,
            None if has_own => own.0,
            None => environment_password()?,
        };
        // A key file on the command line is meant, whatever the environment says about passphrases.
        let (password, password_beside) = match typed {
            None if args.key_file.is_some() => (None, from_environment),
            typed => (typed.or(from_environment), None),
        };
        let mut key_file = match has_own && args.key_file.is_none() {
            true => {
                own.1.filter(|_| args.password_file.is_none() && args.password_command.is_none())
            }
            false => key_file(args),
        };
        let mut password = password;
        // Whoever says anything of keys now does not mean those of the file.
        let mut keys_given = password.is_some() || key_file.is_some();
        let is_typed = args.key_file.is_some() || has_typed;
        if !is_typed && !has_own && place.as_ref().is_some_and(Place::has_own_maintenance_key) {
            // It is said of this purpose; what the environment says is for all.
            keys_given = false;
        }
        if let Some(place) = place.as_ref().filter(|_| !keys_given) {
            (password, key_file) = place.keys();
        }
        Ok(Self {
            place,
            store: StoreSettings::new(&args.store)?,
            file,
            password,
            password_beside,
            key_file,
            keys_given,
            new_password: text("LIFEBOAT_NEW_PASSWORD")?.map(Passphrase::new),
            host: text("LIFEBOAT_HOST")?,
            config_dir,
            state_dir: user_dir("XDG_STATE_HOME", ".local/state"),
            cache: cache(&args.cache)?,
            memory_bytes,
            threads,
            polite_settings,
        })
    }

    /// Where the repository is.
    pub(crate) fn place(&self) -> Result<&Place> {
        self.place.as_ref().ok_or_else(|| {
            Usage("which repository? give --repo LOCATION or set LIFEBOAT_REPO".to_owned()).into()
        })
    }

    /// What is known of a second repository, a copy of the first: reached and opened in the same way. Which log it had
    /// last is not remembered, since a copy may lag behind.
    pub(crate) fn of_copy(&self, location: &str) -> Result<Self> {
        let place = match self.file.place(location) {
            Some(place) => place,
            None => Place::typed(location.to_owned(), current_dir()?),
        };
        let memory_bytes = (self.memory_bytes / 4).max(MEMORY_BYTES_MIN);
        Ok(Self { place: Some(place), state_dir: None, cache: None, memory_bytes, ..self.clone() })
    }

    /// Whether nothing else writes to the repository meanwhile, on the user's word.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.exclusive(&self.store).0)
    }

    /// The repository of that name in the configuration file.
    pub(crate) fn named(&self, name: &str) -> Option<Place> {
        self.file.place(name)
    }

    /// Where `init` puts a key file of its own, and later commands look for it.
    pub(crate) fn own_key_file(&self, repository: &str) -> Option<PathBuf> {
        let dir = self.config_dir.as_ref()?;
        Some(dir.join("keys").join(format!("{repository}.key")))
    }
}

/// The file that is named, else the user's, else the machine's.
fn config_file(args: &GlobalArgs, config_dir: Option<&Path>) -> Result<ConfigFile> {
    let named = args.store.config.clone().or_else(|| path("LIFEBOAT_CONFIG"));
    let named =
        named.map(|named| Ok::<_, anyhow::Error>(current_dir()?.join(named))).transpose()?;
    let own = config_dir.map(|dir| dir.join("config.toml"));
    let usual: Vec<PathBuf> =
        own.into_iter().chain([PathBuf::from("/etc/lifeboat/config.toml")]).collect();
    ConfigFile::find(named, &usual, path("HOME").as_deref())
}

/// What `--repo` means: a name, if the configuration file has it, else a path or a URL.
fn place(args: &GlobalArgs, file: &ConfigFile) -> Result<Option<Place>> {
    let said = args.repo.clone().or(text("LIFEBOAT_REPO")?);
    let Some(said) = said.or_else(|| file.default_name().map(str::to_owned)) else {
        return Ok(None);
    };
    if let Some(place) = file.place(&said) {
        return Ok(Some(place));
    }
    Ok(Some(Place::typed(said, current_dir()?)))
}

/// The value of `LIFEBOAT_LOG`, which chooses what is logged in tracing's own words.
pub(crate) fn log_filter() -> Option<String> {
    text("LIFEBOAT_LOG").ok().flatten()
}

/// The host's own name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The working directory, for paths that are not absolute.
pub(crate) fn current_dir() -> Result<PathBuf> {
    std::env::current_dir().context("find the working directory")
}

fn typed_password(args: &GlobalArgs) -> Option<PasswordSource> {
    let file = args.password_file.clone().map(PasswordSource::File);
    file.or_else(|| args.password_command.clone().map(PasswordSource::Command))
}

fn environment_password() -> Result<Option<PasswordSource>> {
    password_of("LIFEBOAT_")
}

/// What the environment says of the key of who maintains the repository.
fn maintenance_keys() -> Result<(Option<PasswordSource>, Option<PathBuf>)> {
    Ok((password_of(MAINTENANCE)?, path(&format!("{MAINTENANCE}KEY_FILE"))))
}

fn password_of(prefix: &str) -> Result<Option<PasswordSource>> {
    if let Some(passphrase) = text(&format!("{prefix}PASSWORD"))? {
        return Ok(Some(PasswordSource::Text(Passphrase::new(passphrase))));
    }
    if let Some(file) = path(&format!("{prefix}PASSWORD_FILE")) {
        return Ok(Some(PasswordSource::File(file)));
    }
    Ok(text(&format!("{prefix}PASSWORD_COMMAND"))?.map(PasswordSource::Command))
}

/// What is typed is meant, whatever the environment says: also a passphrase in place of a key file.
fn key_file(args: &GlobalArgs) -> Option<PathBuf> {
    let by_passphrase = args.password_file.is_some() || args.password_command.is_some();
    let from_environment = || path("LIFEBOAT_KEY_FILE").filter(|_| !by_passphrase);
    args.key_file.clone().or_else(from_environment)
}

/// Lifeboat's folder in one of the user's, by the XDG rules.
fn user_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let base = path(variable).filter(|dir| dir.is_absolute());
    let base = base.or_else(|| path("HOME").map(|home| home.join(below_home)));
    base.filter(|dir| dir.is_absolute()).map(|dir| dir.join("lifeboat"))
}

/// A size that was typed, or else that of the environment.
fn size_or(variable: &str, typed: Option<ByteSize>) -> Result<Option<u64>> {
    let said = match typed {
        Some(size) => return Ok(Some(size.0)),
        None => text(variable)?,
    };
    let size = said.map(|said| said.parse::<ByteSize>()).transpose();
    Ok(size.map_err(|error| Usage(format!("{variable}: {error}")))?.map(|size| size.0))
}

/// How much of each far repository is kept on this machine, if it was not said.
const CACHE_BYTES: u64 = 1 << 30;

fn cache(args: &CacheArgs) -> Result<Option<(PathBuf, u64)>> {
    let dir = match args.cache_dir.clone().or_else(|| path("LIFEBOAT_CACHE_DIR")) {
        Some(dir) => Some(current_dir()?.join(dir)),
        None => user_dir("XDG_CACHE_HOME", ".cache"),
    };
    let size = size_or("LIFEBOAT_CACHE_SIZE", args.cache_size)?.unwrap_or(CACHE_BYTES);
    Ok(dir.filter(|_| size > 0 && !args.no_cache).map(|dir| (dir, size)))
}

fn flag(name: &str) -> Result<bool> {
    match text(name)?.as_deref() {
        None | Some("0" | "false" | "no") => Ok(false),
        Some("1" | "true" | "yes") => Ok(true),
        Some(_) => Err(Usage(format!("{name}: give 1 (yes) or 0 (no)")).into()),
    }
}

fn path(name: &str) -> Option<PathBuf> {
    value(name).map(PathBuf::from)
}

fn text(name: &str) -> Result<Option<String>> {
    match value(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_not_utf8)) => Err(Usage(format!("{name} is not UTF-8")).into()),
    }
}

fn value(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var_os(name).filter(|value| !value.is_empty())
}
