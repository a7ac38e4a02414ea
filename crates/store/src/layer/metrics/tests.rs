use super::*;

#[tokio::test]
async fn calls_failures_and_bytes_are_counted_by_verb() {
    let meter = Meter::new();
    let store = MetricsStore::new(crate::mem(), meter.clone());
    store.put_new("a", b"12345".into()).await.unwrap();
    store.put_new("a", b"123".into()).await.unwrap_err();
    let before = meter.snapshot();
    let put = before.of(Verb::Put);
    assert_eq!((put.calls, put.failures, put.bytes, put.latency.count()), (2, 1, 5, 2));
    store.get("a").await.unwrap();
    store.get_range("a", 0..2).await.unwrap();
    store.head("b").await.unwrap_err();
    store.put_soon("c", b"12".into()).await.unwrap();
    let after = meter.snapshot();
    assert_eq!((after.bytes_got(), after.bytes_put()), (7, 7));
    // Without HTTP every call is a request.
    assert_eq!((after.calls(), after.requests()), (6, 6));
    assert_eq!(after.since(&before).calls(), 4);
    assert_eq!(after.since(&before).of(Verb::Put).calls, 0);
}
