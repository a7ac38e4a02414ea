//! Where the repository is and how its store is reached: options, environment and configuration file
//! made into one value, each with where it comes from.
//!
//! An option goes before the environment, that before the configuration file, that before the files of
//! the clouds' own tools.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lifeboat::repository::{Clock, Credentials, Entropy, Location, StoreOptions, store_options};
use lifeboat_store::credentials::{Known, Origin, Setting};
use lifeboat_store::layer::bandwidth::schedule::{Moment, Schedule};
use lifeboat_store::layer::bandwidth::{Bandwidth, LocalTime};
use lifeboat_store::options::{CloudOptions, Encryption, LockMode, ObjectLock, SyncMode};
use lifeboat_store::url::{Bucket, Provider};

use super::Settings;
use super::config_file::{EncryptionEntry, Entry, LockModeEntry, SyncEntry};
use super::secret::PasswordSource;
use crate::args::Period;
use crate::exit::Usage;

/// What the repository is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To back up, to read, to look: nothing is let go of.
    #[default]
    Ordinary,
    /// To let go of something, to lock, to manage keys: with a key and credentials of its own, if there are any.
    Maintenance,
}

/// What stands before the names of variables that say who maintains a repository.
pub(super) const MAINTENANCE: &str = "LIFEBOAT_MAINTENANCE_";

/// Where a repository is, as it was said.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its name in the configuration file, if it was named so.
    pub(crate) name: Option<String>,
    /// The path or URL.
    pub(crate) text: String,
    /// What a relative path starts from.
    pub(crate) directory: PathBuf,
    /// As whom it is reached.
    pub(crate) purpose: Purpose,
    /// What the configuration file says of it, and where that file is.
    pub(super) entry: Option<(Entry, PathBuf)>,
}

/// What options and the environment say of any store.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreSettings {
    pub(super) limit_upload: Option<Given>,
    pub(super) limit_download: Option<Given>,
    pub(super) retry_for: Option<Given>,
    /// Where it was said that nobody else writes meanwhile, if it was.
    pub(super) exclusive: Option<&'static str>,
    pub(super) ca_file: Option<PathBuf>,
}

/// A value that was given, and where.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) value: String,
    pub(super) origin: &'static str,
}

impl Given {
    /// What was typed, then what the environment says.
    pub(super) fn first(
        typed: Option<&String>,
        option: &'static str,
        variable: &'static str,
    ) -> Result<Option<Self>> {
        if let Some(value) = typed {
            return Ok(Some(Self { value: value.clone(), origin: option }));
        }
        Ok(super::text(variable)?.map(|value| Self { value, origin: variable }))
    }

    /// What was given, or else what the file says of `place`; and where that was said.
    pub(super) fn or_of_file(
        given: Option<&Self>,
        of_file: Option<String>,
        place: Option<&Place>,
    ) -> Option<(String, String)> {
        match (given, of_file) {
            (Some(given), _) => Some((given.value.clone(), given.origin.to_owned())),
            (None, Some(text)) => {
                let entry = place.and_then(|place| place.entry.as_ref());
                Some((text, entry.map(|(_, path)| path.display().to_string()).unwrap_or_default()))
            }
            (None, None) => None,
        }
    }
}

/// One value in force, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The value's name, as the configuration file calls it.
    pub(crate) member: &'static str,
    /// The value, without secrets.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) origin: String,
}

/// A place with all that is needed to reach it.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Where it is.
    pub(crate) location: Location,
    /// How it is reached.
    pub(crate) options: StoreOptions,
    /// What of it was said where, for people.
    pub(crate) said: Vec<Said>,
}

impl Place {
    /// A path or URL that was typed.
    pub(super) fn typed(text: String, directory: PathBuf) -> Self {
        Self { name: None, text, directory, purpose: Purpose::Ordinary, entry: None }
    }

