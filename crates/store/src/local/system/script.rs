//! What a test makes of the system calls: it counts them and lets some of them fail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::Call;

/// What becomes of one call to come.
#[derive(Debug)]
struct Trouble {
    call: Call,
    /// How many calls go well before it.
    after: usize,
    errno: Errno,
    /// Whether the call is made all the same: only its answer is another one.
    is_done: bool,
    /// How many calls it lasts for.
    times: usize,
}

/// The calls made, and those that are to fail.
#[derive(Debug, Default)]
pub(in crate::local) struct Script {
    counts: Mutex<HashMap<Call, usize>>,
    troubles: Mutex<Vec<Trouble>>,
}

impl Script {
    /// The next `call` is not made and fails with `errno`.
    pub(in crate::local) fn fail(&self, call: Call, errno: Errno) {
        self.add(Trouble { call, after: 0, errno, is_done: false, times: 1 });
    }

    /// As [`Script::fail`], behind so many calls that go well.
    pub(in crate::local) fn fail_after(&self, call: Call, after: usize, errno: Errno) {
        self.add(Trouble { call, after, errno, is_done: false, times: 1 });
    }

    /// As [`Script::fail`], and so does every one after it.
    pub(in crate::local) fn fail_forever(&self, call: Call, errno: Errno) {
        self.add(Trouble { call, after: 0, errno, is_done: false, times: usize::MAX });
    }

    /// The next `call` is made, and what is heard of it is `errno`.
    pub(in crate::local) fn lose_answer(&self, call: Call, errno: Errno) {
        self.add(Trouble { call, after: 0, errno, is_done: true, times: 1 });
    }

    /// How often `call` was made since the last time this was asked.
    pub(in crate::local) fn count(&self, call: Call) -> usize {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&call).unwrap_or(0)
    }

    pub(super) fn play<T>(
        &self,
        call: Call,
        _path: &str,
        work: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
        match self.take(call) {
            None => work(),
            Some((errno, is_done)) => {
                if is_done {
                    work()?;
                }
                Err(errno)
            }
        }
    }

    fn add(&self, trouble: Trouble) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(trouble);
    }

    fn take(&self, call: Call) -> Option<(Errno, bool)> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let place = troubles.iter().position(|trouble| trouble.call == call)?;
        let trouble = &mut troubles[place];
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        trouble.times -= 1;
        let met = (trouble.errno, trouble.is_done);
        if trouble.times == 0 {
            troubles.remove(place);
        }
        Some(met)
    }
}
