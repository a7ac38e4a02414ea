//! A store that repeats calls which the store below could not answer.
//!
//! Only errors that say so themselves are repeated ([`Error::is_retryable`]). A put or delete whose
//! answer was lost may have been done: here, and nowhere above, it is found out. Exactly one layer
//! of a stack retries, so that numbers of attempts don't multiply.
//!
//! Every call ends: by its patience, by the number of its attempts, or because all calls together
//! have repeated too much. Once a call has been given up, later ones are made once each, until the
//! store answers one of them: a run that goes on without what it could not get still ends soon.

mod locking;
mod patience;
mod relist;
mod settle;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::layer::meter::Meter;
use crate::layer::retry::locking::RetryLocking;
use crate::layer::retry::patience::{Patience, Shared};
use crate::layer::retry::settle::{Content, Found};
use crate::locking::Locking;
use crate::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// How often and how patiently calls are repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryOptions {
    /// How often a call is tried in all, at least once.
    pub attempts_max: u32,
    /// The longest pause after the first failure; each further one may be twice as long.
    pub pause_first: Duration,
    /// The longest pause of all, unless the store asks for a longer one.
    pub pause_max: Duration,
    /// For how long after its first failure a call is repeated. A few attempts are made in any case:
    /// one alone may take that long.
    pub patience: Duration,
    /// The same while the store has not answered anything yet: a place that is not there is found out
    /// sooner.
    pub patience_unanswered: Duration,
    /// How many retries, of all calls together, may be ahead of the successes: a retry takes one, a
    /// success gives a tenth back. When they are used up, failures are returned at once, so that a
    /// store that is down is not kept down by us.
    pub budget_retries: u32,
    /// After how long one retry is given back without any success, so that a run of days survives
    /// many bad minutes; never if it is zero.
    pub budget_refill: Duration,
    /// Where the jitter begins. Different clients should have different seeds.
    pub seed: u64,
}

impl Default for RetryOptions {
    /// A call gives up after some five minutes; decision 13 has the reasons.
    fn default() -> Self {
        Self {
            attempts_max: 20,
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(30),
            patience: Duration::from_secs(300),
            patience_unanswered: Duration::from_secs(30),
            budget_retries: 1000,
            budget_refill: Duration::from_secs(1),
            seed: 0,
        }
    }
}

impl RetryOptions {
    /// The same with a call repeated for so long after its first failure; for never if that is zero.
    #[must_use]
    pub fn patient_for(mut self, patience: Duration) -> Self {
        // Pauses are three quarters of the longest on average; the first ones are shorter.
        let pauses = patience.as_secs() / (self.pause_max.as_secs() / 2).max(1);
        let attempts = u32::try_from(pauses).unwrap_or(u32::MAX).saturating_add(self.attempts_max);
        self.attempts_max = if patience.is_zero() { 1 } else { attempts };
        (self.patience, self.patience_unanswered) = (patience, patience);
        self
    }
}

/// A store whose calls are repeated while that may help.
#[derive(Clone, Debug)]
pub struct RetryStore {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

impl RetryStore {
    /// Repeats failed calls to `inner` as `options` say. Needs a tokio runtime with a timer.
    pub fn new(inner: Arc<dyn Store>, options: RetryOptions) -> Self {
        Self::counted(inner, options, Meter::new())
    }

    /// As [`RetryStore::new`], and counts retries in `meter`.
    pub fn counted(inner: Arc<dyn Store>, options: RetryOptions, meter: Meter) -> Self {
        Self { inner, shared: Arc::new(Shared::new(options, meter)) }
    }

    /// Makes the call until it succeeds or must not be repeated; it is told the number of the
    /// attempt, from 1.
    async fn repeat<T, F, C>(&self, verb: Verb, mut call: F) -> Result<T>
    where
        F: FnMut(u32) -> C + Send,
        C: Future<Output = Result<T>> + Send,
        T: Send,
    {
        let mut patience = Patience::new(&self.shared, verb);
        loop {
            match call(patience.attempt()).await {
                Ok(value) => {
                    patience.succeeded();
                    return Ok(value);
                }
                Err(error) => patience.after(error).await?,
            }
        }
    }

