//! Repositories as users of the library see them: connect, create, open, look.
//!
//! A door to the crates below, so that a program needs this crate alone. Owns no logic but how a
//! location becomes a connection.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_store::Store;
use lifeboat_store::layer::retry::{RetryOptions, RetryStore};
use lifeboat_store::url::Location;

pub use lifeboat_codec::{Clock, Entropy, SystemClock};
pub use lifeboat_format::keys::Secret32;
pub use lifeboat_format::keyslot::KeyFile;
pub use lifeboat_repo::io::Io;
pub use lifeboat_repo::open::{InitOptions, OpenOptions, Repository, Unlock, init, open};
pub use lifeboat_repo::slots::{KdfCost, NewSlot, SlotSecret};
pub use lifeboat_repo::view::View;

use crate::error::{Error, Result};

/// Connects to the store of a repository that there is. A path is relative to `directory`.
///
/// # Errors
/// [`Kind::NotFound`](crate::Kind::NotFound) when there is nothing at that place.
pub fn connect(location: impl AsRef<OsStr>, directory: &Path) -> Result<Io> {
    let parsed = Location::parse(location, directory).map_err(unreachable_store)?;
    wrap(parsed.open().map_err(unreachable_store)?)
}

/// Connects to a store for a new repository, and makes its directory if it is missing.
///
/// # Errors
/// The store's, when the place can't be made.
pub fn create(location: impl AsRef<OsStr>, directory: &Path) -> Result<Io> {
    let parsed = Location::parse(location, directory).map_err(unreachable_store)?;
    wrap(parsed.create().map_err(unreachable_store)?)
}

/// The directory of a repository that is one of this machine, without links in its path; `None` where
/// there is nothing, or it is elsewhere.
pub fn local_directory(location: impl AsRef<OsStr>, directory: &Path) -> Option<PathBuf> {
    match Location::parse(location, directory) {
        Ok(Location::Local(path) | Location::Nfs(path)) => path.canonicalize().ok(),
        _ => None,
    }
}

/// Every connection repeats what failed for a passing reason.
fn wrap(store: Arc<dyn Store>) -> Result<Io> {
    let seed = Entropy::os().bytes().map(u64::from_le_bytes);
    let seed = seed.map_err(|cause| lifeboat_repo::Error::codec("connect to", "a store", cause))?;
    let options = RetryOptions { seed, ..RetryOptions::default() };
    Ok(Io::new(Arc::new(RetryStore::new(store, options)))?)
}

fn unreachable_store(cause: lifeboat_store::Error) -> Error {
    lifeboat_repo::Error::store("connect to", cause).into()
}
