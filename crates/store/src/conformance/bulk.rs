//! The checks of what the trait does with many objects at once, or later, or without moving bytes.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::checks::owned;
use super::{Outcome, Place, fails, same, text};
use crate::ErrorKind;

/// More than a page of any service (1000; Azure's are of 5000 and may be shorter at any time).
const PAGED: usize = 1100;
const PUTS_AT_ONCE: usize = 32;

/// What is put soon is there like everything else, and after a sync for good.
pub(super) async fn soon(place: &Place) -> Outcome {
    let (one, two) = (place.key("packs/one"), place.key("packs/two"));
    place.store.put_soon(&one, b"1".into()).await.map_err(text)?;
    place.store.put_soon(&two, b"22".into()).await.map_err(text)?;
    same("names before a sync", &place.names("").await?, &owned(&["packs/one", "packs/two"]))?;
    place.store.sync().await.map_err(text)?;
    let found = place.store.get(&two).await.map_err(text)?;
    same("after a sync", &found.as_ref(), &b"22".as_ref())?;
    let again = place.store.put_soon(&one, b"3".into()).await;
    fails("a second put soon", ErrorKind::AlreadyExists, again)?;
    let again = place.store.put_new(&one, b"3".into()).await;
    fails("a create of what was put soon", ErrorKind::AlreadyExists, again)?;
    place.put("packs/three", b"3").await?;
    let again = place.store.put_soon(&place.key("packs/three"), b"4".into()).await;
    fails("a put soon of what was created", ErrorKind::AlreadyExists, again)?;
    // Nothing to do is no error.
    place.store.sync().await.map_err(text)?;
    let bad = place.store.put_soon("a//b", b"x".into()).await;
    fails("put soon a//b", ErrorKind::Invalid, bad)
}

pub(super) async fn copy(place: &Place) -> Outcome {
    let (from, to) = (place.key("from"), place.key("deep/to"));
    place.put("from", b"content").await?;
    place.store.copy_new(&from, &to).await.map_err(text)?;
    let found = place.store.get(&to).await.map_err(text)?;
    same("the copy", &found.as_ref(), &b"content".as_ref())?;
    place.put("other", b"other").await?;
    let again = place.store.copy_new(&place.key("other"), &to).await;
    fails("a copy over an object", ErrorKind::AlreadyExists, again)?;
    let found = place.store.get(&to).await.map_err(text)?;
    same("after a copy that was refused", &found.as_ref(), &b"content".as_ref())?;
    let missing = place.store.copy_new(&place.key("missing"), &place.key("new")).await;
    fails("a copy of nothing", ErrorKind::NotFound, missing)?;
    // The copy stays when the original goes.
    place.store.delete(&from).await.map_err(text)?;
    let found = place.store.get(&to).await.map_err(text)?;
    same("the copy alone", &found.as_ref(), &b"content".as_ref())
}

pub(super) async fn delete_many(place: &Place) -> Outcome {
    same("errors of deleting nothing", &place.store.delete_many(&[]).await.len(), &0)?;
    for name in ["a", "b/1", "b/2", "c"] {
        place.put(name, b"1").await?;
    }
    let mut keys: Vec<_> = ["a", "b/1", "missing", "c"].map(|name| place.key(name)).into();
    let failed = place.store.delete_many(&keys).await;
    same("errors of deleting what is there, and not", &failed.first().map(text_of), &None)?;
    same("names after deleting many", &place.names("").await?, &owned(&["b/2"]))?;
    // What can't be done is told of that key alone.
    keys = vec![place.key("b/2"), "a//b".to_owned()];
    let failed = place.store.delete_many(&keys).await;
    let failed: Vec<_> = failed.iter().map(|error| (error.kind(), error.key())).collect();
    same("errors of a bad key among others", &failed, &vec![(ErrorKind::Invalid, "a//b")])?;
    same("names after deleting all", &place.names("").await?, &Vec::new())
}

fn text_of(error: &crate::Error) -> String {
    error.to_string()
}

async fn put_soon(place: &Place, name: &str) -> Outcome {
    let data = name.as_bytes().to_vec();
    place.store.put_soon(&place.key(name), data.into()).await.map_err(text)
}

/// A list of more than a page has every object once.
pub(super) async fn pages(place: &Place) -> Outcome {
    let names: Vec<String> = (0..PAGED).map(|number| format!("many/{number:05}")).collect();
    let puts: Vec<_> = names.iter().map(|name| put_soon(place, name).boxed()).collect();
    stream::iter(puts).buffer_unordered(PUTS_AT_ONCE).try_collect::<Vec<()>>().await?;
    place.store.sync().await.map_err(text)?;
    let listed = place.names("many/").await?;
    same("how many are listed", &listed.len(), &names.len())?;
    let differs = listed.iter().zip(&names).find(|(listed, name)| listed != name);
    same("the first that is listed wrongly", &differs, &None)?;
    same("how many begin alike", &place.names("many/010").await?.len(), &100)?;
    let listed = place.store.list(&place.key("many/")).await.map_err(text)?;
    let listed: Vec<_> = listed.try_collect().await.map_err(text)?;
    // "many/" and five digits.
    same("the first with a wrong size", &listed.iter().find(|listed| listed.size != 10), &None)
}
