//! A store at the far end of a link: every call takes a while, and it is counted how many had to wait
//! for one another.
//!
//! What is counted are *requests*, and *rounds*: a call that begins when others have ended may have
//! needed their answers, so it is of the round after theirs. A caller that asks for many things at once
//! has few rounds, however slow the machine; one that asks for one after another has as many as
//! requests.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat_store::locking::Locking;
use lifeboat_store::{Error, ObjectInfo, ObjectStream, Payload, Result, Store};

/// What a link has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls that have ended.
    pub requests: u64,
    /// The longest chain of calls of which each began after the one before had ended.
    pub rounds: u64,
    /// The most calls that were under way at once.
    pub together: u64,
}

#[derive(Debug, Default)]
struct State {
    traffic: Traffic,
    under_way: u64,
}

/// A store behind a link; clones share the counts.
#[derive(Clone, Debug)]
pub struct LinkStore {
    inner: Arc<dyn Store>,
    delay: Duration,
    state: Arc<Mutex<State>>,
}

impl LinkStore {
    /// Puts `inner` so far away. Needs a tokio runtime with a timer.
    pub fn new(inner: Arc<dyn Store>, delay: Duration) -> Self {
        Self { inner, delay, state: Arc::default() }
    }

    /// What was carried since the last time this was asked.
    pub fn take(&self) -> Traffic {
        std::mem::take(&mut self.locked().traffic)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry<T>(&self, call: impl Future<Output = T> + Send) -> T {
        let round = {
            let mut state = self.locked();
            state.under_way += 1;
            state.traffic.together = state.traffic.together.max(state.under_way);
            state.traffic.rounds + 1
        };
        tokio::time::sleep(self.delay).await;
        let answer = call.await;
        let mut state = self.locked();
        state.under_way -= 1;
        state.traffic.requests += 1;
        state.traffic.rounds = state.traffic.rounds.max(round);
        answer
    }
}

#[async_trait]
impl Store for LinkStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.carry(self.inner.put_new(key, data)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.carry(self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.carry(self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.carry(self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.carry(self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.carry(self.inner.delete(key)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.carry(self.inner.put_soon(key, data)).await
    }

    async fn sync(&self) -> Result<()> {
        self.carry(self.inner.sync()).await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        self.carry(self.inner.delete_many(keys)).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.carry(self.inner.copy_new(from, to)).await
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
