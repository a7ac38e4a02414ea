//! Extended attributes: short values stay in the entry, long ones become chunks of metadata.
//!
//! Knows names and values as raw bytes, not what they mean to a kernel.

use std::collections::BTreeMap;

use lifeboat_codec::hash::IdKeys;
use lifeboat_format::tree::{Entry, MovedXattr, XATTR_INLINE_MAX, XATTRS_INLINE_MAX};

use super::{ChunkSource, NodeSink};
use crate::error::{Error, Kind, Result};
use crate::reader::ChunkKind;

/// Gives `entry` these attributes, whose long values go to `sink`. The same attributes always make
/// the same entry.
///
/// # Errors
/// [`Kind::Invalid`] for a value of 4 GiB or more, or the sink's own.
pub fn attach(
    entry: &mut Entry,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    ids: &IdKeys,
    sink: &mut impl NodeSink,
) -> Result<()> {
    entry.xattrs.clear();
    entry.moved_xattrs.clear();
    let mut inline = 0;
    for (name, value) in attributes {
        if value.len() <= XATTR_INLINE_MAX && inline + value.len() <= XATTRS_INLINE_MAX {
            inline += value.len();
            entry.xattrs.insert(name, value);
            continue;
        }
        let len = u32::try_from(value.len()).map_err(|cause| {
            Error::new(Kind::Invalid, "keep the attribute", name.escape_ascii()).because(cause)
        })?;
        let id = ids.meta(&value);
        sink.put_node(id, value)?;
        entry.moved_xattrs.insert(name, MovedXattr { id, len });
    }
    Ok(())
}

/// The attributes of `entry` with their values, one at a time. After an error the others follow.
pub fn values<'a>(
    source: &'a dyn ChunkSource,
    entry: &'a Entry,
) -> impl Iterator<Item = Result<(&'a [u8], Vec<u8>)>> + 'a {
    let inline = entry.xattrs.iter().map(|(name, value)| Ok((name.as_slice(), value.clone())));
    let moved = entry.moved_xattrs.iter().map(move |(name, moved)| {
        let lost = |kind| Error::new(kind, "read the attribute", name.escape_ascii());
        let value = source
            .chunk(ChunkKind::Meta, moved.id)
            .map_err(|cause| lost(cause.kind()).because(cause))?;
        if value.len() == moved.len as usize {
            Ok((name.as_slice(), value.to_vec()))
        } else {
            let reason = format!("{} has {} bytes, not {}", moved.id, value.len(), moved.len);
            Err(lost(Kind::Corrupt).because(reason))
        }
    });
    inline.chain(moved)
}

#[cfg(test)]
mod tests;
