//! The blocking door to the store: one store, one runtime, counted requests.
//!
//! Knows keys and bytes, not what they mean. Every method blocks the calling thread and must not be
//! called from inside an async task.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::{Either, select, try_join};
use lifeboat_format::config::CONFIG_MAX;
use lifeboat_format::key::{INDEX, ObjectKey, TREES};
use lifeboat_store::layer::cache::{Cache, CacheStore};
use lifeboat_store::layer::meter::Meter;
use lifeboat_store::{ErrorKind, Listed, ObjectInfo, Payload, Store};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, Kind, Result};

/// How many threads drive the store's traffic; the work on bytes is done elsewhere.
const RUNTIME_THREADS: usize = 2;
/// How many small requests wait for the store at once. Sixteen of a few KiB each hide the latency of a
/// continent, and no store minds them.
pub(crate) const TOGETHER: usize = 16;
/// How many large requests of one reader wait at once, and for how many bytes, unless one alone is larger.
const LARGE_TOGETHER: usize = 4;
const LARGE_BYTES: u64 = 8 << 20;

/// A store, reached from plain threads.
#[derive(Clone)]
pub struct Io {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    /// What is kept on this machine, and the store without it.
    kept: Option<(Cache, Arc<dyn Store>)>,
    meter: Meter,
    // Dropped without waiting: a put that hangs must not keep a failed run from ending.
    runtime: Option<Runtime>,
    handle: Handle,
    /// What `config` says, once it was read: it never changes.
    config: OnceLock<Bytes>,
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
        Self::build(store, None, meter)
    }

    /// As [`Io::metered`], with a cache of index segments and trees, and of what else is kept. For who only
    /// reads: it hides that an object is lost, so whoever writes, judges or removes must not have one.
    ///
    /// # Errors
    /// As [`Io::new`].
    pub fn cached(store: Arc<dyn Store>, meter: Meter, cache: Cache) -> Result<Self> {
        let never_changes = |key: &str| key.starts_with(INDEX) || key.starts_with(TREES);
        let cached = CacheStore::new(Arc::clone(&store), cache.clone(), never_changes);
        Self::build(Arc::new(cached), Some((cache, store)), meter)
    }

    fn build(
        store: Arc<dyn Store>,
        kept: Option<(Cache, Arc<dyn Store>)>,
        meter: Meter,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_name("lifeboat-io")
            .enable_all()
            .build()
            .map_err(|cause| {
                Error::new(Kind::Internal, "start the runtime for", store.describe()).because(cause)
            })?;
        let handle = runtime.handle().clone();
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                kept,
                meter,
                runtime: Some(runtime),
                handle,
                config: OnceLock::new(),
            }),
        })
    }

    /// The bytes of `config`, asked for once: who looks which repository it is opens it next.
    ///
    /// # Errors
    /// As of [`get_at_most`](Self::get_at_most).
    pub fn config(&self) -> Result<Bytes> {
        if let Some(known) = self.inner.config.get() {
            return Ok(known.clone());
        }
        let key = ObjectKey::Config;
        let bytes = match self.kept(&key.to_string()) {
            Some(bytes) if self.is_still(&key, &bytes)? => bytes,
            before => {
                // Another repository is here now: nothing that is kept is of it.
                before.inspect(|_| self.forget_kept(""));
                let bytes = self.get_at_most(&key, CONFIG_MAX as u64)?;
                self.keep(&key.to_string(), &bytes);
                bytes
            }
        };
        Ok(self.inner.config.get_or_init(|| bytes).clone())
    }

    /// What is kept on this machine under this name. It may be of another repository that was here, or of a log that was
    /// put back: whoever uses it has to know by what it is proven, or asks whether it [still is](Self::is_still) so.
    pub(crate) fn kept(&self, name: &str) -> Option<Bytes> {
        self.inner.kept.as_ref()?.0.get(name)
    }

    /// Keeps this on this machine, if anything is.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) {
        if let Some((cache, _)) = &self.inner.kept {
            cache.keep(name, bytes);
        }
    }

    /// Lets go of what is kept under names that begin with `prefix`.
    pub(crate) fn forget_kept(&self, prefix: &str) {
        if let Some((cache, _)) = &self.inner.kept {
            cache.forget(prefix);
        }
    }

    /// Whether the object begins with these bytes in the store itself, by one request. What is signed or chained by its
    /// hash is the same object then: nothing can follow.
    ///
    /// # Errors
    /// The store's, but for those that say that there are no such bytes.
    pub(crate) fn is_still(&self, key: &ObjectKey, bytes: &Bytes) -> Result<bool> {
        let store = self.inner.kept.as_ref().map_or(&self.inner.store, |(_, store)| store);
        match self.block_on(store.get_range(&key.to_string(), 0..bytes.len() as u64)) {
            Ok(found) => Ok(found == bytes),
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::Range) => {
                Ok(false)
            }
            Err(cause) => Err(Error::store("read", cause)),
        }
    }

    /// Where the objects are, for messages.
    pub fn describe(&self) -> String {
        self.inner.store.describe()
    }

    /// What the store was asked so far; nothing, if it does not count.
    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// Whether the store is a service of others, whose requests take a way and cost something.
    pub fn is_service(&self) -> bool {
        self.inner.meter.prices().is_some()
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

    /// The object's bytes, of which there may be at most `bytes_max`; a larger object is given up as
    /// soon as its size is known. Size and bytes are asked for side by side.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when it is larger, [`Kind::NotFound`], or the store's own.
    pub fn get_at_most(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes> {
        let (name, store) = (key.to_string(), &self.inner.store);
        let failed = |operation| move |cause| Error::store(operation, cause);
        let within = |size| {
            if size <= bytes_max {
                return Ok(());
            }
            let reason =
                format!("it has {size} bytes, and no such object has more than {bytes_max}");
            Err(Error::new(Kind::Corrupt, "read", key).because(reason))
        };
        self.block_on(async {
            let (head, get) = (pin!(store.head(&name)), pin!(store.get(&name)));
            match select(head, get).await {
                Either::Left((info, get)) => {
                    within(info.map_err(failed("look at"))?.size)?;
                    get.await.map_err(failed("read"))
                }
                Either::Right((bytes, _head)) => {
                    let bytes = bytes.map_err(failed("read"))?;
                    within(bytes.len() as u64).map(|()| bytes)
                }
            }
        })
    }

    /// Some of the object's bytes, all of them there or an error.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] when the object is shorter, [`Kind::NotFound`], or the store's own.
    pub fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes> {
        self.block_on(self.inner.store.get_range(&key.to_string(), range))
            .map_err(|cause| Error::store("read", cause))
    }

    /// Two ranges of the object, asked for side by side.
    ///
    /// # Errors
    /// As [`Io::get_range`].
    pub async fn two_ranges(
        &self,
        key: &ObjectKey,
        first: Range<u64>,
        second: Range<u64>,
    ) -> Result<(Bytes, Bytes)> {
        let (key, store) = (key.to_string(), &self.inner.store);
        try_join(store.get_range(&key, first), store.get_range(&key, second))
            .await
            .map_err(|cause| Error::store("read", cause))
    }

    /// Calls `each` with every range's bytes, in the order of `ranges`; a few are asked for ahead.
    ///
    /// # Errors
    /// As [`Io::get_range`], or what `each` returns.
    pub fn each_range(
        &self,
        key: &ObjectKey,
        ranges: impl IntoIterator<Item = Range<u64>>,
        mut each: impl FnMut(Bytes) -> Result<()>,
    ) -> Result<()> {
        let mut ranges = ranges.into_iter().peekable();
        let (mut flying, mut bytes) = (VecDeque::new(), 0);
        loop {
            let len = |range: &Range<u64>| range.end.saturating_sub(range.start);
            while flying.len() < LARGE_TOGETHER
                && let Some(range) =
                    ranges.next_if(|next| flying.is_empty() || bytes + len(next) <= LARGE_BYTES)
            {
                bytes += len(&range);
                let len = len(&range);
                let (name, store) = (key.to_string(), Arc::clone(&self.inner.store));
                let request = self.begin(async move { store.get_range(&name, range).await });
                flying.push_back((request, len));
            }
            let Some((request, len)) = flying.pop_front() else { return Ok(()) };
            let answer = request.wait(self, key)?;
            bytes -= len;
            each(answer.map_err(|cause| Error::store("read", cause))?)?;
        }
    }

    /// Begins a request; letting the value go gives it up.
    pub(crate) fn begin<F>(&self, future: F) -> Request<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Request(self.spawn(future))
    }

    /// What `work`, which reads from the store, makes of each item, in their order. Up to sixteen
    /// items are worked on at once, on threads of their own: for few and small reads.
    pub fn each_of<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        if items.len() < 2 {
            return items.iter().map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let run = || {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(place) else { return };
                let made = work(item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((place, made));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..items.len().min(TOGETHER) {
                // Where the system allows no more threads, there are fewer.
                if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                    break;
                }
            }
            run();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, made)| made).collect()
    }

    /// What both closures return, which run at once: for two reads that do not need each other.
    pub fn both<A, B: Send>(
        &self,
        one: impl FnOnce() -> A,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        std::thread::scope(|scope| {
            let other = scope.spawn(other);
            let one = one();
            (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Runs `work`, which may block, beside the caller; nobody waits for it.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.inner.handle.spawn_blocking(work));
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

/// A request that is on its way, whoever waits for it.
#[derive(Debug)]
pub(crate) struct Request<T>(JoinHandle<T>);

impl<T> Request<T> {
    /// What came of it, on the calling thread; `subject` is for the error that nobody expects.
    pub(crate) fn wait(mut self, io: &Io, subject: impl fmt::Display) -> Result<T> {
        io.block_on(&mut self.0)
            .map_err(|cause| Error::new(Kind::Internal, "wait for", subject).because(cause))
    }
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
