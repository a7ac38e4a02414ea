//! Index segments: where chunks are, sorted by id, in blocks that can be fetched and opened alone.
//!
//! Owns the records, the filters, the pack table, the directory, the footer and the prefixes of ids. Knows nothing of how segments are
//! found, merged or kept in memory.
//!
//! Invariants: ids ascend strictly over the whole segment; blocks lie end to end, each named once by the directory.

mod block;
mod directory;
mod filter;
mod footer;
mod packs;
pub(crate) mod prefix;
mod records;

pub use block::{
    BLOCK_ITEMS_MAX, Section, block_number, decode_block, encode_block, raw_block_len,
};
pub use directory::{BlockEntry, DIRECTORY_MAX, Directory};
pub use filter::Filter;
pub use footer::{INDEX_FOOTER_LEN, INDEX_TAIL_LEN, IndexFooter};
pub use packs::{PackKind, PackRecord, decode_packs, encode_packs, sort_segment};
pub use prefix::IdPrefix;
pub use records::{GENERATION, IndexRecord, RECORD_LEN, decode_records, encode_records};
