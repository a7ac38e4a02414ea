use futures::future::join_all;
use lifeboat_store::mem;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_goes_together_is_one_round() {
    let store = LinkStore::new(mem(), Duration::from_millis(40));
    store.put_new("a", b"x".into()).await.unwrap();
    let together = (0..5).map(|_| store.get("a"));
    assert!(join_all(together).await.iter().all(Result::is_ok));
    assert_eq!(store.take(), Traffic { requests: 6, rounds: 2, together: 5 });
    for _ in 0..3 {
        store.head("a").await.unwrap();
    }
    assert_eq!(store.take(), Traffic { requests: 3, rounds: 3, together: 1 });
}
