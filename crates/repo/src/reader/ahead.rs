//! Ahead: chunks that will be asked for soon are fetched before they are.
//!
//! Knows chunks by id, in the order in which they will be wanted. A few threads find them, fetch their
//! frames and keep them; whoever asks then waits for the rest of the way only. What is expected is a
//! hint: one that is dropped, or fails, costs nothing but time, and whoever needs the chunk hears of it.

use std::collections::VecDeque;
use std::sync::Mutex;

use lifeboat_format::id::ChunkId;

use super::{Reader, lock};

/// What one chunk that is expected may take until it is asked for, in bytes: a frame of nodes.
const CHUNK_BYTES: u64 = 512 << 10;
/// The part of a reader's budget for what is expected; more would drop what is still to be used.
const BUDGET_PART: u64 = 2;
/// Chunks that are expected at once, and threads that fetch them, at most.
const EXPECTED_MAX: u64 = 32;
const THREADS_MAX: usize = 16;

/// The chunks to come and the threads that see to them.
#[derive(Debug)]
pub(super) struct Ahead {
    queue: Mutex<Queue>,
    most: usize,
}

#[derive(Debug, Default)]
struct Queue {
    expected: VecDeque<ChunkId>,
    threads: usize,
}

impl Ahead {
    /// As much as is sensible for a reader that keeps `budget` bytes of frames.
    pub(super) fn new(budget: u64) -> Self {
        let most = (budget / BUDGET_PART / CHUNK_BYTES).min(EXPECTED_MAX);
        let most = usize::try_from(most).expect("at most EXPECTED_MAX");
        Self { queue: Mutex::default(), most }
    }

    /// How many chunks may be expected at once.
    pub(super) fn most(&self) -> usize {
        self.most
    }
}

impl Reader {
    /// Begins to fetch these chunks, in this order.
    pub(super) fn fetch_ahead(&self, ids: &mut dyn Iterator<Item = ChunkId>) {
        let ahead = &self.shared.ahead;
        if ahead.most == 0 {
            return;
        }
        let mut queue = lock(&ahead.queue);
        for id in ids {
            if queue.expected.len() >= ahead.most {
                queue.expected.pop_front();
            }
            queue.expected.push_back(id);
        }
        let wanted = queue.expected.len().min(THREADS_MAX);
        for _ in queue.threads..wanted {
            queue.threads += 1;
            let reader = self.clone();
            self.shared.io.spawn_blocking(move || reader.see_to_expected());
        }
    }

    fn see_to_expected(&self) {
        loop {
            let id = {
                let mut queue = lock(&self.shared.ahead.queue);
                let Some(id) = queue.expected.pop_front() else {
                    queue.threads -= 1;
                    return;
                };
                id
            };
            if let Err(error) = self.bring(&id) {
                tracing::debug!(%error, "what was expected could not be fetched");
            }
        }
    }

    /// Keeps the frame of a chunk, unless it is kept or on its way.
    fn bring(&self, id: &ChunkId) -> crate::error::Result<()> {
        let Some(at) = self.shared.locate.locate(id)? else { return Ok(()) };
        if self.shared.flights.has(&at.frame) {
            return Ok(());
        }
        self.read_frame(&at.frame).map(drop)
    }
}
