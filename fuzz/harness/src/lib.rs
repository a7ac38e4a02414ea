//! What each fuzz target does with its input, as ordinary functions that tests call, too.
//!
//! A target feeds its input to one decoder, and, where a checksum, a signature or a seal would stop nearly every
//! mutation, mends that first with a fixed key. It fails by panicking: because a decoder does, or because an accepted
//! input does not come back the same. Knows no libFuzzer and no files.

pub mod log;
pub mod packs;
pub mod sealed;
pub mod segments;
pub mod small;
pub mod texts;
pub mod trees;

/// A target: whether the decoder accepted the input, so that tests can tell a good seed from a bad one.
pub type Target = fn(&[u8]) -> bool;

/// All targets by the names of their binaries and corpora.
pub const TARGETS: [(&str, Target); 26] = [
    ("checkpoint", log::checkpoint),
    ("compress", sealed::compress),
    ("config", texts::config),
    ("decompress", sealed::decompress),
    ("envelope", sealed::envelope),
    ("index_block", segments::block),
    ("index_directory", segments::directory),
    ("index_footer", segments::footer),
    ("key_bundle", texts::key_bundle),
    ("key_file", texts::key_file),
    ("key_slot", texts::key_slot),
    ("log_entry", log::entry),
    ("object_key", small::object_key),
    ("pack_footer", packs::footer),
    ("pack_stripes", packs::stripes),
    ("pack_trailer", packs::trailer),
    ("path_key", small::path_key),
    ("preamble", small::preamble),
    ("remark", texts::remark),
    ("sealed_pack", packs::sealed),
    ("sealed_segment", segments::sealed),
    ("snapshot", texts::snapshot),
    ("time", small::time),
    ("tree_entry", trees::entry),
    ("tree_extents", trees::extents),
    ("tree_node", trees::node),
];

#[cfg(test)]
mod tests;
