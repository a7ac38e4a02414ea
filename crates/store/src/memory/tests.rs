use super::*;

#[tokio::test]
async fn errors_are_of_our_kinds_and_keep_their_cause() {
    let store = mem();
    let error = store.get("missing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.key(), "missing");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn two_stores_in_memory_share_nothing() {
    mem().put_new("x", b"1".into()).await.unwrap();
    assert!(mem().head("x").await.is_err());
}
