//! A store that counts requests, failures and bytes by verb.
//!
//! Counting costs a few atomic additions a call and no lock.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// What was counted of one verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerbMetrics {
    /// Calls made, whatever became of them.
    pub requests: u64,
    /// Calls that ended with an error (of a list: before its first object).
    pub failures: u64,
    /// Bytes of content put or got by calls that succeeded.
    pub bytes: u64,
}

/// What was counted, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    verbs: [VerbMetrics; Verb::ALL.len()],
}

impl Metrics {
    /// The numbers of one verb.
    pub fn of(&self, verb: Verb) -> VerbMetrics {
        self.verbs[verb as usize]
    }

    /// All calls made.
    pub fn requests(&self) -> u64 {
        self.verbs.iter().map(|verb| verb.requests).sum()
    }

    /// All bytes of content that came from the store.
    pub fn bytes_got(&self) -> u64 {
        self.of(Verb::Get).bytes + self.of(Verb::GetRange).bytes
    }

    /// All bytes of content that went to the store.
    pub fn bytes_put(&self) -> u64 {
        self.of(Verb::Put).bytes
    }

    /// What was counted after `earlier` was taken from the same store.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut verbs = self.verbs;
        for (verb, before) in verbs.iter_mut().zip(&earlier.verbs) {
            verb.requests -= before.requests;
            verb.failures -= before.failures;
            verb.bytes -= before.bytes;
        }
        Self { verbs }
    }
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    failures: AtomicU64,
    bytes: AtomicU64,
}

/// A store and the numbers of what it was asked; clones share both.
#[derive(Clone, Debug)]
pub struct MetricsStore {
    inner: Arc<dyn Store>,
    counters: Arc<[Counters; Verb::ALL.len()]>,
}

impl MetricsStore {
    /// Counts the calls to `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, counters: Arc::default() }
    }

    /// The numbers as they are now; calls under way are counted as requests only.
    pub fn snapshot(&self) -> Metrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Metrics {
            verbs: self.counters.each_ref().map(|counters| VerbMetrics {
                requests: read(&counters.requests),
                failures: read(&counters.failures),
                bytes: read(&counters.bytes),
            }),
        }
    }

    async fn count<T>(
        &self,
        verb: Verb,
        call: impl Future<Output = Result<T>> + Send,
        size: impl Fn(&T) -> u64 + Send,
    ) -> Result<T> {
        let counters = &self.counters[verb as usize];
        counters.requests.fetch_add(1, Ordering::Relaxed);
        let result = call.await;
        match &result {
            Ok(value) => counters.bytes.fetch_add(size(value), Ordering::Relaxed),
            Err(_) => counters.failures.fetch_add(1, Ordering::Relaxed),
        };
        result
    }
}

#[async_trait]
impl Store for MetricsStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let size = data.len();
        self.count(Verb::Put, self.inner.put_new(key, data), |()| size).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.count(Verb::Get, self.inner.get(key), |bytes| bytes.len() as u64).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let call = self.inner.get_range(key, range);
        self.count(Verb::GetRange, call, |bytes| bytes.len() as u64).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.count(Verb::Head, self.inner.head(key), |_| 0).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.count(Verb::List, self.inner.list(prefix), |_| 0).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.count(Verb::Delete, self.inner.delete(key), |()| 0).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
