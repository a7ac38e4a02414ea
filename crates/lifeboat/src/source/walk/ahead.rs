//! Directories that the walk will come to, read and looked through by other threads before it does.
//!
//! A look is a call that waits: for a disk, for a server, at least for the kernel. What is asked for
//! here is a *listing*: the sorted names of a directory or a stretch of them, and a look at each. Knows
//! directories and looks; not which of them are wanted, nor in what order items are given: the walk
//! announces only what it is sure to enter, and takes listings where it would have made them.
//!
//! Invariants: listings are made in the order of their keys, which is that of the walk. What is not
//! begun when the walk comes to it, the walk makes itself, so it never waits for work that waits for
//! others. A directory of more than [`LIST_NAMES_MAX`] names has no listing; its names are sorted by the
//! walk and looked at in stretches. Dropping or cancelling ends a listing after the call that it is in.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use lifeboat_repo::cancel::Cancel;

use crate::source::dir::DirHandle;
use crate::source::names::{Arena, Listing};
use crate::source::stat::Stat;

/// The longest listing: with names of 30 bytes some 200 KiB.
pub(super) const LIST_NAMES_MAX: usize = 1024;
/// How many names of a larger directory are looked at as one piece.
pub(super) const STRETCH_NAMES: usize = 256;
/// How many listings are announced for the members of one directory at once.
pub(super) const ANNOUNCED_MAX: usize = 16;

/// What was found in a directory.
#[derive(Debug)]
pub(super) enum Listed {
    /// All of it, or the stretch that was asked for.
    Whole(Looked),
    /// It has more names than a listing holds.
    Many,
    /// It can't be opened.
    Failed(io::Error),
}

/// Names and what they are.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) names: Arena,
    /// For each name, what the look at it said; its file system has no ordinal yet.
    pub(super) stats: Vec<io::Result<Stat>>,
    /// For each of the watched names whether it is there.
    pub(super) found: Vec<bool>,
    /// Why the names may not be all.
    pub(super) error: Option<io::Error>,
}

impl Looked {
    /// About how much memory it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.names.memory_bytes() + self.stats.len() * size_of::<io::Result<Stat>>()
    }
}

/// The threads that list ahead.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    watched: Vec<Vec<u8>>,
    cancel: Cancel,
    /// Set under the queue's lock.
    closed: AtomicBool,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// What nobody has begun, by the key that the walk comes to it under.
    waiting: BTreeMap<Vec<u8>, Arc<Task>>,
    /// Threads that have nothing to do, and of which none is being woken.
    idle: usize,
}

#[derive(Debug)]
struct Task {
    dir: Arc<DirHandle>,
    /// The names to look at; without them all that are there.
    names: Mutex<Option<Arena>>,
    result: Mutex<Outcome>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Outcome {
    listed: Option<Listed>,
    /// Whether the walk waits for it: waking nobody costs a system call, too.
    awaited: bool,
}

/// A listing that was announced. Dropped, it is not made any more if nobody has begun it.
#[derive(Debug)]
pub(super) struct Announced {
    key: Vec<u8>,
    task: Arc<Task>,
    shared: Arc<Shared>,
}

impl Ahead {
    /// So many threads, which look for the `watched` names in each directory; `None` if there are to be
    /// none, or the system gives none.
    pub(super) fn new(threads: usize, watched: &[Vec<u8>], cancel: &Cancel) -> Option<Self> {
        let shared = Arc::new(Shared::new(watched, cancel));
        let threads = Vec::from_iter((0..threads).map_while(|_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("look".to_owned()).spawn(move || shared.work()).ok()
        }));
        (!threads.is_empty()).then_some(Self { shared, threads })
    }

    /// Announces that the directory with this key will be entered.
    pub(super) fn directory(&self, key: Vec<u8>, dir: Arc<DirHandle>) -> Announced {
        self.announce(key, dir, None)
    }

    /// Announces that these members of `dir`, of which the first has this key, will be looked at.
    pub(super) fn stretch(&self, key: Vec<u8>, dir: Arc<DirHandle>, names: Arena) -> Announced {
        self.announce(key, dir, Some(names))
    }

    fn announce(&self, key: Vec<u8>, dir: Arc<DirHandle>, names: Option<Arena>) -> Announced {
        let (names, result) = (Mutex::new(names), Mutex::default());
        let task = Arc::new(Task { dir, names, result, done: Condvar::new() });
        let mut queue = self.shared.lock();
        queue.waiting.insert(key.clone(), Arc::clone(&task));
        self.shared.wake_another(&mut queue);
        drop(queue);
        Announced { key, task, shared: Arc::clone(&self.shared) }
    }

