//! Deleting many objects by few requests: S3's `DeleteObjects`, Azure's batches.
//!
//! Not for Google, whose XML API has none.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;

use super::call::Call;
use super::failure;
use super::traffic::RequestClass;
use crate::url::Provider;
use crate::{Error, ErrorKind, Result};

/// So many keys go into one request: a slow service (Garage: 52 deletes a second) is done with them
/// before we think that it is stuck.
const KEYS_MAX: usize = 200;

/// So many requests run at once.
const REQUESTS_AT_ONCE: usize = 4;

/// Deletes `keys`, whose paths `path` knows; returns an error for each that may still be there.
pub(super) async fn delete(
    objects: &Arc<dyn ObjectStore>,
    provider: Provider,
    keys: &[String],
    path: impl Fn(&str) -> Result<Path>,
) -> Vec<Error> {
    let mut failed = Vec::new();
    let mut valid = Vec::new();
    for key in keys {
        match path(key) {
            Ok(path) => valid.push((key.as_str(), path)),
            Err(error) => failed.push(error),
        }
    }
    let requests: Vec<_> =
        valid.chunks(KEYS_MAX).map(|keys| request(objects, provider, keys).boxed()).collect();
    let results: Vec<_> = stream::iter(requests).buffer_unordered(REQUESTS_AT_ONCE).collect().await;
    failed.extend(results.into_iter().flatten());
    failed
}

/// One request; at most [`KEYS_MAX`] keys.
async fn request(
    objects: &Arc<dyn ObjectStore>,
    provider: Provider,
    keys: &[(&str, Path)],
) -> Vec<Error> {
    let call = Arc::new(Call::new(RequestClass::DeleteMany));
    let paths: Vec<_> = keys.iter().map(|(_, path)| Ok(path.clone())).collect();
    let deletes = objects.delete_stream(stream::iter(paths).boxed());
    let results: Vec<_> = call.run(deletes.collect()).await;
    let seen = call.seen();
    let answered = seen.trouble.is_none()
        && seen.answer.as_ref().is_some_and(|answer| answer.status.is_success());
    if !answered || results.len() != keys.len() {
        // One result for the whole request.
        let error =
            |key: &str| failure::error(RequestClass::DeleteMany, "delete", key, seen.clone());
        return keys.iter().map(|(key, _)| error(key)).collect();
    }
    // In the order of the paths.
    let results = keys.iter().zip(results);
    let failed = results.filter_map(|((key, _), result)| match result {
        Ok(_) | Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => Some(single(provider, key, &error)),
    });
    failed.collect()
}

/// The error of one object; its text is all that there is of the service's code.
pub(super) fn single(provider: Provider, key: &str, error: &object_store::Error) -> Error {
    let source = std::error::Error::source(error);
    let text = source.map_or_else(|| error.to_string(), ToString::to_string);
    let denied = match provider {
        Provider::Azure => text.contains("(code: 403)"),
        _ => text.contains("AccessDenied") || text.contains("ObjectLocked"),
    };
    let kind = match denied {
        true => ErrorKind::Denied,
        false => ErrorKind::Unavailable,
    };
    Error::new(kind, "delete", key).with_detail(format!("the service left it there: {text}"))
}