    /// Makes a call that creates the object `key` until it is known what became of it.
    async fn create<F, C>(&self, verb: Verb, key: &str, content: Content<'_>, call: F) -> Result<()>
    where
        F: Fn() -> C + Send + Sync,
        C: Future<Output = Result<()>> + Send,
    {
        let mut patience = Patience::new(&self.shared, verb);
        loop {
            let error = match call().await {
                Ok(()) => {
                    patience.succeeded();
                    return Ok(());
                }
                Err(error) => error,
            };
            let in_doubt = patience.attempt() > 1 && error.kind() == ErrorKind::AlreadyExists;
            if !in_doubt {
                patience.after(error).await?;
                continue;
            }
            match self.settle(key, &content).await? {
                Found::Ours => {
                    patience.succeeded();
                    return Ok(());
                }
                Found::Another => return Err(error.with_attempts(patience.attempt())),
                // Refused by a racing create that came to nothing: the key is free.
                Found::Nothing => {
                    let odd = Error::new(ErrorKind::Unavailable, verb.name(), key)
                        .with_detail("the store said that it exists, and then that it doesn't")
                        .with_source(error);
                    patience.after(odd).await?;
                }
            }
        }
    }
}

#[async_trait]
impl Store for RetryStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let put = || self.inner.put_new(key, data.clone());
        self.create(Verb::Put, key, Content::Bytes(&data), put).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.repeat(Verb::Get, |_| self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.repeat(Verb::GetRange, |_| self.inner.get_range(key, range.clone())).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.repeat(Verb::Head, |_| self.inner.head(key)).await
    }

    /// Repeats until the first object has arrived. A list that breaks off later is begun again where
    /// nothing can be lost or told twice by that: as long as its keys came in ascending order.
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let begin = |_| async move {
            // An empty list has ended before it is chained, and must not be asked again.
            let mut listed = self.inner.list(prefix).await?.fuse();
            let first = listed.next().await.transpose()?;
            Ok(stream::iter(first.map(Ok)).chain(listed).boxed())
        };
        let begun = self.repeat(Verb::List, begin).await?;
        Ok(relist::continued(self.clone(), prefix, begun))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let delete = |attempt| async move {
            match self.inner.delete(key).await {
                // The attempt before has done it.
                Err(error) if attempt > 1 && error.kind() == ErrorKind::NotFound => Ok(()),
                result => result,
            }
        };
        self.repeat(Verb::Delete, delete).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let put = || self.inner.put_soon(key, data.clone());
        self.create(Verb::PutSoon, key, Content::Bytes(&data), put).await
    }

    /// A store that fails to make something durable doesn't call that
    /// [`Unavailable`](ErrorKind::Unavailable): what is repeated here is a call that did not begin.
    async fn sync(&self) -> Result<()> {
        self.repeat(Verb::Sync, |_| self.inner.sync()).await
    }

    /// Repeats for those objects alone that may still be there.
    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let mut given_up = Vec::new();
        let mut left = None;
        let mut patience = Patience::new(&self.shared, Verb::DeleteMany);
        loop {
            let asked = left.as_deref().unwrap_or(keys);
            let failed = self.inner.delete_many(asked).await;
            let (mut again, lasting): (Vec<_>, Vec<_>) =
                failed.into_iter().partition(Error::is_retryable);
            let attempt = patience.attempt();
            given_up.extend(lasting.into_iter().map(|error| error.with_attempts(attempt)));
            // The one that asks for the longest pause speaks for all.
            again.sort_by_key(Error::retry_after);
            let Some(error) = again.pop() else {
                patience.succeeded();
                return given_up;
            };
            let remaining = keys_of(asked, &error, &again);
            if let Err(error) = patience.after(error).await {
                given_up.push(error);
                given_up.extend(again.into_iter().map(|error| error.with_attempts(attempt)));
                return given_up;
            }
            left = Some(remaining);
        }
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let copy = || self.inner.copy_new(from, to);
        self.create(Verb::Copy, to, Content::Object(from), copy).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        let inner = self.inner.locking()?;
        Some(Arc::new(RetryLocking { retry: self.clone(), inner }))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// Those of the keys `asked` that the errors are about; all, if one of them is about something else.
fn keys_of(asked: &[String], error: &Error, others: &[Error]) -> Vec<String> {
    let named: std::collections::HashSet<&str> =
        others.iter().chain([error]).map(Error::key).collect();
    let found: Vec<String> =
        asked.iter().filter(|key| named.contains(key.as_str())).cloned().collect();
    if found.len() < named.len() { asked.to_vec() } else { found }
}

#[cfg(test)]
mod tests;
