//! One suite of checks that every store must pass before a repository is kept in it.
//!
//! Knows the [`Store`] trait's promises and nothing of any store. It runs in tests against memory
//! and directories, and can be run against a real bucket: it writes below one prefix (some 40 MiB and
//! 1200 small objects) and removes what it wrote. It can prove a store wrong, never right: races are tried, not ruled
//! out.

mod bulk;
mod checks;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures::TryStreamExt;

use crate::{Error, ErrorKind, Store};

/// A promise that the store did not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The check's name.
    pub check: &'static str,
    /// What was expected and what happened.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// Runs every check on `store`, below `prefix` (such as `"probe/"`), under which nothing may be.
/// Needs a tokio runtime; its checks run one after the other.
///
/// # Errors
/// The checks that failed, each with the first thing that was wrong.
pub async fn run(store: &Arc<dyn Store>, prefix: &str) -> Result<(), Vec<Failure>> {
    let mut failures = Vec::new();
    for (name, check) in checks::ALL {
        let place = Place { store: Arc::clone(store), prefix: format!("{prefix}{name}/") };
        let outcome = check(&place).await.and(place.clear().await);
        if let Err(what) = outcome {
            failures.push(Failure { check: name, what });
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// The part of the store that one check has for itself.
struct Place {
    store: Arc<dyn Store>,
    prefix: String,
}

type Outcome = Result<(), String>;
type Check = for<'a> fn(&'a Place) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

impl Place {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self, name: &str, bytes: &'static [u8]) -> Outcome {
        self.store.put_new(&self.key(name), bytes.into()).await.map_err(text)
    }

    /// The names below `prefix` (without the place's own), sorted.
    async fn names(&self, prefix: &str) -> Result<Vec<String>, String> {
        let listed = self.store.list(&self.key(prefix)).await.map_err(text)?;
        let listed: Vec<_> = listed.try_collect().await.map_err(text)?;
        let strip = |key: String| {
            key.strip_prefix(&self.prefix).map(ToOwned::to_owned).ok_or(format!("listed {key}"))
        };
        let mut names: Vec<String> =
            listed.into_iter().map(|listed| strip(listed.key)).collect::<Result<_, _>>()?;
        names.sort_unstable();
        Ok(names)
    }

    async fn clear(&self) -> Outcome {
        let keys: Vec<_> = self.names("").await?.iter().map(|name| self.key(name)).collect();
        match self.store.delete_many(&keys).await.into_iter().next() {
            Some(error) => Err(text(error)),
            None => Ok(()),
        }
    }
}

fn text(error: Error) -> String {
    error.to_string()
}

/// The call must have failed, and with this kind of error.
fn fails<T>(what: &str, kind: ErrorKind, result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Err(format!("{what} succeeded; expected {kind:?}")),
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(format!("{what}: expected {kind:?}, got {:?}: {error}", error.kind())),
    }
}

fn same<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

#[cfg(test)]
mod tests;
