//! What a server does wrong, to which of its requests.
//!
//! A fault counts the requests that it is about by itself, from the moment it is added. With a
//! probability it throws dice of its own, from its seed.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use crate::fault::Moment;

use super::request::Operation;

/// One instruction to a server: what it does, and to which requests. Without more it is done to the next
/// one, whatever that is.
#[derive(Clone, Debug)]
pub struct Fault {
    effect: Effect,
    moment: Moment,
    operation: Option<Operation>,
    text: String,
    from: u64,
    times: u64,
    dice: Option<(u32, ChaCha8Rng)>,
    seen: u64,
}

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Status { code: u16, retry_after: Option<Duration> },
    Reset,
    Hang,
    TruncatedAnswer { bytes: u64 },
    StalledAnswer { bytes: u64 },
    SlowAnswer { bytes_per_second: u64 },
    FlippedAnswer { bit: u64 },
    FlippedRequest { bit: u64 },
    StalledRequest { bytes: u64 },
    Delay(Duration),
}

impl Fault {
    fn new(effect: Effect, moment: Moment) -> Self {
        let (operation, dice) = (None, None);
        Self { effect, moment, operation, text: String::new(), from: 1, times: 1, dice, seen: 0 }
    }

    /// It is answered with this status and an error's document, and not done.
    pub fn status(code: u16) -> Self {
        Self::new(Effect::Status { code, retry_after: None }, Moment::Before)
    }

    /// As [`Fault::status`], with a `Retry-After` of whole seconds.
    pub fn retry_after(code: u16, pause: Duration) -> Self {
        Self::new(Effect::Status { code, retry_after: Some(pause) }, Moment::Before)
    }

    /// The connection is reset before the request's body is read.
    pub fn reset() -> Self {
        Self::new(Effect::Reset, Moment::Before)
    }

    /// It is done, and then the connection is reset without an answer.
    pub fn lost_answer() -> Self {
        Self::new(Effect::Reset, Moment::After)
    }

    /// It is never answered, and not done; the connection stays open.
    pub fn hang() -> Self {
        Self::new(Effect::Hang, Moment::Before)
    }

    /// The answer's length is right, but the connection ends after so many bytes of its content.
    pub fn truncated_answer(bytes: u64) -> Self {
        Self::new(Effect::TruncatedAnswer { bytes }, Moment::After)
    }

    /// After so many bytes of the answer's content no more come; the connection stays open.
    pub fn stalled_answer(bytes: u64) -> Self {
        Self::new(Effect::StalledAnswer { bytes }, Moment::After)
    }

    /// The answer's content comes at this rate.
    pub fn slow_answer(bytes_per_second: u64) -> Self {
        Self::new(Effect::SlowAnswer { bytes_per_second: bytes_per_second.max(1) }, Moment::After)
    }

    /// One bit of the answer's content is the other way round: counted from the first byte's lowest,
    /// modulo the number there are.
    pub fn flipped_answer(bit: u64) -> Self {
        Self::new(Effect::FlippedAnswer { bit }, Moment::After)
    }

    /// One bit of the request's content arrives the other way round.
    pub fn flipped_request(bit: u64) -> Self {
        Self::new(Effect::FlippedRequest { bit }, Moment::Before)
    }

    /// After so many bytes of the request's content no more are read; the connection stays open.
    pub fn stalled_request(bytes: u64) -> Self {
        Self::new(Effect::StalledRequest { bytes }, Moment::Before)
    }

    /// It waits before anything is done. Other faults may come on top.
    pub fn delay(pause: Duration) -> Self {
        Self::new(Effect::Delay(pause), Moment::Before)
    }

    /// The request is done all the same before its status is answered or it hangs.
    #[must_use]
    pub fn after_the_effect(mut self) -> Self {
        self.moment = Moment::After;
        self
    }

    /// Only requests of this kind are meant, and counted.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests with this text in their key (or the prefix of a list) are meant, and counted.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        text.clone_into(&mut self.text);
        self
    }

    /// The first that is meant is the `number`th, from 1.
    #[must_use]
    pub fn from_number(mut self, number: u64) -> Self {
        self.from = number;
        self
    }

    /// So many in a row are meant.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// All from the first on are meant.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    /// Of those that are meant only so many of a thousand are, as dice from this seed say.
    #[must_use]
    pub fn now_and_then(mut self, per_mille: u32, seed: u64) -> Self {
        self.dice = Some((per_mille, ChaCha8Rng::seed_from_u64(seed)));
        self
    }

    /// Counts a request that it is about; whether it is meant.
    fn meets(&mut self, operation: Operation, key: &str) -> bool {
        if self.operation.is_some_and(|wanted| wanted != operation) || !key.contains(&self.text) {
            return false;
        }
        self.seen += 1;
        let meant = self.seen >= self.from && self.seen - self.from < self.times;
        meant
            && self
                .dice
                .as_mut()
                .is_none_or(|(per_mille, dice)| dice.next_u32() % 1000 < *per_mille)
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdict {
    pub(super) delay: Duration,
    pub(super) effect: Option<(Effect, Moment)>,
}

impl Verdict {
    /// The effect that strikes before the request is done.
    pub(super) fn before(&self) -> Option<Effect> {
        self.effect.filter(|(_, moment)| *moment == Moment::Before).map(|(effect, _)| effect)
    }

    /// The effect that strikes when the request is done.
    pub(super) fn after(&self) -> Option<Effect> {
        self.effect.filter(|(_, moment)| *moment == Moment::After).map(|(effect, _)| effect)
    }
}

/// All faults of a server.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<Fault>,
    injected: u64,
}

impl Script {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn injected(&self) -> u64 {
        self.injected
    }

    pub(super) fn decide(&mut self, operation: Operation, key: &str) -> Verdict {
        let mut verdict = Verdict::default();
        for fault in &mut self.faults {
            // Every fault counts, also behind the one that applies.
            if fault.meets(operation, key) {
                match fault.effect {
                    Effect::Delay(pause) => verdict.delay += pause,
                    effect => verdict.effect = verdict.effect.or(Some((effect, fault.moment))),
                }
            }
        }
        self.injected += u64::from(verdict.effect.is_some());
        verdict
    }
}
