use super::*;

#[tokio::test]
async fn requests_failures_and_bytes_are_counted_by_verb() {
    let store = MetricsStore::new(crate::mem());
    store.put_new("a", b"12345".into()).await.unwrap();
    store.put_new("a", b"123".into()).await.unwrap_err();
    let before = store.snapshot();
    assert_eq!(before.of(Verb::Put), VerbMetrics { requests: 2, failures: 1, bytes: 5 });
    store.get("a").await.unwrap();
    store.get_range("a", 0..2).await.unwrap();
    store.head("b").await.unwrap_err();
    let after = store.snapshot();
    assert_eq!(after.bytes_got(), 7);
    assert_eq!(after.bytes_put(), 5);
    assert_eq!(after.requests(), 5);
    assert_eq!(after.since(&before).requests(), 3);
    assert_eq!(after.since(&before).of(Verb::Put), VerbMetrics::default());
}
