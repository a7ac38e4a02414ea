//! The checks themselves, each of one promise of the trait.
//!
//! Every check has a place of its own in the store and leaves it to be cleared.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::bulk;
use super::{Check, Outcome, Place, fails, same, text};
use crate::{ErrorKind, Payload};

const RACERS: usize = 16;
const RACES: usize = 8;

const LARGE_PIECE_BYTES: usize = 8 << 20;
const LARGE_PIECES: usize = 5;

pub(super) const ALL: [(&str, Check); 14] = [
    ("create", |place| Box::pin(create(place))),
    ("race", |place| Box::pin(race(place))),
    ("read", |place| Box::pin(read(place))),
    ("ranges", |place| Box::pin(ranges(place))),
    ("list", |place| Box::pin(list(place))),
    ("delete", |place| Box::pin(delete(place))),
    ("missing", |place| Box::pin(missing(place))),
    ("odd-keys", |place| Box::pin(odd_keys(place))),
    ("bad-keys", |place| Box::pin(bad_keys(place))),
    ("large", |place| Box::pin(large(place))),
    ("soon", |place| Box::pin(bulk::soon(place))),
    ("copy", |place| Box::pin(bulk::copy(place))),
    ("delete-many", |place| Box::pin(bulk::delete_many(place))),
    ("pages", |place| Box::pin(bulk::pages(place))),
];

async fn create(place: &Place) -> Outcome {
    place.put("a/object", b"first").await?;
    let again = place.store.put_new(&place.key("a/object"), b"second".into()).await;
    fails("a second create", ErrorKind::AlreadyExists, again)?;
    let found = place.store.get(&place.key("a/object")).await.map_err(text)?;
    same("after a second create", &found.as_ref(), &b"first".as_ref())?;
    place.put("empty", b"").await?;
    let again = place.store.put_new(&place.key("empty"), b"x".into()).await;
    fails("a create over an empty object", ErrorKind::AlreadyExists, again)
}

/// Of creators that start together exactly one wins, and its bytes are there.
async fn race(place: &Place) -> Outcome {
    for round in 0..RACES {
        let start = Arc::new(Barrier::new(RACERS));
        let key = place.key(&format!("log/{round:016x}"));
        let mut racers = JoinSet::new();
        for racer in 0..RACERS {
            let (store, start, key) = (Arc::clone(&place.store), Arc::clone(&start), key.clone());
            racers.spawn(async move {
                let bytes = format!("racer {racer}").repeat(1000);
                start.wait().await;
                (racer, store.put_new(&key, bytes.into_bytes().into()).await)
            });
        }
        let mut winners = Vec::new();
        for (racer, result) in racers.join_all().await {
            match result {
                Ok(()) => winners.push(racer),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("a racing create failed otherwise: {error}")),
            }
        }
        let [winner] = winners[..] else {
            return Err(format!(
                "{} of {RACERS} racing creates of one key succeeded; exactly one must",
                winners.len()
            ));
        };
        let found = place.store.get(&key).await.map_err(text)?;
        let expected = Bytes::from(format!("racer {winner}").repeat(1000));
        same("the bytes after a race are the winner's", &(found == expected), &true)?;
    }
    Ok(())
}

async fn read(place: &Place) -> Outcome {
    place.put("object", b"0123456789").await?;
    let found = place.store.get(&place.key("object")).await.map_err(text)?;
    same("get", &found.as_ref(), &b"0123456789".as_ref())?;
    let info = place.store.head(&place.key("object")).await.map_err(text)?;
    same("size by head", &info.size, &10)?;
    place.put("empty", b"").await?;
    let found = place.store.get(&place.key("empty")).await.map_err(text)?;
    same("get of an empty object", &found.len(), &0)?;
    let info = place.store.head(&place.key("empty")).await.map_err(text)?;
    same("size of an empty object", &info.size, &0)
}

async fn ranges(place: &Place) -> Outcome {
    place.put("object", b"0123456789").await?;
    let key = place.key("object");
    let good: [(_, &[u8]); 7] = [
        (0..10, b"0123456789"),
        (0..1, b"0"),
        (9..10, b"9"),
        (3..7, b"3456"),
        (0..0, b""),
        (4..4, b""),
        (10..10, b""),
    ];
    for (range, expected) in good {
        let found = place.store.get_range(&key, range.clone()).await.map_err(text)?;
        same(&format!("the bytes {range:?} of 10"), &found.as_ref(), &expected)?;
    }
    for range in [0..11, 9..11, 10..11, 11..11, 20..30, 0..u64::MAX] {
        let result = place.store.get_range(&key, range.clone()).await;
        fails(&format!("the bytes {range:?} of 10"), ErrorKind::Range, result)?;
    }
    place.put("empty", b"").await?;
    let result = place.store.get_range(&place.key("empty"), 0..1).await;
    fails("a byte of an empty object", ErrorKind::Range, result)?;
    let found = place.store.get_range(&place.key("empty"), 0..0).await.map_err(text)?;
    same("nothing of an empty object", &found.len(), &0)
}

