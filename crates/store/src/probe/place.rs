//! The part of a store that a probe has for itself, and what it has written there.

use std::sync::Arc;

use crate::probe::ProbeOptions;
use crate::{Error, ErrorKind, Payload, Result, Store};

/// What is below one prefix.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    prefix: String,
    /// Keys that were put, whatever was answered, and are not known to be gone.
    written: Vec<String>,
}

impl Place {
    pub(super) fn new(store: &Arc<dyn Store>, options: &ProbeOptions) -> Self {
        Self { store: Arc::clone(store), prefix: options.prefix.clone(), written: Vec::new() }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of `name`, which is from now on to be removed at the end.
    pub(super) fn take(&mut self, name: &str) -> String {
        let key = format!("{}{name}", self.prefix);
        if !self.written.contains(&key) {
            self.written.push(key.clone());
        }
        key
    }

    pub(super) fn written(&self) -> &[String] {
        &self.written
    }

    pub(super) async fn put(&mut self, name: &str, data: Payload) -> Result<String> {
        let key = self.take(name);
        match self.store.put_new(&key, data).await {
            Ok(()) => Ok(key),
            Err(error) => {
                if is_refusal(&error) {
                    self.written.retain(|written| *written != key);
                }
                Err(error)
            }
        }
    }

    /// Removes everything; the keys of what stays.
    pub(super) async fn clear(&mut self) -> Vec<String> {
        let keys = std::mem::take(&mut self.written);
        if keys.is_empty() {
            return keys;
        }
        let failed = self.store.delete_many(&keys).await;
        let stays = |key: &String| failed.iter().any(|error| error.key() == key);
        match failed.first() {
            None => Vec::new(),
            // An error that is of no one object is of all.
            Some(_) if !keys.iter().any(stays) => keys,
            Some(_) => keys.into_iter().filter(stays).collect(),
        }
    }
}

/// Whether nothing can have been written.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Unsupported)
}

/// Whether the error says something of the store's ways, and not only that it can't be reached now.
pub(super) fn is_answer(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NoSpace)
}
