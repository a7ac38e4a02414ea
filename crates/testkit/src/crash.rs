//! A store in memory whose power can be cut, and what is left of it then.
//!
//! It behaves like a directory on a disk: an object can be seen before it is durable, and an answer
//! to a put or delete makes durable whatever has happened in the object's directory until then; but
//! the bytes of what was put soon only by a sync. At the cut, what was not durable is lost, damaged or
//! has landed, as the test says; all of it must be survived.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use lifeboat_store::{
    Error, ErrorKind, Guard, Listed, ObjectInfo, ObjectStream, Payload, Result, Store, Verb,
};
use lifeboat_store::{validate_key, validate_prefix};

/// What becomes of changes that are not durable when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are undone.
    Lost,
    /// Of the objects that were put soon some are whole, some short, some all zeros and some missing,
    /// in turn; other changes are undone.
    Torn,
    /// They had reached the disk.
    Landed,
}

/// The objects that a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    objects: BTreeMap<String, Object>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    bytes: Bytes,
    modified: SystemTime,
}

impl Image {
    /// The keys of all objects, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// The content of an object.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.objects.get(key).map(|object| &object.bytes)
    }

    /// A store that holds these objects, with the power on.
    pub fn reopen(&self) -> CrashStore {
        let state = State {
            live: self.clone(),
            durable: self.clone(),
            soon: BTreeSet::new(),
            calls: 0,
            cut: Cut::Never,
        };
        CrashStore { state: Arc::new(Mutex::new(state)) }
    }

    /// Makes everything in `directory` as it is in `live`, except for what was put `soon`.
    fn catch_up(&mut self, live: &Self, directory: &str, soon: &BTreeSet<String>) {
        self.objects.retain(|key, _| parent(key) != directory || live.objects.contains_key(key));
        let is_durable = |key: &str| parent(key) == directory && !soon.contains(key);
        let there = live.objects.iter().filter(|(key, _)| is_durable(key));
        self.objects.extend(there.map(|(key, object)| (key.clone(), object.clone())));
    }
}

/// A store whose power can be cut; clones are the same store.
#[derive(Clone, Debug)]
pub struct CrashStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    live: Image,
    durable: Image,
    /// The keys of objects that were put soon and not synced since.
    soon: BTreeSet<String>,
    calls: u64,
    cut: Cut,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    At { call: u64, fate: Fate },
    Done,
}

impl CrashStore {
    /// An empty store.
    pub fn new() -> Self {
        Image::default().reopen()
    }

    /// Cuts the power in the middle of the `call`th call from now (from 1): that call makes its
    /// change but is never answered, and no later one does anything.
    pub fn cut_at(&self, call: u64, fate: Fate) {
        let mut state = self.state();
        state.cut = Cut::At { call: state.calls + call, fate };
    }

    /// Cuts the power now.
    pub fn cut(&self, fate: Fate) {
        self.state().cut_now(fate);
    }

    /// Whether the power is off.
    pub fn is_cut(&self) -> bool {
        matches!(self.state().cut, Cut::Done)
    }

    /// How many calls were made so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// What would be there (or is) after a power cut in which all that may be lost is.
    pub fn durable(&self) -> Image {
        self.state().durable.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of objects that were put soon and not synced since, in order.
    pub fn soon(&self) -> Vec<String> {
        self.state().soon.iter().cloned().collect()
    }

    /// A call that changes nothing.
    fn look<T>(&self, verb: Verb, key: &str, look: impl FnOnce(&Image) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        state.begin(verb, key)?;
        let seen = look(&state.live);
        state.end(verb, key)?;
        seen
    }

    /// A call that changes the directory of `key`, and is answered only when that is durable.
    async fn change(
        &self,
        verb: Verb,
        key: &str,
        change: impl FnOnce(&mut State) -> Result<()> + Send,
    ) -> Result<()> {
        validate_key(verb.name(), key)?;
        let changed = {
            let mut state = self.state();
            state.begin(verb, key)?;
            let changed = change(&mut state);
            state.end(verb, key)?;
            changed
        };
        // Others see the change, and may build on it, before it is durable.
        tokio::task::yield_now().await;
        let mut state = self.state();
        if matches!(state.cut, Cut::Done) {
            return Err(no_power(verb, key));
        }
        let State { live, durable, soon, .. } = &mut *state;
        // Also where the object was there already and had been put soon.
        soon.remove(key);
        durable.catch_up(live, parent(key), soon);
        changed
    }
}

impl State {
    fn begin(&mut self, verb: Verb, key: &str) -> Result<()> {
        self.calls += 1;
        if matches!(self.cut, Cut::Done) { Err(no_power(verb, key)) } else { Ok(()) }
    }

    /// Ends a call that has made its change, unless the power goes first.
    fn end(&mut self, verb: Verb, key: &str) -> Result<()> {
        match self.cut {
            Cut::At { call, fate } if self.calls >= call => {
                self.cut_now(fate);
                Err(no_power(verb, key))
            }
            _ => Ok(()),
        }
    }

