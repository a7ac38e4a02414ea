//! Whether a transfer still moves.
//!
//! Knows times and bytes, nothing of HTTP. What our own bandwidth limit holds back is not the other
//! side's fault: that time does not count.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::cloud::answer::Trouble;

/// What a transfer may take besides its bytes: an answer can be long in coming.
const BASE: Duration = Duration::from_secs(60);

/// Slower than this in the mean is given up: a repetition may get a better connection. 64 MiB take
/// an hour and nine minutes.
const BYTES_PER_SECOND_MIN: u64 = 16 << 10;

/// The clock of one request or one answer.
#[derive(Debug)]
pub(in crate::cloud) struct Watch {
    stall: Duration,
    allowed: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    moved: Instant,
    /// Since when our own limit holds the transfer back.
    held: Option<Instant>,
}

impl Watch {
    /// Watches a transfer of `bytes` that begins now and may rest for `stall` at most.
    pub(in crate::cloud) fn new(stall: Duration, bytes: u64) -> Self {
        let now = Instant::now();
        let for_bytes = Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
        Self {
            stall,
            allowed: BASE.max(stall * 2) + for_bytes,
            state: Mutex::new(State { begun: now, moved: now, held: None }),
        }
    }

    /// From now on the transfer waits for ourselves.
    pub(in crate::cloud) fn hold(&self) {
        self.lock().held = Some(Instant::now());
    }

    /// Some bytes have moved, and the transfer goes on.
    pub(in crate::cloud) fn release(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(since) = state.held.take() {
            state.begun += now - since;
        }
        state.moved = now;
    }

    /// Returns when the transfer is to be given up, and why.
    pub(in crate::cloud) async fn stuck(&self) -> Trouble {
        loop {
            let now = Instant::now();
            let next = {
                let state = self.lock();
                match state.held {
                    Some(_) => now + self.stall,
                    None if now >= state.moved + self.stall => return Trouble::Stuck(self.stall),
                    None if now >= state.begun + self.allowed => {
                        return Trouble::Slow(self.allowed);
                    }
                    None => (state.moved + self.stall).min(state.begun + self.allowed),
                }
            };
            sleep_until(next).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
