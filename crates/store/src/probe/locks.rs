//! Locks, tried out: does the store really keep what is locked, and lets nobody shorten that?
//!
//! Knows the traits of the store alone. What it puts is locked for some minutes, since a lock that is enforced can't be
//! removed before; a delete hides it until then.

use std::sync::Arc;
use std::time::Duration;

use crate::locking::{self, Locking};
use crate::options::{LockMode, Now, ObjectLock};
use crate::{ErrorKind, Result, Store};

/// For how long the object is locked that is put for the trial, and what that is extended to: long enough for clocks
/// that differ.
const FIRST: Duration = Duration::from_secs(5 * 60);
const EXTENDED: Duration = Duration::from_secs(10 * 60);
/// Services keep whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Puts the object `key`, locked, and tries to get rid of it; says what the store did not keep, if anything. Afterwards
/// new objects are locked as the store's options say.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if the store has no locks; those of a put, with the store's reason for taking no
/// lock.
pub async fn try_locks(
    store: &Arc<dyn Store>,
    key: &str,
    mode: LockMode,
    now: &Now,
) -> Result<Option<String>> {
    let locking = locking::of(store)?;
    let lock = ObjectLock { mode, period: FIRST };
    locking.lock_new(Some(lock));
    let put = store.put_new(key, b"lock".into()).await;
    locking.lock_new(None);
    put?;
    let trial = Trial { store, locking: &*locking, key, lock, now };
    let broken = trial.run().await;
    // Whatever can be removed is; the rest is hidden until its time.
    if locking::delete_for_good(&*locking, key).await.is_err() {
        let _hidden = store.delete(key).await;
    }
    broken
}

/// A trial under way.
struct Trial<'a> {
    store: &'a Arc<dyn Store>,
    locking: &'a dyn Locking,
    key: &'a str,
    lock: ObjectLock,
    now: &'a Now,
}

impl Trial<'_> {
    async fn run(&self) -> Result<Option<String>> {
        let broken = |what: &str| Ok(Some(what.to_owned()));
        let (store, locking, key) = (self.store, self.locking, self.key);
        let begun = (self.now)();
        let Some(first) = locking.locked_until(key).await? else {
            return broken("it took the lock and shows none on the object");
        };
        if first <= begun {
            return broken(
                "the lock that it shows has ended already; compare its clock with this machine's",
            );
        }
        let again = store.put_new(key, b"another".into()).await;
        if !matches!(&again, Err(error) if error.kind() == ErrorKind::AlreadyExists) {
            return broken("a second object of the same name was not refused");
        }
        let until = begun + EXTENDED;
        locking.extend(key, self.lock, until).await?;
        if locking.locked_until(key).await?.is_none_or(|shown| shown + SECOND < until) {
            return broken("a lock was extended, and is as it was");
        }
        if self.lets_shorten(first).await? {
            return broken("a lock could be shortened");
        }
        match self.lets_delete().await? {
            true => broken("a version that is locked could be deleted"),
            false => Ok(None),
        }
    }

    /// A refusal has many names; whether it was shortened is seen.
    async fn lets_shorten(&self, to: std::time::SystemTime) -> Result<bool> {
        let before = self.locking.locked_until(self.key).await?;
        match self.locking.extend(self.key, self.lock, to).await {
            Err(error) if error.is_retryable() => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(self.locking.locked_until(self.key).await? < before)
    }

    async fn lets_delete(&self) -> Result<bool> {
        let page = self.locking.versions(self.key, None).await?;
        for version in page.versions.iter().filter(|version| version.key == self.key) {
            match self.locking.delete_version(self.key, &version.id).await {
                Err(error) if error.is_retryable() => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        match self.store.head(self.key).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}
