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
//! walk and looked at in stretches. Dropping ends the threads, at the latest after the call that each is in.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

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
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// What nobody has begun, by the key that the walk comes to it under.
    waiting: BTreeMap<Vec<u8>, Arc<Task>>,
    /// Threads that have nothing to do, and of which none is being woken.
    idle: usize,
    closed: bool,
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
    pub(super) fn new(threads: usize, watched: &[Vec<u8>]) -> Option<Self> {
        let queue = Mutex::default();
        let shared = Arc::new(Shared { watched: watched.to_vec(), queue, wake: Condvar::new() });
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
        list(dir, &self.shared.watched)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.waiting.clear();
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there was told by itself, and the walk did what it had left.
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
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            let listed = task.run(&self.watched);
            let mut outcome = task.locked();
            outcome.listed = Some(listed);
            if outcome.awaited {
                task.done.notify_all();
            }
        }
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
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

    fn run(&self, watched: &[Vec<u8>]) -> Listed {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner).take();
        match names {
            None => list(&self.dir, watched),
            Some(names) => Listed::Whole(look_in(&self.dir, names)),
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
            return self.task.run(&self.shared.watched);
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

fn list(dir: &Arc<DirHandle>, watched: &[Vec<u8>]) -> Listed {
    let fd = match dir.fd() {
        Ok(fd) => fd,
        Err(error) => return Listed::Failed(error),
    };
    match Arena::read(&fd, watched, LIST_NAMES_MAX) {
        Some(Listing { names, found, error }) => Listed::Whole(look_at(&fd, names, found, error)),
        None => Listed::Many,
    }
}

fn look_in(dir: &Arc<DirHandle>, names: Arena) -> Looked {
    match dir.fd() {
        Ok(fd) => look_at(&fd, names, Vec::new(), None),
        Err(error) => {
            let fail = |_name| Err(io::Error::new(error.kind(), error.to_string()));
            let stats = names.iter().map(fail).collect();
            Looked { names, stats, found: Vec::new(), error: None }
        }
    }
}

fn look_at(fd: &OwnedFd, names: Arena, found: Vec<bool>, error: Option<io::Error>) -> Looked {
    let look = |name: &[u8]| Stat::unnumbered(fd, &CString::new(name)?);
    let stats = names.iter().map(look).collect();
    Looked { names, stats, found, error }
}

#[cfg(test)]
mod tests;
