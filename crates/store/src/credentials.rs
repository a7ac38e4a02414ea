//! Who we are to a store: keys, tokens, and the ways to get them.
//!
//! A bag of variables by their usual names, and what AWS profiles say beyond them. The one place of
//! this crate that may read the environment and the users' files of credentials, and only in
//! [`Credentials::ambient`], which a program calls once and openly. Must not open stores.
//!
//! Invariants: no secret is ever in `Debug`, an error or a log; what the environment says wins over
//! files. A file that can't be understood is an error only for a store that would need it.

mod ambient;
mod aws;
mod connection;
mod ini;
mod process;
mod profile;
mod setting;
mod sts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use object_store::aws::AwsCredentialProvider;
use object_store::client::HttpClient;
use zeroize::Zeroizing;

use self::profile::Source;
use crate::options::Now;
use crate::{Error, ErrorKind, Result};

pub use self::ambient::SETTABLE;
pub use self::setting::{Known, Setting};

/// Settings of the clouds by the names of their usual environment variables
/// (`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`), and the
/// profile of AWS that is in force.
#[derive(Clone, Default)]
pub struct Credentials {
    variables: BTreeMap<String, Variable>,
    /// Where keys come from that no variable holds; or why they don't.
    profile: Option<std::result::Result<Arc<Source>, String>>,
}

#[derive(Clone)]
struct Variable {
    value: Zeroizing<String>,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller gave it.
    Given,
    /// The process's environment.
    Environment,
    /// A file: its path, and the profile in it.
    File(String),
    /// Another variable, of this name, that holds several values.
    Part(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given"),
            Self::Environment => f.write_str("environment"),
            Self::File(file) => f.write_str(file),
            Self::Part(whole) => write!(f, "part of {whole}"),
        }
    }
}

/// How the keys of a provider are found, for people: without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What it is: `static keys`, `role arn:...`.
    pub what: String,
    /// Where that is said.
    pub origin: Option<Origin>,
}

impl Credentials {
    /// Nothing is known; what needs a credential fails and says so, or asks the machine it runs on.
    pub fn none() -> Self {
        Self::default()
    }

    /// From variables that the caller has.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut credentials = Self::default();
        for (name, value) in variables {
            credentials.set(&name, value, Origin::Given);
        }
        credentials.spread();
        credentials
    }

    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// All variables whose names begin with `prefix`.
    pub(crate) fn variables(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.variables.iter();
        let all = all.map(|(name, variable)| (name.as_str(), variable.value.as_str()));
        all.filter(move |(name, _)| name.starts_with(prefix))
    }

    /// Where a variable comes from, if it is known.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.variables.get(name).map(|variable| &variable.origin)
    }

    /// Keys for S3 that `object_store` would not find by itself: a profile's, by whatever way it
    /// names. They are renewed five minutes before they expire. `None` leaves it to the variables and
    /// to the machine.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when a profile was asked for, or would be used, and is wrong.
    pub(crate) fn aws_provider(
        &self,
        http: &HttpClient,
        now: &Now,
    ) -> Result<Option<AwsCredentialProvider>> {
        match &self.profile {
            Some(Ok(source)) => aws::provider(source, self.sts(), http, now).map(Some),
            Some(Err(reason)) => Err(Error::new(ErrorKind::Invalid, "find", "AWS credentials")
                .with_detail(reason.clone())),
            None if self.has_no_machine() => {
                Err(Error::new(ErrorKind::Denied, "find", "AWS credentials").with_detail(NO_KEYS))
            }
            None => Ok(None),
        }
    }

    /// Where roles are assumed.
    fn sts(&self) -> sts::Service {
        let region = setting::REGION.iter().find_map(|name| self.variable(name));
        sts::Service::new(region, self.variable("AWS_ENDPOINT_URL_STS"))
    }

    /// Whether nothing is said and the machine must not be asked.
    fn has_no_machine(&self) -> bool {
        let is_true =
            |name| self.variable(name).is_some_and(|value| setting::flag(value) == Some(true));
        let asks = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"];
        let asks = asks.iter().any(|name| self.variables.contains_key(*name))
            || self.variables("AWS_CONTAINER_CREDENTIALS_").next().is_some();
        is_true("AWS_EC2_METADATA_DISABLED") && !is_true("AWS_SKIP_SIGNATURE") && !asks
    }

    fn set(&mut self, name: &str, value: String, origin: Origin) {
        let value = Zeroizing::new(value);
        self.variables.insert(name.to_owned(), Variable { value, origin });
    }

    /// As [`Self::set`], unless it is known.
    fn set_default(&mut self, name: &str, value: &str, origin: &Origin) {
        if !self.variables.contains_key(name) {
            self.set(name, value.to_owned(), origin.clone());
        }
    }

    /// Other names of the same, and the parts of what holds several values.
    fn spread(&mut self) {
        const SAME: [(&str, &str); 7] = [
            ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
            ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
            ("AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
            ("IDENTITY_ENDPOINT", "AZURE_IDENTITY_ENDPOINT"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_METADATA_ENDPOINT"),
            ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"),
            ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"),
        ];
        for (name, same) in SAME {
            if let Some(Variable { value, origin }) = self.variables.get(name).cloned() {
                self.set_default(same, &value, &origin);
            }
        }
        if let Some(host) = self.variable("STORAGE_EMULATOR_HOST").map(str::to_owned) {
            // Often given bare, and meant without TLS.
            let url = if host.contains("://") { host } else { format!("http://{host}") };
            let origin = Origin::Part("STORAGE_EMULATOR_HOST");
            self.set_default("GOOGLE_BASE_URL", &url, &origin);
            self.set_default("GOOGLE_ALLOW_HTTP", "true", &origin);
        }
        let whole = self.variable("AZURE_STORAGE_CONNECTION_STRING").map(str::to_owned);
        if let Some(whole) = whole.map(Zeroizing::new) {
            for (name, value) in connection::parts(&whole) {
                self.set_default(name, &value, &Origin::Part("AZURE_STORAGE_CONNECTION_STRING"));
            }
        }
    }
}

const NO_KEYS: &str = "there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE \
     (the machine's own identity is not asked, because AWS_EC2_METADATA_DISABLED is set)";

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names alone: each value may be a secret.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
