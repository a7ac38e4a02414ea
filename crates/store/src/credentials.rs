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

    /// What this process's environment says: the variables of the clouds and of HTTP clients, under
    /// their usual names. The one place of the library that reads the environment; a program that
    /// wants it calls this, once.
    pub fn ambient() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let all = std::env::vars_os();
        let known = all.filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            (is_known(&name) && !value.is_empty()).then_some((name, value))
        });
        Self::from_variables(known)
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

fn is_known(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names alone: each value may be a secret.
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