    /// Where the configuration file says that its key is.
    pub(super) fn keys(&self) -> (Option<PasswordSource>, Option<PathBuf>) {
        let Some((entry, _)) = &self.entry else { return (None, None) };
        let keys =
            |file: &Option<PathBuf>, command: &Option<String>, key_file: &Option<PathBuf>| {
                let file = file.clone().map(PasswordSource::File);
                let command = || command.clone().map(PasswordSource::Command);
                (file.or_else(command), key_file.clone())
            };
        let ordinary = keys(&entry.password_file, &entry.password_command, &entry.key_file);
        let other = &entry.maintenance;
        match keys(&other.password_file, &other.password_command, &other.key_file) {
            (None, None) => ordinary,
            maintenance if self.purpose == Purpose::Maintenance => maintenance,
            _ => ordinary,
        }
    }

    /// Which of the files that the configuration file names are not there.
    pub(crate) fn missing_files(&self) -> Vec<String> {
        let Some((entry, _)) = &self.entry else { return Vec::new() };
        let files = [
            ("password-file", &entry.password_file),
            ("key-file", &entry.key_file),
            ("ca-file", &entry.ca_file),
            ("maintenance.password-file", &entry.maintenance.password_file),
            ("maintenance.key-file", &entry.maintenance.key_file),
        ];
        let missing = files.into_iter().filter_map(|(member, file)| {
            let file = file.as_ref()?;
            let error = std::fs::File::open(file).err()?;
            Some(format!("{member}: {} can't be opened: {error}", file.display()))
        });
        missing.collect()
    }

    /// Where its key comes from.
    pub(crate) fn key_said(&self, settings: &Settings) -> Option<Said> {
        let (password, key_file, origin) = if settings.keys_given {
            // By option or environment: for every repository.
            let password = settings.password.clone().or_else(|| settings.password_beside.clone());
            (password, settings.key_file.clone(), "options or environment".to_owned())
        } else {
            let (_, path) = self.entry.as_ref()?;
            let (password, key_file) = self.keys();
            (password, key_file, path.display().to_string())
        };
        let value = match (password, key_file) {
            (_, Some(file)) => format!("key file {}", file.display()),
            (Some(PasswordSource::File(file)), _) => format!("passphrase in {}", file.display()),
            (Some(PasswordSource::Command(_)), _) => "passphrase by a command".to_owned(),
            (Some(PasswordSource::Text(_)), _) => "passphrase".to_owned(),
            (Some(PasswordSource::Terminal) | None, _) => return None,
        };
        Some(Said { member: "key", value, origin })
    }

    /// The place for messages.
    pub(crate) fn shown(&self) -> String {
        match Location::parse(&self.text, &self.directory) {
            Ok(Location::Local(_)) => self.text.clone(),
            Ok(other) => other.to_string(),
            // What can't be understood may hold a password.
            Err(_) => "a place that can't be understood".to_owned(),
        }
    }

    /// The store and all that is said of it.
    ///
    /// # Errors
    /// [`Usage`] for what makes no sense, naming where it was said.
    pub(crate) fn reach(
        &self,
        settings: &StoreSettings,
        entropy: &Entropy,
        clock: &Arc<dyn Clock>,
    ) -> Result<Reach> {
        let location = Location::parse(&self.text, &self.directory)
            .map_err(|error| Usage(self.blame(&error.to_string())))?;
        let mut found = Found { place: self, said: Vec::new() };
        let mut options = store_options(entropy, clock)?;
        let local_time = local_time(clock);
        let entry = self.entry.as_ref().map(|(entry, _)| entry);
        let upload = entry.and_then(|entry| entry.limit_upload.clone());
        options.upload =
            found.limit("limit-upload", settings.limit_upload.as_ref(), upload, &local_time)?;
        let download = entry.and_then(|entry| entry.limit_download.clone());
        options.download = found.limit(
            "limit-download",
            settings.limit_download.as_ref(),
            download,
            &local_time,
        )?;
        let retry = entry.and_then(|entry| entry.retry_for.clone());
        if let Some(time) = found.retry_for(settings.retry_for.as_ref(), retry)? {
            options.layers.retry = options.layers.retry.patient_for(time);
        }
        let (exclusive, said) = self.exclusive(settings);
        options.exclusive = exclusive;
        if let Some(origin) = said {
            found.say("exclusive", "true", origin);
        } else if entry.is_some_and(|entry| entry.exclusive.is_some()) {
            found.say_file("exclusive", exclusive);
        }
        if let Some(sync) = entry.and_then(|entry| entry.sync) {
            let (mode, text) = match sync {
                SyncEntry::Each => (SyncMode::Each, "each"),
                SyncEntry::Together => (SyncMode::Together, "together"),
            };
            options.local.sync = mode;
            found.say_file("sync", text);
        }
        if let Location::Bucket(bucket) = &location {
            options.credentials = self.credentials();
            options.cloud = found.cloud(bucket, settings, &options.credentials)?;
        }
        Ok(Reach { location, options, said: found.said })
    }

