//! Counting the requests that fetching would take, without making them.

use std::collections::HashSet;

use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::key::ObjectKey;

use super::Reader;
use super::fetch::{GAP_MAX, groups};
use super::location::FrameRef;

/// Requests of one reader, counted as if they were made; it takes memory for each pack.
#[derive(Debug, Default)]
pub struct RequestCount {
    opened: HashSet<ObjectKey>,
    requests: u64,
    bytes: u64,
}

impl RequestCount {
    /// All that were counted.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The bytes that they bring.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Reader {
    /// Counts the requests that a [`fetch`](Reader::fetch) of these frames takes, if none of them is kept
    /// and nothing has to be repeated.
    pub fn count_requests(
        &self,
        mut frames: Vec<FrameRef>,
        bytes_max: u64,
        count: &mut RequestCount,
    ) {
        frames.sort_unstable();
        frames.dedup();
        for group in groups(frames, self.range_max(bytes_max)) {
            let first = count.opened.insert(group.pack);
            // What opens a pack is at its beginning, and is read by itself if that is far away.
            let apart = first && group.start > PREAMBLE_LEN as u64 + GAP_MAX;
            count.requests += 1 + u64::from(apart);
            count.bytes += group.end - group.start;
        }
    }
}
