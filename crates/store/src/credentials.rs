//! Who we are to a store: keys, tokens, and the ways to get them.
//!
//! The one place of this crate that may read the environment and the users' files of credentials, and
//! only in [`Credentials::ambient`], which a program calls once and openly. No secret is ever in
//! `Debug`, an error or a log.

use std::collections::BTreeMap;
use std::fmt;

/// Settings of the clouds by the names of their usual environment variables
/// (`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_NAME`).
#[derive(Clone, Default)]
pub struct Credentials {
    variables: BTreeMap<String, String>,
}

impl Credentials {
    /// Nothing is known; what needs a credential fails and says so.
    pub fn none() -> Self {
        Self::default()
    }

    /// From variables that the caller has.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect() }
    }

    /// The value of a variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All variables whose names begin with `prefix`.
    pub(crate) fn variables(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, _)| name.starts_with(prefix))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names alone: each value may be a secret.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
