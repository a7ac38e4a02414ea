//! What a server always does: whom it refuses what, and how far behind its lists are.

use std::time::Duration;

use super::request::Operation;

/// The ways of a server, apart from single faults.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// What its clients may do.
    pub policy: Policy,
    /// Whether a condition of a put counts; `false` ignores it silently, as Garage does.
    pub conditions: bool,
    /// For how long lists don't show a new object.
    pub stale_list: Lag,
    /// For how long reads don't find a new object.
    pub late_read: Lag,
    /// Objects with this in their keys can't be deleted, whatever the policy: the answer to the
    /// deletion of many names them.
    pub undeletable: Option<String>,
    /// The most objects of one page of a list.
    pub keys_per_page: usize,
    /// Whether locks are only noted: what is locked can be deleted, and a lock be shortened.
    pub lax_locks: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            policy: Policy::All,
            conditions: true,
            stale_list: Lag::None,
            late_read: Lag::None,
            undeletable: None,
            keys_per_page: 1000,
            lax_locks: false,
        }
    }
}

/// What clients may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Everything.
    #[default]
    All,
    /// Read, and put what is not there: no deletion, and no put without the condition that there be no
    /// such object.
    AppendOnly,
    /// Read.
    ReadOnly,
}

impl Policy {
    /// Whether it refuses such a request; `creates` says that it has the condition to replace nothing.
    pub(super) fn refuses(self, operation: Operation, creates: bool) -> bool {
        let puts = matches!(operation, Operation::Put | Operation::Copy);
        let deletes = matches!(operation, Operation::Delete | Operation::DeleteMany);
        match self {
            Self::All => false,
            Self::AppendOnly => deletes || puts && !creates,
            Self::ReadOnly => deletes || puts,
        }
    }
}

/// How long something new is not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// It is seen at once.
    #[default]
    None,
    /// So many requests that would show it don't.
    Requests(u32),
    /// For so long.
    For(Duration),
}
