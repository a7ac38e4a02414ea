//! What surrounds the process: its environment, and the files of credentials of its user.
//!
//! The only code of the libraries that reads either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::profile::{Keys, Profiles, Source, Surroundings};
use super::{Credentials, Origin, Way};
use crate::url::Provider;

/// No file of credentials is as long.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Variables that hold no secret and may be set in a configuration file.
pub const SETTABLE: [&str; 13] = [
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_REQUEST_PAYER",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
];

impl Credentials {
    /// What the process's environment says, the variables of the clouds and of HTTP clients under
    /// their usual names, and what the users' files say: AWS's profiles, Google's application default
    /// credentials. The one place of the library that reads them; a program that wants it calls
    /// this, once.
    pub fn ambient() -> Self {
        Self::ambient_or(&[], "")
    }

    /// As [`Credentials::ambient`], where `defaults` (from a file that `origin` names) count for
    /// variables that the environment does not have.
    pub fn ambient_or(defaults: &[(String, String)], origin: &str) -> Self {
        Self::around(environment(is_known), defaults, origin)
    }

    /// As [`Credentials::ambient_or`], but as somebody else where that is said: by variables of the environment with
    /// `prefix` before their usual names, or else by `instead` (from the file that `origin` names). Then nothing counts
    /// that says who we are otherwise; where the store is stays as it is.
    pub fn ambient_instead(
        prefix: &str,
        instead: &[(String, String)],
        defaults: &[(String, String)],
        origin: &str,
    ) -> Self {
        let known = environment(|name| is_known(name.strip_prefix(prefix).unwrap_or(name)));
        Self::around_instead(known, prefix, instead, defaults, origin)
    }

    /// As [`Credentials::ambient_instead`] in an environment that is given.
    pub(super) fn around_instead(
        environment: impl IntoIterator<Item = (String, String)>,
        prefix: &str,
        instead: &[(String, String)],
        defaults: &[(String, String)],
        origin: &str,
    ) -> Self {
        let (said, mut usual): (Vec<_>, Vec<_>) =
            environment.into_iter().partition(|(name, _)| name.starts_with(prefix));
        let mut defaults = defaults.to_vec();
        if !said.is_empty() || !instead.is_empty() {
            usual.retain(|(name, _)| !says_who(name));
            defaults.retain(|(name, _)| !says_who(name));
        }
        let said = said.into_iter().map(|(name, value)| (name[prefix.len()..].to_owned(), value));
        // What is said last counts.
        let environment = usual.into_iter().chain(said);
        Self::around(environment, &[instead, &defaults].concat(), origin)
    }

    /// As [`Credentials::ambient_or`] in an environment that is given.
    pub(super) fn around(
        environment: impl IntoIterator<Item = (String, String)>,
        defaults: &[(String, String)],
        origin: &str,
    ) -> Self {
        let mut credentials = Self::default();
        for (name, value) in environment {
            credentials.set(&name, value, Origin::Environment);
        }
        let own_profile = credentials.variables.contains_key("AWS_DEFAULT_PROFILE");
        for (name, value) in
            defaults.iter().filter(|(name, _)| !own_profile || name != "AWS_PROFILE")
        {
            credentials.set_default(name, value, &Origin::File(origin.to_owned()));
        }
        credentials.spread();
        let home = credentials.variables.remove("HOME");
        let home = home.map(|home| PathBuf::from(home.value.as_str()));
        credentials.read_aws(home.as_deref());
        credentials.find_google(home.as_deref());
        credentials
    }

