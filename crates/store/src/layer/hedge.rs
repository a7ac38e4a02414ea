//! A store that asks a second time when a small read takes unusually long, and takes the first
//! answer.
//!
//! One read in twenty is slower than the others for reasons that a second request does not share: a
//! busy disk, a lost packet. Learns by itself what is usual; few requests are doubled, whatever
//! happens. For services that answer many clients; a directory answers no sooner when it is asked
//! twice.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use tokio::time::{Instant, timeout};

use crate::layer::meter::Meter;
use crate::locking::Locking;
use crate::{Error, ObjectInfo, ObjectStream, Payload, Result, Store};

/// What is usual is told by so many reads of about the same size.
const WINDOW: usize = 128;

/// Reads of up to so many bytes are alike; the last class is of whole objects, whose size is not
/// known before.
const SIZES: [u64; 3] = [64 << 10, 1 << 20, u64::MAX];
const WHOLE: usize = SIZES.len();

/// When a read is asked for again.
#[derive(Clone, Copy, Debug)]
pub struct HedgeOptions {
    /// Not before this time.
    pub delay_min: Duration,
    /// Not before so many reads have told what is usual; at most 128 are remembered.
    pub samples_min: usize,
    /// Not for more bytes than these.
    pub bytes_max: u64,
    /// At most so many second requests of a hundred reads.
    pub percent_max: u8,
    /// How many second requests may be saved up.
    pub burst_max: u8,
}

impl Default for HedgeOptions {
    /// Decision 13 has the reasons.
    fn default() -> Self {
        Self {
            delay_min: Duration::from_millis(50),
            samples_min: 20,
            bytes_max: 8 << 20,
            percent_max: 5,
            burst_max: 10,
        }
    }
}

/// A store whose slow reads are doubled.
#[derive(Clone, Debug)]
pub struct HedgeStore {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: HedgeOptions,
    meter: Meter,
    windows: [Mutex<Window>; SIZES.len() + 1],
    /// Hundredths of a second request that may be sent.
    budget: AtomicU64,
}

/// The latest reads of one class.
#[derive(Debug)]
struct Window {
    reads: Vec<Read>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    time: Duration,
    bytes: u64,
}

impl HedgeStore {
    /// Doubles slow reads from `inner`, and counts them in `meter`.
    pub fn new(inner: Arc<dyn Store>, options: HedgeOptions, meter: Meter) -> Self {
        let window = || Mutex::new(Window { reads: Vec::with_capacity(WINDOW), next: 0 });
        let windows = [window(), window(), window(), window()];
        let shared = Shared { options, meter, windows, budget: AtomicU64::new(0) };
        Self { inner, shared: Arc::new(shared) }
    }

    async fn read<'a>(
        &'a self,
        class: usize,
        call: impl Fn() -> BoxFuture<'a, Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        let begun = Instant::now();
        let result = self.read_hedged(class, call).await;
        if let Ok(bytes) = &result {
            let read = Read { time: begun.elapsed(), bytes: bytes.len() as u64 };
            self.shared.window(class).add(read);
        }
        result
    }

    async fn read_hedged<'a>(
        &'a self,
        class: usize,
        call: impl Fn() -> BoxFuture<'a, Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        self.shared.earn();
        let Some(usual) = self.shared.window(class).usual(&self.shared.options) else {
            return call().await;
        };
        let mut first = call();
        if let Ok(result) = timeout(usual, &mut first).await {
            return result;
        }
        if !self.shared.spend() {
            return first.await;
        }
        self.shared.meter.hedge_sent();
        let (result, other, second_was_first) = match select(first, call()).await {
            Either::Left((result, second)) => (result, second, false),
            Either::Right((result, first)) => (result, first, true),
        };
        match result {
            // No answer is not the first answer.
            Err(error) if error.is_retryable() => match other.await {
                Err(other) if other.is_retryable() => Err(error),
                result => result,
            },
            result => {
                if second_was_first {
                    self.shared.meter.hedge_won();
                }
                result
            }
        }
    }
}

impl Shared {
    fn window(&self, class: usize) -> MutexGuard<'_, Window> {
        self.windows[class].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earn(&self) {
        let most = u64::from(self.options.burst_max) * 100;
        // Two at once may overfill it by a little: no harm.
        if self.budget.load(Ordering::Relaxed) < most {
            self.budget.fetch_add(u64::from(self.options.percent_max), Ordering::Relaxed);
        }
    }

    fn spend(&self) -> bool {
        let less = |budget: u64| budget.checked_sub(100);
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Window {
    fn add(&mut self, read: Read) {
        if self.reads.len() < WINDOW {
            self.reads.push(read);
        } else {
            self.reads[self.next] = read;
            self.next = (self.next + 1) % WINDOW;
        }
    }

    /// The time that 95 of a hundred reads don't take; `None` when it is not known, or the reads are
    /// too large to be doubled.
    fn usual(&self, options: &HedgeOptions) -> Option<Duration> {
        if self.reads.len() < options.samples_min.clamp(1, WINDOW)
            || self.reads.iter().any(|read| read.bytes > options.bytes_max)
        {
            return None;
        }
        let mut times: Vec<Duration> = self.reads.iter().map(|read| read.time).collect();
        let rank = (times.len() * 95).div_ceil(100) - 1;
        let (_, time, _) = times.select_nth_unstable(rank);
        Some((*time).max(options.delay_min))
    }
}

#[async_trait]
impl Store for HedgeStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.inner.put_new(key, data).await
    }

    /// Doubled while all whole objects that were got lately were small.
    async fn get(&self, key: &str) -> Result<Bytes> {
        self.read(WHOLE, || self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let bytes = range.end.saturating_sub(range.start);
        if bytes > self.shared.options.bytes_max {
            return self.inner.get_range(key, range).await;
        }
        let class = SIZES.iter().position(|size| bytes <= *size).unwrap_or(SIZES.len() - 1);
        self.read(class, || self.inner.get_range(key, range.clone())).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.inner.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.inner.delete(key).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.inner.put_soon(key, data).await
    }

    async fn sync(&self) -> Result<()> {
        self.inner.sync().await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        self.inner.delete_many(keys).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.inner.copy_new(from, to).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
