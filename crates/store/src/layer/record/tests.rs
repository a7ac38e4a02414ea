use super::*;

#[tokio::test]
async fn calls_are_kept_in_order_with_their_outcomes() {
    let store = RecordStore::new(crate::mem());
    store.put_new("a", b"12345".into()).await.unwrap();
    store.put_new("a", b"1".into()).await.unwrap_err();
    store.get_range("a", 1..3).await.unwrap();
    store.get("b").await.unwrap_err();
    let calls = store.calls();
    let outcomes: Vec<_> = calls.iter().map(|call| (call.verb, call.outcome.unwrap())).collect();
    assert_eq!(
        outcomes,
        [
            (Verb::Put, Ok(5)),
            (Verb::Put, Err(ErrorKind::AlreadyExists)),
            (Verb::GetRange, Ok(2)),
            (Verb::Get, Err(ErrorKind::NotFound)),
        ]
    );
    assert_eq!(calls[2].range, Some(1..3));
    assert_eq!(store.keys(Verb::Put), ["a", "a"]);
    store.clear();
    assert_eq!(store.count(Verb::Put), 0);
}
