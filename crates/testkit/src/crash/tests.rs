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
