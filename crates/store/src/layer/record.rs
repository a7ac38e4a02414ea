//! A store that writes down every call, so that a test can ask what was done and in which order.
//!
//! Keeps verbs, keys, ranges and outcomes, never bytes. Grows with every call: for tests.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::locking::Locking;
use crate::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// One call, in the order in which calls were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked for.
    pub verb: Verb,
    /// The object's key, the prefix of a list, the first key of a delete of many, the new object's of
    /// a copy; nothing for a sync.
    pub key: String,
    /// The bytes asked for, of a [`Verb::GetRange`].
    pub range: Option<Range<u64>>,
    /// How it ended: with so many bytes of content moved, or an error. `None` until it has.
    pub outcome: Option<Result<u64, ErrorKind>>,
}

/// A store and the calls made to it; clones share both.
#[derive(Clone, Debug)]
pub struct RecordStore {
    inner: Arc<dyn Store>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl RecordStore {
    /// Records the calls to `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, calls: Arc::default() }
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.locked().clone()
    }

    /// The keys that `verb` was called with, in order.
    pub fn keys(&self, verb: Verb) -> Vec<String> {
        let calls = self.locked();
        calls.iter().filter(|call| call.verb == verb).map(|call| call.key.clone()).collect()
    }

    /// How often `verb` was called.
    pub fn count(&self, verb: Verb) -> usize {
        self.locked().iter().filter(|call| call.verb == verb).count()
    }

    /// Forgets all calls so far. A call that has not ended yet is forgotten, too.
    pub fn clear(&self) {
        self.locked().clear();
    }

    fn begin(&self, verb: Verb, key: &str, range: Option<Range<u64>>) -> usize {
        let mut calls = self.locked();
        calls.push(Call { verb, key: key.to_owned(), range, outcome: None });
        calls.len() - 1
    }

    fn end<T>(&self, call: usize, result: Result<T>, size: impl Fn(&T) -> u64) -> Result<T> {
        let outcome = result.as_ref().map(size).map_err(|error| error.kind());
        if let Some(call) = self.locked().get_mut(call) {
            call.outcome = Some(outcome);
        }
        result
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_bytes<T>(_: &T) -> u64 {
    0
}

#[async_trait]
impl Store for RecordStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let call = self.begin(Verb::Put, key, None);
        let size = data.len();
        let result = self.inner.put_new(key, data).await;
        self.end(call, result, |()| size)
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        let call = self.begin(Verb::Get, key, None);
        let result = self.inner.get(key).await;
        self.end(call, result, |bytes| bytes.len() as u64)
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let call = self.begin(Verb::GetRange, key, Some(range.clone()));
        let result = self.inner.get_range(key, range).await;
        self.end(call, result, |bytes| bytes.len() as u64)
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let call = self.begin(Verb::Head, key, None);
        let result = self.inner.head(key).await;
        self.end(call, result, no_bytes)
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let call = self.begin(Verb::List, prefix, None);
        let result = self.inner.list(prefix).await;
        self.end(call, result, no_bytes)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let call = self.begin(Verb::Delete, key, None);
        let result = self.inner.delete(key).await;
        self.end(call, result, no_bytes)
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let call = self.begin(Verb::PutSoon, key, None);
        let size = data.len();
        let result = self.inner.put_soon(key, data).await;
        self.end(call, result, |()| size)
    }

    async fn sync(&self) -> Result<()> {
        let call = self.begin(Verb::Sync, "", None);
        let result = self.inner.sync().await;
        self.end(call, result, no_bytes)
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let first = keys.first().map_or("", String::as_str);
        let call = self.begin(Verb::DeleteMany, first, None);
        let failed = self.inner.delete_many(keys).await;
        let outcome = failed.first().map_or(Ok(0), |error| Err(error.kind()));
        if let Some(call) = self.locked().get_mut(call) {
            call.outcome = Some(outcome);
        }
        failed
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let call = self.begin(Verb::Copy, to, None);
        let result = self.inner.copy_new(from, to).await;
        self.end(call, result, no_bytes)
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
