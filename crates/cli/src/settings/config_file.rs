//! The configuration file: repositories by name, and how their stores are reached.
//!
//! TOML, without secrets: what would be one is refused with advice, and no error repeats a value. Paths
//! in it are relative to its folder; `~/` is the user's home.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lifeboat_store::credentials::SETTABLE;
use serde::Deserialize;

use super::place::{Place, Purpose};
use crate::exit::Usage;

/// Longer is no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The file as it was found; empty if there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFile {
    /// Where it is.
    pub(crate) path: Option<PathBuf>,
    content: Content,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Content {
    default: Option<String>,
    #[serde(default)]
    repository: BTreeMap<String, Entry>,
}

/// One `[repository.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Entry {
    pub(crate) url: String,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) password_command: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) path_style: Option<bool>,
    pub(crate) allow_http: Option<bool>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<String>,
    pub(crate) no_proxy: Option<String>,
    #[serde(default)]
    pub(crate) storage_class: BTreeMap<String, String>,
    pub(crate) encryption: Option<EncryptionEntry>,
    pub(crate) object_lock: Option<LockEntry>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) limit_upload: Option<String>,
    pub(crate) limit_download: Option<String>,
    pub(crate) retry_for: Option<String>,
    pub(crate) nice: Option<i64>,
    pub(crate) io_class: Option<String>,
    pub(crate) yield_to_load: Option<i64>,
    pub(crate) exclusive: Option<bool>,
    pub(crate) sync: Option<SyncEntry>,
    /// Variables without secrets, as if the environment had them.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// Who maintains it, if not who writes to it.
    #[serde(default)]
    pub(crate) maintenance: MaintenanceEntry,
}

/// `maintenance`: another key and other credentials, for the commands that let go of something.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MaintenanceEntry {
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) password_command: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
}

/// `encryption`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) enum EncryptionEntry {
    /// `"service"`
    Service,
    /// `{ kms = "KEY" }`; an empty key is the bucket's own.
    Kms(String),
}

/// `object-lock`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LockEntry {
    pub(crate) mode: LockModeEntry,
    pub(crate) days: u32,
}

/// `object-lock.mode`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LockModeEntry {
    Governance,
    Compliance,
}

/// `sync`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SyncEntry {
    Each,
    Together,
}

impl ConfigFile {
    /// Reads the file that was named, or the first of the usual places that has one.
    pub(super) fn find(
        named: Option<PathBuf>,
        usual: &[PathBuf],
        home: Option<&Path>,
    ) -> Result<Self> {
        if let Some(path) = named {
            let text = read(&path)?.ok_or_else(|| {
                Usage(format!("there is no configuration file {}", path.display()))
            })?;
            return Self::parse(path, &text, home);
        }
        for path in usual {
            if let Some(text) = read(path)? {
                return Self::parse(path.clone(), &text, home);
            }
        }
        Ok(Self::default())
    }

    fn parse(path: PathBuf, text: &str, home: Option<&Path>) -> Result<Self> {
        let content: Content =
            toml::from_str(text).map_err(|error| explain(&path, text, &error))?;
        let mut file = Self { path: Some(path.clone()), content };
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        for (name, entry) in &mut file.content.repository {
            let wrong =
                |what: String| Usage(format!("{}, [repository.{name}]: {what}", path.display()));
            if name.is_empty() || name.contains(['/', ':']) {
                return Err(wrong("a name has neither / nor :".to_owned()).into());
            }
            entry.refuse_secrets().map_err(wrong)?;
            let maintenance = &mut entry.maintenance;
            for place in [
                &mut entry.password_file,
                &mut entry.key_file,
                &mut entry.ca_file,
                &mut maintenance.password_file,
                &mut maintenance.key_file,
            ] {
                *place = place.take().map(|place| resolve(&place, &folder, home));
            }
            if let (Some(home), Some(rest)) = (home, entry.url.strip_prefix("~/")) {
                entry.url = home.join(rest).to_string_lossy().into_owned();
            }
        }
        if let Some(default) = file.content.default.as_ref().filter(|name| file.get(name).is_none())
        {
            let text = format!("{}: default: there is no [repository.{default}]", path.display());
            return Err(Usage(text).into());
        }
        Ok(file)
    }

