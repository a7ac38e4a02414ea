//! One direction of a link: who may set out when, and when it arrives.

use std::time::Duration;

use tokio::time::Instant;

use super::LaneOptions;

/// How far ahead of time bytes may be taken in: what the first router of a link holds. Less, and the
/// link would idle while a busy machine wakes us.
pub(super) const AHEAD: Duration = Duration::from_millis(10);

/// A direction with the time until which it is taken.
#[derive(Debug)]
pub(super) struct Lane {
    options: LaneOptions,
    free: Option<Instant>,
}

/// When a piece of the way of bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// When the last byte has set out.
    pub(super) sent: Instant,
    /// When it arrives.
    pub(super) arrived: Instant,
}

impl Lane {
    pub(super) fn new(options: LaneOptions) -> Self {
        Self { options, free: None }
    }

    pub(super) fn set(&mut self, options: LaneOptions) {
        self.options = options;
    }

    pub(super) fn delay(&self) -> Duration {
        self.options.delay
    }

    /// Takes the lane for so many bytes, behind all that have taken it before.
    pub(super) fn take(&mut self, now: Instant, bytes: u64) -> Slot {
        let start = self.free.map_or(now, |free| free.max(now));
        let nanos = self.options.bytes_per_second.map_or(0, |rate| {
            u128::from(bytes) * Duration::from_secs(1).as_nanos() / u128::from(rate.max(1))
        });
        let sent = start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free = Some(sent);
        Slot { sent, arrived: sent + self.options.delay }
    }
}
