//! When a failed call is tried again, and when it is given up.
//!
//! Knows times and numbers of attempts, not what the calls do. One [`Patience`] a call; what all
//! calls of a store share is a budget of retries and whether the store is known to answer.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::layer::meter::Meter;
use crate::layer::retry::RetryOptions;
use crate::{Error, Result, Verb};

/// What one success gives back to the budget, where a retry costs [`RETRY_COST`].
const SUCCESS_GAIN: u64 = 1;
const RETRY_COST: u64 = 10;

/// So many attempts are made however long each takes: four long transfers that broke off don't show
/// yet that the store is gone.
const ATTEMPTS_LEAST: u32 = 4;

/// What is known of the store.
const UNANSWERED: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// What the calls of one store share.
#[derive(Debug)]
pub(super) struct Shared {
    options: RetryOptions,
    meter: Meter,
    budget: AtomicU64,
    // Touched by failures alone; `None` before the first.
    refilled: Mutex<Option<Instant>>,
    state: AtomicU8,
    pauses: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: RetryOptions, meter: Meter) -> Self {
        Self {
            options,
            meter,
            budget: AtomicU64::new(full(&options)),
            refilled: Mutex::new(None),
            state: AtomicU8::new(UNANSWERED),
            pauses: AtomicU64::new(0),
        }
    }

    fn answered(&self) {
        // Nearly always it is known already: spare the write.
        if self.state.load(Ordering::Relaxed) != UP {
            self.state.store(UP, Ordering::Relaxed);
        }
    }

    fn earn(&self, gain: u64) {
        let full = full(&self.options);
        // Two at once may overfill it by one: no harm.
        let budget = self.budget.load(Ordering::Relaxed);
        if budget < full {
            self.budget.fetch_add(gain.min(full - budget), Ordering::Relaxed);
        }
    }

    fn spend(&self) -> bool {
        self.refill();
        let less = |budget: u64| budget.checked_sub(RETRY_COST);
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Gives back what the time since the last call here is worth.
    fn refill(&self) {
        let every = self.options.budget_refill;
        if every.is_zero() {
            return;
        }
        let mut refilled = self.refilled.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = refilled.map_or(Duration::ZERO, |before| now.duration_since(before));
        let retries = since.as_nanos() / every.as_nanos();
        if retries > 0 || refilled.is_none() {
            *refilled = Some(now);
            let retries = u64::try_from(retries).unwrap_or(u64::MAX);
            self.earn(retries.saturating_mul(RETRY_COST));
        }
    }

    /// Between half and all of the pause that doubles with each attempt.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let options = &self.options;
        let doubled = 2_u32.saturating_pow(attempt - 1);
        let longest = options.pause_first.saturating_mul(doubled).min(options.pause_max);
        let number = self.pauses.fetch_add(1, Ordering::Relaxed);
        let random = scramble(options.seed.wrapping_add(scramble(number)));
        let half = longest / 2;
        // Nanoseconds of the half pause fit: it would have to be 584 years otherwise.
        let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_nanos(random % span)
    }
}

fn full(options: &RetryOptions) -> u64 {
    u64::from(options.budget_retries) * RETRY_COST
}

/// The finaliser of `SplitMix64`: neighbouring numbers become unrelated ones.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Patience<'a> {
    shared: &'a Shared,
    verb: Verb,
    attempt: u32,
    first_failed: Option<Instant>,
}

impl<'a> Patience<'a> {
    pub(super) fn new(shared: &'a Shared, verb: Verb) -> Self {
        Self { shared, verb, attempt: 1, first_failed: None }
    }

    /// The number of the attempt that is under way or comes next, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The call has ended well.
    pub(super) fn succeeded(&self) {
        self.shared.answered();
        self.shared.earn(SUCCESS_GAIN);
    }

    /// Waits until it is time to repeat the call that failed with `error`.
    ///
    /// # Errors
    /// The error, if it must not be repeated or not any more.
    pub(super) async fn after(&mut self, error: Error) -> Result<()> {
        let shared = self.shared;
        if !error.is_retryable() {
            // An answer all the same: the store is there.
            shared.answered();
            return Err(error.with_attempts(self.attempt));
        }
        if error.is_throttled() {
            shared.meter.call_throttled(self.verb);
        }
        let pause = self.next_pause(error)?;
        shared.meter.call_repeated(self.verb);
        tokio::time::sleep(pause).await;
        self.attempt += 1;
        Ok(())
    }

    fn next_pause(&mut self, error: Error) -> Result<Duration> {
        let (shared, options, attempt) = (self.shared, &self.shared.options, self.attempt);
        let now = Instant::now();
        let waited = now.duration_since(*self.first_failed.get_or_insert(now));
        let patience = match shared.state.load(Ordering::Relaxed) {
            UP => options.patience,
            UNANSWERED => options.patience_unanswered.min(options.patience),
            _ => return Err(error.with_attempts(attempt)),
        };
        let backoff = shared.pause(attempt);
        let remaining = patience.saturating_sub(waited);
        // Those who are all told the same pause don't all come back at once.
        let pause = match error.retry_after() {
            Some(asked) if asked > remaining => return Err(self.too_long(asked, error)),
            Some(asked) => asked + backoff / 2,
            None => backoff,
        };
        let impatient = attempt >= ATTEMPTS_LEAST && pause > remaining;
        if attempt >= options.attempts_max || impatient {
            // A single attempt was not meant to be patient and shows nothing.
            if options.attempts_max > 1 {
                shared.state.store(DOWN, Ordering::Relaxed);
            }
            return Err(error.with_attempts(attempt));
        }
        if !shared.spend() {
            return Err(renewed(
                error,
                attempt,
                "it failed, and too many calls were repeated already; the store is overloaded or \
                 partly down; try again later"
                    .to_owned(),
            ));
        }
        let (verb, key) = (self.verb.name(), error.key());
        tracing::info!(verb, key, attempt, ?pause, %error, "trying again");
        Ok(pause)
    }

    /// It is no use to hold on to a call that can't be repeated in time.
    fn too_long(&self, asked: Duration, error: Error) -> Error {
        let text = format!(
            "the store asks to be left alone for {} s, longer than this call can wait; try again \
             later",
            asked.as_secs()
        );
        renewed(error, self.attempt, text)
    }
}

/// The error with a text that says why it is final, and itself as the source.
fn renewed(error: Error, attempt: u32, detail: String) -> Error {
    let mut last = Error::new(error.kind(), error.operation(), error.key())
        .with_detail(detail)
        .with_attempts(attempt);
    if let Some(pause) = error.retry_after() {
        last = last.with_retry_after(pause);
    }
    last.with_source(error)
}
