//! A store in a directory: of a local disk, or of a network file system mounted `hard`.
//!
//! Must not know what the objects mean. An object is a file of the same relative path. It is
//! written below `tmp/`, synced, published without replacing anything, and its directory is synced
//! before the put is acknowledged; what a crash leaves is at most a stale file in `tmp/`. What is put
//! *soon* is published at once and synced with others.
//!
//! Invariants: nothing is ever written over; every name is resolved from one directory that was
//! opened at the start, so that a file system that is unmounted or mounted over in the meantime
//! can't send half of the objects elsewhere; a put or delete that returned `Ok` survives a power
//! cut, a put *soon* once a sync has returned `Ok`. Many processes, also on several machines, may
//! use one directory at once.
//!
//! On a network file system (docs/decisions/0015-durability-together.md): a name that this machine
//! takes for absent is asked for at the server before that is believed; a handle that has gone
//! stale, or a server that could not be reached, is an error that is worth a retry; a create that
//! was carried out twice is known by the file's identity.

mod cause;
mod direct;
mod janitor;
mod network;
mod publish;
mod read;
mod root;
mod system;
mod together;
mod walk;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::local::root::{Root, Wanted};
use crate::options::{LocalOptions, SyncMode};
use crate::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store};
use crate::{validate_key, validate_prefix};

/// A directory as a [`Store`].
#[derive(Clone)]
pub struct LocalStore {
    root: Arc<Root>,
    options: LocalOptions,
}

impl LocalStore {
    /// Makes the directory `path` (mode 0700, with missing parents) unless it is there, makes sure
    /// that it survives a power cut, and opens it. A few quick system calls, made right here.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) if something else than a directory is in the way; as for any
    /// write otherwise.
    pub fn create(path: &Path) -> Result<Self> {
        Root::create(path, Wanted::Any).map(Self::new)
    }

    /// Opens the directory `path` without changing anything; it may be on a read-only file system.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if it does not exist, [`Invalid`](ErrorKind::Invalid) if
    /// it is not a directory.
    pub fn open(path: &Path) -> Result<Self> {
        Root::open(path, Wanted::Any).map(Self::new)
    }

    /// As [`LocalStore::create`], only on a network file system: nothing is made in an empty mount
    /// point.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if it would be on a file system of this machine, and as for
    /// [`LocalStore::create`].
    pub fn create_network(path: &Path) -> Result<Self> {
        Root::create(path, Wanted::Network).map(Self::new)
    }

    /// As [`LocalStore::open`], only on a network file system.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if it is on a file system of this machine, and as for
    /// [`LocalStore::open`].
    pub fn open_network(path: &Path) -> Result<Self> {
        Root::open(path, Wanted::Network).map(Self::new)
    }

    /// The same store, used as `options` say.
    #[must_use]
    pub fn with_options(self, options: LocalOptions) -> Self {
        Self { options, ..self }
    }

    /// Removes temporary files that nobody has written to for `older_than` by the file system's own
    /// clock; returns how many. A put that stalls for longer than that fails and can be repeated.
    /// The first put of every process removes those of a day ago.
    ///
    /// # Errors
    /// As for any delete.
    pub async fn remove_stale_temporaries(&self, older_than: Duration) -> Result<u64> {
        let root = Arc::clone(&self.root);
        blocking("clean", "tmp", move |_| janitor::remove_stale(&root, older_than)).await
    }

    fn new(root: Root) -> Self {
        Self { root: Arc::new(root), options: LocalOptions::default() }
    }

    async fn on_object<T, F>(&self, operation: &'static str, key: &str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Root, &str) -> Result<T> + Send + 'static,
    {
        validate_key(operation, key)?;
        let root = Arc::clone(&self.root);
        blocking(operation, key, move |key| work(&root, key)).await
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T, F>(operation: &'static str, key: &str, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&str) -> Result<T> + Send + 'static,
{
    let owned = key.to_owned();
    match tokio::task::spawn_blocking(move || work(&owned)).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Other, operation, key)
            .with_detail("the thread that did it ended early")
            .with_source(error)),
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore").field("path", &self.root.path()).finish()
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.on_object("put", key, move |root, key| publish::put_new(root, key, &data)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let put = match self.options.sync {
            SyncMode::Each => publish::put_new,
            SyncMode::Together => publish::put_soon,
        };
        self.on_object("put", key, move |root, key| put(root, key, &data)).await
    }

    async fn sync(&self) -> Result<()> {
        let root = Arc::clone(&self.root);
        blocking("sync", "what was put", move |_| together::sync(&root)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.on_object("get", key, read::get).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.on_object("get range", key, move |root, key| read::get_range(root, key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.on_object("head", key, read::head).await
    }

    /// As the trait has it; here the keys come in byte order.
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        validate_prefix("list", prefix)?;
        Ok(walk::list(Arc::clone(&self.root), prefix))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.on_object("delete", key, publish::delete).await
    }

    fn describe(&self) -> String {
        self.root.path().display().to_string()
    }
}

#[cfg(test)]
mod tests;
