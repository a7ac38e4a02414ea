//! A store in memory that keeps versions and enforces locks, by a clock that a test moves.
//!
//! As a bucket of S3 with object lock: a delete hides what is there, a put without condition (of a thief, see
//! [`LockedStore::overwrite`]) makes a newer version, and no version goes before its time. Counts what is asked of locks.
//!
//! Must not know what the objects mean. Clones are the same store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use lifeboat_codec::Clock;
use lifeboat_store::locking::{Locking, Version, VersionMark, VersionPage};
use lifeboat_store::options::ObjectLock;
use lifeboat_store::{
    Error, ErrorKind, Guard, Listed, ObjectInfo, ObjectStream, Payload, Result, Store,
};
use lifeboat_store::{validate_key, validate_prefix};

use crate::clock::TestClock;

/// So many versions are on one page of a list.
const PAGE: usize = 50;

/// The store.
#[derive(Clone, Debug)]
pub struct LockedStore {
    clock: TestClock,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    extended: AtomicU64,
    asked: AtomicU64,
    removals: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Of each key, the oldest first; never empty.
    versions: BTreeMap<String, Vec<Kept>>,
    lock: Option<ObjectLock>,
    next: u64,
    is_lax: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    id: u64,
    /// None for a marker.
    bytes: Option<Bytes>,
    modified: SystemTime,
    until: Option<SystemTime>,
}

impl LockedStore {
    /// An empty store with this clock.
    pub fn new(clock: &TestClock) -> Self {
        Self { clock: clock.clone(), shared: Arc::default() }
    }

    /// Takes locks and does not enforce them, from now on.
    pub fn be_lax(&self) {
        self.state().is_lax = true;
    }

    /// Puts a newer version over what is there, as who ignores the rules does.
    pub fn overwrite(&self, key: &str, bytes: impl Into<Bytes>) {
        let now = self.now();
        self.state().add(key, Some(bytes.into()), now, None);
    }

    /// How many locks were extended.
    pub fn extended(&self) -> u64 {
        self.shared.extended.load(Ordering::Relaxed)
    }

    /// How often it was asked for an object's lock.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// How often a version was to be removed, whatever became of it.
    pub fn removals(&self) -> u64 {
        self.shared.removals.load(Ordering::Relaxed)
    }

    /// Every version of every object: its key and its id.
    pub fn all_versions(&self) -> Vec<(String, String)> {
        let state = self.state();
        let of_key = |(key, kept): (&String, &Vec<Kept>)| {
            kept.iter().map(|kept| (key.clone(), kept.id.to_string())).collect::<Vec<_>>()
        };
        state.versions.iter().flat_map(of_key).collect()
    }

    /// Until when the object is locked.
    pub fn lock_of(&self, key: &str) -> Option<SystemTime> {
        self.state().seen(key)?.until
    }

    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(now.secs).unwrap_or(0), now.nanos)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, operation: &'static str, key: &str) -> Result<Bytes> {
        validate_key(operation, key)?;
        let seen = self.state().seen(key).and_then(|kept| kept.bytes.clone());
        seen.ok_or_else(|| Error::new(ErrorKind::NotFound, operation, key))
    }
}

impl State {
    fn seen(&self, key: &str) -> Option<&Kept> {
        self.versions.get(key)?.last().filter(|kept| kept.bytes.is_some())
    }

    fn add(
        &mut self,
        key: &str,
        bytes: Option<Bytes>,
        modified: SystemTime,
        until: Option<SystemTime>,
    ) {
        self.next += 1;
        let kept = Kept { id: self.next, bytes, modified, until };
        self.versions.entry(key.to_owned()).or_default().push(kept);
    }
}

#[async_trait]
impl Store for LockedStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        validate_key("put", key)?;
        let now = self.now();
        let mut state = self.state();
        if state.seen(key).is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "put", key));
        }
        let until = state.lock.map(|lock| now + lock.period);
        let bytes: Vec<u8> = data.parts().iter().flat_map(|part| part.to_vec()).collect();
        state.add(key, Some(bytes.into()), now, until);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        self.read("get", key)
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.read("get range", key)?;
        let place = |at: u64| usize::try_from(at).ok();
        let part = place(range.start).zip(place(range.end)).and_then(|(start, end)| {
            (start <= end && end <= bytes.len()).then(|| bytes.slice(start..end))
        });
        part.ok_or_else(|| Error::new(ErrorKind::Range, "get range", key))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        validate_key("head", key)?;
        let state = self.state();
        let seen = state.seen(key).ok_or_else(|| Error::new(ErrorKind::NotFound, "head", key))?;
        let size = seen.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let guard = Guard { is_version: true, locked_until: seen.until };
        Ok(ObjectInfo { size, modified: seen.modified, guard })
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        validate_prefix("list", prefix)?;
        let state = self.state();
        let seen = state.versions.keys().filter(|key| key.starts_with(prefix)).filter_map(|key| {
            let kept = state.seen(key)?;
            let size = kept.bytes.as_ref()?.len() as u64;
            Some(Ok(Listed { key: key.clone(), size, modified: kept.modified }))
        });
        Ok(stream::iter(seen.collect::<Vec<_>>()).boxed())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.read("delete", key)?;
        let now = self.now();
        self.state().add(key, None, now, None);
        Ok(())
    }

    fn locking(&self) -> Option<Arc<dyn Locking>> {
        Some(Arc::new(self.clone()))
    }

    fn describe(&self) -> String {
        "memory that enforces locks".to_owned()
    }
}

