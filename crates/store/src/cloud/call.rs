//! One call to a service as the code below `object_store` sees it: what to add to its request, and
//! what came of it.
//!
//! `object_store` hands neither headers down nor an answer's status and headers up. A call runs in
//! one task from the store's method to the HTTP client, so it travels with the task. Must be begun
//! anew for each attempt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::answer::{Answer, Trouble};
use super::traffic::RequestClass;

tokio::task_local! {
    static CALL: Arc<Call>;
}

/// One attempt of one call.
#[derive(Debug)]
pub(super) struct Call {
    /// What the call is for.
    pub(super) class: RequestClass,
    /// What the request to the bucket has besides the headers that `object_store` gives it.
    pub(super) headers: HeaderMap,
    /// The SHA-256 of the body, where the signature covers it and the body is more than one piece.
    pub(super) body_sha256: Option<[u8; 32]>,
    seen: Mutex<Seen>,
}

/// What came of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The bucket's last answer.
    pub(super) answer: Option<Answer>,
    /// What went wrong beside it.
    pub(super) trouble: Option<Trouble>,
}

impl Call {
    pub(super) fn new(class: RequestClass) -> Self {
        Self { class, headers: HeaderMap::new(), body_sha256: None, seen: Mutex::default() }
    }

    /// Runs `work` as this call.
    pub(super) async fn run<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        CALL.scope(Arc::clone(self), work).await
    }

    /// The call that the running task is in.
    pub(super) fn current() -> Option<Arc<Self>> {
        CALL.try_with(Arc::clone).ok()
    }

    pub(super) fn answered(&self, answer: Answer) {
        self.lock().answer = Some(answer);
    }

    pub(super) fn troubled(&self, trouble: Trouble) {
        self.lock().trouble = Some(trouble);
    }

    pub(super) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
