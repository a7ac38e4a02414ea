use futures::TryStreamExt;

use super::*;
use crate::layer::scripted::{Fate, Fault, Scripted};
use tokio::time::Instant;

const LOST: Option<Fault> = Some(Fault::After(ErrorKind::Unavailable));
const DOWN: Option<Fault> = Some(Fault::Before(ErrorKind::Unavailable));

fn retried(faults: &[Option<Fault>]) -> (Arc<Scripted>, RetryStore) {
    let scripted = Scripted::new(faults);
    let store = RetryStore::new(scripted.store(), RetryOptions::default());
    (scripted, store)
}

#[tokio::test(start_paused = true)]
async fn calls_are_repeated_until_they_are_answered() {
    let (below, store) = retried(&[DOWN, DOWN, None, DOWN, LOST, DOWN, DOWN]);
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
    assert_eq!(store.get_range("x", 0..2).await.unwrap(), "co");
    assert_eq!(store.head("x").await.unwrap().size, 7);
    assert_eq!(below.calls(), 3 + 3 + 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_was_lost_succeeds() {
    let (_, store) = retried(&[LOST]);
    store.put_new("x", Payload::from_iter(["con", "tent"].map(Bytes::from))).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_lost_a_race_behind_a_lost_answer_does_not_succeed() {
    let (_, store) = retried(&[Some(Fault::Raced(b"another's"))]);
    let error = store.put_new("x", b"content".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.get("x").await.unwrap(), "another's");
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_of_another_are_not_ours_without_a_lost_answer() {
    let (_, store) = retried(&[]);
    store.put_new("x", b"content".into()).await.unwrap();
    let error = store.put_new("x", b"content".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_left_nothing_is_tried_again() {
    let conflict = Some(Fault::Before(ErrorKind::AlreadyExists));
    let (_, store) = retried(&[DOWN, conflict]);
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(store.get("x").await.unwrap(), "content");
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_was_lost_succeeds() {
    let (_, store) = retried(&[None, LOST]);
    store.put_new("x", b"content".into()).await.unwrap();
    store.delete("x").await.unwrap();
    assert_eq!(store.delete("x").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn lists_are_begun_again() {
    let (_, store) = retried(&[None, DOWN]);
    store.put_new("x", b"content".into()).await.unwrap();
    let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_for_as_long_as_one_is_patient() {
    for (seconds, least) in [(0, 0), (3, 2), (60, 40), (7200, 7000)] {
        let options = RetryOptions::default().patient_for(Duration::from_secs(seconds));
        let below = Scripted::new(&vec![DOWN; 10_000]);
        let store = RetryStore::new(below.store(), options);
        let started = Instant::now();
        assert!(store.get("x").await.is_err());
        let took = started.elapsed().as_secs();
        assert!((least..=seconds).contains(&took), "{took} s of {seconds}");
        assert!(seconds > 0 || below.calls() == 1);
    }
}

/// The list of a directory must not be asked again after its end, unlike that of memory.
#[tokio::test]
async fn empty_lists_end_once() {
    let dir = tempfile::tempdir().unwrap();
    let below = Arc::new(crate::local::LocalStore::create(&dir.path().join("store")).unwrap());
    let store = RetryStore::new(below, RetryOptions::default());
    let listed: Vec<_> = store.list("").await.unwrap().try_collect().await.unwrap();
    assert!(listed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_returned_at_once() {
    for kind in [ErrorKind::NoSpace, ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::Other] {
        let (below, store) = retried(&[Some(Fault::Before(kind))]);
        assert_eq!(store.get("x").await.unwrap_err().kind(), kind);
        assert_eq!(below.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_end_and_are_told() {
    let below = Scripted::new(&[DOWN; 20]);
    let options = RetryOptions { attempts_max: 6, ..RetryOptions::default() };
    let store = RetryStore::new(below.store(), options);
    let error = store.get("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("(tried 6 times)"), "{error}");
    assert_eq!(below.calls(), 6);
}

/// Down for ever: a call ends within its patience, and those after it are made once each.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_soon_left_alone() {
    let below = Scripted::by(|number, _| match number {
        0 => Fate::default(),
        _ => DOWN.into(),
    });
    let store = RetryStore::new(below.store(), RetryOptions::default());
    store.put_new("x", b"content".into()).await.unwrap();
    let begun = Instant::now();
    store.get("x").await.unwrap_err();
    let patience = begun.elapsed().as_secs();
    assert!((200..=300).contains(&patience), "{patience}");
    let tried = below.calls();
    for _ in 0..100 {
        store.get("x").await.unwrap_err();
    }
    assert_eq!(below.calls(), tried + 100);
    assert!(begun.elapsed().as_secs() <= 300);
}

/// A place where nothing answers is found out sooner than a store that went away.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answered_is_given_up_sooner() {
    let (_, store) = retried(&[DOWN; 100]);
    let begun = Instant::now();
    store.get("x").await.unwrap_err();
    assert!((10..=30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_is_trusted_again() {
    let below = Scripted::by(|number, _| match number {
        1..=40 => DOWN.into(),
        // One answer, and down again for some attempts.
        42..=45 => DOWN.into(),
        _ => Fate::default(),
    });
    let store = RetryStore::new(below.store(), RetryOptions::default());
    store.put_new("x", b"content".into()).await.unwrap();
    while below.calls() < 41 {
        store.get("x").await.unwrap_err();
    }
    store.get("x").await.unwrap();
    store.get("x").await.unwrap();
    assert_eq!(below.calls(), 47);
}

#[tokio::test(start_paused = true)]
async fn all_calls_together_repeat_only_so_much() {
    let below = Scripted::by(|number, _| if number % 2 == 0 { DOWN.into() } else { None.into() });
    below.inside().put_new("x", b"content".into()).await.unwrap();
    let options = RetryOptions {
        budget_retries: 7,
        budget_refill: Duration::ZERO,
        ..RetryOptions::default()
    };
    let store = RetryStore::new(below.store(), options);
    let mut failed = 0;
    for _ in 0..100 {
        failed += u64::from(store.get("x").await.is_err());
    }
    // Seven are repeated, and one for every ten successes; of the others every second one fails.
    assert!((38..=46).contains(&failed), "{failed}");
    let error = loop {
        if let Err(error) = store.get("x").await {
            break error;
        }
    };
    assert!(error.to_string().contains("repeated already"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn time_gives_retries_back() {
    let below = Scripted::by(|number, _| if number % 2 == 0 { DOWN.into() } else { None.into() });
    below.inside().put_new("x", b"content".into()).await.unwrap();
    let options = RetryOptions { budget_retries: 7, ..RetryOptions::default() };
    let store = RetryStore::new(below.store(), options);
    for _ in 0..100 {
        store.get("x").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// One call in twenty fails, tens of thousands of times: nobody above ever hears of it.
#[tokio::test(start_paused = true)]
async fn random_faults_never_use_up_the_budget() {
    let below = Scripted::by(|number, _| {
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        if random % 20 == 0 { LOST.into() } else { None.into() }
    });
    below.inside().put_new("x", b"content".into()).await.unwrap();
    let options = RetryOptions { budget_refill: Duration::ZERO, ..RetryOptions::default() };
    let store = RetryStore::new(below.store(), options);
    for number in 0..15_000 {
        store.get_range("x", 0..4).await.unwrap();
        if number % 10 == 0 {
            store.put_new(&format!("new/{number}"), b"content".into()).await.unwrap();
            store.delete(&format!("new/{number}")).await.unwrap();
        }
    }
    assert!(below.calls() > 18_500, "{}", below.calls());
}

#[tokio::test(start_paused = true)]
async fn the_store_says_how_long_it_wants_to_be_left_alone() {
    let (below, store) = retried(&[None, Some(Fault::RetryAfter(Duration::from_secs(90)))]);
    store.put_new("x", b"content".into()).await.unwrap();
    let begun = Instant::now();
    store.get("x").await.unwrap();
    assert!((90..92).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(below.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_too_long_is_not_waited_for() {
    let (below, store) = retried(&[None, Some(Fault::RetryAfter(Duration::from_secs(3600)))]);
    store.put_new("x", b"content".into()).await.unwrap();
    let begun = Instant::now();
    let error = store.get("x").await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!((error.kind(), below.calls()), (ErrorKind::Unavailable, 2));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(error.to_string().contains("left alone for 3600 s"), "{error}");
}

/// Long transfers that break off are repeated though each takes longer than the patience.
#[tokio::test(start_paused = true)]
async fn a_few_attempts_are_made_however_long_they_take() {
    let below = Scripted::by(|number, _| Fate {
        takes: Duration::from_secs(500),
        fault: if number < 3 { DOWN } else { None },
    });
    let store = RetryStore::new(below.store(), RetryOptions::default());
    store.put_new("x", b"content".into()).await.unwrap();
    assert_eq!(below.calls(), 4);
}

/// Of a large object that may be ours the size is looked at first, then its bytes in pieces.
#[tokio::test(start_paused = true)]
async fn a_large_object_is_not_read_as_a_whole_to_be_compared() {
    let (below, store) = retried(&[LOST]);
    let large = Bytes::from(vec![7; 9 << 20]);
    store.put_new("x", large.clone().into()).await.unwrap();
    assert_eq!((below.calls_of(Verb::Get), below.calls_of(Verb::GetRange)), (0, 3));
    let (below, store) = retried(&[Some(Fault::Raced(b"short"))]);
    let error = store.put_new("x", large.into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!((below.calls_of(Verb::Head), below.calls_of(Verb::GetRange)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn copies_and_puts_soon_are_settled_as_puts_are() {
    let (_, store) = retried(&[LOST, None, None, None, LOST]);
    store.put_soon("x", b"content".into()).await.unwrap();
    store.copy_new("x", "y").await.unwrap();
    assert_eq!(store.get("y").await.unwrap(), "content");
    let (_, store) = retried(&[None, Some(Fault::Raced(b"another"))]);
    store.put_soon("x", b"content".into()).await.unwrap();
    let error = store.copy_new("x", "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let (_, store) = retried(&[LOST]);
    let error = store.copy_new("none", "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn deletes_of_many_are_repeated_for_what_is_left() {
    let keys: Vec<String> = (0..10).map(|number| format!("x/{number}")).collect();
    let (below, store) = retried(&[DOWN, DOWN]);
    for key in &keys {
        below.inside().put_new(key, b"content".into()).await.unwrap();
    }
    assert!(store.delete_many(&keys).await.is_empty());
    assert_eq!(below.calls(), 3);
    let (_, store) = retried(&[DOWN, Some(Fault::Before(ErrorKind::Denied))]);
    let failed = store.delete_many(&keys).await;
    assert_eq!(failed.iter().map(Error::key).collect::<Vec<_>>(), ["x/0", "x/4", "x/8"]);
    assert!(failed.iter().all(|error| error.to_string().ends_with("(tried 2 times)")));
}

#[tokio::test(start_paused = true)]
async fn syncs_are_repeated_only_where_they_did_not_begin() {
    let (below, store) = retried(&[DOWN, None, Some(Fault::Before(ErrorKind::Other))]);
    store.sync().await.unwrap();
    assert_eq!(store.sync().await.unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(below.calls(), 3);
}

async fn listed(store: &RetryStore) -> Result<Vec<String>> {
    let listed: Vec<_> = store.list("").await?.try_collect().await?;
    Ok(listed.into_iter().map(|listed| listed.key).collect())
}

async fn fill(below: &Scripted, count: usize) -> Vec<String> {
    let keys: Vec<String> = (0..count).map(|number| format!("{number:05}")).collect();
    for key in &keys {
        below.inside().put_new(key, b"".into()).await.unwrap();
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_goes_on_where_it_was() {
    for behind in [0, 1, 999, 1000, 1001, 1002, 2000] {
        let (below, store) =
            retried(&[Some(Fault::Breaks(behind)), DOWN, Some(Fault::Breaks(1500))]);
        let keys = fill(&below, 2000).await;
        assert_eq!(listed(&store).await.unwrap(), keys, "{behind}");
        assert_eq!(below.calls(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn few_objects_are_told_once_in_whatever_order_they_come() {
    let order = ["00003", "00000", "00002", "00001"];
    let below = Scripted::listing(&[Some(Fault::Breaks(2)), Some(Fault::Breaks(3))], &order);
    fill(&below, 4).await;
    let store = RetryStore::new(below.store(), RetryOptions::default());
    assert_eq!(listed(&store).await.unwrap(), order);
    assert_eq!(below.calls(), 3);
}

/// Nothing says what of many objects in no order was told already.
#[tokio::test(start_paused = true)]
async fn many_objects_in_no_order_are_not_begun_again() {
    let below = Scripted::listing(&[Some(Fault::Breaks(1500))], &["00500", "00001"]);
    fill(&below, 2000).await;
    let store = RetryStore::new(below.store(), RetryOptions::default());
    let error = listed(&store).await.unwrap_err();
    assert!(error.to_string().contains("can't be continued"), "{error}");
}

#[test]
fn pauses_grow_within_their_limits_and_depend_on_the_seed() {
    let pauses = |seed| -> Vec<Duration> {
        let options = RetryOptions { seed, ..RetryOptions::default() };
        let store = RetryStore::new(crate::mem(), options);
        (1..12).map(|attempt| store.shared.pause(attempt)).collect()
    };
    let (one, other) = (pauses(1), pauses(2));
    assert_eq!(one, pauses(1));
    assert_ne!(one, other);
    for (attempt, pause) in (1..12).zip(&one) {
        let longest = Duration::from_millis(200 << (attempt - 1)).min(Duration::from_secs(30));
        assert!(*pause >= longest / 2 && *pause <= longest, "{attempt}: {pause:?}");
    }
}
