//! Locks and versions: what a store that keeps objects against deletion can be asked besides.
//!
//! Knows keys, versions and times, not what the objects mean. Only S3 and its like have it; a store without gives no
//! [`Locking`], and [`of`] says so in words. Every call may be repeated: done twice is done once.
//!
//! Invariant: nothing here shortens a lock. A store that lets anybody do that has no locks worth the name, and
//! `init` finds it out by trying.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::options::ObjectLock;
use crate::{Error, ErrorKind, Result, Store};

/// One version of one object, or the marker that hides those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object's whole key.
    pub key: String,
    /// The store's name of the version.
    pub id: String,
    /// Whether it only says that the object was deleted.
    pub is_marker: bool,
    /// Whether it is what a read sees.
    pub is_latest: bool,
    /// Its length in bytes; 0 for a marker.
    pub size: u64,
    /// When it was made, by the store's own clock.
    pub modified: SystemTime,
}

/// Where a list of versions goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionMark {
    /// The last key that was told.
    pub key: String,
    /// The last version of it that was told.
    pub id: String,
}

/// A part of a list of versions: by key, those of one key the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// The versions.
    pub versions: Vec<Version>,
    /// Where the list goes on; none at its end.
    pub next: Option<VersionMark>,
}

/// What a store with locks and versions can be asked besides.
#[async_trait]
pub trait Locking: Debug + Send + Sync {
    /// From now on, whatever is put through the store is locked from its put on; with `None` as the store's options say.
    fn lock_new(&self, lock: Option<ObjectLock>);

    /// Until when the object, as a read sees it, is locked; `None` if it is not.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is none.
    async fn locked_until(&self, key: &str) -> Result<Option<SystemTime>>;

    /// Locks the object, as a read sees it, until `until`.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) if it is locked for longer, and without the right to;
    /// [`NotFound`](ErrorKind::NotFound) if there is none.
    async fn extend(&self, key: &str, lock: ObjectLock, until: SystemTime) -> Result<()>;

    /// The versions of all objects whose keys begin with `prefix`, behind `after`.
    async fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage>;

    /// All bytes of one version.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is none, or it is a marker.
    async fn get_version(&self, key: &str, id: &str) -> Result<Bytes>;

    /// Removes one version for good; one that is not there is no error. Without its newest version an object is what
    /// the one before was.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) if it is locked, and without the right to.
    async fn delete_version(&self, key: &str, id: &str) -> Result<()>;

    /// Makes the bytes of this version the newest one again, in front of whatever is there.
    async fn bring_back(&self, key: &str, id: &str) -> Result<()>;
}

/// The locks of a store.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if it has none.
pub fn of(store: &Arc<dyn Store>) -> Result<Arc<dyn Locking>> {
    store.locking().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "lock objects in", store.describe()).with_detail(
            "locks on single objects are only made on S3 and its like; for a directory, Google Cloud \
             Storage or Azure set what the place itself has (snapshots, a retention policy of the bucket or \
             container)",
        )
    })
}

/// Removes every version of the object, and every marker, so that its space is free.
///
/// # Errors
/// [`Denied`](ErrorKind::Denied) if one is locked; others are gone then.
pub async fn delete_for_good(locking: &dyn Locking, key: &str) -> Result<()> {
    let mut after = None;
    let mut refused = None;
    loop {
        let page = locking.versions(key, after.as_ref()).await?;
        // Keys that only begin alike are listed, too.
        for version in page.versions.iter().filter(|version| version.key == key) {
            match locking.delete_version(key, &version.id).await {
                Err(error) if error.kind() == ErrorKind::Denied => refused = Some(error),
                deleted => deleted?,
            }
        }
        after = page.next;
        if after.as_ref().is_none_or(|mark| mark.key != key) {
            return refused.map_or(Ok(()), Err);
        }
    }
}
