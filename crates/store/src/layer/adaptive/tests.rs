use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::layer::scripted::{Fate, Fault, Scripted};
use crate::{ErrorKind, Verb};

const TAKES: Duration = Duration::from_millis(10);

fn limited(
    script: impl Fn(u64, Verb) -> Option<Fault> + Send + Sync + 'static,
) -> (Arc<Scripted>, AdaptiveStore, Meter) {
    let below =
        Scripted::by(move |number, verb| Fate { takes: TAKES, fault: script(number, verb) });
    let meter = Meter::new();
    let store = AdaptiveStore::new(below.store(), AdaptiveOptions::default(), &meter);
    (below, store, meter)
}

async fn heads(store: &AdaptiveStore, count: usize) {
    join_all((0..count).map(|_| store.head("x"))).await;
}

#[tokio::test(start_paused = true)]
async fn success_adds_up_to_the_maximum() {
    let (below, store, meter) = limited(|_, _| None);
    assert_eq!(meter.snapshot().pool(Pool::Get).limit, 16);
    let puts = (0..100).map(|number| async move { format!("{number}") });
    let puts = puts.map(|key| async { store.put_new(&key.await, b"x".into()).await.unwrap() });
    join_all(puts).await;
    assert_eq!(below.peak(), 8);
    join_all((0..200).map(|_| store.get("1"))).await;
    assert_eq!(below.peak(), 32);
    heads(&store, 100).await;
    assert_eq!(below.peak(), 8);
    let limits = Pool::ALL.map(|pool| meter.snapshot().pool(pool));
    assert_eq!(limits.map(|pool| (pool.limit, pool.in_flight)), [(32, 0), (8, 0), (8, 0)]);
}

#[tokio::test(start_paused = true)]
async fn being_asked_too_much_halves_once_a_round() {
    let (below, store, meter) = limited(|number, _| (number >= 100).then_some(Fault::Throttled));
    heads(&store, 100).await;
    assert_eq!(meter.snapshot().pool(Pool::Other).limit, 8);
    below.peak();
    for limit in [4, 2, 1, 1] {
        heads(&store, 8.min(limit * 2)).await;
        assert_eq!(meter.snapshot().pool(Pool::Other).limit, u32::try_from(limit).unwrap());
    }
    assert_eq!(below.peak(), 8);
    heads(&store, 5).await;
    assert_eq!(below.peak(), 1);
    // The other pools were not asked.
    assert_eq!(meter.snapshot().pool(Pool::Put).limit, 4);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_recovers_is_asked_more_again() {
    let (below, store, meter) = limited(|number, _| (number < 40).then_some(Fault::Throttled));
    heads(&store, 40).await;
    assert_eq!(meter.snapshot().pool(Pool::Other).limit, 1);
    below.peak();
    heads(&store, 20).await;
    let grown = meter.snapshot().pool(Pool::Other).limit;
    assert!((4..8).contains(&grown), "one for each round: {grown}");
    heads(&store, 100).await;
    assert_eq!((below.peak(), meter.snapshot().pool(Pool::Other).limit), (8, 8));
}

/// Faults that come and go must not take the speed away.
#[tokio::test(start_paused = true)]
async fn single_failures_cost_little() {
    let (_, store, meter) = limited(|number, _| {
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (random % 20 == 0).then_some(Fault::Before(ErrorKind::Unavailable))
    });
    let mut limits = 0;
    for _ in 0..100 {
        heads(&store, 20).await;
        limits += meter.snapshot().pool(Pool::Other).limit;
    }
    assert!(limits >= 600, "{limits} in a hundred rounds");
}

#[tokio::test(start_paused = true)]
async fn what_there_is_not_is_an_answer() {
    let (_, store, meter) = limited(|_, _| Some(Fault::Before(ErrorKind::NotFound)));
    heads(&store, 100).await;
    assert_eq!(meter.snapshot().pool(Pool::Other).limit, 8);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_give_their_places_back() {
    let (below, store, meter) = limited(|_, _| None);
    for _ in 0..10 {
        // Some are under way then, the others wait.
        let some = join_all((0..20).map(|_| store.head("x")));
        assert!(tokio::time::timeout(TAKES / 2, some).await.is_err());
        assert_eq!((below.in_flight(), meter.snapshot().pool(Pool::Other).in_flight), (0, 0));
    }
    below.peak();
    heads(&store, 4).await;
    assert_eq!(below.peak(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first() {
    let (_, store, _) = limited(|_, _| None);
    let served = Mutex::new(Vec::new());
    join_all((0..30).map(|number| {
        let (store, served) = (&store, &served);
        async move {
            store.head("x").await.unwrap_err();
            served.lock().unwrap().push(number);
        }
    }))
    .await;
    assert!(served.lock().unwrap().is_sorted());
}

/// A list that is open holds no place: calls made while it is read can't wait for it.
#[tokio::test(start_paused = true)]
async fn open_lists_are_in_nobodys_way() {
    let (_, store, _) = limited(|_, _| None);
    let open: Vec<_> = join_all((0..20).map(|_| store.list(""))).await;
    heads(&store, 1).await;
    assert_eq!(open.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn deletes_of_many_teach_by_their_worst() {
    let (_, store, meter) = limited(|_, _| Some(Fault::Throttled));
    let keys = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(store.delete_many(&keys).await.len(), 2);
    assert!(meter.snapshot().pool(Pool::Other).lowered == 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, the limit stays within its bounds and is kept, and no place gets lost.
    #[test]
    fn the_limit_is_kept(fates in prop::collection::vec(0_u8..8, 1..300), most in 1_u32..20) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let count = fates.len();
            let below = Scripted::by(move |number, _| {
                let fate = usize::try_from(number).ok().and_then(|at| fates.get(at));
                Fate {
                    takes: TAKES * u32::from(fate.copied().unwrap_or(1)),
                    fault: match fate {
                        Some(0) => Some(Fault::Throttled),
                        Some(1) => Some(Fault::Before(ErrorKind::Unavailable)),
                        _ => None,
                    },
                }
            });
            let meter = Meter::new();
            let options = AdaptiveOptions { other_max: most, ..AdaptiveOptions::default() };
            let store = AdaptiveStore::new(below.store(), options, &meter);
            let calls = (0..count).map(|number| {
                let call = store.head("x");
                // Some are dropped on the way.
                tokio::time::timeout(TAKES * if number % 3 == 0 { 5 } else { 10_000 }, call)
            });
            join_all(calls).await;
            let most = u64::from(most);
            assert!(below.peak() <= most);
            assert_eq!(meter.snapshot().pool(Pool::Other).in_flight, 0);
            // A good time makes up for everything, and all places are there.
            heads(&store, 2000).await;
            assert_eq!(below.peak(), most);
        });
    }
}
