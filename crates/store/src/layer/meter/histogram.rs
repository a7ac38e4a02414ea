//! How long calls took, in buckets that are fine where times are short.
//!
//! Log-linear: sixteen buckets for each doubling of time, so that what is read from them is at most
//! a sixteenth too high. From a microsecond to some twelve days; longer counts as that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for each doubling.
const STEPS: u64 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// 2^40 µs are twelve days.
const MICROS_BITS: u32 = 40;
const BUCKETS: usize = ((MICROS_BITS - STEP_BITS + 1) as usize) << STEP_BITS;

/// Times, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// One count for each bucket; trailing zeros are left out.
    counts: Vec<u64>,
    sum_micros: u64,
}

impl Histogram {
    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All times together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros)
    }

    /// The time that `percent` of all hundred are not above, up to a sixteenth too high; `None` when
    /// there are none.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (u128::from(count) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut below = 0_u128;
        let found = self.counts.iter().position(|bucket| {
            below += u128::from(*bucket);
            below >= rank
        });
        found.map(|bucket| Duration::from_micros(upper_bound(bucket)))
    }

    /// The non-empty buckets, in order: the longest time of each, and how many are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bucket, count)| (Duration::from_micros(upper_bound(bucket)), *count))
    }

    /// The times that came after `earlier` was taken of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts.clone();
        for (count, before) in counts.iter_mut().zip(&earlier.counts) {
            *count = count.saturating_sub(*before);
        }
        while counts.last() == Some(&0) {
            counts.pop();
        }
        Self { counts, sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros) }
    }
}

/// A histogram that many tasks add to at once.
#[derive(Debug)]
pub(crate) struct Counts {
    buckets: Box<[AtomicU64]>,
    sum_micros: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        let buckets = std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect();
        Self { buckets, sum_micros: AtomicU64::new(0) }
    }
}

impl Counts {
    pub(crate) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Histogram {
        let read = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed);
        let mut counts: Vec<u64> = self.buckets.iter().map(read).collect();
        while counts.last() == Some(&0) {
            counts.pop();
        }
        Histogram { counts, sum_micros: self.sum_micros.load(Ordering::Relaxed) }
    }
}

/// The first `STEPS` buckets are of one microsecond each; from there each doubling has `STEPS`.
fn bucket_of(micros: u64) -> usize {
    let micros = micros.min((1 << MICROS_BITS) - 1);
    let doubling = (u64::BITS - (micros | (STEPS - 1)).leading_zeros()) - STEP_BITS;
    let shift = doubling.saturating_sub(1);
    let step = (micros >> shift) % STEPS;
    usize::try_from(u64::from(doubling) * STEPS + step).expect("there are a few hundred buckets")
}

/// The longest time of a bucket, in microseconds.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (doubling, step) = (bucket / STEPS, bucket % STEPS);
    if doubling == 0 {
        return step;
    }
    let shift = doubling - 1;
    ((STEPS + step + 1) << shift) - 1
}

#[cfg(test)]
mod tests;