    fn cut_now(&mut self, fate: Fate) {
        if matches!(self.cut, Cut::Done) {
            return;
        }
        match fate {
            Fate::Lost => {}
            Fate::Torn => self.tear(),
            Fate::Landed => self.durable = self.live.clone(),
        }
        self.cut = Cut::Done;
    }

    /// Leaves a mixture of what was put soon, another one at each call.
    fn tear(&mut self) {
        for (turn, key) in (self.calls..).zip(&self.soon) {
            let Some(object) = self.live.objects.get(key) else { continue };
            let whole = &object.bytes;
            let bytes = match turn % 4 {
                0 => whole.clone(),
                1 => whole.slice(..whole.len() / 2),
                2 => vec![0; whole.len()].into(),
                _ => continue,
            };
            self.durable.objects.insert(key.clone(), Object { bytes, modified: object.modified });
        }
    }

    /// Makes an object visible, unless there is one.
    fn create(&mut self, verb: Verb, key: &str, data: &Payload) -> Result<()> {
        if self.live.objects.contains_key(key) {
            return Err(Error::new(ErrorKind::AlreadyExists, verb.name(), key));
        }
        // A time of its own for every object, the same in every run.
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(self.calls);
        let object = Object { bytes: data.to_bytes(), modified };
        self.live.objects.insert(key.to_owned(), object);
        Ok(())
    }
}

impl Default for CrashStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Not a kind that is retried: the power does not come back while the test waits.
fn no_power(verb: Verb, key: &str) -> Error {
    Error::new(ErrorKind::Other, verb.name(), key).with_detail("the test has cut the power")
}

fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn find<'a>(image: &'a Image, verb: Verb, key: &str) -> Result<&'a Object> {
    image.objects.get(key).ok_or_else(|| Error::new(ErrorKind::NotFound, verb.name(), key))
}

#[async_trait]
impl Store for CrashStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        let put = |state: &mut State| state.create(Verb::Put, key, &data);
        self.change(Verb::Put, key, put).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        validate_key(Verb::Get.name(), key)?;
        self.look(Verb::Get, key, |live| Ok(find(live, Verb::Get, key)?.bytes.clone()))
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        validate_key(Verb::GetRange.name(), key)?;
        self.look(Verb::GetRange, key, |live| {
            let bytes = &find(live, Verb::GetRange, key)?.bytes;
            let end = usize::try_from(range.end).ok().filter(|&end| end <= bytes.len());
            match (usize::try_from(range.start), end) {
                (Ok(start), Some(end)) if start <= end => Ok(bytes.slice(start..end)),
                _ => Err(Error::new(ErrorKind::Range, Verb::GetRange.name(), key)),
            }
        })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        validate_key(Verb::Head.name(), key)?;
        self.look(Verb::Head, key, |live| {
            let object = find(live, Verb::Head, key)?;
            let (size, modified) = (object.bytes.len() as u64, object.modified);
            Ok(ObjectInfo { size, modified, guard: Guard::default() })
        })
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        validate_prefix(Verb::List.name(), prefix)?;
        let listed = self.look(Verb::List, prefix, |live| {
            let from = live.objects.range(prefix.to_owned()..);
            let below = from.take_while(|(key, _)| key.starts_with(prefix));
            let listed = below.map(|(key, object)| Listed {
                key: key.clone(),
                size: object.bytes.len() as u64,
                modified: object.modified,
            });
            Ok(listed.map(Ok).collect::<Vec<_>>())
        })?;
        Ok(stream::iter(listed).boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let delete = |state: &mut State| match state.live.objects.remove(key) {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::NotFound, Verb::Delete.name(), key)),
        };
        self.change(Verb::Delete, key, delete).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        validate_key(Verb::PutSoon.name(), key)?;
        let mut state = self.state();
        state.begin(Verb::PutSoon, key)?;
        let created = state.create(Verb::PutSoon, key, &data);
        if created.is_ok() {
            state.soon.insert(key.to_owned());
        }
        state.end(Verb::PutSoon, key)?;
        created
    }

    async fn sync(&self) -> Result<()> {
        let waiting = {
            let mut state = self.state();
            state.begin(Verb::Sync, "")?;
            let waiting = state.soon.clone();
            state.end(Verb::Sync, "")?;
            waiting
        };
        // What is put meanwhile waits for the next one.
        tokio::task::yield_now().await;
        let mut state = self.state();
        if matches!(state.cut, Cut::Done) {
            return Err(no_power(Verb::Sync, ""));
        }
        let State { live, durable, soon, .. } = &mut *state;
        for key in waiting {
            soon.remove(&key);
            if let Some(object) = live.objects.get(&key) {
                durable.objects.insert(key, object.clone());
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        "memory that can lose power".to_owned()
    }
}

#[cfg(test)]
mod tests;
