use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use super::*;
use crate::mem;
use crate::probe::tests::{Liar, Lie};

fn candidates(count: usize) -> Vec<Payload> {
    (0..count).map(|number| format!("candidate {number}").into_bytes().into()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wins_and_stays() {
    let store = mem();
    let race = create_raced(&store, "keys/a", &candidates(8)).await.unwrap();
    let Outcome::Created(winner) = race.outcome else { panic!("{race:?}") };
    assert_eq!((race.creates, race.won), (9, 1));
    assert!(candidates(8)[winner].equals(&store.get("keys/a").await.unwrap()));
    // Whoever comes later finds it taken.
    let others: Vec<Payload> = vec![b"x".into(), b"y".into()];
    let race = create_raced(&store, "keys/a", &others).await.unwrap();
    assert_eq!(race, Race { creates: 3, won: 0, outcome: Outcome::Taken });
}

#[tokio::test]
async fn one_candidate_is_created_and_tried_again() {
    let store = mem();
    let race = create_raced(&store, "a", &candidates(1)).await.unwrap();
    assert_eq!(race, Race { creates: 2, won: 1, outcome: Outcome::Created(0) });
    let race = create_raced(&Liar::store(Lie::Overwrites), "a", &candidates(1)).await.unwrap();
    assert_eq!(race, Race { creates: 2, won: 2, outcome: Outcome::Overwritten });
}

#[tokio::test(start_paused = true)]
async fn several_winners_are_told() {
    for (lie, won) in [(Lie::Overwrites, 9), (Lie::LooksThenWrites, 8)] {
        let race = create_raced(&Liar::store(lie), "a", &candidates(8)).await.unwrap();
        assert_eq!(race, Race { creates: 9, won, outcome: Outcome::Overwritten }, "{lie:?}");
    }
}

#[tokio::test]
async fn why_nothing_was_created_is_told() {
    let store = Liar::store(Lie::RefusesCreates);
    let error = create_raced(&store, "a", &candidates(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

/// A store that carries puts out, and does not answer the first so many.
#[derive(Debug)]
struct Mute(Arc<dyn Store>, AtomicU32, u32);

#[async_trait]
impl Store for Mute {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let put = self.0.put_new(key, data).await;
        if self.1.fetch_add(1, Ordering::Relaxed) < self.2 {
            return Err(Error::new(ErrorKind::Unavailable, "put", key));
        }
        put
    }
    async fn get(&self, key: &str) -> Result<Bytes> {
        self.0.get(key).await
    }
    async fn get_range(&self, key: &str, range: std::ops::Range<u64>) -> Result<Bytes> {
        self.0.get_range(key, range).await
    }
    async fn head(&self, key: &str) -> Result<crate::ObjectInfo> {
        self.0.head(key).await
    }
    async fn list(&self, prefix: &str) -> Result<crate::ObjectStream> {
        self.0.list(prefix).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_second_winner() {
    for mute in [1, 5] {
        let store: Arc<dyn Store> = Arc::new(Mute(mem(), AtomicU32::new(0), mute));
        let race = create_raced(&store, "a", &candidates(4)).await.unwrap();
        let Outcome::Created(winner) = race.outcome else { panic!("{race:?}") };
        assert_eq!(race.won, 0, "whoever won was not answered");
        assert!(candidates(4)[winner].equals(&store.get("a").await.unwrap()));
    }
}
