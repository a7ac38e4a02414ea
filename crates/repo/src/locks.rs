//! Locks: what a repository puts can't be deleted before its time, by nobody.
//!
//! `config` says how and for how long. Every object is locked by its put; what still counts is locked anew in time
//! ([`extend()`]), what the collector lets go of waits for the end of its lock (`left`), and what somebody has hidden or put
//! something over is brought back ([`restore()`]). Knows the store's locks and versions, the log and object keys; no chunks.
//!
//! Invariant: nothing here shortens a lock, and nothing deletes a version that counts.

mod extend;
pub(crate) mod left;
mod restore;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lifeboat_format::config::{Config, Lock};
use lifeboat_store::locking::{self, Locking};
use lifeboat_store::options::{LockMode, ObjectLock};

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::Repository;

pub use self::extend::{ExtendReport, When, extend};
pub use self::restore::{RestoreOptions, RestoreReport, restore};

/// How the objects of a repository are locked; `None` if they are not, or in a way that this version does not know.
pub(crate) fn of_config(config: &Config) -> Option<ObjectLock> {
    let lock = config.lock.as_ref()?;
    let mode = match lock.mode.as_str() {
        Lock::GOVERNANCE => LockMode::Governance,
        Lock::COMPLIANCE => LockMode::Compliance,
        _ => return None,
    };
    Some(ObjectLock { mode, period: Duration::from_secs(lock.seconds) })
}

/// The same as `config` says it.
pub(crate) fn to_config(lock: ObjectLock) -> Lock {
    let mode = match lock.mode {
        LockMode::Governance => Lock::GOVERNANCE,
        LockMode::Compliance => Lock::COMPLIANCE,
    };
    Lock { mode: mode.to_owned(), seconds: lock.period.as_secs() }
}

/// Locks from now on whatever is put; `None`, or why that can't be.
pub(crate) fn begin(io: &Io, config: &Config) -> Option<Error> {
    let lock = of_config(config)?;
    match of_store(io) {
        Ok(locking) => {
            locking.lock_new(Some(lock));
            None
        }
        Err(error) => Some(error),
    }
}

/// The locks of the store.
pub(crate) fn of_store(io: &Io) -> Result<Arc<dyn Locking>> {
    locking::of(io.store()).map_err(|cause| Error::store("lock objects in", cause))
}

/// The lock of a repository that has one, and the store's locks.
///
/// # Errors
/// [`Kind::Invalid`] if its objects are not locked.
fn of_repository(repository: &Repository) -> Result<(ObjectLock, Arc<dyn Locking>)> {
    let Some(lock) = of_config(repository.config()) else {
        return Err(Error::new(Kind::Invalid, "extend locks in", repository.io().describe())
            .because("its objects are not locked")
            .hint("locks are chosen when a repository is made: 'init --lock'"));
    };
    Ok((lock, of_store(repository.io())?))
}

/// Seconds since 1970, by the clock of this machine.
fn now(repository: &Repository) -> u64 {
    u64::try_from(repository.clock().now().secs).unwrap_or(0)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
