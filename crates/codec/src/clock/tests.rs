//! Tests of the system's clock.

use super::{Clock, SystemClock};

#[test]
fn the_time_of_day_is_plausible() {
    let now = SystemClock::new().now();
    assert!(now.secs > 1_700_000_000, "{now:?}");
    assert!(now.nanos < 1_000_000_000, "{now:?}");
}

#[test]
fn elapsed_time_never_goes_back() {
    let clock = SystemClock::new();
    let times: Vec<_> = (0..1000).map(|_| clock.monotonic()).collect();
    assert!(times.is_sorted());
}
