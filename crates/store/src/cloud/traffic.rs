//! How many HTTP requests went to a service, and how many bytes they carried.
//!
//! Counts what is really sent: a layer above counts calls. Cheap enough to be always on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a request is for, as services price it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestClass {
    /// Creates an object.
    Put,
    /// Copies an object within the service.
    Copy,
    /// One page of a list.
    List,
    /// Reads an object or a part of one.
    Get,
    /// Asks for an object's size and time.
    Head,
    /// Removes one object.
    Delete,
    /// Removes many objects.
    DeleteMany,
    /// Asks how a bucket or an object is set up.
    Settings,
    /// Asks for credentials, of another service.
    Credentials,
}

impl RequestClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Put,
        Self::Copy,
        Self::List,
        Self::Get,
        Self::Head,
        Self::Delete,
        Self::DeleteMany,
        Self::Settings,
        Self::Credentials,
    ];

    /// The class as metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Copy => "copy",
            Self::List => "list",
            Self::Get => "get",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::DeleteMany => "delete many",
            Self::Settings => "settings",
            Self::Credentials => "credentials",
        }
    }
}

/// The counters of one store; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<[Counters; RequestClass::ALL.len()]>);

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    failures: AtomicU64,
    throttled: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

/// What was counted of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTraffic {
    /// Requests that were begun.
    pub requests: u64,
    /// Requests without an answer, or with one that says that it didn't work. That an object exists
    /// or doesn't is no failure.
    pub failures: u64,
    /// Of these, answers that ask for fewer requests (429, 503).
    pub throttled: u64,
    /// Bytes of bodies that were handed to the network.
    pub bytes_up: u64,
    /// Bytes of bodies that arrived.
    pub bytes_down: u64,
}

impl Traffic {
    /// What was counted of `class` until now.
    pub fn of(&self, class: RequestClass) -> ClassTraffic {
        let counters = self.counters(class);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClassTraffic {
            requests: read(&counters.requests),
            failures: read(&counters.failures),
            throttled: read(&counters.throttled),
            bytes_up: read(&counters.bytes_up),
            bytes_down: read(&counters.bytes_down),
        }
    }

    /// What was counted of every class until now.
    pub fn all(&self) -> Vec<(RequestClass, ClassTraffic)> {
        RequestClass::ALL.into_iter().map(|class| (class, self.of(class))).collect()
    }

    pub(crate) fn request(&self, class: RequestClass) {
        self.counters(class).requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self, class: RequestClass, status: Option<http::StatusCode>) {
        let counters = self.counters(class);
        counters.failures.fetch_add(1, Ordering::Relaxed);
        if status.is_some_and(|status| matches!(status.as_u16(), 429 | 503)) {
            counters.throttled.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn up(&self, class: RequestClass, bytes: u64) {
        self.counters(class).bytes_up.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn down(&self, class: RequestClass, bytes: u64) {
        self.counters(class).bytes_down.fetch_add(bytes, Ordering::Relaxed);
    }

    fn counters(&self, class: RequestClass) -> &Counters {
        &self.0[class as usize]
    }
}
