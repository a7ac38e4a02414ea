//! A store that has something else done in the middle of a call.
//!
//! Knows verbs, keys and what to run; not what that does. So two programs at work on one store take turns
//! exactly where a test wants them to, on one thread at a time, without chance.
//!
//! Invariant: while something is done in a call, other calls through the same value wait.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use lifeboat_store::locking::Locking;
use lifeboat_store::{Error, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};

use crate::fault::Moment;

type Work = Box<dyn FnOnce() + Send>;

/// One call of those that go through a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Of which verb; of any, if none is named. A put is meant whether at once or soon, and a get whether of all or of
    /// a range.
    pub verb: Option<Verb>,
    /// With which beginning of its key (or of the prefix that is listed); other calls are not counted.
    pub prefix: String,
    /// The how manyeth of these, from 1.
    pub number: u64,
    /// Before or after it takes effect.
    pub moment: Moment,
}

/// A store with hooks in its calls; clones are the same store.
#[derive(Clone, Debug)]
pub struct HookStore {
    inner: Arc<dyn Store>,
    hooks: Arc<Mutex<Vec<Hook>>>,
    /// Held while something is done.
    gate: Arc<Mutex<()>>,
}

struct Hook {
    call: Call,
    seen: u64,
    work: Option<Work>,
}

impl HookStore {
    /// A store that behaves exactly like `inner` until it is told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, hooks: Arc::default(), gate: Arc::default() }
    }

    /// Does `work` in that call, to its end and on a thread of its own, before the call goes on; the calls that count begin
    /// now.
    pub fn hook(&self, call: Call, work: impl FnOnce() + Send + 'static) {
        self.hooks().push(Hook { call, seen: 0, work: Some(Box::new(work)) });
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call; what is to be done before and after it.
    fn count(&self, verb: Verb, key: &str) -> [Vec<Work>; 2] {
        drop(self.gate());
        let mut due = [Vec::new(), Vec::new()];
        for hook in self.hooks().iter_mut().filter(|hook| hook.call.is_about(verb, key)) {
            hook.seen += 1;
            if hook.seen == hook.call.number {
                due[usize::from(hook.call.moment == Moment::After)].extend(hook.work.take());
            }
        }
        due
    }

    /// Nothing of the caller's task may be in the way of what is done: it may block, and have a runtime of its own.
    fn carry_out(&self, works: Vec<Work>) {
        for work in works {
            let _closed = self.gate();
            if let Err(panic) = std::thread::spawn(work).join() {
                resume_unwind(panic);
            }
        }
    }

    async fn call<T>(&self, verb: Verb, key: &str, call: impl Future<Output = T> + Send) -> T {
        let [before, after] = self.count(verb, key);
        self.carry_out(before);
        let answer = call.await;
        self.carry_out(after);
        answer
    }
}

impl Call {
    fn is_about(&self, verb: Verb, key: &str) -> bool {
        let alike = |verb| match verb {
            Verb::PutSoon => Verb::Put,
            Verb::GetRange => Verb::Get,
            verb => verb,
        };
        self.verb.is_none_or(|wanted| alike(wanted) == alike(verb)) && key.starts_with(&self.prefix)
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("call", &self.call).field("seen", &self.seen).finish()
    }
}

#[async_trait]
impl Store for HookStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.call(Verb::Put, key, self.inner.put_new(key, data)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.call(Verb::Get, key, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.call(Verb::GetRange, key, self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.call(Verb::Head, key, self.inner.head(key)).await
    }

    /// It takes effect when it begins: what is put later may or may not be in it.
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.call(Verb::List, prefix, self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.call(Verb::Delete, key, self.inner.delete(key)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.call(Verb::PutSoon, key, self.inner.put_soon(key, data)).await
    }

    async fn sync(&self) -> Result<()> {
        self.call(Verb::Sync, "", self.inner.sync()).await
    }

    /// One call, whatever the number of keys; it is about the first of them.
    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let first = keys.first().map_or("", String::as_str);
        self.call(Verb::DeleteMany, first, self.inner.delete_many(keys)).await
    }

    /// It is about the key that is created.
    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.call(Verb::Copy, to, self.inner.copy_new(from, to)).await
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        self.inner.locking()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests;
