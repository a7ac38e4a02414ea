//! What a stack of layers counts, and the numbers as they were at one moment.
//!
//! Knows verbs, kinds of requests and times; never keys. Counting costs a few atomic additions and
//! no lock; clones share the numbers.

pub mod histogram;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::Verb;
use crate::cloud::{ClassTraffic, RequestClass, Traffic};
use crate::layer::cost::PriceTable;
use crate::layer::meter::histogram::{Counts, Histogram};

/// Calls that share a limit of how many may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pool {
    /// What moves bytes down.
    Get,
    /// What moves bytes up.
    Put,
    /// What moves none: list, head, delete, copy.
    Other,
}

impl Pool {
    /// Every pool, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Get, Self::Put, Self::Other];
}

/// What was counted of one verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerbMetrics {
    /// Calls made, whatever became of them.
    pub calls: u64,
    /// Calls that ended with an error, after all attempts; of deletes of many, one for each object.
    pub failures: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Failed attempts that showed that the store is asked too much: it said so, or did not answer in
    /// time.
    pub throttled: u64,
    /// Bytes of content put or got by calls that succeeded.
    pub bytes: u64,
    /// How long calls took with all their attempts and pauses; of a list, until its first object.
    pub latency: Histogram,
}

/// What was counted of second requests for slow reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HedgeMetrics {
    /// Second requests.
    pub sent: u64,
    /// Those that were answered before the first.
    pub won: u64,
}

/// How many calls of one pool are and may be under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolMetrics {
    /// How many may be, at the moment; 0 where nothing limits them.
    pub limit: u32,
    /// How many are, at the moment.
    pub in_flight: u32,
    /// How often the limit was lowered.
    pub lowered: u64,
}

/// What was counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    verbs: [VerbMetrics; Verb::ALL.len()],
    http: [ClassTraffic; RequestClass::ALL.len()],
    pools: [PoolMetrics; Pool::ALL.len()],
    /// Second requests for slow reads.
    pub hedges: HedgeMetrics,
}

impl Metrics {
    /// The numbers of one verb.
    pub fn of(&self, verb: Verb) -> &VerbMetrics {
        &self.verbs[verb as usize]
    }

    /// The numbers of one class of HTTP requests; all zero for a store without HTTP.
    pub fn http(&self, class: RequestClass) -> ClassTraffic {
        self.http[class as usize]
    }

    /// The state of one pool of concurrency.
    pub fn pool(&self, pool: Pool) -> PoolMetrics {
        self.pools[pool as usize]
    }

    /// All calls made.
    pub fn calls(&self) -> u64 {
        self.verbs.iter().map(|verb| verb.calls).sum()
    }

    /// What the store was asked in all: HTTP requests, and without HTTP every attempt of every
    /// call.
    pub fn requests(&self) -> u64 {
        let http: u64 = self.http.iter().map(|class| class.requests).sum();
        if http > 0 {
            return http;
        }
        let attempts: u64 = self.verbs.iter().map(|verb| verb.calls + verb.retries).sum();
        attempts + self.hedges.sent
    }

    /// All attempts beyond the first.
    pub fn retries(&self) -> u64 {
        self.verbs.iter().map(|verb| verb.retries).sum()
    }

    /// How often the store turned a request away because it was asked too much.
    pub fn throttled(&self) -> u64 {
        let http: u64 = self.http.iter().map(|class| class.throttled).sum();
        http.max(self.verbs.iter().map(|verb| verb.throttled).sum())
    }

    /// All bytes of content that came from the store.
    pub fn bytes_got(&self) -> u64 {
        self.of(Verb::Get).bytes + self.of(Verb::GetRange).bytes
    }

    /// All bytes of content that went to the store.
    pub fn bytes_put(&self) -> u64 {
        self.of(Verb::Put).bytes + self.of(Verb::PutSoon).bytes
    }

    /// What was counted after `earlier` was taken of the same meter; the pools are as they are now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (verb, before) in later.verbs.iter_mut().zip(&earlier.verbs) {
            verb.calls -= before.calls;
            verb.failures -= before.failures;
            verb.retries -= before.retries;
            verb.throttled -= before.throttled;
            verb.bytes -= before.bytes;
            verb.latency = verb.latency.since(&before.latency);
        }
        for (class, before) in later.http.iter_mut().zip(&earlier.http) {
            class.requests -= before.requests;
            class.failures -= before.failures;
            class.throttled -= before.throttled;
            class.bytes_up -= before.bytes_up;
            class.bytes_down -= before.bytes_down;
        }
        later.hedges.sent -= earlier.hedges.sent;
        later.hedges.won -= earlier.hedges.won;
        later
    }
}

