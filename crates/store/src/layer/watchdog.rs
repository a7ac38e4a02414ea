//! A store whose calls end, one way or the other.
//!
//! Each call has a deadline by the bytes that it and those beside it have to move. It is a last
//! resort, far beyond what a slow link needs: a cloud's own transfers end sooner when nothing moves.
//! What a directory's call does on its thread can't be stopped, but the caller hears of it.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::time::timeout;

use crate::layer::adaptive::AdaptiveOptions;
use crate::layer::bandwidth::Bandwidth;
use crate::locking::Locking;
use crate::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// Deletes of many must reach this; the slowest service that was measured removes fifty a second.
const DELETES_PER_SECOND: u64 = 10;

/// What calls may take.
#[derive(Clone, Copy, Debug)]
pub struct WatchdogOptions {
    /// What a call may take that moves nothing, and each step of a list.
    pub base: Duration,
    /// Bytes a second that all calls which move bytes up must reach together, at least.
    pub up_slowest: NonZeroU64,
    /// The same for bytes down.
    pub down_slowest: NonZeroU64,
    /// What a call is expected to move whose size is not known before: a whole object.
    pub object_bytes: u64,
}

impl Default for WatchdogOptions {
    /// Decision 13 has the reasons.
    fn default() -> Self {
        const SLOWEST: NonZeroU64 = NonZeroU64::new(64 << 10).expect("not zero");
        Self {
            base: Duration::from_secs(60),
            up_slowest: SLOWEST,
            down_slowest: SLOWEST,
            object_bytes: 64 << 20,
        }
    }
}

impl WatchdogOptions {
    /// For services, whose transfers have deadlines of their own by what moves, and end when nothing
    /// moves for as long as `stall`: these are later.
    #[must_use]
    pub fn for_services(stall: Option<Duration>) -> Self {
        const SLOWEST: NonZeroU64 = NonZeroU64::new(12 << 10).expect("not zero");
        let base = Duration::from_secs(120).max(stall.unwrap_or_default() * 4);
        Self { base, up_slowest: SLOWEST, down_slowest: SLOWEST, ..Self::default() }
    }

    /// Allows for our own limits where they are lower than the slowest link that was thought of, and
    /// are shared by as many calls as may be under way.
    #[must_use]
    pub fn within(
        mut self,
        upload: &Bandwidth,
        download: &Bandwidth,
        together: AdaptiveOptions,
    ) -> Self {
        let share = |limit: NonZeroU64, calls: u32| {
            // Half of it again: shares are never quite equal.
            NonZeroU64::new(limit.get() / u64::from(calls.max(1)) / 2).unwrap_or(NonZeroU64::MIN)
        };
        if let Some(limit) = upload.slowest() {
            self.up_slowest = self.up_slowest.min(share(limit, together.put_max));
        }
        if let Some(limit) = download.slowest() {
            self.down_slowest = self.down_slowest.min(share(limit, together.get_max));
        }
        self
    }
}

/// A store whose calls have deadlines.
#[derive(Clone, Debug)]
pub struct WatchdogStore {
    inner: Arc<dyn Store>,
    options: WatchdogOptions,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    up: AtomicU64,
    down: AtomicU64,
    /// Bytes that were put since the last sync and not made durable.
    soon: AtomicU64,
}

/// Bytes that are to be moved, until it is dropped.
struct Moving<'a> {
    all: &'a AtomicU64,
    bytes: u64,
}

impl<'a> Moving<'a> {
    fn begin(all: &'a AtomicU64, bytes: u64) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self { all, bytes }
    }

    /// These bytes and all others at the moment.
    fn together(&self) -> u64 {
        self.all.load(Ordering::Relaxed).max(self.bytes)
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl WatchdogStore {
    /// Ends calls to `inner` that take too long. Needs a tokio runtime with a timer.
    pub fn new(inner: Arc<dyn Store>, options: WatchdogOptions) -> Self {
        Self { inner, options, shared: Arc::default() }
    }

    async fn up<T>(
        &self,
        (verb, key): (Verb, &str),
        bytes: u64,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let moving = Moving::begin(&self.shared.up, bytes);
        let most = self.time_for(moving.together(), self.options.up_slowest);
        within(most, verb, key, call).await
    }

    async fn down<T>(
        &self,
        (verb, key): (Verb, &str),
        bytes: u64,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let moving = Moving::begin(&self.shared.down, bytes);
        let most = self.time_for(moving.together(), self.options.down_slowest);
        within(most, verb, key, call).await
    }

    fn time_for(&self, bytes: u64, per_second: NonZeroU64) -> Duration {
        self.options.base + Duration::from_secs(bytes / per_second)
    }
}

async fn within<T>(
    most: Duration,
    verb: Verb,
    key: &str,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    timeout(most, call).await.unwrap_or_else(|_| Err(stuck(verb, key, most)))
}

fn stuck(verb: Verb, key: &str, waited: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, verb.name(), key)
        .with_detail(format!("stuck: not done after {} s; try again later", waited.as_secs()))
        .with_throttled()
}

#[async_trait]
impl Store for WatchdogStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let bytes = data.len();
        self.up((Verb::Put, key), bytes, self.inner.put_new(key, data)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.down((Verb::Get, key), self.options.object_bytes, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let bytes = range.end.saturating_sub(range.start);
        self.down((Verb::GetRange, key), bytes, self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        within(self.options.base, Verb::Head, key, self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let most = self.options.base;
        let listed = within(most, Verb::List, prefix, self.inner.list(prefix)).await?;
        let begun = (Some(listed), prefix.to_owned());
        let watched = stream::unfold(begun, move |(listed, prefix)| async move {
            let mut listed = listed?;
            match timeout(most, listed.next()).await {
                Ok(next) => Some((next?, (Some(listed), prefix))),
                Err(_) => Some((Err(stuck(Verb::List, &prefix, most)), (None, prefix))),
            }
        });
        Ok(watched.boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        within(self.options.base, Verb::Delete, key, self.inner.delete(key)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let bytes = data.len();
        self.shared.soon.fetch_add(bytes, Ordering::Relaxed);
        self.up((Verb::PutSoon, key), bytes, self.inner.put_soon(key, data)).await
    }

    /// A sync that is stuck must not be repeated: the store may have forgotten what it was about.
    async fn sync(&self) -> Result<()> {
        let soon = self.shared.soon.load(Ordering::Relaxed);
        let most = self.time_for(soon, self.options.up_slowest);
        let Ok(result) = timeout(most, self.inner.sync()).await else {
            return Err(Error::new(ErrorKind::Other, Verb::Sync.name(), self.inner.describe())
                .with_detail(format!(
                    "stuck: what was written is not durable after {} s",
                    most.as_secs()
                )));
        };
        if result.is_ok() {
            self.shared.soon.fetch_sub(soon, Ordering::Relaxed);
        }
        result
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let most = self.options.base + Duration::from_secs(keys.len() as u64 / DELETES_PER_SECOND);
        match timeout(most, self.inner.delete_many(keys)).await {
            Ok(failed) => failed,
            Err(_) => keys.iter().map(|key| stuck(Verb::DeleteMany, key, most)).collect(),
        }
    }

    /// As if the bytes went through this machine, as they do where the store can't copy.
    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let bytes = self.options.object_bytes;
        let copy = self.up((Verb::Copy, to), bytes, self.inner.copy_new(from, to));
        self.down((Verb::Copy, to), bytes, copy).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
