//! The directories above the snapshots: by id, by time, by host and by tag.
//!
//! Knows names and which snapshot each stands for; nothing of trees. The names are those of other
//! programs of this kind, so that habits and scripts go on working.
//!
//! Invariant: names are file names; two snapshots have two names, and a name goes on standing for the
//! same snapshot when others are added.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::time::Time;

use super::shown::Shown;

/// The name of the link to the newest.
pub(super) const LATEST: &str = "latest";
/// How many digits of an id are a name, unless two begin with them: as many as lists show.
const ID_DIGITS: usize = 8;

/// A directory at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shelf {
    /// `ids`: a snapshot by the beginning of its id.
    Ids,
    /// `snapshots`: all of them by their times.
    Snapshots,
    /// `hosts`: by host, then by time.
    Hosts,
    /// `tags`: by tag, then by time.
    Tags,
}

impl Shelf {
    pub(super) const ALL: [Self; 4] = [Self::Hosts, Self::Ids, Self::Snapshots, Self::Tags];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::Snapshots => "snapshots",
            Self::Hosts => "hosts",
            Self::Tags => "tags",
        }
    }
}

/// A snapshot to be shown.
#[derive(Clone, Copy, Debug)]
pub struct ToShow<'s> {
    /// The snapshot.
    pub snapshot: &'s Snapshot,
    /// Whether a newer one may be lost, as
    /// [`Snapshots::may_be_outdated`](lifeboat_repo::snapshots::Snapshots::may_be_outdated) says. No link then
    /// calls it the latest.
    pub may_be_outdated: bool,
}

/// All snapshots that are shown, by their names.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The time of the newest.
    pub(super) time: Time,
    pub(super) ids: Row,
    pub(super) snapshots: Row,
    pub(super) hosts: BTreeMap<String, Row>,
    pub(super) tags: BTreeMap<String, Row>,
}

/// Snapshots in one directory.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) members: BTreeMap<String, Arc<Shown>>,
    newest: Option<Newest>,
}

#[derive(Debug)]
struct Newest {
    time: Time,
    name: String,
    may_be_outdated: bool,
}

impl Catalogue {
    /// Of these snapshots, in the order of the log.
    pub(super) fn new<'s>(snapshots: impl Iterator<Item = ToShow<'s>>) -> Self {
        let mut catalogue = Self::default();
        for ToShow { snapshot, may_be_outdated } in snapshots {
            let shown = Arc::new(Shown::new(snapshot, may_be_outdated));
            catalogue.time = catalogue.time.max(shown.time);
            catalogue.ids.add(short_id(&catalogue.ids, &shown), &shown);
            let time = time_name(shown.time);
            catalogue.snapshots.add_numbered(&time, &shown);
            let host = file_name(&snapshot.source.host);
            catalogue.hosts.entry(host).or_default().add_numbered(&time, &shown);
            for tag in &snapshot.tags {
                let row = catalogue.tags.entry(file_name(tag)).or_default();
                row.add_numbered(&time, &shown);
            }
        }
        catalogue
    }

    /// The snapshots of a directory: of the shelf itself, or of the group of this name on it.
    pub(super) fn row(&self, shelf: Shelf, group: Option<&str>) -> Option<&Row> {
        match (shelf, group) {
            (Shelf::Ids, None) => Some(&self.ids),
            (Shelf::Snapshots, None) => Some(&self.snapshots),
            (Shelf::Hosts, Some(host)) => self.hosts.get(host),
            (Shelf::Tags, Some(tag)) => self.tags.get(tag),
            _ => None,
        }
    }

    /// The groups on a shelf that has some.
    pub(super) fn groups(&self, shelf: Shelf) -> Option<&BTreeMap<String, Row>> {
        match shelf {
            Shelf::Hosts => Some(&self.hosts),
            Shelf::Tags => Some(&self.tags),
            Shelf::Ids | Shelf::Snapshots => None,
        }
    }

    /// How many snapshots there are.
    pub(super) fn len(&self) -> usize {
        self.ids.members.len()
    }
}

impl Row {
    /// The name of the newest, unless a newer one may be lost.
    pub(super) fn latest(&self) -> Option<&str> {
        let sure = self.newest.as_ref().filter(|newest| !newest.may_be_outdated);
        sure.map(|newest| newest.name.as_str())
    }

    fn add(&mut self, name: String, shown: &Arc<Shown>) {
        if self.newest.as_ref().is_none_or(|newest| newest.time <= shown.time) {
            let Shown { time, may_be_outdated, .. } = **shown;
            self.newest = Some(Newest { time, name: name.clone(), may_be_outdated });
        }
        self.members.insert(name, Arc::clone(shown));
    }

    /// Under this name, or with the first number behind it that is free.
    fn add_numbered(&mut self, name: &str, shown: &Arc<Shown>) {
        let mut free = name.to_owned();
        let mut number = 1_u64;
        while self.members.contains_key(&free) {
            number += 1;
            free = format!("{name}-{number}");
        }
        self.add(free, shown);
    }

    /// The name for a whole id that has a shorter one here.
    pub(super) fn short_for(&self, id: &str) -> Option<&str> {
        let named = self.members.iter().find(|(_, shown)| shown.id.to_string() == id);
        named.map(|(name, _)| name.as_str())
    }
}

fn short_id(row: &Row, shown: &Shown) -> String {
    let id = shown.id.to_string();
    let lengths = ID_DIGITS..id.len();
    let short = lengths.map(|length| &id[..length]).find(|name| !row.members.contains_key(*name));
    short.unwrap_or(&id).to_owned()
}

/// The time as a name: RFC 3339 to the second, without colons, which `rsync` and others take for the end
/// of a host's name.
fn time_name(time: Time) -> String {
    let whole = Time { nanos: 0, ..time };
    whole.to_string().replace(':', "-")
}

/// A host or a tag as a file name: itself, but for what no file name can have.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '/' | '\0' | '%' => name.push_str(&format!("%{:02X}", u32::from(character))),
            other => name.push(other),
        }
    }
    match name.as_str() {
        "" => "%".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