    /// The place of the repository of that name.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        let (entry, path) = (self.get(name)?, self.path.clone()?);
        Some(Place {
            name: Some(name.to_owned()),
            text: entry.url.clone(),
            directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
            purpose: Purpose::Ordinary,
            entry: Some((entry.clone(), path)),
        })
    }

    /// The repository of that name.
    fn get(&self, name: &str) -> Option<&Entry> {
        self.content.repository.get(name)
    }

    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.content.repository.keys().map(String::as_str)
    }

    /// The repository that is meant when none is named.
    pub(super) fn default_name(&self) -> Option<&str> {
        self.content.default.as_deref()
    }
}

impl Entry {
    fn refuse_secrets(&self) -> std::result::Result<(), String> {
        for (member, url) in [("endpoint", &self.endpoint), ("proxy", &self.proxy)] {
            if url.as_ref().is_some_and(|url| url.contains('@')) {
                return Err(format!(
                    "{member}: a name and password don't belong in this file; give the proxy in \
                     HTTPS_PROXY, and keys in the provider's own variables or files"
                ));
            }
        }
        for name in self.variables.keys().chain(self.maintenance.variables.keys()) {
            if !SETTABLE.contains(&name.as_str()) {
                return Err(format!(
                    "variables: {name} can't be set here; those that can are {}",
                    SETTABLE.join(", ")
                ));
            }
        }
        let maintenance = &self.maintenance;
        let all_ways = [
            (&self.password_file, &self.password_command, &self.key_file),
            (&maintenance.password_file, &maintenance.password_command, &maintenance.key_file),
        ];
        for (file, command, key_file) in all_ways {
            let ways = [file.is_some(), command.is_some(), key_file.is_some()];
            if ways.into_iter().filter(|way| *way).count() > 1 {
                return Err("give one of password-file, password-command and key-file".to_owned());
            }
        }
        Ok(())
    }
}

fn resolve(place: &Path, folder: &Path, home: Option<&Path>) -> PathBuf {
    match (place.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder.join(place),
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    let shown = path.display();
    let meta = match fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        meta => meta.with_context(|| format!("look at the configuration file {shown}"))?,
    };
    let me = rustix::process::geteuid().as_raw();
    // It may name a command that is run, so who can write to it can do what its user can.
    if meta.is_file() && (meta.mode() & 0o022 != 0 || ![0, me].contains(&meta.uid())) {
        let mode = meta.permissions().mode() & 0o777;
        return Err(Usage(format!(
            "others can change the configuration file {shown} (mode {mode:03o}), and it says which \
             commands are run; make it yours and run chmod go-w on it"
        ))
        .into());
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(Usage(format!("{shown} is too long for a configuration file")).into());
    }
    let text = fs::read_to_string(path);
    text.map(Some).with_context(|| format!("read the configuration file {shown}"))
}

/// What is wrong in which line. The values of the file stay out of it.
fn explain(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        format!(", line {}", before.matches('\n').count() + 1)
    });
    let message = without_values(error.message());
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let secret = unknown.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        ["pass", "secret", "token", "key", "sas", "credential"]
            .iter()
            .any(|word| name.contains(word))
    });
    let advice = if secret {
        "; secrets don't belong in this file: give the passphrase by password-file, \
         password-command or key-file, and keys in the provider's own variables or files"
    } else {
        ""
    };
    let line = line.unwrap_or_default();
    Usage(format!("{}{line}: {message}{advice}", path.display())).into()
}

/// `invalid type: string "secret", expected u32` without what is between the quotes.
fn without_values(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for (place, part) in message.trim().split('"').enumerate() {
        text.push_str(if place % 2 == 0 { part } else { "\"...\"" });
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests;
