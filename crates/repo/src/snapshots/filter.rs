//! Filters: which snapshots a user means, by what they were made of.
//!
//! Knows the clear members of a snapshot only.

use lifeboat_format::snapshot::Snapshot;

/// What a snapshot must match; the default matches all but checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its source: the name that the user gave it, or its whole identity.
    pub source: Option<String>,
    /// Its host.
    pub host: Option<String>,
    /// Tags, all of which it must have.
    pub tags: Vec<String>,
    /// Paths as raw bytes, each of which must be one of its roots; slashes at the end are passed over.
    pub paths: Vec<Vec<u8>>,
    /// Whether checkpoints of unfinished runs match, too.
    pub checkpoints: bool,
}

impl Filter {
    /// Whether `snapshot` is meant.
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        let wanted = |wanted: &Option<String>, found: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| found.contains(&wanted.as_str()))
        };
        let name = snapshot.source.name.as_deref().unwrap_or(&snapshot.source_key);
        (self.checkpoints || !snapshot.is_checkpoint())
            && wanted(&self.source, &[name, &snapshot.source_key])
            && wanted(&self.host, &[&snapshot.source.host])
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && self.paths.iter().all(|path| has_path(snapshot, path))
    }

    /// Whether it says anything about what a snapshot was made of.
    pub fn is_empty(&self) -> bool {
        let Self { source, host, tags, paths, checkpoints: _ } = self;
        source.is_none() && host.is_none() && tags.is_empty() && paths.is_empty()
    }
}

fn has_path(snapshot: &Snapshot, path: &[u8]) -> bool {
    let path = trimmed(path);
    snapshot.roots.iter().any(|root| trimmed(&root.path) == path)
}

/// A path without the slashes at its end; the file system's root becomes empty.
fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}
