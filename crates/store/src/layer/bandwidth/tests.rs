use std::sync::atomic::{AtomicU16, Ordering};

use proptest::prelude::*;

use super::*;

fn rate(bytes: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes).unwrap()
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_limit_takes_no_time() {
    let start = Instant::now();
    Bandwidth::unlimited().take(u64::MAX).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_at_the_limit() {
    let bandwidth = Bandwidth::per_second(rate(1000));
    let start = Instant::now();
    bandwidth.clone().take(4000).await;
    bandwidth.take(1000).await;
    let took = start.elapsed().as_secs_f64();
    assert!((4.9..5.2).contains(&took), "{took}");
}

/// A large transfer does not keep a small one waiting for its end.
#[tokio::test(start_paused = true)]
async fn those_who_wait_get_equal_shares() {
    let bandwidth = Bandwidth::per_second(rate(10_000));
    let start = Instant::now();
    let large = async {
        bandwidth.take(100_000).await;
        start.elapsed()
    };
    let small = async {
        bandwidth.take(5_000).await;
        start.elapsed()
    };
    let (large, small) = tokio::join!(large, small);
    assert!((0.9..1.3).contains(&small.as_secs_f64()), "{small:?}");
    assert!((10.4..10.9).contains(&large.as_secs_f64()), "{large:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_limit_is_felt_within_a_second() {
    let minute = Arc::new(AtomicU16::new(0));
    let clock = Arc::clone(&minute);
    let schedule = Schedule::parse("00:00-00:01=1K; 1M").unwrap();
    let local = Arc::new(move || Moment::new(0, clock.load(Ordering::Relaxed)));
    let bandwidth = Bandwidth::scheduled(schedule, local);
    let start = Instant::now();
    let transfer = bandwidth.take(10 << 20);
    let change = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        minute.store(1, Ordering::Relaxed);
    };
    tokio::join!(transfer, change);
    let took = start.elapsed().as_secs_f64();
    assert!((19.9..21.1).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_takes_no_more() {
    let bandwidth = Bandwidth::per_second(rate(1000));
    let dropped = tokio::time::timeout(Duration::from_secs(2), bandwidth.take(1_000_000)).await;
    assert!(dropped.is_err());
    let start = Instant::now();
    bandwidth.take(1000).await;
    assert!(start.elapsed().as_secs_f64() < 1.2, "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is taken and whenever, no stretch of time sees more than the limit allows in it.
    #[test]
    fn the_limit_is_never_exceeded(
        limit in 1_u64..50_000,
        takes in prop::collection::vec((0_u64..3_000, 0_u64..20_000), 1..20),
    ) {
        let passed = paused().block_on(async {
            let bandwidth = Bandwidth::per_second(rate(limit));
            let start = Instant::now();
            let mut passed = Vec::new();
            for (pause_ms, bytes) in takes {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                // What a slow limit would keep for days says nothing more.
                let bytes = bytes.min(limit * 5);
                bandwidth.take(bytes).await;
                passed.push((start.elapsed().as_secs_f64(), bytes));
            }
            passed
        });
        for (at, (begin, _)) in passed.iter().enumerate() {
            let mut bytes = 0;
            for (end, taken) in &passed[at + 1..] {
                bytes += taken;
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let most = (end - begin) * limit as f64 + (limit as f64 / 10.0).max(1.0) + 1.0;
                prop_assert!(bytes as f64 <= most, "{bytes} > {most}");
            }
        }
    }
}
