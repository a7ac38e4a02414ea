//! The blocking door to the store: one store, one runtime, counted requests.
//!
//! Knows keys and bytes, not what they mean. Every method blocks the calling thread and must not be
//! called from inside an async task.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use lifeboat_format::key::ObjectKey;
use lifeboat_store::layer::meter::Meter;
use lifeboat_store::{Listed, ObjectInfo, Payload, Store};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, Kind, Result};

/// How many threads drive the store's traffic; the work on bytes is done elsewhere.
const RUNTIME_THREADS: usize = 2;

/// A store, reached from plain threads.
#[derive(Clone)]
pub struct Io {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    meter: Meter,
    // Dropped without waiting: a put that hangs must not keep a failed run from ending.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Io {
    /// Starts a small runtime for the traffic of `store`.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the system refuses to start its threads.
    pub fn new(store: Arc<dyn Store>) -> Result<Self> {
        Self::metered(store, Meter::new())
    }

    /// As [`Io::new`], for a store that counts in `meter` what it is asked.
    ///
    /// # Errors
    /// As [`Io::new`].
    pub fn metered(store: Arc<dyn Store>, meter: Meter) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("lifeboat-io")
            .enable_all()
            .build()
            .map_err(|cause| {
                Error::new(Kind::Internal, "start the runtime for", store.describe()).because(cause)
            })?;
        let handle = runtime.handle().clone();
        Ok(Self { inner: Arc::new(Inner { store, meter, runtime: Some(runtime), handle }) })
    }

    /// Where the objects are, for messages.
    pub fn describe(&self) -> String {
        self.inner.store.describe()
    }

    /// What the store was asked so far; nothing, if it does not count.
    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// The store itself.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Waits for `future` on the calling thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner.handle.block_on(future)
    }

    /// Runs `future` beside the caller.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.handle.spawn(future)
    }

    /// Creates the object; never replaces one.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] when there is one of that key, or the store's own.
    pub fn put_new(&self, key: &ObjectKey, data: Payload) -> Result<()> {
        self.block_on(self.inner.store.put_new(&key.to_string(), data))
            .map_err(|cause| Error::store("put", cause))
    }

    /// Creates the object; never replaces one. Until [`Io::sync`] has returned, a power cut may undo
    /// or damage it.
    ///
    /// # Errors
    /// As [`Io::put_new`].
    pub fn put_soon(&self, key: &ObjectKey, data: Payload) -> Result<()> {
        self.block_on(self.inner.store.put_soon(&key.to_string(), data))
            .map_err(|cause| Error::store("put", cause))
    }

    /// Makes durable whatever was put before the call.
    ///
    /// # Errors
    /// The store's own: nothing that was put since the last sync may then be relied on.
    pub fn sync(&self) -> Result<()> {
        self.block_on(self.inner.store.sync()).map_err(|cause| Error::store("make durable", cause))
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or the store's own.
    pub fn get(&self, key: &ObjectKey) -> Result<Bytes> {
        self.block_on(self.inner.store.get(&key.to_string()))
            .map_err(|cause| Error::store("read", cause))
    }

    /// The object's bytes, of which there may be at most `bytes_max`; a larger object is not fetched.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when it is larger, [`Kind::NotFound`], or the store's own.
    pub fn get_at_most(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes> {
        let size = self.head(key)?.size;
        if size > bytes_max {
            let reason =
                format!("it has {size} bytes, and no such object has more than {bytes_max}");
            return Err(Error::new(Kind::Corrupt, "read", key).because(reason));
        }
        self.get(key)
    }

    /// Some of the object's bytes, all of them there or an error.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when the object is shorter, [`Kind::NotFound`], or the store's own.
    pub fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes> {
        self.block_on(self.inner.store.get_range(&key.to_string(), range))
            .map_err(|cause| Error::store("read", cause))
    }

    /// The object's size and time.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or the store's own.
    pub fn head(&self, key: &ObjectKey) -> Result<ObjectInfo> {
        self.block_on(self.inner.store.head(&key.to_string()))
            .map_err(|cause| Error::store("look at", cause))
    }

    /// Removes the object for good.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none, as far as the store can tell, or the store's own.
    pub fn delete(&self, key: &ObjectKey) -> Result<()> {
        self.block_on(self.inner.store.delete(&key.to_string()))
            .map_err(|cause| Error::store("delete", cause))
    }

    /// Calls `each` for every object whose key begins with `prefix`, in no promised order.
    ///
    /// # Errors
    /// What `each` returns, or the store's own.
    pub fn list(&self, prefix: &str, mut each: impl FnMut(Listed) -> Result<()>) -> Result<()> {
        self.block_on(async {
            let mut stream =
                self.inner.store.list(prefix).await.map_err(|cause| Error::store("list", cause))?;
            while let Some(listed) =
                stream.try_next().await.map_err(|cause| Error::store("list", cause))?
            {
                each(listed)?;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Io({})", self.describe())
    }
}