#[async_trait]
impl Locking for LockedStore {
    fn lock_new(&self, lock: Option<ObjectLock>) {
        self.state().lock = lock;
    }

    async fn locked_until(&self, key: &str) -> Result<Option<SystemTime>> {
        self.shared.asked.fetch_add(1, Ordering::Relaxed);
        self.read("lock of", key)?;
        Ok(self.lock_of(key))
    }

    async fn extend(&self, key: &str, _lock: ObjectLock, until: SystemTime) -> Result<()> {
        const OPERATION: &str = "extend the lock of";
        self.read(OPERATION, key)?;
        let mut state = self.state();
        let is_lax = state.is_lax;
        let seen = state.versions.get_mut(key).and_then(|versions| versions.last_mut());
        let seen = seen.ok_or_else(|| Error::new(ErrorKind::NotFound, OPERATION, key))?;
        if !is_lax && seen.until.is_some_and(|there| there > until) {
            return Err(Error::new(ErrorKind::Denied, OPERATION, key));
        }
        seen.until = Some(until);
        self.shared.extended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage> {
        validate_prefix("list versions", prefix)?;
        let state = self.state();
        let of_key = |(key, kept): (&String, &Vec<Kept>)| {
            let version = |(place, kept): (usize, &Kept)| Version {
                key: key.clone(),
                id: kept.id.to_string(),
                is_marker: kept.bytes.is_none(),
                is_latest: place == 0,
                size: kept.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
                modified: kept.modified,
            };
            kept.iter().rev().enumerate().map(version).collect::<Vec<_>>()
        };
        let all = state.versions.iter().filter(|(key, _)| key.starts_with(prefix)).flat_map(of_key);
        let all: Vec<Version> = all.collect();
        let is_mark = |version: &Version| {
            after.is_some_and(|mark| mark.key == version.key && mark.id == version.id)
        };
        let begin = all.iter().position(is_mark).map_or(0, |at| at + 1);
        let versions: Vec<Version> = all.iter().skip(begin).take(PAGE).cloned().collect();
        let is_all = begin + versions.len() == all.len();
        let next = versions.last().filter(|_| !is_all);
        let next = next.map(|last| VersionMark { key: last.key.clone(), id: last.id.clone() });
        Ok(VersionPage { versions, next })
    }

    async fn get_version(&self, key: &str, id: &str) -> Result<Bytes> {
        let state = self.state();
        let kept = state
            .versions
            .get(key)
            .and_then(|kept| kept.iter().find(|kept| kept.id.to_string() == id));
        let bytes = kept.and_then(|kept| kept.bytes.clone());
        bytes.ok_or_else(|| Error::new(ErrorKind::NotFound, "get a version of", key))
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<()> {
        self.shared.removals.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let mut state = self.state();
        let is_lax = state.is_lax;
        let Some(versions) = state.versions.get_mut(key) else { return Ok(()) };
        let is_kept =
            |kept: &Kept| kept.id.to_string() == id && kept.until.is_some_and(|until| until > now);
        if !is_lax && versions.iter().any(is_kept) {
            return Err(Error::new(ErrorKind::Denied, "delete a version of", key));
        }
        versions.retain(|kept| kept.id.to_string() != id);
        if versions.is_empty() {
            state.versions.remove(key);
        }
        Ok(())
    }

    async fn bring_back(&self, key: &str, id: &str) -> Result<()> {
        let now = self.now();
        let mut state = self.state();
        let kept = state
            .versions
            .get(key)
            .and_then(|versions| versions.iter().find(|kept| kept.id.to_string() == id));
        let bytes = kept.and_then(|kept| kept.bytes.clone());
        let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::NotFound, "bring back", key))?;
        let until = state.lock.map(|lock| now + lock.period);
        state.add(key, Some(bytes), now, until);
        Ok(())
    }
}
