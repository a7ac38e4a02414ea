//! A store that fails or lies when it is told to.
//!
//! Knows verbs, keys and bytes. What it does depends on its rules, its seed and the order of the
//! calls alone: driven from one task it is deterministic.

mod rule;

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use lifeboat_store::locking::Locking;
use lifeboat_store::{Error, ErrorKind, ObjectInfo, ObjectStream, Payload, Result, Store, Verb};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use rule::{Effect, Moment, Rule};

/// Random failures, for soaking.
#[derive(Clone, Copy, Debug)]
pub struct Toxics {
    /// Where the dice begin.
    pub seed: u64,
    /// How many of a thousand calls fail with [`ErrorKind::Unavailable`]; about half of them after
    /// they took effect.
    pub fail_per_mille: u32,
    /// How many of a thousand reads return content with one bit flipped.
    pub flip_per_mille: u32,
}

/// A store with faults; clones are the same store.
#[derive(Clone, Debug)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: [u64; Verb::ALL.len()],
    injected: u64,
    rules: Vec<Rule>,
    toxics: Option<(Toxics, ChaCha8Rng)>,
}

impl FaultStore {
    /// A store that behaves exactly like `inner` until it is told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Adds a rule; the calls it counts begin now. Where several apply, the oldest does.
    pub fn add(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Lets the dice decide about the calls that no rule is about.
    pub fn poison(&self, toxics: Toxics) {
        self.state().toxics = Some((toxics, ChaCha8Rng::seed_from_u64(toxics.seed)));
    }

    /// Removes all rules and toxics: from now on everything works.
    pub fn heal(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.toxics = None;
    }

    /// How often `verb` was called so far.
    pub fn calls(&self, verb: Verb) -> u64 {
        self.state().calls[verb as usize]
    }

    /// How many calls there were of all verbs.
    pub fn all_calls(&self) -> u64 {
        self.state().calls.iter().sum()
    }

    /// How many calls were made to fail or to lie.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and decides what becomes of it.
    fn decide(&self, verb: Verb, key: &str) -> Option<Effect> {
        let mut state = self.state();
        state.calls[verb as usize] += 1;
        let mut effect = None;
        for rule in &mut state.rules {
            // Every rule counts, also behind the one that applies.
            let applies = rule.meets(verb, key);
            effect = effect.or(applies);
        }
        let effect = effect.or_else(|| state.roll(verb));
        state.injected += u64::from(effect.is_some());
        effect
    }

    /// Makes a call that may fail before or after it takes effect.
    async fn call<T>(
        &self,
        verb: Verb,
        key: &str,
        effect: Option<Effect>,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(Effect::Fail { kind, moment }) = effect else { return call.await };
        if moment == Moment::After {
            drop(call.await);
        }
        Err(failure(kind, verb, key))
    }

    async fn read(
        &self,
        verb: Verb,
        key: &str,
        call: impl Future<Output = Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        let effect = self.decide(verb, key);
        let bytes = self.call(verb, key, effect, call).await?;
        Ok(effect.map_or(bytes.clone(), |effect| effect.damage(&bytes)))
    }
}

impl State {
    fn roll(&mut self, verb: Verb) -> Option<Effect> {
        let (toxics, dice) = self.toxics.as_mut()?;
        // The same number of throws for every call: what one of them is does not move the others.
        let (fail, flip, which) = (dice.next_u32(), dice.next_u32(), dice.next_u64());
        if fail % 1000 < toxics.fail_per_mille {
            let moment = if which.is_multiple_of(2) { Moment::Before } else { Moment::After };
            return Some(Effect::Fail { kind: ErrorKind::Unavailable, moment });
        }
        let read = matches!(verb, Verb::Get | Verb::GetRange);
        (read && flip % 1000 < toxics.flip_per_mille).then_some(Effect::Flip { bit: which })
    }
}

fn failure(kind: ErrorKind, verb: Verb, key: &str) -> Error {
    Error::new(kind, verb.name(), key).with_source("injected by the test")
}

/// What arrives of content that is put.
fn damaged(effect: Option<Effect>, data: Payload) -> Payload {
    match effect {
        Some(effect @ (Effect::Truncate { .. } | Effect::Flip { .. })) => {
            effect.damage(&data.to_bytes()).into()
        }
        _ => data,
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let effect = self.decide(Verb::Put, key);
        let put = self.inner.put_new(key, damaged(effect, data));
        self.call(Verb::Put, key, effect, put).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.read(Verb::Get, key, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.read(Verb::GetRange, key, self.inner.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        let effect = self.decide(Verb::Head, key);
        self.call(Verb::Head, key, effect, self.inner.head(key)).await
    }

    /// A list that fails after it took effect breaks off behind its last object.
    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        let effect = self.decide(Verb::List, prefix);
        match effect {
            Some(Effect::Fail { kind, moment: Moment::Before }) => {
                Err(failure(kind, Verb::List, prefix))
            }
            Some(Effect::Fail { kind, moment: Moment::After }) => {
                let end = Err(failure(kind, Verb::List, prefix));
                Ok(self.inner.list(prefix).await?.chain(stream::iter([end])).boxed())
            }
            _ => self.inner.list(prefix).await,
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let effect = self.decide(Verb::Delete, key);
        self.call(Verb::Delete, key, effect, self.inner.delete(key)).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        let effect = self.decide(Verb::PutSoon, key);
        let put = self.inner.put_soon(key, damaged(effect, data));
        self.call(Verb::PutSoon, key, effect, put).await
    }

    async fn sync(&self) -> Result<()> {
        let effect = self.decide(Verb::Sync, "");
        self.call(Verb::Sync, "", effect, self.inner.sync()).await
    }

    /// One call, whatever the number of keys; it is about the first of them. Where it fails, it fails
    /// for each.
    async fn delete_many(&self, keys: &[String]) -> Vec<Error> {
        let effect = self.decide(Verb::DeleteMany, keys.first().map_or("", String::as_str));
        let Some(Effect::Fail { kind, moment }) = effect else {
            return self.inner.delete_many(keys).await;
        };
        if moment == Moment::After {
            drop(self.inner.delete_many(keys).await);
        }
        keys.iter().map(|key| failure(kind, Verb::DeleteMany, key)).collect()
    }

    /// It is about the key that is created.
    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        let effect = self.decide(Verb::Copy, to);
        self.call(Verb::Copy, to, effect, self.inner.copy_new(from, to)).await
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
