//! Any object of a repository, decoded to JSON for a person to read.
//!
//! Knows every kind of object by its key, and shows what its bytes say, judged by nobody: a log entry
//! is shown whether it counts or not. Never shows a secret: a key slot's bundle stays sealed.

mod log;
mod pack;

use lifeboat_format::config::{CONFIG_MAX, SignedConfig};
use lifeboat_format::hex;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keyslot::SLOT_MAX;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::index::Index;
use crate::open::Repository;
use crate::slots;

/// Chunks, frames or records that are shown of one object; the counts are of all.
const SHOWN_MAX: usize = 1000;

/// What the object `key` says.
///
/// # Errors
/// [`Kind::NotFound`](crate::Kind::NotFound) when there is none, [`Kind::Corrupt`](crate::Kind::Corrupt)
/// or [`Kind::Unsupported`](crate::Kind::Unsupported) when its bytes can't be read, or the store's own.
pub fn inspect(repository: &Repository, key: ObjectKey) -> Result<Value> {
    let info = repository.io().head(&key)?;
    let content = match key {
        ObjectKey::Config => config(repository)?,
        ObjectKey::Slot(_) => slot(repository, key)?,
        ObjectKey::Pack(_) | ObjectKey::Tree(_) => pack::pack(repository, key, info.size)?,
        ObjectKey::Index(_) => segment(repository, key, info.size)?,
        ObjectKey::Log(number) => log::entry(repository, number)?,
        ObjectKey::Checkpoint(number) => log::checkpoint(repository, number)?,
    };
    Ok(json!({ "key": key.to_string(), "size": info.size, "content": content }))
}

fn config(repository: &Repository) -> Result<Value> {
    let key = ObjectKey::Config;
    let bytes = repository.io().get_at_most(&key, CONFIG_MAX as u64)?;
    let signed = SignedConfig::decode(&bytes).map_err(|cause| Error::format("read", key, cause))?;
    let mut content = to_value(&signed.config);
    if let Value::Object(members) = &mut content {
        members.insert("signature".to_owned(), hex::encode(&signed.signature).into());
    }
    Ok(content)
}

fn slot(repository: &Repository, key: ObjectKey) -> Result<Value> {
    let bytes = repository.io().get_at_most(&key, SLOT_MAX as u64)?;
    let slot = slots::decode(key, &bytes)?;
    Ok(json!({
        "repository": slot.repository,
        "slot": slot.slot,
        "kind": slot.kind.name(),
        "label": slot.label,
        "created": slot.created,
        "kdf": slot.kdf.as_ref().map(|kdf| json!({
            "memory_kib": kdf.memory_kib,
            "passes": kdf.passes,
            "lanes": kdf.lanes,
            "salt": hex::encode(&kdf.salt),
        })),
        "sealed_bytes": slot.sealed.len(),
    }))
}

fn segment(repository: &Repository, key: ObjectKey, size: u64) -> Result<Value> {
    let index = Index::of_segment(repository, key, size)?;
    let mut packs = Vec::new();
    index.for_each_pack(|pack| {
        if packs.len() < SHOWN_MAX {
            packs.push(json!({ "key": pack.key().to_string(), "size": pack.size }));
        }
    })?;
    let mut records = Vec::new();
    let mut count: u64 = 0;
    index.for_each(|_, record, pack| {
        count += 1;
        if records.len() < SHOWN_MAX {
            records.push(json!({
                "id": record.id,
                "pack": pack.key().to_string(),
                "frame": record.frame,
                "frame_offset": record.frame_offset,
                "frame_sealed_len": record.frame_sealed_len,
                "frame_raw_len": record.frame_raw_len,
                "frame_codec": codec(record.frame_codec),
                "offset": record.offset,
                "length": record.length,
                "generation": record.generation,
            }));
        }
        Ok(())
    })?;
    Ok(json!({ "record_count": count, "packs": packs, "records": records }))
}

fn codec(codec: lifeboat_format::Codec) -> &'static str {
    match codec {
        lifeboat_format::Codec::Stored => "stored",
        lifeboat_format::Codec::Zstd => "zstd",
    }
}

fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("the format's structures have text keys only")
}

#[cfg(test)]
mod tests;
