//! Who owns what is restored: by number or by name, somebody else by order, or nobody in particular.
//!
//! Knows the names of this machine, each asked for once; sets nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lifeboat_format::tree::Entry;
use nix::unistd::{Group, User};

use crate::error::{Error, Result};

/// What is known of a file's owner in a snapshot, and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerBy {
    /// Its number.
    #[default]
    Number,
    /// Its name, where this machine knows it; else its number.
    Name,
    /// Nothing: files belong to whoever restores them.
    None,
}

/// Whom files are given to.
#[derive(Clone, Debug, Default)]
pub struct OwnerOptions {
    /// What counts.
    pub by: OwnerBy,
    /// Users by name or number in the snapshot, and by name or number on this machine.
    pub users: Vec<(String, String)>,
    /// Groups in the same way.
    pub groups: Vec<(String, String)>,
}

/// Finds the numbers of owners.
#[derive(Debug)]
pub(super) struct Owners {
    by: OwnerBy,
    users: Names,
    groups: Names,
}

/// Users, or groups.
#[derive(Debug)]
struct Names {
    /// By name or number in the snapshot, what was ordered.
    ordered: HashMap<Vec<u8>, u32>,
    find: fn(&str) -> Option<u32>,
    known: Mutex<HashMap<Vec<u8>, Option<u32>>>,
}

impl Owners {
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) when this machine does not know one that was ordered.
    pub(super) fn new(options: &OwnerOptions) -> Result<Self> {
        Ok(Self {
            by: options.by,
            users: Names::new("user", &options.users, |name| {
                User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
            })?,
            groups: Names::new("group", &options.groups, |name| {
                Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
            })?,
        })
    }

    /// Whether owners are set at all.
    pub(super) fn are_set(&self) -> bool {
        self.by != OwnerBy::None
    }

    /// Owner's and group's number on this machine.
    pub(super) fn of(&self, entry: &Entry) -> (u32, u32) {
        let is_by_name = self.by == OwnerBy::Name;
        (
            self.users.find(entry.uid, &entry.user, is_by_name),
            self.groups.find(entry.gid, &entry.group, is_by_name),
        )
    }
}

impl Names {
    fn new(
        what: &str,
        ordered: &[(String, String)],
        find: fn(&str) -> Option<u32>,
    ) -> Result<Self> {
        let mut orders = HashMap::new();
        for (from, to) in ordered {
            let number = to.parse().ok().or_else(|| find(to)).ok_or_else(|| {
                Error::options(format!("this machine has no {what} {to}: give a number"))
            })?;
            orders.insert(from.clone().into_bytes(), number);
        }
        Ok(Self { ordered: orders, find, known: Mutex::default() })
    }

    fn find(&self, number: u32, name: &[u8], is_by_name: bool) -> u32 {
        if !self.ordered.is_empty() {
            let by_name = self.ordered.get(name).filter(|_| !name.is_empty());
            let by_number = || self.ordered.get(number.to_string().as_bytes());
            if let Some(ordered) = by_name.or_else(by_number) {
                return *ordered;
            }
        }
        if !is_by_name || name.is_empty() {
            return number;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(name) {
            return found.unwrap_or(number);
        }
        let found = str::from_utf8(name).ok().and_then(self.find);
        known.insert(name.to_vec(), found);
        found.unwrap_or(number)
    }
}

#[cfg(test)]
mod tests;
