//! Snapshots: what one run saved of one source, as JSON that a person can read once its envelope is open.
//!
//! Invariant: members that this version does not know are kept, so a snapshot that is carried to a replica or shown is whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ChunkId, RunId, SnapshotId};
use crate::time::Time;
use crate::tree::PathKey;
use crate::{Error, Result, hex};

/// The version of snapshots that this crate writes.
pub const SNAPSHOT_VERSION: u32 = 1;
/// The most problems that a snapshot lists; it counts all of them.
pub const PROBLEMS_MAX: usize = 100;

const WHAT: &str = "snapshot";

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version of the structure, [`SNAPSHOT_VERSION`].
    pub version: u32,
    /// Its id.
    pub id: SnapshotId,
    /// The run that made it; a run's later snapshot supersedes its checkpoints.
    pub run: RunId,
    /// Where the data came from.
    pub source: Source,
    /// The identity of the source by which snapshots belong together: see [`Source::key`].
    pub source_key: String,
    /// How changes were found. What a restore needs never depends on it.
    pub kind: SnapshotKind,
    /// Set on a checkpoint of a run that has not ended: how far it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointPlace>,
    /// The snapshot against which changes were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// The roots, each with a tree of its own.
    pub roots: Vec<Root>,
    /// The time that the user said it is of; without it, that of its start. Retention and lists go by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// When the run started, by its own clock; change detection goes by it.
    pub started: Time,
    /// When it ended, or wrote this checkpoint.
    pub ended: Time,
    /// Whether everything could be saved.
    pub outcome: Outcome,
    /// What could not.
    #[serde(default)]
    pub problems: Problems,
    /// Counts of the run.
    #[serde(default)]
    pub stats: Stats,
    /// The user's own marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Until when it must not be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Time>,
    /// The writer's count of its snapshots, from 1; 0 where the writer does not count.
    #[serde(default)]
    pub sequence: u64,
    /// BLAKE3 of the writer's previous sealed snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<crate::id::ObjectHash>,
    /// The policy by which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The snapshot that this one stands for, where only marks such as tags were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<SnapshotId>,
    /// The first snapshot of a chain of such changes: the one that a run made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SnapshotId>,
    /// The program that made it, such as `lifeboat 0.1.0`.
    pub tool: String,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Where a snapshot's data came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The name that the user gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The host.
    pub host: String,
    /// The roots as text for people, in order.
    pub roots: Vec<String>,
}

impl Source {
    /// The identity of the source: its name, else `host:root1,root2` with `\`, `,` and `:` in the parts escaped by `\`.
    #[must_use]
    pub fn key(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let roots: Vec<String> = self.roots.iter().map(|root| escape(root)).collect();
        format!("{}:{}", escape(&self.host), roots.join(","))
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | ',' | ':') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// How changes were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotKind {
    /// Everything was read.
    Full,
    /// What is unchanged since the newest snapshot of the source was not read.
    Incremental,
    /// What is unchanged since the newest full snapshot of the source was not read.
    Differential,
    /// A kind of a newer version; it restores like any other.
    #[serde(untagged)]
    Other(String),
}

/// Whether everything could be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything was saved.
    Complete,
    /// Something was not: see the problems.
    Partial,
    /// An outcome of a newer version.
    #[serde(untagged)]
    Other(String),
}

/// How far a run had come when it wrote a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPlace {
    /// The root in work, counted from 0. Roots before it are done.
    pub root: u32,
    /// The last path in it that the checkpoint covers.
    #[serde(with = "path_key")]
    pub ended_at: PathKey,
}

/// A root of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WireRoot", into = "WireRoot")]
pub struct Root {
    /// Its absolute path, as raw bytes.
    pub path: Vec<u8>,
    /// The root node of its tree; `None` where the root was missing or could not be read.
    pub tree: Option<ChunkId>,
    /// The level of that node.
    pub level: u8,
    /// How many entries the tree has.
    pub entries: u64,
    /// How many bytes of content they have.
    pub bytes: u64,
}

impl Root {
    /// Whether the root was not there, so that there is nothing to restore of it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.tree.is_none()
    }
}