    /// The listing of a directory that was not announced.
    pub(super) fn list(&self, dir: &Arc<DirHandle>) -> Listed {
        self.shared.list(dir)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            self.shared.closed.store(true, Ordering::Relaxed);
            queue.waiting.clear();
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there was told by itself, and as the failure of what it was at.
            let _ended = thread.join();
        }
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(watched: &[Vec<u8>], cancel: &Cancel) -> Self {
        Self {
            watched: watched.to_vec(),
            cancel: cancel.clone(),
            closed: AtomicBool::new(false),
            queue: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            let begun = Begun { task: &task, listed: None };
            begun.end(self.run(&task));
        }
    }

    fn run(&self, task: &Task) -> Listed {
        let names = task.names.lock().unwrap_or_else(PoisonError::into_inner).take();
        match names {
            None => self.list(&task.dir),
            Some(names) => Listed::Whole(self.look_in(&task.dir, names)),
        }
    }

    fn list(&self, dir: &Arc<DirHandle>) -> Listed {
        let fd = match dir.fd() {
            Ok(fd) => fd,
            Err(error) => return Listed::Failed(error),
        };
        match Arena::read(&fd, &self.watched, LIST_NAMES_MAX) {
            Some(Listing { names, found, error }) => {
                let stats = self.look_at(&fd, &names);
                Listed::Whole(Looked { names, stats, found, error })
            }
            None => Listed::Many,
        }
    }

    fn look_in(&self, dir: &Arc<DirHandle>, names: Arena) -> Looked {
        let stats = match dir.fd() {
            Ok(fd) => self.look_at(&fd, &names),
            Err(error) => {
                let fail = |_name| Err(io::Error::new(error.kind(), error.to_string()));
                names.iter().map(fail).collect()
            }
        };
        Looked { names, stats, found: Vec::new(), error: None }
    }

    /// Looks at each, until nobody wants to know.
    fn look_at(&self, fd: &OwnedFd, names: &Arena) -> Vec<io::Result<Stat>> {
        let look = |name: &[u8]| {
            if self.closed.load(Ordering::Relaxed) || self.cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Stat::unnumbered(fd, &CString::new(name)?)
        };
        names.iter().map(look).collect()
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.lock();
        loop {
            if self.closed.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = queue.take_second() {
                self.wake_another(&mut queue);
                return Some(task);
            }
            queue.idle += 1;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One at a time, and that one the next while there is more to do: so there are as many as keep busy.
    fn wake_another(&self, queue: &mut Queue) {
        if queue.idle > 0 && queue.waiting.len() > 1 {
            queue.idle -= 1;
            self.wake.notify_one();
        }
    }
}

impl Queue {
    /// The first is left to the walk, which is about to come there and would have to wait for it.
    fn take_second(&mut self) -> Option<Arc<Task>> {
        let second = self.waiting.keys().nth(1)?.clone();
        self.waiting.remove(&second)
    }
}

impl Task {
    fn locked(&self) -> MutexGuard<'_, Outcome> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task in a thread's hands: it ends, come what may, since the walk waits for it.
struct Begun<'a> {
    task: &'a Task,
    listed: Option<Listed>,
}

impl Begun<'_> {
    fn end(mut self, listed: Listed) {
        self.listed = Some(listed);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let ended_early = || Listed::Failed(io::Error::other("the thread that looked ended early"));
        let mut outcome = self.task.locked();
        outcome.listed = Some(self.listed.take().unwrap_or_else(ended_early));
        if outcome.awaited {
            self.task.done.notify_all();
        }
    }
}

impl Announced {
    /// The directory that was announced.
    pub(super) fn dir(&self) -> &Arc<DirHandle> {
        &self.task.dir
    }

    /// The listing: made by another thread, or here if none has begun it.
    pub(super) fn take(self) -> Listed {
        if self.shared.lock().waiting.remove(&self.key).is_some() {
            return self.shared.run(&self.task);
        }
        let mut outcome = self.task.locked();
        loop {
            match outcome.listed.take() {
                Some(listed) => return listed,
                None => {
                    outcome.awaited = true;
                    outcome = self.task.done.wait(outcome).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
