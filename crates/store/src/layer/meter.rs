//! What a stack of layers counts, and the numbers as they were at one moment.
//!
//! Knows verbs, kinds of requests and times; never keys. Counting costs a few atomic additions and
//! no lock; clones share the numbers.

pub mod histogram;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::Verb;
use crate::layer::meter::histogram::{Counts, Histogram};

/// What an HTTP request is to those who charge for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestClass {
    /// Creates or changes something: PUT, COPY, POST.
    Write,
    /// Names objects: a page of a list.
    List,
    /// Reads an object or what is known of it: GET, HEAD.
    Read,
    /// Removes objects, one or many.
    Delete,
}

impl RequestClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Write, Self::List, Self::Read, Self::Delete];
}

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
    /// Attempts that the store turned away because it was asked too much.
    pub throttled: u64,
    /// Bytes of content put or got by calls that succeeded.
    pub bytes: u64,
    /// How long calls took with all their attempts and pauses; of a list, until its first object.
    pub latency: Histogram,
}

/// What was counted of one class of HTTP requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestMetrics {
    /// Requests sent.
    pub sent: u64,
    /// Answers of 429 and 503.
    pub throttled: u64,
    /// Other answers from 500 on.
    pub broken: u64,
    /// Requests without an answer.
    pub lost: u64,
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
    requests: [RequestMetrics; RequestClass::ALL.len()],
    pools: [PoolMetrics; Pool::ALL.len()],
    /// Second requests for slow reads.
    pub hedges: HedgeMetrics,
    /// Bytes of bodies that were sent over HTTP, also in vain.
    pub bytes_sent: u64,
    /// Bytes of bodies that were received over HTTP, also in vain.
    pub bytes_received: u64,
}

impl Metrics {
    /// The numbers of one verb.
    pub fn of(&self, verb: Verb) -> &VerbMetrics {
        &self.verbs[verb as usize]
    }

    /// The numbers of one class of HTTP requests; all zero for a store without HTTP.
    pub fn http(&self, class: RequestClass) -> RequestMetrics {
        self.requests[class as usize]
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
        let http: u64 = self.requests.iter().map(|class| class.sent).sum();
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
        let http: u64 = self.requests.iter().map(|class| class.throttled).sum();
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
        for (class, before) in later.requests.iter_mut().zip(&earlier.requests) {
            class.sent -= before.sent;
            class.throttled -= before.throttled;
            class.broken -= before.broken;
            class.lost -= before.lost;
        }
        later.hedges.sent -= earlier.hedges.sent;
        later.hedges.won -= earlier.hedges.won;
        later.bytes_sent -= earlier.bytes_sent;
        later.bytes_received -= earlier.bytes_received;
        later
    }
}

/// The numbers of one connection to a store, as they grow.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    verbs: [VerbCounters; Verb::ALL.len()],
    requests: [RequestCounters; RequestClass::ALL.len()],
    pools: [PoolCounters; Pool::ALL.len()],
    hedges_sent: AtomicU64,
    hedges_won: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
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
struct RequestCounters {
    sent: AtomicU64,
    throttled: AtomicU64,
    broken: AtomicU64,
    lost: AtomicU64,
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
            requests: shared.requests.each_ref().map(|class| RequestMetrics {
                sent: read(&class.sent),
                throttled: read(&class.throttled),
                broken: read(&class.broken),
                lost: read(&class.lost),
            }),
            pools: shared.pools.each_ref().map(|pool| PoolMetrics {
                limit: pool.limit.load(Ordering::Relaxed),
                in_flight: pool.in_flight.load(Ordering::Relaxed),
                lowered: read(&pool.lowered),
            }),
            hedges: HedgeMetrics { sent: read(&shared.hedges_sent), won: read(&shared.hedges_won) },
            bytes_sent: read(&shared.bytes_sent),
            bytes_received: read(&shared.bytes_received),
        }
    }

    /// An HTTP request is about to be sent.
    pub fn request_sent(&self, class: RequestClass) {
        add(&self.shared.requests[class as usize].sent, 1);
    }

    /// An HTTP request was answered.
    pub fn request_answered(&self, class: RequestClass, status: u16) {
        let class = &self.shared.requests[class as usize];
        match status {
            429 | 503 => add(&class.throttled, 1),
            500.. => add(&class.broken, 1),
            _ => {}
        }
    }

    /// An HTTP request got no answer.
    pub fn request_lost(&self, class: RequestClass) {
        add(&self.shared.requests[class as usize].lost, 1);
    }

    /// So many bytes of bodies moved over HTTP.
    pub fn bytes_moved(&self, sent: u64, received: u64) {
        add(&self.shared.bytes_sent, sent);
        add(&self.shared.bytes_received, received);
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