/// A root as JSON: the path as text, and in hex where text can't say it.
#[derive(Serialize, Deserialize)]
struct WireRoot {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tree: Option<ChunkId>,
    #[serde(default)]
    level: u8,
    #[serde(default)]
    entries: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    missing: bool,
}

impl From<Root> for WireRoot {
    fn from(root: Root) -> Self {
        let missing = root.is_missing();
        let Root { path, tree, level, entries, bytes } = root;
        let (path, path_hex) = match String::from_utf8(path) {
            Ok(path) => (path, None),
            Err(raw) => {
                let raw = raw.into_bytes();
                (String::from_utf8_lossy(&raw).into_owned(), Some(hex::encode(&raw)))
            }
        };
        Self { path, path_hex, tree, level, entries, bytes, missing }
    }
}

impl TryFrom<WireRoot> for Root {
    type Error = Error;

    fn try_from(wire: WireRoot) -> Result<Self> {
        let WireRoot { path, path_hex, tree, level, entries, bytes, missing } = wire;
        if missing != tree.is_none() {
            return Err(Error::corrupt("root", "\"missing\" and \"tree\" contradict each other"));
        }
        if level > crate::tree::LEVEL_MAX {
            return Err(Error::corrupt("root", format!("level {level} is too high")));
        }
        let path = match path_hex {
            Some(text) => hex::decode(&text)?,
            None => path.into_bytes(),
        };
        Ok(Self { path, tree, level, entries, bytes })
    }
}

/// What could not be saved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Problems {
    /// How many there were.
    pub count: u64,
    /// The first of them, at most [`PROBLEMS_MAX`].
    #[serde(default)]
    pub first: Vec<Problem>,
}

/// One thing that could not be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where.
    pub path: String,
    /// Why.
    pub error: String,
}

/// Counts of a run. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Regular files in the snapshot.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
    /// All other entries.
    pub other: u64,
    /// Entries that were not in the parent.
    pub files_new: u64,
    /// Files that differ from the parent's.
    pub files_changed: u64,
    /// Files taken from the parent without being read.
    pub files_unchanged: u64,
    /// The lengths of all files.
    pub bytes: u64,
    /// What was read of them.
    pub read_bytes: u64,
    /// What was new of that, before compression.
    pub new_bytes: u64,
    /// What was uploaded in all.
    pub stored_bytes: u64,
    /// What was uploaded of that as metadata: trees, index segments and the log.
    pub meta_bytes: u64,
    /// Chunks that were new.
    pub new_chunks: u64,
    /// What the store was asked until this was sealed; 0, and then not written, where nobody counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it like this")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Snapshot {
    /// The plaintext of its envelope.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("all map keys of a snapshot are strings")
    }

    /// The snapshot that `bytes` are, which its envelope held.
    ///
    /// # Errors
    /// `Unsupported` for a newer version, `Corrupt` when the bytes are no snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        crate::json::check_version(WHAT, bytes, SNAPSHOT_VERSION)?;
        let snapshot: Self =
            serde_json::from_slice(bytes).map_err(|error| Error::json(WHAT, &error))?;
        if snapshot.roots.is_empty() {
            return Err(Error::corrupt(WHAT, "no roots"));
        }
        if let Some(place) = &snapshot.checkpoint
            && place.root as usize >= snapshot.roots.len()
        {
            return Err(Error::corrupt(WHAT, format!("a checkpoint in root {}", place.root)));
        }
        Ok(snapshot)
    }

    /// The time that it is of.
    #[must_use]
    pub fn when(&self) -> Time {
        self.time.unwrap_or(self.started)
    }

    /// Whether it is a checkpoint of a run that had not ended.
    #[must_use]
    pub fn is_checkpoint(&self) -> bool {
        self.checkpoint.is_some()
    }
}

/// A path key as hex text.
mod path_key {
    use serde::{Deserializer, Serializer, de};

    use crate::hex;
    use crate::tree::PathKey;

    pub(super) fn serialize<S: Serializer>(key: &PathKey, to: S) -> Result<S::Ok, S::Error> {
        hex::text::serialize(key.as_bytes(), to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathKey, D::Error> {
        PathKey::from_bytes(hex::text::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
