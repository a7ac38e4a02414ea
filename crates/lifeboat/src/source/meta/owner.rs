//! The names of users and groups, each asked for once.
//!
//! Knows the system's user database, which may be a network's; an owner without a name has none here
//! either, and a name that can't be had now is not worth a problem: the number is what counts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Group, Uid, User};

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct OwnerNames {
    users: Cache,
    groups: Cache,
}

impl OwnerNames {
    /// The user's name; empty if there is none.
    pub(super) fn user(&self, uid: u32) -> Vec<u8> {
        self.users.name(uid, |uid| {
            User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
        })
    }

    /// The group's name; empty if there is none.
    pub(super) fn group(&self, gid: u32) -> Vec<u8> {
        self.groups.name(gid, |gid| {
            Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
        })
    }
}

#[derive(Debug, Default)]
struct Cache(Mutex<HashMap<u32, Vec<u8>>>);

impl Cache {
    fn name(&self, number: u32, ask: impl Fn(u32) -> Option<String>) -> Vec<u8> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = lock().get(&number) {
            return name.clone();
        }
        // Not under the lock: a directory service may take its time. A name that isn't UTF-8 comes with
        // stand-ins for its bytes, so it would be another's name.
        let name = ask(number).filter(|name| !name.contains(char::REPLACEMENT_CHARACTER));
        let name = name.unwrap_or_default().into_bytes();
        lock().insert(number, name.clone());
        name
    }
}
