//! A store that counts calls, failures, bytes and times by verb.
//!
//! The outermost layer: what it counts is what was asked for, not what that took below.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::Instant;

use crate::layer::meter::Meter;
use crate::locking::Locking;
use crate::{Error, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// A store whose calls are counted.
#[derive(Clone, Debug)]
pub struct MetricsStore {
    inner: Arc<dyn Store>,
    meter: Meter,
}

impl MetricsStore {
    /// Counts the calls to `inner` in `meter`.
    pub fn new(inner: Arc<dyn Store>, meter: Meter) -> Self {
        Self { inner, meter }
    }

    async fn count<T>(
        &self,
        verb: Verb,
        call: impl Future<Output = Result<T>> + Send,
        size: impl Fn(&T) -> u64 + Send,
    ) -> Result<T> {
        self.meter.call_begins(verb);
        let begun = Instant::now();
        let result = call.await;
        let bytes = result.as_ref().map_or(0, size);
        self.meter.call_ends(verb, begun.elapsed(), bytes, u64::from(result.is_err()));
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
        let listed = self.count(Verb::List, self.inner.list(prefix), |_| 0).await?;
        let meter = self.meter.clone();
        let counted = listed.inspect(move |object| {
            if object.is_err() {
                meter.call_fails_late(Verb::List);
            }
        });
        Ok(counted.boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.count(Verb::Delete, self.inner.delete(key), |()| 0).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let size = data.len();
        self.count(Verb::PutSoon, self.inner.put_soon(key, data), |()| size).await
    }

    async fn sync(&self) -> Result<()> {
        self.count(Verb::Sync, self.inner.sync(), |()| 0).await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        self.meter.call_begins(Verb::DeleteMany);
        let begun = Instant::now();
        let failed = self.inner.delete_many(keys).await;
        self.meter.call_ends(Verb::DeleteMany, begun.elapsed(), 0, failed.len() as u64);
        failed
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.count(Verb::Copy, self.inner.copy_new(from, to), |()| 0).await
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
