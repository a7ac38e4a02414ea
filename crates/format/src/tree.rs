//! Trees: one ordered map from path to entry, kept as nodes that are chunks.
//!
//! Owns the encoding of keys, entries, extents and nodes, and the rules of where a node ends. Knows nothing of packs,
//! of the index, or of how a tree is walked.
//!
//! Invariant: the same set of entries has one encoding, whatever its history.

mod entry;
mod extent;
mod node;
mod path;

pub use entry::{
    Device, ENTRY_MAX, Entry, EntryKind, MODE_MAX, MovedXattr, NOTE_CHANGED_WHILE_READ,
    NOTE_METADATA_INCOMPLETE, XATTR_INLINE_MAX, XATTRS_INLINE_MAX,
};
pub use extent::{
    CONTENT_DEPTH_MAX, CONTENT_MAX, Extent, INLINE_EXTENT_MAX, INLINE_MAX, PIECE_MAX,
    decode_extents, encode_extents, ends_piece,
};
pub use node::{
    BuiltNode, Child, LEVEL_MAX, NODE_KEYS_MAX, NODE_MAX, NODE_VERSION, Node, NodeBuilder,
    starts_node,
};
pub use path::{NAME_MAX, PATH_MAX, PathKey};
