//! A store for the layers' tests: memory whose calls take as long and fail as a test says.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::locking::Locking;
use crate::{Error, ErrorKind, Listed, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// What happens to one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) takes: Duration,
    pub(crate) fault: Option<Fault>,
}

/// Where a call is made to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The store never saw it.
    Before(ErrorKind),
    /// As before, and the store says that it is asked too much.
    Throttled,
    /// As before, and the store asks for a pause.
    RetryAfter(Duration),
    /// It was done, and the answer was lost.
    After(ErrorKind),
    /// Another creates the object with these bytes, and the call is not answered.
    Raced(&'static [u8]),
    /// A list breaks off behind so many objects.
    Breaks(usize),
    /// A list never tells what is behind so many objects.
    Stops(usize),
}

impl From<Option<Fault>> for Fate {
    fn from(fault: Option<Fault>) -> Self {
        Self { takes: Duration::ZERO, fault }
    }
}

type Script = dyn Fn(u64, Verb) -> Fate + Send + Sync;

pub(crate) struct Scripted {
    inner: Arc<dyn Store>,
    script: Box<Script>,
    calls: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    seen: Mutex<BTreeMap<Verb, u64>>,
    /// What lists tell first, before all else.
    order: Option<Vec<&'static str>>,
}

/// Counts a call for as long as it is under way.
struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Scripted {
    /// Every call meets what `script` says of its number (from 0) and verb.
    pub(crate) fn by(script: impl Fn(u64, Verb) -> Fate + Send + Sync + 'static) -> Arc<Self> {
        Self::make(Box::new(script), None)
    }

    /// The first calls meet the faults of a list.
    pub(crate) fn new(faults: &[Option<Fault>]) -> Arc<Self> {
        let faults = faults.to_vec();
        Self::by(move |number, _| {
            let fault = usize::try_from(number).ok().and_then(|number| faults.get(number));
            fault.copied().flatten().into()
        })
    }

    /// As `new`, with lists that tell these keys first.
    pub(crate) fn listing(faults: &[Option<Fault>], order: &[&'static str]) -> Arc<Self> {
        let mut new = Arc::into_inner(Self::new(faults)).unwrap();
        new.order = Some(order.to_vec());
        Arc::new(new)
    }

    fn make(script: Box<Script>, order: Option<Vec<&'static str>>) -> Arc<Self> {
        Arc::new(Self {
            inner: crate::mem(),
            script,
            calls: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            seen: Mutex::default(),
            order,
        })
    }

    pub(crate) fn store(self: &Arc<Self>) -> Arc<dyn Store> {
        Arc::<Self>::clone(self)
    }

    /// What is really there.
    pub(crate) fn inside(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn calls_of(&self, verb: Verb) -> u64 {
        self.seen.lock().unwrap().get(&verb).copied().unwrap_or(0)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most calls that were under way at once, since the last time it was asked for.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed)
    }

    fn begin(&self, verb: Verb) -> (Fate, UnderWay<'_>) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        *self.seen.lock().unwrap().entry(verb).or_default() += 1;
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        ((self.script)(number, verb), UnderWay(&self.in_flight))
    }

    async fn meet<T>(
        &self,
        verb: Verb,
        key: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (fate, _under_way) = self.begin(verb);
        if !fate.takes.is_zero() {
            tokio::time::sleep(fate.takes).await;
        }
        let failure = |kind| Error::new(kind, verb.name(), key);
        match fate.fault {
            Some(Fault::Before(kind)) => Err(failure(kind)),
            Some(Fault::Throttled) => Err(failure(ErrorKind::Unavailable).with_throttled()),
            Some(Fault::RetryAfter(pause)) => {
                Err(failure(ErrorKind::Unavailable).with_retry_after(pause))
            }
            Some(Fault::After(kind)) => {
                drop(call.await);
                Err(failure(kind))
            }
            Some(Fault::Raced(bytes)) => {
                self.inner.put_new(key, bytes.into()).await.unwrap();
                Err(failure(ErrorKind::Unavailable))
            }
            None | Some(Fault::Breaks(_) | Fault::Stops(_)) => call.await,
        }
    }

    async fn listed(&self, prefix: &str) -> Vec<Result<Listed>> {
        let mut listed: Vec<_> = self.inner.list(prefix).await.unwrap().collect().await;
        if let Some(order) = &self.order {
            let place = |listed: &Result<Listed>| {
                let key = &listed.as_ref().unwrap().key;
                order.iter().position(|first| first == key).unwrap_or(usize::MAX)
            };
            listed.sort_by_key(place);
        }
        listed
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

#[async_trait]
impl Store for Scripted {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.meet(Verb::Put, key, self.inner.put_new(key, data)).await
    }
    async fn get(&self, key: &str) -> Result<Bytes> {
        self.meet(Verb::Get, key, self.inner.get(key)).await
    }
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.meet(Verb::GetRange, key, self.inner.get_range(key, range)).await
    }
    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.meet(Verb::Head, key, self.inner.head(key)).await
    }
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let number = self.calls();
        let fault = (self.script)(number, Verb::List).fault;
        self.meet(Verb::List, prefix, async { Ok(()) }).await?;
        let listed = self.listed(prefix).await;
        let broken = Error::new(ErrorKind::Unavailable, "list", prefix);
        Ok(match fault {
            Some(Fault::Breaks(behind)) => {
                let whole = stream::iter(listed.into_iter().take(behind));
                whole.chain(stream::iter([Err(broken)])).boxed()
            }
            Some(Fault::Stops(behind)) => {
                stream::iter(listed.into_iter().take(behind)).chain(stream::pending()).boxed()
            }
            _ => stream::iter(listed).boxed(),
        })
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.meet(Verb::Delete, key, self.inner.delete(key)).await
    }
    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.meet(Verb::PutSoon, key, self.inner.put_soon(key, data)).await
    }
    async fn sync(&self) -> Result<()> {
        self.meet(Verb::Sync, "", self.inner.sync()).await
    }
    /// Fails for every second key, if it is to fail.
    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let first = keys.first().map_or("", String::as_str);
        let Err(error) = self.meet(Verb::DeleteMany, first, async { Ok(()) }).await else {
            return self.inner.delete_many(keys).await;
        };
        let (fail, done): (Vec<_>, Vec<_>) =
            keys.iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let done: Vec<String> = done.into_iter().map(|(_, key)| key.clone()).collect();
        let mut failed = self.inner.delete_many(&done).await;
        failed.extend(fail.into_iter().map(|(_, key)| Error::new(error.kind(), "delete", key)));
        failed
    }
    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.meet(Verb::Copy, to, self.inner.copy_new(from, to)).await
    }
    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
