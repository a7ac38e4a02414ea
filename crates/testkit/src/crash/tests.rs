use super::*;

fn keys(image: &Image) -> Vec<&str> {
    image.keys().collect()
}

#[tokio::test]
async fn with_power_it_conforms() {
    let store: Arc<dyn Store> = Arc::new(CrashStore::new());
    assert_eq!(lifeboat_store::conformance::run(&store, "probe/").await, Ok(()));
}

#[tokio::test]
async fn what_was_answered_survives_and_what_was_not_may() {
    for (fate, left) in [(Fate::Lost, vec!["a"]), (Fate::Landed, vec!["a", "b"])] {
        let store = CrashStore::new();
        store.cut_at(2, fate);
        store.put_new("a", b"1".into()).await.unwrap();
        store.put_new("b", b"2".into()).await.unwrap_err();
        assert!(store.is_cut());
        store.put_new("c", b"3".into()).await.unwrap_err();
        store.get("a").await.unwrap_err();
        assert_eq!(keys(&store.durable()), left);
        let reopened = store.durable().reopen();
        assert_eq!(reopened.get("a").await.unwrap(), "1");
        reopened.put_new("c", b"3".into()).await.unwrap();
    }
}

#[tokio::test]
async fn deletes_may_be_undone_until_they_are_answered() {
    for (fate, left) in [(Fate::Lost, vec!["a"]), (Fate::Landed, vec![])] {
        let store = CrashStore::new();
        store.put_new("a", b"1".into()).await.unwrap();
        store.cut_at(1, fate);
        store.delete("a").await.unwrap_err();
        assert_eq!(keys(&store.durable()), left);
    }
}

#[tokio::test]
async fn puts_under_way_are_seen_before_they_are_durable() {
    let store = CrashStore::new();
    let mut one = Box::pin(store.put_new("log/1", b"1".into()));
    assert!(futures::poll!(&mut one).is_pending());
    assert_eq!(store.get("log/1").await.unwrap(), "1");
    assert_eq!(keys(&store.durable()), Vec::<&str>::new());
    // Elsewhere nothing changes that; in the same directory the next answer does.
    store.put_new("packs/1", b"1".into()).await.unwrap();
    assert_eq!(keys(&store.durable()), ["packs/1"]);
    store.put_new("log/2", b"2".into()).await.unwrap();
    assert_eq!(keys(&store.durable()), ["log/1", "log/2", "packs/1"]);
    store.cut(Fate::Lost);
    one.await.unwrap_err();
}

#[tokio::test]
async fn what_was_put_soon_is_safe_once_it_is_synced() {
    let store = CrashStore::new();
    store.put_soon("packs/1", b"one".into()).await.unwrap();
    assert_eq!(store.get("packs/1").await.unwrap(), "one");
    store.put_new("packs/2", b"two".into()).await.unwrap();
    // Another answer in the same directory makes the name durable, not the bytes.
    assert_eq!(
        (keys(&store.durable()), store.soon()),
        (vec!["packs/2"], vec!["packs/1".to_owned()])
    );
    store.sync().await.unwrap();
    store.put_soon("packs/3", b"three".into()).await.unwrap();
    assert_eq!(store.soon(), ["packs/3"]);
    store.cut(Fate::Lost);
    store.sync().await.unwrap_err();
    assert_eq!(keys(&store.durable()), ["packs/1", "packs/2"]);
    assert_eq!(store.durable().get("packs/1").unwrap(), "one");
}

#[tokio::test]
async fn what_exists_already_is_durable_when_that_is_answered() {
    let store = CrashStore::new();
    store.put_soon("packs/1", b"one".into()).await.unwrap();
    store.put_new("packs/1", b"one".into()).await.unwrap_err();
    assert_eq!((keys(&store.durable()), store.soon()), (vec!["packs/1"], vec![]));
}

#[tokio::test]
async fn a_power_cut_tears_what_was_put_soon() {
    let mut seen = BTreeSet::new();
    for calls in 0..4 {
        let store = CrashStore::new();
        store.put_soon("a", b"1234".into()).await.unwrap();
        for _ in 0..calls {
            store.get("a").await.unwrap();
        }
        store.cut(Fate::Torn);
        seen.insert(store.durable().get("a").cloned());
    }
    let torn = [None, Some("12"), Some("1234"), Some("\0\0\0\0")];
    assert_eq!(seen, torn.map(|text| text.map(Bytes::from)).into());
}
