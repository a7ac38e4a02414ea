use lifeboat_store::ErrorKind;

use super::*;

fn call(verb: Option<Verb>, prefix: &str, number: u64, moment: Moment) -> Call {
    Call { verb, prefix: prefix.to_owned(), number, moment }
}

#[tokio::test]
async fn something_is_done_in_the_call_that_is_meant_and_in_no_other() {
    let inner = lifeboat_store::mem();
    let store = HookStore::new(Arc::clone(&inner));
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    // What is done uses the same store by a way of its own, and blocks while it does.
    let look = |name: &'static str, key: &'static str| {
        let (inner, seen) = (Arc::clone(&inner), Arc::clone(&seen));
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let there = match runtime.block_on(inner.get(key)) {
                Ok(_) => "there",
                Err(error) if error.kind() == ErrorKind::NotFound => "absent",
                Err(error) => panic!("{error}"),
            };
            seen.lock().unwrap().push(format!("{name}: {there}"));
        }
    };
    store.hook(call(Some(Verb::Put), "log/", 2, Moment::Before), look("before", "log/1"));
    store.hook(call(Some(Verb::Put), "log/", 2, Moment::After), look("after", "log/1"));
    store.hook(call(None, "", 5, Moment::Before), look("fifth", "packs/1"));
    store.put_new("log/0", Payload::default()).await.unwrap();
    store.put_new("packs/0", Payload::default()).await.unwrap();
    store.get("log/0").await.unwrap();
    assert!(seen.lock().unwrap().is_empty());
    store.put_soon("log/1", Payload::default()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["before: absent", "after: there"]);
    store.put_new("packs/1", Payload::default()).await.unwrap();
    store.put_new("log/2", Payload::default()).await.unwrap();
    assert_eq!(seen.lock().unwrap()[2..], ["fifth: absent"]);
}

#[tokio::test]
async fn a_panic_of_what_is_done_is_one_of_the_call() {
    let store = HookStore::new(lifeboat_store::mem());
    store.hook(call(None, "", 1, Moment::Before), || panic!("as planned"));
    let call = tokio::spawn(async move { store.get("log/0").await });
    assert!(call.await.unwrap_err().is_panic());
}