    /// Whether nobody else writes meanwhile, and which option or variable says so, if one does.
    pub(super) fn exclusive(&self, settings: &StoreSettings) -> (bool, Option<&'static str>) {
        let by_file = self.entry.as_ref().and_then(|(entry, _)| entry.exclusive);
        (settings.exclusive.is_some() || by_file == Some(true), settings.exclusive)
    }

    fn credentials(&self) -> Credentials {
        let pairs = |variables: &BTreeMap<String, String>| -> Vec<(String, String)> {
            variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let (usual, instead, path) = match &self.entry {
            Some((entry, path)) => {
                let instead = pairs(&entry.maintenance.variables);
                (pairs(&entry.variables), instead, path.display().to_string())
            }
            None => Default::default(),
        };
        match self.purpose {
            Purpose::Ordinary => Credentials::ambient_or(&usual, &path),
            Purpose::Maintenance => {
                Credentials::ambient_instead(MAINTENANCE, &instead, &usual, &path)
            }
        }
    }

    /// Whether the configuration file names a key for what it is reached for, and that is maintenance.
    pub(super) fn has_own_maintenance_key(&self) -> bool {
        let entry = self.entry.as_ref().filter(|_| self.purpose == Purpose::Maintenance);
        entry.is_some_and(|(entry, _)| {
            let own = &entry.maintenance;
            own.key_file.is_some() || own.password_file.is_some() || own.password_command.is_some()
        })
    }

    /// How a maintainer's key and credentials are given for this place.
    pub(crate) fn maintenance_said(&self) -> String {
        let table = match (&self.name, &self.entry) {
            (Some(name), Some((_, path))) => {
                format!("in [repository.{name}.maintenance] of {}, or ", path.display())
            }
            _ => String::new(),
        };
        format!("{table}by variables such as {MAINTENANCE}AWS_PROFILE and {MAINTENANCE}KEY_FILE")
    }

    /// A sentence with the part of the configuration file that it is about.
    fn blame(&self, what: &str) -> String {
        match (&self.name, &self.entry) {
            (Some(name), Some((_, path))) => {
                format!("{}, [repository.{name}]: {what}", path.display())
            }
            _ => what.to_owned(),
        }
    }
}

impl Reach {
    /// Prepares the connection, as far as nobody is asked.
    ///
    /// # Errors
    /// As connecting does; that nothing is there yet is none.
    pub(crate) fn prepare(&self) -> Result<()> {
        match lifeboat::repository::connect(&self.location, &self.options) {
            Err(error) if error.kind() != lifeboat::Kind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Collects what is in force and where it was said.
struct Found<'a> {
    place: &'a Place,
    said: Vec<Said>,
}

impl Found<'_> {
    fn say(&mut self, member: &'static str, value: impl ToString, origin: impl ToString) {
        let said = Said { member, value: value.to_string(), origin: origin.to_string() };
        self.said.push(said);
    }

    fn say_file(&mut self, member: &'static str, value: impl ToString) {
        let path = self.place.entry.as_ref().map(|(_, path)| path.display().to_string());
        self.say(member, value, path.unwrap_or_default());
    }

    fn limit(
        &mut self,
        member: &'static str,
        given: Option<&Given>,
        of_file: Option<String>,
        local_time: &LocalTime,
    ) -> Result<Bandwidth> {
        let Some((text, origin)) = Given::or_of_file(given, of_file, Some(self.place)) else {
            return Ok(Bandwidth::unlimited());
        };
        let schedule = Schedule::parse(&text);
        let schedule = schedule.map_err(|error| Usage(format!("{member} ({origin}): {error}")))?;
        self.say(member, text, origin);
        Ok(Bandwidth::scheduled(schedule, Arc::clone(local_time)))
    }

    fn retry_for(
        &mut self,
        given: Option<&Given>,
        of_file: Option<String>,
    ) -> Result<Option<Duration>> {
        const MEMBER: &str = "retry-for";
        let Some((text, origin)) = Given::or_of_file(given, of_file, Some(self.place)) else {
            return Ok(None);
        };
        let time: Period =
            text.parse().map_err(|error| Usage(format!("{MEMBER} ({origin}): {error}")))?;
        self.say(MEMBER, text, origin);
        Ok(Some(time.0))
    }

    fn cloud(
        &mut self,
        bucket: &Bucket,
        settings: &StoreSettings,
        credentials: &Credentials,
    ) -> Result<CloudOptions> {
        let mut cloud = CloudOptions::default();
        let entry = self.place.entry.as_ref().map(|(entry, _)| entry.clone());
        for setting in Setting::ALL {
            let known = credentials.setting(setting, bucket.provider, cloud.is_plain_http());
            let of_file = matches!(&known, Some(known) if matches!(known.origin, Origin::File(_)));
            if let (Setting::CaFile, Some(file)) = (setting, &settings.ca_file) {
                cloud.ca_file = Some(file.clone());
                self.say("ca-file", file.display(), "--ca-file");
            } else if let Some(known) = known.as_ref().filter(|_| !of_file) {
                self.variable(&mut cloud, setting, known)?;
            } else if entry.as_ref().is_some_and(|entry| take(&mut cloud, setting, entry)) {
                self.say_file(member(setting), shown(&cloud, setting));
            } else if let Some(known) = &known {
                self.variable(&mut cloud, setting, known)?;
            }
        }
        if let Some(entry) = entry {
            self.objects(&mut cloud, &entry);
        }
        let way = credentials.way(bucket.provider);
        let origin =
            way.origin.map_or_else(|| "nothing else is said".to_owned(), |o| o.to_string());
        self.say("credentials", way.what, origin);
        if bucket.provider == Provider::Azure {
            let account = "AZURE_STORAGE_ACCOUNT_NAME";
            if let Some(origin) = credentials.origin(account) {
                self.say("account", account, origin);
            }
        }
        Ok(cloud)
    }

    fn variable(
        &mut self,
        cloud: &mut CloudOptions,
        setting: Setting,
        known: &Known<'_>,
    ) -> Result<()> {
        cloud.set(setting, known).map_err(|error| Usage(error.to_string()))?;
        let origin = format!("{}, {}", known.name, known.origin);
        self.say(member(setting), shown(cloud, setting), origin);
        Ok(())
    }

    /// What the file alone says: how objects are put.
    fn objects(&mut self, cloud: &mut CloudOptions, entry: &Entry) {
        cloud.storage_class.clone_from(&entry.storage_class);
        for (prefix, class) in &entry.storage_class {
            self.say_file("storage-class", format!("{prefix}: {class}"));
        }
        cloud.encryption = entry.encryption.as_ref().map(|encryption| match encryption {
            EncryptionEntry::Service => Encryption::Service,
            EncryptionEntry::Kms(key) => {
                Encryption::Kms { key: Some(key.clone()).filter(|key| !key.is_empty()) }
            }
        });
        if let Some(encryption) = &cloud.encryption {
            let text = match encryption {
                Encryption::Service => "service".to_owned(),
                Encryption::Kms { key } => {
                    format!("kms {}", key.as_deref().unwrap_or("by the bucket's key"))
                }
            };
            self.say_file("encryption", text);
        }
        cloud.object_lock = entry.object_lock.as_ref().map(|lock| ObjectLock {
            mode: match lock.mode {
                LockModeEntry::Governance => LockMode::Governance,
                LockModeEntry::Compliance => LockMode::Compliance,
            },
            period: Duration::from_secs(u64::from(lock.days) * 24 * 60 * 60),
        });
        if let Some(lock) = &entry.object_lock {
            let mode = format!("{:?}", lock.mode).to_lowercase();
            self.say_file("object-lock", format!("{mode} for {} days", lock.days));
        }
        cloud.tags.clone_from(&entry.tags);
        for (name, value) in &entry.tags {
            self.say_file("tags", format!("{name}={value}"));
        }
    }
}

/// Takes over what the file says of `setting`, if it does.
fn take(cloud: &mut CloudOptions, setting: Setting, entry: &Entry) -> bool {
    fn fill<T: Clone>(target: &mut Option<T>, value: Option<&T>) -> bool {
        if let Some(value) = value {
            *target = Some(value.clone());
        }
        value.is_some()
    }
    match setting {
        Setting::Endpoint => fill(&mut cloud.endpoint, entry.endpoint.as_ref()),
        Setting::Region => fill(&mut cloud.region, entry.region.as_ref()),
        Setting::PathStyle => fill(&mut cloud.path_style, entry.path_style.as_ref()),
        Setting::AllowHttp => {
            cloud.allow_http = entry.allow_http.unwrap_or_default();
            entry.allow_http.is_some()
        }
        Setting::CaFile => fill(&mut cloud.ca_file, entry.ca_file.as_ref()),
        Setting::Proxy => fill(&mut cloud.proxy, entry.proxy.as_ref()),
        Setting::NoProxy => fill(&mut cloud.no_proxy, entry.no_proxy.as_ref()),
    }
}

fn member(setting: Setting) -> &'static str {
    match setting {
        Setting::Endpoint => "endpoint",
        Setting::Region => "region",
        Setting::PathStyle => "path-style",
        Setting::AllowHttp => "allow-http",
        Setting::CaFile => "ca-file",
        Setting::Proxy => "proxy",
        Setting::NoProxy => "no-proxy",
    }
}

/// The value of a setting for people: no passwords.
fn shown(cloud: &CloudOptions, setting: Setting) -> String {
    let value = match setting {
        Setting::Endpoint => cloud.endpoint_shown(),
        Setting::Region => cloud.region.clone(),
        Setting::PathStyle => cloud.path_style.map(|style| style.to_string()),
        Setting::AllowHttp => Some(cloud.allow_http.to_string()),
        Setting::CaFile => cloud.ca_file.as_ref().map(|file| file.display().to_string()),
        Setting::Proxy => cloud.proxy_shown(),
        Setting::NoProxy => cloud.no_proxy.clone(),
    };
    value.unwrap_or_default()
}

/// The local time of the week, for timetables.
fn local_time(clock: &Arc<dyn Clock>) -> LocalTime {
    let (clock, zone) = (Arc::clone(clock), jiff::tz::TimeZone::system());
    Arc::new(move || {
        let Ok(now) = jiff::Timestamp::from_second(clock.now().secs) else {
            return Moment::MIDNIGHT;
        };
        let now = now.to_zoned(zone.clone());
        let day = now.weekday().to_monday_zero_offset();
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        Moment::new(u8::try_from(day).unwrap_or(0), u16::try_from(minute).unwrap_or(0))
    })
}

impl StoreSettings {
    /// What options say, then the environment.
    pub(super) fn new(args: &crate::args::StoreArgs) -> Result<Self> {
        let given = Given::first;
        Ok(Self {
            limit_upload: given(
                args.limit_upload.as_ref(),
                "--limit-upload",
                "LIFEBOAT_LIMIT_UPLOAD",
            )?,
            limit_download: given(
                args.limit_download.as_ref(),
                "--limit-download",
                "LIFEBOAT_LIMIT_DOWNLOAD",
            )?,
            retry_for: given(args.retry_for.as_ref(), "--retry-for", "LIFEBOAT_RETRY_FOR")?,
            exclusive: match args.exclusive {
                true => Some("--exclusive"),
                false => super::flag("LIFEBOAT_EXCLUSIVE")?.then_some("LIFEBOAT_EXCLUSIVE"),
            },
            ca_file: args.ca_file.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