async fn list(place: &Place) -> Outcome {
    same("nothing yet", &place.names("").await?, &Vec::new())?;
    let all = ["a", "ab/1", "b.c", "b/1", "b/10", "b/2", "b/deep/er/3", "c"];
    for (count, name) in all.iter().enumerate() {
        place.put(name, b"12345").await?;
        // What was put is listed at once.
        same("names after a put", &place.names("").await?, &owned(&all[..=count]))?;
    }
    let prefixes: [(_, &[&str]); 8] = [
        ("a", &["a", "ab/1"]),
        ("b/", &["b/1", "b/10", "b/2", "b/deep/er/3"]),
        ("b/1", &["b/1", "b/10"]),
        ("b", &["b.c", "b/1", "b/10", "b/2", "b/deep/er/3"]),
        ("b/deep/", &["b/deep/er/3"]),
        ("c/", &[]),
        ("b/1/", &[]),
        ("none/", &[]),
    ];
    for (prefix, expected) in prefixes {
        let names = place.names(prefix).await?;
        same(&format!("names with the prefix {prefix:?}"), &names, &owned(expected))?;
    }
    let listed = place.store.list(&place.key("b/")).await.map_err(text)?;
    let listed: Vec<_> = listed.try_collect().await.map_err(text)?;
    let wrong = listed.iter().find(|listed| listed.size != 5);
    same("an object listed with a wrong size", &wrong, &None)
}

async fn delete(place: &Place) -> Outcome {
    place.put("a/object", b"1").await?;
    place.put("a/other", b"2").await?;
    place.store.delete(&place.key("a/object")).await.map_err(text)?;
    let gone = place.store.get(&place.key("a/object")).await;
    fails("get after delete", ErrorKind::NotFound, gone)?;
    same("names after a delete", &place.names("").await?, &owned(&["a/other"]))?;
    let again = place.store.delete(&place.key("a/object")).await;
    fails("a second delete", ErrorKind::NotFound, again)?;
    place.put("a/object", b"3").await
}

async fn missing(place: &Place) -> Outcome {
    place.put("there", b"1").await?;
    for name in ["missing", "no/such/object", "there/below"] {
        let key = place.key(name);
        fails("get", ErrorKind::NotFound, place.store.get(&key).await)?;
        fails("get range", ErrorKind::NotFound, place.store.get_range(&key, 0..1).await)?;
        fails("get empty range", ErrorKind::NotFound, place.store.get_range(&key, 0..0).await)?;
        fails("head", ErrorKind::NotFound, place.store.head(&key).await)?;
        fails("delete", ErrorKind::NotFound, place.store.delete(&key).await)?;
    }
    Ok(())
}

async fn odd_keys(place: &Place) -> Outcome {
    let long = "n".repeat(255);
    let deep = "d/".repeat(20) + "leaf";
    let names = [
        "0123456789abcdef.0011223344556677",
        "with space",
        "UPPER",
        "upper",
        "plus+equals=and&",
        "-dash",
        ".hidden",
        "...",
        "a..b",
        "comma,semi;colon:at@",
        "(paren)'quote'!$",
        "\u{e4}\u{20ac}\u{1f6df}",
        &long,
        &deep,
    ];
    for name in names {
        let bytes = name.as_bytes().to_vec();
        place.store.put_new(&place.key(name), bytes.into()).await.map_err(text)?;
    }
    for name in names {
        let found = place.store.get(&place.key(name)).await.map_err(text)?;
        same(&format!("the object of the key {name:?}"), &found.as_ref(), &name.as_bytes())?;
    }
    let mut sorted = owned(&names);
    sorted.sort_unstable();
    same("the odd names", &place.names("").await?, &sorted)
}

async fn bad_keys(place: &Place) -> Outcome {
    let long = "n".repeat(1025);
    for key in ["", "/a", "a/", "a//b", ".", "a/../b", "./a", "a\0b", "a\nb", "a\\b", &long] {
        let put = place.store.put_new(key, b"x".into()).await;
        fails(&format!("put {key:?}"), ErrorKind::Invalid, put)?;
        fails(&format!("get {key:?}"), ErrorKind::Invalid, place.store.get(key).await)?;
        let got = place.store.get_range(key, 0..1).await;
        fails(&format!("get range {key:?}"), ErrorKind::Invalid, got)?;
        fails(&format!("head {key:?}"), ErrorKind::Invalid, place.store.head(key).await)?;
        fails(&format!("delete {key:?}"), ErrorKind::Invalid, place.store.delete(key).await)?;
    }
    for prefix in ["/", "../", "a//", "a\0"] {
        let listed = place.store.list(prefix).await.map(drop);
        fails(&format!("list {prefix:?}"), ErrorKind::Invalid, listed)?;
    }
    Ok(())
}

/// A pack's size and more, in several pieces, some of them empty.
async fn large(place: &Place) -> Outcome {
    let piece = |number: usize| {
        let pattern =
            (0..LARGE_PIECE_BYTES).map(|at| (at * 7 + at / 251 + number).to_le_bytes()[0]);
        Bytes::from_iter(pattern)
    };
    let pieces = (0..LARGE_PIECES).flat_map(|number| [piece(number), Bytes::new()]);
    let payload: Payload = pieces.collect();
    let key = place.key("large");
    place.store.put_new(&key, payload.clone()).await.map_err(text)?;
    let info = place.store.head(&key).await.map_err(text)?;
    same("its size", &info.size, &payload.len())?;
    let found = place.store.get(&key).await.map_err(text)?;
    same("its bytes are the same", &payload.equals(&found), &true)?;
    let over_a_seam = 8 * (1 << 20) - 5..8 * (1 << 20) + 5;
    let part = place.store.get_range(&key, over_a_seam.clone()).await.map_err(text)?;
    let expected = usize::try_from(over_a_seam.start)
        .ok()
        .and_then(|start| found.get(start..start + 10))
        .unwrap_or_default();
    same("ten bytes over a seam", &part.as_ref(), &expected)
}

pub(super) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
