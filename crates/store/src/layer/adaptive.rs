//! A store that is asked as much at once as it can bear.
//!
//! Each pool of verbs has a number of calls that may be under way: success adds to it, a store that
//! says that it is asked too much (or does not answer in time) halves it. Those who wait get their
//! turn in order. A call that is dropped gives its place back; no place is held across the caller's
//! own work, so that a list may be read while other calls are made.
//!
//! Invariant: the number is between one and the pool's maximum, and no more calls are under way,
//! except for those that were when it was lowered.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::layer::meter::{Meter, Pool};
use crate::locking::Locking;
use crate::{Error, ObjectInfo, ObjectStream, Payload, Result, Store};

/// One call, in the unit of limits: they grow by parts of a call.
const ONE: u64 = 1 << 20;

/// How many calls may be under way at most.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveOptions {
    /// Gets, whole or in part.
    pub get_max: u32,
    /// Puts.
    pub put_max: u32,
    /// Everything else.
    pub other_max: u32,
}

impl Default for AdaptiveOptions {
    /// Decision 13 has the reasons.
    fn default() -> Self {
        Self { get_max: 32, put_max: 8, other_max: 8 }
    }
}

/// A store with a limit to how many calls are under way, which adapts.
#[derive(Clone, Debug)]
pub struct AdaptiveStore {
    inner: Arc<dyn Store>,
    gates: Arc<[Gate; Pool::ALL.len()]>,
}

impl AdaptiveStore {
    /// Limits the calls to `inner`, and shows the limits in `meter`.
    pub fn new(inner: Arc<dyn Store>, options: AdaptiveOptions, meter: &Meter) -> Self {
        let gates = Pool::ALL.map(|pool| {
            let most = match pool {
                Pool::Get => options.get_max,
                Pool::Put => options.put_max,
                Pool::Other => options.other_max,
            };
            Gate::new(pool, most, meter.clone())
        });
        Self { inner, gates: Arc::new(gates) }
    }

    async fn pass<T>(&self, pool: Pool, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let place = self.gates[pool as usize].enter().await;
        let result = call.await;
        place.leave(result.as_ref().err());
        result
    }
}

#[async_trait]
impl Store for AdaptiveStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.pass(Pool::Put, self.inner.put_new(key, data)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.pass(Pool::Get, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.pass(Pool::Get, self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.pass(Pool::Other, self.inner.head(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.pass(Pool::Other, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.pass(Pool::Other, self.inner.delete(key)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.pass(Pool::Put, self.inner.put_soon(key, data)).await
    }

    /// Never waits: there is one at a time, and nothing comes of it where calls are requests.
    async fn sync(&self) -> Result<()> {
        self.inner.sync().await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let place = self.gates[Pool::Other as usize].enter().await;
        let failed = self.inner.delete_many(keys).await;
        let worst = failed.iter().max_by_key(|error| (error.is_retryable(), error.is_throttled()));
        place.leave(worst);
        failed
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.pass(Pool::Other, self.inner.copy_new(from, to)).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// Lets so many through at once, and learns from what became of them.
#[derive(Debug)]
struct Gate {
    pool: Pool,
    meter: Meter,
    // Hands out places in order.
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// In parts of [`ONE`].
    limit: u64,
    limit_max: u64,
    /// Places that exist, free or taken, without those owed.
    places: u64,
    /// Taken places that are not given back when they are left.
    owed: u64,
    in_flight: u64,
    /// Grows with each lowering. What began before the last one says nothing about the new limit.
    epoch: u64,
}

/// The right to make one call.
#[derive(Debug)]
struct Place<'a> {
    gate: &'a Gate,
    epoch: u64,
}

impl Gate {
    /// Begins with half of the maximum: enough to keep a link busy until more is known.
    fn new(pool: Pool, most: u32, meter: Meter) -> Self {
        let most = most.max(1);
        let begin = most.div_ceil(2);
        meter.limit_is(pool, begin);
        let state = State {
            limit: u64::from(begin) * ONE,
            limit_max: u64::from(most) * ONE,
            places: u64::from(begin),
            owed: 0,
            in_flight: 0,
            epoch: 0,
        };
        // A u32 fits wherever this program runs.
        let places = Semaphore::new(usize::try_from(begin).unwrap_or(1));
        Self { pool, meter, places, state: Mutex::new(state) }
    }

    async fn enter(&self) -> Place<'_> {
        let permit = self.places.acquire().await.expect("the semaphore is never closed");
        // The place is given back by hand, since it may have to vanish then.
        permit.forget();
        let mut state = self.state();
        state.in_flight += 1;
        self.meter.in_flight_changes(self.pool, true);
        Place { gate: self, epoch: state.epoch }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, epoch: u64, failure: Option<&Error>) {
        let mut state = self.state();
        match failure.filter(|error| error.is_retryable()) {
            Some(error) => {
                if epoch != state.epoch {
                    return;
                }
                state.lower(error.is_throttled());
                self.meter.limit_lowered(self.pool);
            }
            None => state.raise(),
        }
        self.resize(&mut state);
    }

    /// Makes as many places as the limit says.
    fn resize(&self, state: &mut State) {
        let wanted = state.limit / ONE;
        if wanted > state.places {
            let more = wanted - state.places;
            let kept = more.min(state.owed);
            state.owed -= kept;
            self.places.add_permits(usize::try_from(more - kept).unwrap_or(0));
        } else {
            let less = state.places - wanted;
            let gone = self.places.forget_permits(usize::try_from(less).unwrap_or(0));
            state.owed += less - gone as u64;
        }
        state.places = wanted;
        self.meter.limit_is(self.pool, u32::try_from(wanted).unwrap_or(u32::MAX));
    }
}

impl State {
    /// One more for each round of calls; a limit that nobody comes near is not proven by success.
    fn raise(&mut self) {
        if self.in_flight * 2 * ONE < self.limit {
            return;
        }
        // Until the first failure a round of successes doubles it.
        let gain = if self.epoch == 0 { ONE } else { ONE * ONE / self.limit };
        self.limit = (self.limit + gain).min(self.limit_max);
    }

    /// Half of it where the store is asked too much; failures of other causes come and go, and count
    /// for something only when they are many.
    fn lower(&mut self, throttled: bool) {
        let lower = if throttled { self.limit / 2 } else { self.limit / 10 * 9 };
        self.limit = lower.max(ONE);
        self.epoch += 1;
    }
}

impl Place<'_> {
    fn leave(self, failure: Option<&Error>) {
        self.gate.learn(self.epoch, failure);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.in_flight -= 1;
        self.gate.meter.in_flight_changes(self.gate.pool, false);
        if state.owed > 0 {
            state.owed -= 1;
        } else {
            self.gate.places.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests;
