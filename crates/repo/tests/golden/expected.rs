//! `expected.json`: what a golden repository says when it is read, so that a reader needs no generator.
//!
//! Plain data with one text. Raw bytes (paths, names, targets) are text in which all but printable
//! ASCII is escaped as in a byte string of Rust: `\xff`, `\n`, `\\`, `\"`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lifeboat_codec::hash::{ContentHasher, object_hash};
use lifeboat_format::snapshot::Snapshot;
use lifeboat_format::tree::{Device, Entry, EntryKind, PathKey};
use lifeboat_format::{Time, hex};
use serde::{Deserialize, Serialize};

/// A whole repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// All snapshots, in the order of the log.
    pub(crate) snapshots: Vec<ExpectedSnapshot>,
    /// Their trees by the id of the root node, each in path order.
    pub(crate) trees: BTreeMap<String, Vec<ExpectedEntry>>,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpectedSnapshot {
    /// The number of its log entry.
    pub(crate) entry: u64,
    /// `live`, `superseded` (a checkpoint) or `replaced` (its tags were edited).
    pub(crate) standing: String,
    /// What its envelope holds.
    pub(crate) snapshot: Snapshot,
}

/// One entry of a tree; what has its default is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ExpectedEntry {
    /// The path below the root, with slashes; empty for the root itself.
    pub(crate) path: String,
    /// `file`, `dir`, `symlink`, `fifo`, `socket`, `char` or `block`.
    pub(crate) kind: String,
    /// The mode, octal.
    pub(crate) mode: String,
    pub(crate) mtime: Time,
    pub(crate) ctime: Time,
    pub(crate) inode: u64,
    #[serde(skip_serializing_if = "is_default")]
    uid: u32,
    #[serde(skip_serializing_if = "is_default")]
    gid: u32,
    #[serde(skip_serializing_if = "is_default")]
    user: String,
    #[serde(skip_serializing_if = "is_default")]
    group: String,
    #[serde(skip_serializing_if = "is_default")]
    device: u32,
    /// How many names the inode has, if several.
    #[serde(skip_serializing_if = "is_default")]
    links: u64,
    /// Major and minor number.
    #[serde(skip_serializing_if = "is_default")]
    rdev: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) target: String,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
    #[serde(skip_serializing_if = "is_default")]
    notes: u8,
    /// By name: length and BLAKE3 of the value.
    #[serde(skip_serializing_if = "is_default")]
    xattrs: BTreeMap<String, (usize, String)>,
    /// The content of a file.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) content: Option<Content>,
}

/// What a file consists of, however it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// BLAKE3 of all bytes, holes as zeros.
    pub(crate) blake3: String,
    /// Whether the entry itself has that hash.
    #[serde(default, skip_serializing_if = "is_default")]
    hash_in_entry: bool,
    /// How often the list of extents is moved out of the entry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) depth: u8,
    /// Offset and length of each hole.
    #[serde(default, skip_serializing_if = "is_default")]
    holes: Vec<(u64, u64)>,
    /// Offset and length of each stretch of zeros that is not a hole.
    #[serde(default, skip_serializing_if = "is_default")]
    zeros: Vec<(u64, u64)>,
}

/// Gathers the content of one file, from its beginning to its end.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    hasher: ContentHasher,
    content: Content,
}

impl Gather {
    /// The next bytes are these.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.content.size += bytes.len() as u64;
    }

    /// So many bytes of a hole come next.
    pub(crate) fn hole(&mut self, len: u64) {
        self.content.holes.push((self.content.size, len));
        self.skip(len);
    }

    /// So many zeros come next.
    pub(crate) fn zeros(&mut self, len: u64) {
        self.content.zeros.push((self.content.size, len));
        self.skip(len);
    }

    /// The BLAKE3 of what was gathered.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hasher.finish()
    }

    fn skip(&mut self, len: u64) {
        self.hasher.update_zeros(len);
        self.content.size += len;
    }
}

impl ExpectedEntry {
    /// The entry `of` at `key`, with the values of its attributes and what its content is.
    pub(crate) fn new(
        key: &PathKey,
        of: &Entry,
        xattrs: &BTreeMap<Vec<u8>, Vec<u8>>,
        content: Gather,
    ) -> Self {
        let value = |value: &Vec<u8>| (value.len(), object_hash(value).to_string());
        let xattrs = xattrs.iter().map(|(name, of)| (escaped(name), value(of))).collect();
        let names: Vec<String> = key.components().map(escaped).collect();
        let content = (of.kind == EntryKind::File).then(|| Content {
            blake3: hex::encode(&content.hash()),
            hash_in_entry: of.content_hash == Some(content.hash()),
            depth: of.content_depth,
            ..content.content
        });
        Self {
            path: names.join("/"),
            kind: kind(of.kind).to_owned(),
            mode: format!("{:04o}", of.mode),
            mtime: of.mtime,
            ctime: of.ctime,
            inode: of.inode,
            uid: of.uid,
            gid: of.gid,
            user: escaped(&of.user),
            group: escaped(&of.group),
            device: of.device,
            links: if of.links > 1 { of.links } else { 0 },
            rdev: of.rdev.map(|Device { major, minor }| (major, minor)),
            target: escaped(&of.target),
            flags: of.flags,
            notes: of.notes,
            xattrs,
            content,
        }
    }
}

impl Expected {
    /// The text: JSON, with a snapshot or an entry a line.
    pub(crate) fn to_text(&self) -> String {
        let mut text = "{\n\"snapshots\": [\n".to_owned();
        lines(&mut text, &self.snapshots);
        text.push_str("],\n\"trees\": {\n");
        for (place, (id, entries)) in self.trees.iter().enumerate() {
            let comma = if place == 0 { "" } else { ",\n" };
            writeln!(text, "{comma}\"{id}\": [").expect("a String takes everything");
            lines(&mut text, entries);
            text.push(']');
        }
        text.push_str("\n}\n}\n");
        text
    }
}

fn lines<T: Serialize>(text: &mut String, items: &[T]) {
    let lines: Vec<String> =
        items.iter().map(|item| serde_json::to_string(item).expect("keys are text")).collect();
    text.push_str(&lines.join(",\n"));
    text.push('\n');
}

/// Raw bytes as text.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Dir => "dir",
        EntryKind::Symlink => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::Char => "char",
        EntryKind::Block => "block",
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
