//! Lists of a bucket, page by page.
//!
//! A page is one request that can be repeated, and the next goes on at its token, so a list loses
//! and repeats nothing. The first page is for the layer above to repeat; the later ones, which it
//! can't without beginning anew, are repeated here, a bounded number of times.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use object_store::ObjectMeta;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};

use super::call::Call;
use super::failure;
use super::traffic::RequestClass;
use crate::{Error, ErrorKind, Listed, ObjectStream, Result};

/// How often a later page is tried in all.
const ATTEMPTS_MAX: u32 = 6;

/// The pause before the first repetition of a page; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause, also where the service asks for a longer one: who waits for the list must not
/// take it for stuck.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Makes lists of what is below a prefix of a bucket.
#[derive(Clone)]
pub(super) struct Lists {
    pages: Arc<dyn PaginatedListStore>,
    /// With a slash at its end, or empty.
    prefix: String,
}

impl Lists {
    pub(super) fn new(pages: Arc<dyn PaginatedListStore>, prefix: String) -> Self {
        Self { pages, prefix }
    }

    /// The objects whose keys begin with `wanted`; the first page is there when it returns.
    pub(super) async fn list(&self, wanted: &str) -> Result<ObjectStream> {
        let first = self.page(wanted, None).await?;
        let (lists, wanted) = (self.clone(), wanted.to_owned());
        let (objects, token) = self.understand(first, &wanted);
        let later = stream::try_unfold(token, move |token| {
            let (lists, wanted) = (lists.clone(), wanted.clone());
            async move {
                let Some(token) = token else { return Ok(None) };
                let page = lists.page_at_last(&wanted, token).await?;
                Ok(Some(lists.understand(page, &wanted)))
            }
        });
        let pages = stream::once(async { Ok(objects) }).chain(later);
        let listed = pages.flat_map(|page: Result<Vec<Listed>>| match page {
            Ok(objects) => stream::iter(objects).map(Ok).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        });
        Ok(listed.boxed())
    }

    async fn page_at_last(&self, wanted: &str, token: String) -> Result<PaginatedListResult> {
        let mut pause = PAUSE_FIRST;
        let mut attempt = 1;
        loop {
            match self.page(wanted, Some(token.clone())).await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS_MAX => {
                    let pause = error.retry_after().unwrap_or(pause).min(PAUSE_MAX);
                    tracing::info!(prefix = wanted, attempt, ?pause, %error, "asking for a page again");
                    tokio::time::sleep(pause).await;
                }
                result => return result.map_err(|error| error.with_attempts(attempt)),
            }
            pause *= 2;
            attempt += 1;
        }
    }

    async fn page(&self, wanted: &str, token: Option<String>) -> Result<PaginatedListResult> {
        let call = Arc::new(Call::new(RequestClass::List));
        let whole = format!("{}{wanted}", self.prefix);
        let prefix = (!whole.is_empty()).then_some(whole.as_str());
        let options = PaginatedListOptions { page_token: token, ..PaginatedListOptions::default() };
        let page = call.run(self.pages.list_paginated(prefix, options)).await;
        page.map_err(|error| match error {
            object_store::Error::InvalidPath { source } => strange(wanted, &source.to_string()),
            _ => failure::error(RequestClass::List, "list", wanted, call.seen()),
        })
    }

    /// A page's objects, and the token of the next.
    fn understand(&self, page: PaginatedListResult, wanted: &str) -> (Vec<Listed>, Option<String>) {
        let ours = |meta: ObjectMeta| {
            let key = meta.location.as_ref().strip_prefix(&self.prefix)?;
            // The marker of a "folder" has lost its slash, and its name is no key of ours.
            key.starts_with(wanted).then(|| Listed {
                key: key.to_owned(),
                size: meta.size,
                modified: meta.last_modified.into(),
            })
        };
        (page.result.objects.into_iter().filter_map(ours).collect(), page.page_token)
    }
}

fn strange(wanted: &str, what: &str) -> Error {
    Error::new(ErrorKind::Invalid, "list", wanted).with_detail(format!(
        "there is an object that no repository has made, and whose name can't be a key ({what}); \
         move it elsewhere"
    ))
}

#[cfg(test)]
mod tests;
