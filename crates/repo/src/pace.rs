//! Pace: whether a worker may begin its next unit of work now.
//!
//! Workers ask before each unit, while they hold no lock. Knows how
//! to wait, not why: clocks and what else the machine does are the [`Pacer`]'s.
//!
//! Invariant: whoever waits is let go at once when its run is to stop, whatever the pacer says.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// How long a wait goes on without a look at whether the run is to stop.
const SLICE: Duration = Duration::from_millis(20);

/// Decides when workers may begin their units.
pub trait Pacer: Debug + Send + Sync {
    /// How long the calling thread is to wait before it asks again; `None` when it may begin now. Each
    /// thread must be let on some time, or its run never ends.
    fn ask(&self) -> Option<Duration>;
}

/// What workers ask; clones share it. By default every unit begins at once.
#[derive(Clone, Debug, Default)]
pub struct Pace(Option<Arc<dyn Pacer>>);

impl Pace {
    /// The pace that `pacer` sets.
    pub fn by(pacer: Arc<dyn Pacer>) -> Self {
        Self(Some(pacer))
    }

    /// Waits until the next unit may begin. `go_on` is called at least once, and again and again
    /// meanwhile: what it must do for others it does there. False once it says so.
    ///
    /// # Errors
    /// Those of `go_on`.
    pub fn wait<E>(&self, mut go_on: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
        loop {
            if !go_on()? {
                return Ok(false);
            }
            match self.0.as_ref().and_then(|pacer| pacer.ask()) {
                None => return Ok(true),
                Some(pause) => std::thread::sleep(pause.min(SLICE)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Lets a thread on when it has asked so many times.
    #[derive(Debug)]
    struct After(u32, AtomicU32, Duration);

    impl Pacer for After {
        fn ask(&self) -> Option<Duration> {
            (self.1.fetch_add(1, Ordering::Relaxed) < self.0).then_some(self.2)
        }
    }

    fn pace(asks: u32, pause: Duration) -> Pace {
        Pace::by(Arc::new(After(asks, AtomicU32::new(0), pause)))
    }

    /// How often `go_on` was called, which says `false` in the end if it is called `most` times.
    fn wait(pace: &Pace, most: u32) -> (Result<bool, ()>, u32) {
        let mut calls = 0;
        let waited = pace.wait(|| {
            calls += 1;
            Ok(calls < most)
        });
        (waited, calls)
    }

    #[test]
    fn by_default_nobody_waits() {
        assert_eq!(wait(&Pace::default(), 9), (Ok(true), 1));
        assert_eq!(wait(&Pace::default(), 1), (Ok(false), 1));
    }

    #[test]
    fn a_wait_is_in_slices() {
        assert_eq!(wait(&pace(3, Duration::from_millis(1)), 9), (Ok(true), 4));
        // An hour's wait that would never end by itself.
        let hour = Duration::from_secs(3600);
        assert_eq!(wait(&pace(u32::MAX, hour), 3), (Ok(false), 3));
        assert_eq!(pace(u32::MAX, hour).wait(|| Err::<bool, _>("why")), Err("why"));
    }
}
