use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::TryStreamExt;
use http::{HeaderMap, StatusCode};
use object_store::ListResult;
use object_store::path::Path;

use super::*;
use crate::cloud::answer::Answer;

/// Answers with what it was given, and notes the tokens that it was asked for.
#[derive(Default)]
struct Pages {
    answers: Mutex<VecDeque<Given>>,
    asked: Mutex<Vec<(Option<String>, Option<String>)>>,
}

enum Given {
    Page(&'static [&'static str], Option<&'static str>),
    Status(u16),
    Strange,
}

#[async_trait]
impl PaginatedListStore for Pages {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> object_store::Result<PaginatedListResult> {
        let asked = (prefix.map(ToOwned::to_owned), options.page_token);
        self.asked.lock().unwrap().push(asked);
        let given = self.answers.lock().unwrap().pop_front().unwrap();
        let objects = match given {
            Given::Page(keys, _) => keys,
            Given::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap();
                let now = std::time::SystemTime::UNIX_EPOCH;
                let answer = Answer::new(status, &HeaderMap::new(), b"", now);
                Call::current().unwrap().answered(answer);
                return Err(object_store::Error::Generic { store: "test", source: "x".into() });
            }
            Given::Strange => {
                let source = Path::parse("a//b").unwrap_err();
                return Err(object_store::Error::InvalidPath { source });
            }
        };
        let meta = |key: &&str| ObjectMeta {
            location: Path::parse(key).unwrap(),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: 5,
            e_tag: None,
            version: None,
        };
        let Given::Page(_, token) = given else { unreachable!("returned above") };
        let objects = objects.iter().map(meta).collect();
        let extensions = http::Extensions::new();
        let result = ListResult { common_prefixes: Vec::new(), objects, extensions };
        Ok(PaginatedListResult { result, page_token: token.map(ToOwned::to_owned) })
    }
}

fn lists(answers: impl IntoIterator<Item = Given>) -> (Arc<Pages>, Lists) {
    let answers = Mutex::new(answers.into_iter().collect());
    let pages = Arc::new(Pages { answers, ..Pages::default() });
    (Arc::clone(&pages), Lists::new(pages, "repo/".to_owned()))
}

async fn keys(lists: &Lists, wanted: &str) -> Result<Vec<String>> {
    lists.list(wanted).await?.map_ok(|listed| listed.key).try_collect().await
}

#[tokio::test]
async fn pages_follow_each_other_by_their_tokens() {
    let given = [
        Given::Page(&["repo/packs/a", "repo/packs", "other"], Some("one")),
        Given::Page(&[], Some("two")),
        Given::Page(&["repo/packs/b"], None),
    ];
    let (pages, lists) = lists(given);
    assert_eq!(keys(&lists, "packs/").await.unwrap(), ["packs/a", "packs/b"]);
    let prefix = || Some("repo/packs/".to_owned());
    let token = |token: &str| Some(token.to_owned());
    let expected = [(prefix(), None), (prefix(), token("one")), (prefix(), token("two"))];
    assert_eq!(*pages.asked.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_later_page_is_asked_for_again_and_nothing_is_lost_or_repeated() {
    let given = [
        Given::Page(&["repo/a"], Some("one")),
        Given::Status(503),
        Given::Status(500),
        Given::Page(&["repo/b"], None),
    ];
    let (pages, lists) = lists(given);
    assert_eq!(keys(&lists, "").await.unwrap(), ["a", "b"]);
    let tokens: Vec<_> =
        pages.asked.lock().unwrap().iter().map(|(_, token)| token.clone()).collect();
    let one = Some("one".to_owned());
    assert_eq!(tokens, [None, one.clone(), one.clone(), one]);
}

#[tokio::test(start_paused = true)]
async fn a_later_page_is_not_asked_for_for_ever_nor_without_hope() {
    let storm = (0..ATTEMPTS_MAX).map(|_| Given::Status(503));
    let (pages, lists_) = lists([Given::Page(&["repo/a"], Some("one"))].into_iter().chain(storm));
    let error = keys(&lists_, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(pages.asked.lock().unwrap().len(), 1 + usize::try_from(ATTEMPTS_MAX).unwrap());
    let (pages, lists) = lists([Given::Page(&["repo/a"], Some("one")), Given::Status(403)]);
    assert_eq!(keys(&lists, "").await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(pages.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_first_page_is_for_the_layer_above_to_repeat() {
    let (pages, lists) = lists([Given::Status(503)]);
    assert_eq!(lists.list("").await.err().unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(pages.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_no_key_is_named() {
    let (_, lists) = lists([Given::Strange]);
    let error = lists.list("packs/").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("a//b"), "{error}");
}
