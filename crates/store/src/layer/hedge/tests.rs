use std::sync::atomic::AtomicBool;

use super::*;
use crate::layer::scripted::{Fate, Fault, Scripted};
use crate::{ErrorKind, Verb};

const USUAL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(10);

/// A store of which the reads with these numbers (from 0) are slow, after a put.
async fn slow_at(slow: &'static [u64]) -> (Arc<Scripted>, HedgeStore, Meter) {
    let below = Scripted::by(move |number, _| Fate {
        takes: if slow.contains(&number) { SLOW } else { USUAL },
        fault: None,
    });
    hedged(below).await
}

async fn hedged(below: Arc<Scripted>) -> (Arc<Scripted>, HedgeStore, Meter) {
    below.inside().put_new("x", vec![7; 100].into()).await.unwrap();
    let meter = Meter::new();
    let store = HedgeStore::new(below.store(), HedgeOptions::default(), meter.clone());
    (below, store, meter)
}

async fn timed(store: &HedgeStore) -> Duration {
    let begun = Instant::now();
    store.get_range("x", 0..10).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_is_asked_for_again() {
    let (below, store, meter) = slow_at(&[20]).await;
    for _ in 0..20 {
        assert_eq!(timed(&store).await, USUAL);
    }
    // Not before fifty milliseconds, though all others took twenty.
    assert_eq!(timed(&store).await, Duration::from_millis(50) + USUAL);
    assert_eq!(below.calls(), 22);
    assert_eq!(below.in_flight(), 0, "the slow one was dropped");
    let hedges = meter.snapshot().hedges;
    assert_eq!((hedges.sent, hedges.won), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_may_still_be_the_first_request() {
    let below = Scripted::by(|number, _| Fate {
        takes: match number {
            20 => Duration::from_millis(60),
            21 => SLOW,
            _ => USUAL,
        },
        fault: None,
    });
    let (_, store, meter) = hedged(below).await;
    for _ in 0..20 {
        timed(&store).await;
    }
    assert_eq!(timed(&store).await, Duration::from_millis(60));
    assert_eq!((meter.snapshot().hedges.sent, meter.snapshot().hedges.won), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_usual_must_be_known_first() {
    let (below, store, _) = slow_at(&[19]).await;
    for _ in 0..19 {
        timed(&store).await;
    }
    assert_eq!(timed(&store).await, SLOW);
    assert_eq!(below.calls(), 20);
}

/// However slow a store becomes, one in twenty is the most.
#[tokio::test(start_paused = true)]
async fn few_reads_are_doubled() {
    let slow = Arc::new(AtomicBool::new(false));
    let is_slow = Arc::clone(&slow);
    let below = Scripted::by(move |number, _| Fate {
        // Slower and slower: always beyond what was usual.
        takes: match is_slow.load(Ordering::Relaxed) {
            true => Duration::from_millis(100 * number),
            false => USUAL,
        },
        fault: None,
    });
    let (below, store, meter) = hedged(below).await;
    for _ in 0..1000 {
        timed(&store).await;
    }
    slow.store(true, Ordering::Relaxed);
    for _ in 0..1000 {
        timed(&store).await;
    }
    let sent = meter.snapshot().hedges.sent;
    // What was saved up, and a twentieth.
    assert!((40..=60).contains(&sent), "{sent}");
    assert_eq!(below.calls(), 2000 + sent);
}

#[tokio::test(start_paused = true)]
async fn large_reads_are_not_doubled() {
    let below = Scripted::by(|number, _| Fate {
        takes: if number == 30 { SLOW } else { USUAL },
        fault: None,
    });
    below.inside().put_new("large", vec![0; 9 << 20].into()).await.unwrap();
    let (below, store, _) = hedged(below).await;
    for _ in 0..30 {
        store.get_range("large", 0..9 << 20).await.unwrap();
    }
    store.get_range("large", 0..9 << 20).await.unwrap();
    assert_eq!(below.calls(), 31);
    // Of whole objects the size is only known of those before.
    let below = Scripted::by(|number, _| Fate {
        takes: if number == 30 { SLOW } else { USUAL },
        fault: None,
    });
    below.inside().put_new("large", vec![0; 9 << 20].into()).await.unwrap();
    let (below, store, _) = hedged(below).await;
    for number in 0..31 {
        store.get(if number % 10 == 0 { "large" } else { "x" }).await.unwrap();
    }
    assert_eq!(below.calls(), 31);
}

#[tokio::test(start_paused = true)]
async fn whole_objects_are_doubled_while_they_are_small() {
    let (below, store, _) = slow_at(&[20]).await;
    for _ in 0..21 {
        store.get("x").await.unwrap();
    }
    assert_eq!(below.calls(), 22);
}

/// That one of two was not answered is no answer; that there is no such object is one.
#[tokio::test(start_paused = true)]
async fn an_answer_is_preferred_to_none() {
    let kind = |second: ErrorKind| {
        Scripted::by(move |number, _| match number {
            20 => Fate { takes: Duration::from_secs(1), fault: None },
            21 => Fate { takes: USUAL, fault: Some(Fault::Before(second)) },
            _ => Fate { takes: USUAL, fault: None },
        })
    };
    let (below, store, meter) = hedged(kind(ErrorKind::Unavailable)).await;
    for _ in 0..20 {
        timed(&store).await;
    }
    assert_eq!(timed(&store).await, Duration::from_secs(1));
    assert_eq!(below.calls_of(Verb::GetRange), 22);
    assert_eq!(meter.snapshot().hedges.won, 0);
    let (_, store, _) = hedged(kind(ErrorKind::NotFound)).await;
    for _ in 0..20 {
        timed(&store).await;
    }
    let error = store.get_range("x", 0..10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
