//! What a command asked of the store, for its report.

use std::collections::BTreeMap;

use lifeboat_repo::io::Io;
use lifeboat_store::Verb;
use serde::Serialize;

use crate::render::{bytes, count};

/// Requests and bytes since the connection was made.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    /// What was sent to the store in all, attempts in vain included.
    total: u64,
    /// Attempts beyond the first.
    retries: u64,
    /// How often the store asked for fewer requests.
    throttled: u64,
    /// Bytes of content that went up.
    bytes_up: u64,
    /// Bytes of content that came down.
    bytes_down: u64,
    /// Calls by what they do; only what was called.
    calls: BTreeMap<&'static str, u64>,
}

impl Traffic {
    /// What was counted until now.
    pub(super) fn of(io: &Io) -> Self {
        let metrics = io.meter().snapshot();
        let calls = Verb::ALL.into_iter().map(|verb| (verb.name(), metrics.of(verb).calls));
        Self {
            total: metrics.requests(),
            retries: metrics.retries(),
            throttled: metrics.throttled(),
            bytes_up: metrics.bytes_put(),
            bytes_down: metrics.bytes_got(),
            calls: calls.filter(|(_, calls)| *calls > 0).collect(),
        }
    }

    /// Says it in the log, for who asked for more with `-v`.
    pub(super) fn log(&self) {
        let calls: Vec<String> =
            self.calls.iter().map(|(verb, calls)| format!("{calls} {verb}")).collect();
        tracing::info!(
            "{} ({}), {}, {} up, {} down",
            count(self.total, "request"),
            calls.join(", "),
            count(self.retries, "retry"),
            bytes(self.bytes_up),
            bytes(self.bytes_down)
        );
    }
}