/// The numbers of one connection to a store, as they grow.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    shared: Arc<Shared>,
    traffic: Traffic,
    prices: Option<Arc<PriceTable>>,
}

#[derive(Debug, Default)]
struct Shared {
    verbs: [VerbCounters; Verb::ALL.len()],
    pools: [PoolCounters; Pool::ALL.len()],
    hedges_sent: AtomicU64,
    hedges_won: AtomicU64,
}

#[derive(Debug, Default)]
struct VerbCounters {
    calls: AtomicU64,
    failures: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
    bytes: AtomicU64,
    latency: Counts,
}

#[derive(Debug, Default)]
struct PoolCounters {
    limit: AtomicU32,
    in_flight: AtomicU32,
    lowered: AtomicU64,
}

impl Meter {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing counted yet but the requests that `traffic` counts, which are paid for by `prices`.
    pub fn over_http(traffic: Traffic, prices: PriceTable) -> Self {
        Self { shared: Arc::default(), traffic, prices: Some(Arc::new(prices)) }
    }

    /// What requests and storage cost; `None` where nobody charges for them.
    pub fn prices(&self) -> Option<&PriceTable> {
        self.prices.as_deref()
    }

    /// The numbers as they are now; calls under way are counted as calls only.
    pub fn snapshot(&self) -> Metrics {
        let shared = &*self.shared;
        Metrics {
            verbs: shared.verbs.each_ref().map(|verb| VerbMetrics {
                calls: read(&verb.calls),
                failures: read(&verb.failures),
                retries: read(&verb.retries),
                throttled: read(&verb.throttled),
                bytes: read(&verb.bytes),
                latency: verb.latency.snapshot(),
            }),
            http: RequestClass::ALL.map(|class| self.traffic.of(class)),
            pools: shared.pools.each_ref().map(|pool| PoolMetrics {
                limit: pool.limit.load(Ordering::Relaxed),
                in_flight: pool.in_flight.load(Ordering::Relaxed),
                lowered: read(&pool.lowered),
            }),
            hedges: HedgeMetrics { sent: read(&shared.hedges_sent), won: read(&shared.hedges_won) },
        }
    }

    pub(super) fn call_begins(&self, verb: Verb) {
        add(&self.shared.verbs[verb as usize].calls, 1);
    }

    pub(super) fn call_ends(&self, verb: Verb, took: Duration, bytes: u64, failures: u64) {
        let counters = &self.shared.verbs[verb as usize];
        counters.latency.add(took);
        add(&counters.bytes, bytes);
        add(&counters.failures, failures);
    }

    pub(super) fn call_repeated(&self, verb: Verb) {
        add(&self.shared.verbs[verb as usize].retries, 1);
    }

    pub(super) fn call_throttled(&self, verb: Verb) {
        add(&self.shared.verbs[verb as usize].throttled, 1);
    }

    pub(super) fn hedge_sent(&self) {
        add(&self.shared.hedges_sent, 1);
    }

    pub(super) fn hedge_won(&self) {
        add(&self.shared.hedges_won, 1);
    }

    pub(super) fn limit_is(&self, pool: Pool, limit: u32) {
        self.shared.pools[pool as usize].limit.store(limit, Ordering::Relaxed);
    }

    pub(super) fn limit_lowered(&self, pool: Pool) {
        add(&self.shared.pools[pool as usize].lowered, 1);
    }

    pub(super) fn in_flight_changes(&self, pool: Pool, more: bool) {
        let in_flight = &self.shared.pools[pool as usize].in_flight;
        if more {
            in_flight.fetch_add(1, Ordering::Relaxed);
        } else {
            in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A call failed whose time was told before.
    pub(super) fn call_fails_late(&self, verb: Verb) {
        add(&self.shared.verbs[verb as usize].failures, 1);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn add(counter: &AtomicU64, more: u64) {
    // Most of what is counted is nothing: spare the write.
    if more > 0 {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