    /// Takes over what the profile in force says.
    fn read_aws(&mut self, home: Option<&Path>) {
        let file = |credentials: &Self, variable: &str, name: &str| {
            let said = credentials.variable(variable).map(PathBuf::from);
            said.or_else(|| home.map(|home| home.join(".aws").join(name)))
        };
        let config = file(self, "AWS_CONFIG_FILE", "config");
        let secret = file(self, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let asked = self.variable("AWS_PROFILE").map(str::to_owned);
        let name = asked.clone().unwrap_or_else(|| "default".to_owned());
        let texts = read(config.as_deref()).and_then(|text| Ok((text, read(secret.as_deref())?)));
        let profiles = match texts {
            Ok((config, secret)) => Profiles::parse(&config, &secret),
            Err(reason) => {
                self.profile = (!self.has_static_keys()).then_some(Err(reason));
                return;
            }
        };
        if asked.is_none() && !profiles.has(&name) {
            return;
        }
        let origin = Origin::File(format!("AWS profile '{name}'"));
        for (variable, value) in profiles.settings(&name) {
            let general = match variable {
                "AWS_REGION" => "AWS_DEFAULT_REGION",
                "AWS_ENDPOINT_URL_S3" => "AWS_ENDPOINT_URL",
                other => other,
            };
            // The environment's general word counts more than a profile's particular one.
            if !self.variables.contains_key(general) {
                self.set_default(variable, &value, &origin);
            }
        }
        if self.has_static_keys() {
            return;
        }
        let around = Surroundings { keys: self.static_keys(), container: self.container() };
        match profiles.source(&name, &around) {
            Ok(Some(Source::Static(keys))) => {
                self.set("AWS_ACCESS_KEY_ID", keys.id, origin.clone());
                self.set("AWS_SECRET_ACCESS_KEY", keys.secret.to_string(), origin.clone());
                if let Some(token) = keys.token {
                    self.set("AWS_SESSION_TOKEN", token.to_string(), origin);
                }
            }
            Ok(source) => self.profile = source.map(|source| Ok(Arc::new(source))),
            Err(reason) => self.profile = Some(Err(reason)),
        }
    }

    fn has_static_keys(&self) -> bool {
        self.variables.contains_key("AWS_ACCESS_KEY_ID")
    }

    fn static_keys(&self) -> Option<Keys> {
        let secret = |name| self.variable(name).map(|value| Zeroizing::new(value.to_owned()));
        Some(Keys {
            id: self.variable("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret: secret("AWS_SECRET_ACCESS_KEY")?,
            token: secret("AWS_SESSION_TOKEN"),
        })
    }

    fn container(&self) -> Option<Source> {
        let get = |name| self.variable(name).map(str::to_owned);
        let token_file = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let uri = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .or_else(|| get("AWS_CONTAINER_CREDENTIALS_FULL_URI"))?;
        Some(Source::Container { uri, token_file })
    }

    /// Finds what `gcloud auth application-default login` has written.
    fn find_google(&mut self, home: Option<&Path>) {
        if self.variables.keys().any(|name| GOOGLE_KEYS.contains(&name.as_str())) {
            return;
        }
        let folder = self.variable("CLOUDSDK_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| home.map(|home| home.join(".config/gcloud")));
        let file = folder.map(|folder| folder.join("application_default_credentials.json"));
        if let Some(file) = file.filter(|file| file.is_file()) {
            let (value, origin) = (file.display().to_string(), "gcloud's default credentials");
            self.set("GOOGLE_APPLICATION_CREDENTIALS", value, Origin::File(origin.to_owned()));
        }
    }

    /// How the keys of `provider` are found, for people; nobody is asked for them.
    pub fn way(&self, provider: Provider) -> Way {
        let first = |names: &[&str]| {
            let known = names.iter().find_map(|name| self.variables.get_key_value(*name));
            known.map(|(name, variable)| Way {
                what: name.clone(),
                origin: Some(variable.origin.clone()),
            })
        };
        let machine = |what: &str| Way { what: what.to_owned(), origin: None };
        match provider {
            Provider::S3 => match &self.profile {
                _ if self.has_static_keys() => first(&["AWS_ACCESS_KEY_ID"]),
                Some(found) => {
                    let name = self.variable("AWS_PROFILE").unwrap_or("default");
                    let what = match found {
                        Ok(source) => source.describe(),
                        Err(reason) => format!("nothing: {reason}"),
                    };
                    Some(Way { what, origin: Some(Origin::File(format!("AWS profile '{name}'"))) })
                }
                None => first(&[
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                ]),
            }
            .unwrap_or_else(|| machine("the identity of the EC2 instance, if it is one")),
            Provider::Gcs => first(&GOOGLE_KEYS).unwrap_or_else(|| {
                machine("the identity of the machine, by Google's metadata server")
            }),
            Provider::Azure => {
                first(&AZURE_KEYS).unwrap_or_else(|| machine("the managed identity of the machine"))
            }
        }
    }
}

/// What holds or names keys of Google's.
const GOOGLE_KEYS: [&str; 6] = [
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_BEARER_TOKEN",
    "GOOGLE_SKIP_SIGNATURE",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// What holds or names keys of Azure's, in the order in which they count.
const AZURE_KEYS: [&str; 8] = [
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_USE_EMULATOR",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_USE_AZURE_CLI",
];

/// A file's text; nothing if there is none.
fn read(path: Option<&Path>) -> Result<Zeroizing<String>, String> {
    use std::io::Read as _;
    let Some(path) = path else { return Ok(Zeroizing::default()) };
    let mut text = Zeroizing::default();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(text),
        Err(error) => return Err(format!("{} can't be opened: {error}", path.display())),
    };
    match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("{} can't be read: {error}", path.display())),
    }
}

/// What the process's environment says, of these names.
fn environment(is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, String)> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let all = std::env::vars_os();
    all.filter_map(move |(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        (is_wanted(&name) && !value.is_empty()).then_some((name, value))
    })
}

/// Whether a variable says who we are, and not where the store is.
fn says_who(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
    ];
    NAMES.contains(&name)
        || GOOGLE_KEYS.contains(&name)
        || AZURE_KEYS.contains(&name) && name != "AZURE_STORAGE_USE_EMULATOR"
        || name.starts_with("AWS_CONTAINER_")
}

fn is_known(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["AWS_", "GOOGLE_", "AZURE_", "AZURITE_", "IDENTITY_"];
    const NAMES: [&str; 12] = [
        "HOME",
        "CLOUDSDK_CONFIG",
        "STORAGE_EMULATOR_HOST",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}
