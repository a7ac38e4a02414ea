use futures::TryStreamExt;
use tokio::time::Instant;

use super::*;
use crate::layer::scripted::{Fate, Fault, Scripted};

const HOURS: Duration = Duration::from_secs(100 * 3600);

fn stuck_store() -> WatchdogStore {
    let below = Scripted::by(|_, _| Fate { takes: HOURS, fault: None });
    WatchdogStore::new(below.store(), WatchdogOptions::default())
}

async fn seconds<T>(call: impl Future<Output = Result<T>>) -> (u64, ErrorKind) {
    let begun = Instant::now();
    let Err(error) = call.await else { panic!("it is stuck") };
    assert!(error.to_string().contains("stuck"), "{error}");
    (begun.elapsed().as_secs(), error.kind())
}

#[tokio::test(start_paused = true)]
async fn every_call_ends() {
    let store = stuck_store();
    let unavailable = |seconds| (seconds, ErrorKind::Unavailable);
    let mib = Payload::from(vec![0; 1 << 20]);
    assert_eq!(seconds(store.put_new("x", mib.clone())).await, unavailable(60 + 16));
    assert_eq!(seconds(store.put_soon("x", mib)).await, unavailable(60 + 16));
    assert_eq!(seconds(store.get("x")).await, unavailable(60 + 1024));
    assert_eq!(seconds(store.get_range("x", 0..64 << 10)).await, unavailable(61));
    assert_eq!(seconds(store.head("x")).await, unavailable(60));
    assert_eq!(seconds(store.list("")).await, unavailable(60));
    assert_eq!(seconds(store.delete("x")).await, unavailable(60));
    assert_eq!(seconds(store.copy_new("x", "y")).await, unavailable(60 + 1024));
    // What was put soon has to be written, too; and it must not be tried again.
    assert_eq!(seconds(store.sync()).await, (60 + 16, ErrorKind::Other));
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let begun = Instant::now();
    let failed = store.delete_many(&keys).await;
    assert_eq!(begun.elapsed().as_secs(), 60 + 10);
    assert!(failed.iter().map(Error::key).eq(&keys));
}

/// Those who share a link are not stuck because each is slower.
#[tokio::test(start_paused = true)]
async fn transfers_beside_each_other_have_more_time() {
    let store = stuck_store();
    let put = |key| seconds(store.put_new(key, Payload::from(vec![0; 1 << 20])));
    let (first, second, third) = tokio::join!(put("a"), put("b"), put("c"));
    assert_eq!([first.0, second.0, third.0], [60 + 16, 60 + 32, 60 + 48]);
    assert_eq!(put("d").await.0, 60 + 16);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_in_time_is_left_alone() {
    let below = Scripted::by(|_, _| Fate { takes: Duration::from_secs(59), fault: None });
    let store = WatchdogStore::new(below.store(), WatchdogOptions::default());
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
    let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stops_ends() {
    let below = Scripted::new(&[Some(Fault::Stops(1))]);
    for key in ["a", "b"] {
        below.inside().put_new(key, b"".into()).await.unwrap();
    }
    let store = WatchdogStore::new(below.store(), WatchdogOptions::default());
    let mut listed = store.list("").await.unwrap();
    assert_eq!(listed.next().await.unwrap().unwrap().key, "a");
    let begun = Instant::now();
    let error = listed.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::Unavailable, 60));
    assert!(listed.next().await.is_none());
}

#[test]
fn our_own_limits_give_more_time() {
    let limit = |bytes| Bandwidth::per_second(NonZeroU64::new(bytes).unwrap());
    let within = |upload, download| {
        let together = AdaptiveOptions { put_max: 5, get_max: 10, other_max: 1 };
        let options = WatchdogOptions::default().within(&upload, &download, together);
        (options.up_slowest.get(), options.down_slowest.get())
    };
    assert_eq!(within(limit(1000), Bandwidth::unlimited()), (100, 64 << 10));
    assert_eq!(within(limit(1 << 30), limit(1000)), (64 << 10, 50));
    assert_eq!(within(limit(1), limit(1)), (1, 1));
}

#[test]
fn a_service_may_rest_as_long_as_it_was_told() {
    let base = |stall| WatchdogOptions::for_services(stall).base.as_secs();
    assert_eq!(base(None), 120);
    assert_eq!(base(Some(Duration::from_secs(100))), 400);
}
