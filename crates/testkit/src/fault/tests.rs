use futures::TryStreamExt;

use super::*;

fn store() -> FaultStore {
    FaultStore::new(lifeboat_store::mem())
}

async fn kinds_of_gets(store: &FaultStore, times: usize) -> Vec<Option<ErrorKind>> {
    let mut kinds = Vec::new();
    for _ in 0..times {
        kinds.push(store.get("x").await.err().map(|error| error.kind()));
    }
    kinds
}

#[tokio::test]
async fn without_rules_it_conforms() {
    let store: Arc<dyn Store> = Arc::new(store());
    assert_eq!(lifeboat_store::conformance::run(&store, "probe/").await, Ok(()));
}

#[tokio::test]
async fn the_nth_call_fails_once_or_from_then_on() {
    let store = store();
    store.put_new("x", b"1".into()).await.unwrap();
    store.add(Rule::on(Verb::Get).call(2).fails(ErrorKind::Denied, Moment::Before));
    let denied = Some(ErrorKind::Denied);
    assert_eq!(kinds_of_gets(&store, 3).await, [None, denied, None]);
    store.add(Rule::any().call(2).forever());
    let unavailable = Some(ErrorKind::Unavailable);
    assert_eq!(kinds_of_gets(&store, 3).await, [None, unavailable, unavailable]);
    store.heal();
    assert_eq!(kinds_of_gets(&store, 1).await, [None]);
    assert_eq!(store.calls(Verb::Get), 7);
    assert_eq!(store.all_calls(), 8);
    assert_eq!(store.injected(), 3);
}

#[tokio::test]
async fn rules_can_be_about_some_keys_only() {
    let store = store();
    store.add(Rule::on(Verb::Put).below("log/").forever());
    store.put_new("packs/1", b"1".into()).await.unwrap();
    store.put_new("log/1", b"1".into()).await.unwrap_err();
    store.get("log/1").await.unwrap_err();
}

#[tokio::test]
async fn a_call_can_fail_before_or_after_its_effect() {
    let store = store();
    store.add(Rule::on(Verb::Put));
    store.put_new("before", b"1".into()).await.unwrap_err();
    assert_eq!(store.get("before").await.unwrap_err().kind(), ErrorKind::NotFound);
    store.add(Rule::on(Verb::Put).fails(ErrorKind::Unavailable, Moment::After));
    store.put_new("after", b"1".into()).await.unwrap_err();
    assert_eq!(store.get("after").await.unwrap(), "1");
    store.add(Rule::on(Verb::List).fails(ErrorKind::Unavailable, Moment::After));
    let mut listed = store.list("").await.unwrap();
    assert_eq!(listed.try_next().await.unwrap().unwrap().key, "after");
    assert_eq!(listed.try_next().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn later_verbs_fail_like_the_others() {
    let store = store();
    store.add(Rule::on(Verb::Put));
    store.put_soon("soon", b"1".into()).await.unwrap_err();
    store.add(Rule::on(Verb::PutSoon).fails(ErrorKind::NoSpace, Moment::After));
    let full = store.put_soon("soon", b"1".into()).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::NoSpace);
    store.add(Rule::on(Verb::Sync));
    store.sync().await.unwrap_err();
    store.sync().await.unwrap();
    store.add(Rule::on(Verb::Copy).below("copy").fails(ErrorKind::Unavailable, Moment::After));
    store.copy_new("soon", "copy").await.unwrap_err();
    assert_eq!(store.get("copy").await.unwrap(), "1");
    let keys = ["copy".to_owned(), "soon".to_owned()];
    for (moment, left) in [(Moment::Before, 2), (Moment::After, 0)] {
        store.add(Rule::on(Verb::DeleteMany).fails(ErrorKind::Denied, moment));
        let errors = store.delete_many(&keys).await;
        assert_eq!(errors.iter().map(Error::key).collect::<Vec<_>>(), ["copy", "soon"]);
        let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
        assert_eq!(listed.len(), left);
    }
    let calls = [Verb::PutSoon, Verb::Sync, Verb::Copy, Verb::DeleteMany].map(|v| store.calls(v));
    assert_eq!((calls, store.calls(Verb::Delete)), ([2, 2, 1, 2], 0));
}

#[tokio::test]
async fn content_is_damaged_silently() {
    let store = store();
    store.put_new("x", b"ab".into()).await.unwrap();
    store.add(Rule::on(Verb::Get).flips(8 + 16 * 5));
    assert_eq!(store.get("x").await.unwrap(), "ac");
    store.add(Rule::on(Verb::GetRange).truncates(1));
    assert_eq!(store.get_range("x", 0..2).await.unwrap(), "a");
    assert_eq!(store.get("x").await.unwrap(), "ab");
    store.add(Rule::on(Verb::Put).truncates(1));
    store.put_new("torn", b"ab".into()).await.unwrap();
    assert_eq!(store.get("torn").await.unwrap(), "a");
}

#[tokio::test]
async fn toxics_are_as_frequent_as_asked_and_repeat_by_seed() {
    let toxics = Toxics { seed: 7, fail_per_mille: 200, flip_per_mille: 100 };
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let store = store();
        store.put_new("x", b"1".into()).await.unwrap();
        store.poison(Toxics { seed, ..toxics });
        runs.push(kinds_of_gets(&store, 1000).await);
        assert!((220..340).contains(&store.injected()), "{}", store.injected());
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
