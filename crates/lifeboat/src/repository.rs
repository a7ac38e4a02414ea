//! Repositories as users of the library see them: connect, create, open, look.
//!
//! A door to the crates below, so that a program needs this crate alone. Owns no logic but how a
//! location becomes a connection.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lifeboat_codec::hash::object_hash;
use lifeboat_store::layer::cache::Cache;
use lifeboat_store::stack::{self, Mode, Stack};

pub use lifeboat_codec::{Clock, Entropy, SystemClock};
pub use lifeboat_format::keys::Secret32;
pub use lifeboat_format::keyslot::KeyFile;
pub use lifeboat_repo::io::Io;
pub use lifeboat_repo::open::{InitOptions, OpenOptions, Repository, Unlock, init, open};
pub use lifeboat_repo::slots::{KdfCost, NewSlot, SlotSecret};
pub use lifeboat_repo::view::View;
pub use lifeboat_store::credentials::Credentials;
pub use lifeboat_store::options::StoreOptions;
pub use lifeboat_store::url::Location;

use crate::error::Result;

/// Connects to the store of a repository that there is.
///
/// # Errors
/// [`Kind::NotFound`](crate::Kind::NotFound) when there is nothing at that place.
pub fn connect(location: &Location, options: &StoreOptions) -> Result<Io> {
    reach(location, options, Mode::Open)
}

/// Connects to a store for a new repository, and makes its directory if it is missing; a bucket must
/// be there.
///
/// # Errors
/// The store's, when the place can't be made.
pub fn create(location: &Location, options: &StoreOptions) -> Result<Io> {
    reach(location, options, Mode::Create)
}

/// Understands a path (relative to `directory`) or a URL.
///
/// # Errors
/// [`Kind::Invalid`](crate::Kind::Invalid) for what is neither, or holds more than a place.
pub fn locate(text: impl AsRef<OsStr>, directory: &Path) -> Result<Location> {
    let located = Location::parse(text, directory);
    Ok(located.map_err(|cause| lifeboat_repo::Error::store("find", cause))?)
}

/// What a connection to any store needs at least: a clock, and a seed of its own. Credentials and all
/// else are set by the caller; [`Credentials::ambient`] reads those of the environment.
///
/// # Errors
/// [`Kind::Unavailable`](crate::Kind::Unavailable) when the system has no randomness.
pub fn store_options(entropy: &Entropy, clock: &Arc<dyn Clock>) -> Result<StoreOptions> {
    let seed = entropy.bytes().map(u64::from_le_bytes);
    let seed = seed.map_err(|cause| lifeboat_repo::Error::codec("connect to", "a store", cause))?;
    let clock = Arc::clone(clock);
    let options = StoreOptions::new(Arc::new(move || {
        let now = clock.now();
        let seconds = Duration::from_secs(now.secs.unsigned_abs());
        let fraction = Duration::from_nanos(u64::from(now.nanos));
        let whole = match now.secs {
            0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
            _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        };
        whole.and_then(|whole| whole.checked_add(fraction)).unwrap_or(SystemTime::UNIX_EPOCH)
    }));
    Ok(StoreOptions { seed, ..options })
}

/// The directory of a repository that is one of this machine, without links in its path; `None` where
/// there is nothing, or it is elsewhere.
pub fn local_directory(location: &Location) -> Option<PathBuf> {
    match location {
        Location::Local(path) | Location::Nfs(path) => path.canonicalize().ok(),
        _ => None,
    }
}

/// As [`connect`], with a cache: for who only reads, since what is kept on this machine hides that the store has lost it. A
/// directory of this machine gets none. In `dir`, each place has a directory of its own.
///
/// # Errors
/// As [`connect`].
pub fn connect_to_read(
    location: &Location,
    options: &StoreOptions,
    dir: &Path,
    bytes_max: u64,
) -> Result<Io> {
    if matches!(location, Location::Local(_) | Location::Nfs(_)) {
        return connect(location, options);
    }
    let stack = stack_of(location, options, Mode::Open)?;
    let name = object_hash(stack.store.describe().as_bytes()).to_string();
    let cache = Cache::new(dir.join(&name[..32]), bytes_max);
    Ok(Io::cached(stack.store, stack.meter, cache)?)
}

fn reach(location: &Location, options: &StoreOptions, mode: Mode) -> Result<Io> {
    let stack = stack_of(location, options, mode)?;
    Ok(Io::metered(stack.store, stack.meter)?)
}

fn stack_of(location: &Location, options: &StoreOptions, mode: Mode) -> Result<Stack> {
    let stack = stack::open(location, options, mode);
    Ok(stack.map_err(|cause| lifeboat_repo::Error::store("connect to", cause))?)
}
