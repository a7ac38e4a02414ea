//! Waiting between attempts at an append: growing, with jitter, so that writers do not meet again.
//!
//! Knows only its entropy. It decides how soon to try again, never whether something is true.

use std::time::Duration;

use lifeboat_codec::Entropy;

use crate::error::Result;
use crate::open::random;

/// The first pause is at most this long.
const FIRST: Duration = Duration::from_millis(5);

/// How long to wait before the next attempt.
#[derive(Debug)]
pub(super) struct Backoff {
    entropy: Entropy,
    limit: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses of at most `longest`.
    pub(super) fn new(entropy: &Entropy, longest: Duration) -> Self {
        Self { entropy: entropy.clone(), limit: FIRST, longest }
    }

    /// Begins with short pauses again.
    pub(super) fn reset(&mut self) {
        self.limit = FIRST;
    }

    /// The next pause: anything from nothing to a limit that doubles from call to call.
    pub(super) fn next_pause(&mut self) -> Result<Duration> {
        let dice = u32::from_le_bytes(random(&self.entropy)?);
        let pause = self.limit.mul_f64(f64::from(dice) / f64::from(u32::MAX));
        self.limit = (self.limit * 2).min(self.longest);
        Ok(pause)
    }

    /// Blocks the calling thread for the next pause.
    pub(super) fn wait(&mut self) -> Result<()> {
        std::thread::sleep(self.next_pause()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        const LONGEST: Duration = Duration::from_secs(2);
        let mut backoff = Backoff::new(&lifeboat_testkit::entropy::entropy(7), LONGEST);
        let pauses: Vec<_> = (0..20).map(|_| backoff.next_pause().unwrap()).collect();
        assert!(pauses[0] <= FIRST);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses[12..].iter().any(|pause| *pause > FIRST * 10));
        assert_ne!(pauses[18], pauses[19]);
        backoff.reset();
        assert!(backoff.next_pause().unwrap() <= FIRST);
    }
}
