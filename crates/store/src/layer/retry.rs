//! A store that repeats calls which the store below could not answer.
//!
//! Only errors that say so themselves are repeated ([`Error::is_retryable`]). A put or delete whose
//! answer was lost may have been done: here, and nowhere above, it is found out. Exactly one layer
//! of a stack retries, so that numbers of attempts don't multiply.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

/// What one success gives back to the budget, where a retry costs [`RETRY_COST`].
const SUCCESS_GAIN: u64 = 1;
const RETRY_COST: u64 = 10;

/// How often and how patiently calls are repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryOptions {
    /// How often a call is tried in all, at least once.
    pub attempts_max: u32,
    /// The longest pause after the first failure; each further one may be twice as long.
    pub pause_first: Duration,
    /// The longest pause of all.
    pub pause_max: Duration,
    /// How many retries, of all calls together, may be ahead of the successes: a retry takes one, a
    /// success gives a tenth back. When they are used up, failures are returned at once, so that a
    /// store that is down is not kept down by us.
    pub budget_retries: u32,
    /// Where the jitter begins. Different clients should have different seeds.
    pub seed: u64,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            attempts_max: 6,
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(15),
            budget_retries: 100,
            seed: 0,
        }
    }
}

/// A store whose calls are repeated while that may help.
#[derive(Clone, Debug)]
pub struct RetryStore {
    inner: Arc<dyn Store>,
    options: RetryOptions,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    budget: AtomicU64,
    pauses: AtomicU64,
}

impl RetryStore {
    /// Repeats failed calls to `inner` as `options` say. Needs a tokio runtime with a timer.
    pub fn new(inner: Arc<dyn Store>, options: RetryOptions) -> Self {
        let budget = u64::from(options.budget_retries) * RETRY_COST;
        let shared = Shared { budget: AtomicU64::new(budget), pauses: AtomicU64::new(0) };
        Self { inner, options, shared: Arc::new(shared) }
    }

    /// Makes the call, with the number of the attempt from 1, until it succeeds or must not be
    /// repeated.
    async fn repeat<T, F, C>(&self, verb: Verb, key: &str, mut call: F) -> Result<T>
    where
        F: FnMut(u32) -> C + Send,
        C: Future<Output = Result<T>> + Send,
        T: Send,
    {
        let mut attempt = 1;
        loop {
            let error = match call(attempt).await {
                Ok(value) => {
                    self.earn();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if !error.is_retryable() || attempt >= self.options.attempts_max || !self.spend() {
                return Err(error.with_attempts(attempt));
            }
            let pause = self.pause(attempt);
            tracing::info!(verb = verb.name(), key, attempt, ?pause, %error, "trying again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    fn earn(&self) {
        let full = u64::from(self.options.budget_retries) * RETRY_COST;
        // Two at once may overfill it by one: no harm.
        if self.shared.budget.load(Ordering::Relaxed) < full {
            self.shared.budget.fetch_add(SUCCESS_GAIN, Ordering::Relaxed);
        }
    }

    fn spend(&self) -> bool {
        let less = |budget: u64| budget.checked_sub(RETRY_COST);
        self.shared.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Between half and all of the pause that doubles with each attempt.
    fn pause(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt - 1);
        let longest = self.options.pause_first.saturating_mul(doubled).min(self.options.pause_max);
        let number = self.shared.pauses.fetch_add(1, Ordering::Relaxed);
        let random = scramble(self.options.seed.wrapping_add(scramble(number)));
        let half = longest / 2;
        // Nanoseconds of the half pause fit: it would have to be 584 years otherwise.
        let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_nanos(random % span)
    }

    /// Finds out whose object is in the way of a put whose answer may have been lost.
    async fn settle_put(&self, key: &str, data: &Payload, exists: Error) -> Result<()> {
        match self.get(key).await {
            Ok(there) if data.equals(&there) => Ok(()),
            Ok(_) => Err(exists),
            // Refused by a racing create that came to nothing: the key is free.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Unavailable, "put", key)
                    .with_detail("the store said that it exists, and then that it doesn't")
                    .with_source(exists))
            }
            Err(error) => Err(error),
        }
    }
}

/// The finaliser of `SplitMix64`: neighbouring numbers become unrelated ones.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[async_trait]
impl Store for RetryStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let data = &data;
        let put = |attempt| async move {
            match self.inner.put_new(key, data.clone()).await {
                Err(error) if attempt > 1 && error.kind() == ErrorKind::AlreadyExists => {
                    self.settle_put(key, data, error).await
                }
                result => result,
            }
        };
        self.repeat(Verb::Put, key, put).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.repeat(Verb::Get, key, |_| self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.repeat(Verb::GetRange, key, |_| self.inner.get_range(key, range.clone())).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.repeat(Verb::Head, key, |_| self.inner.head(key)).await
    }

    /// Repeats until the first object has arrived; a list that breaks off later is an error, since
    /// only the caller knows whether to begin again.
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let begin = |_| async move {
            // An empty list has ended before it is chained, and must not be asked again.
            let mut listed = self.inner.list(prefix).await?.fuse();
            let first = listed.next().await.transpose()?;
            Ok(stream::iter(first.map(Ok)).chain(listed).boxed())
        };
        self.repeat(Verb::List, prefix, begin).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let delete = |attempt| async move {
            match self.inner.delete(key).await {
                // The attempt before has done it.
                Err(error) if attempt > 1 && error.kind() == ErrorKind::NotFound => Ok(()),
                result => result,
            }
        };
        self.repeat(Verb::Delete, key, delete).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
