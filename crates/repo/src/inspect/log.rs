//! Log entries and checkpoints as JSON, their snapshots opened where the keys can.

use lifeboat_codec::sign::verify;
use lifeboat_format::checkpoint::{CHECKPOINT_PREFIX_LEN, Checkpoint, SIGNATURE_CONTEXT};
use lifeboat_format::entry::SIGNATURE_CONTEXT as ENTRY_CONTEXT;
use lifeboat_format::entry::{LOG_ENTRY_MAX, LogEntry, Until};
use lifeboat_format::hex;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::keys::SigningRole;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::inspect::to_value;
use crate::log::{SnapshotRecord, remark};
use crate::open::Repository;
use crate::snapshots;

const OPERATION: &str = "read";

pub(super) fn entry(repository: &Repository, number: u64) -> Result<Value> {
    let key = ObjectKey::Log(number);
    let bytes = repository.io().get_at_most(&key, LOG_ENTRY_MAX as u64)?;
    let entry = LogEntry::decode(&bytes).map_err(|cause| Error::format(OPERATION, key, cause))?;
    let signed = LogEntry::signed_part(&bytes);
    let is_signed = verify(&entry.public, ENTRY_CONTEXT, signed, &entry.signature).is_ok();
    let header = entry.header;
    let snapshots: Vec<Value> = header
        .snapshots
        .into_iter()
        .map(|snapshot| {
            let record = SnapshotRecord {
                id: snapshot.id,
                entry: number,
                author: entry.public,
                sealed: snapshot.sealed.into(),
            };
            match snapshots::open(repository, &record) {
                Ok(snapshot) => to_value(&snapshot),
                Err(error) => json!({ "id": record.id, "error": error.to_string() }),
            }
        })
        .collect();
    let mut objects: Vec<Value> = header
        .objects
        .iter()
        .map(|object| {
            json!({ "key": object.kind.key(object.name).to_string(), "size": object.size })
        })
        .collect();
    for (object, prefix) in objects.iter_mut().zip(&header.prefixes) {
        object["ids"] = json!({ "bits": prefix.bits(), "value": prefix.value() });
    }
    let relied: Vec<String> =
        header.relied.iter().map(|object| object.kind.key(object.name).to_string()).collect();
    let merged: Vec<String> =
        header.merged.iter().map(|name| ObjectKey::Index(*name).to_string()).collect();
    let body =
        (!entry.body.is_empty()).then(|| match remark::open(repository, number, &entry.body) {
            Ok(remark) => to_value(&remark),
            Err(error) => json!({ "error": error.to_string() }),
        });
    Ok(json!({
        "log": header.log,
        "number": header.number,
        "previous": header.previous,
        "kind": format!("{:?}", header.kind).to_lowercase(),
        "may_skip": header.may_skip,
        "run": header.run,
        "nonce": hex::encode(&header.nonce),
        "objects": objects,
        "relied": relied,
        "merged": merged,
        "snapshots": snapshots,
        "ids": header.ids,
        "mark": header.mark,
        "closes": header.closes,
        "gone": header.gone,
        "until": header.until.map(Until::number),
        "time": header.time,
        "body": body,
        "body_bytes": entry.body.len(),
        "author": entry.public,
        "roles": roles(repository.config().roles(&entry.public)),
        "signature_valid": is_signed,
    }))
}

pub(super) fn checkpoint(repository: &Repository, number: u64) -> Result<Value> {
    let key = ObjectKey::Checkpoint(number);
    let of_format = |cause| Error::format(OPERATION, key, cause);
    let prefix = repository.io().get_range(&key, 0..CHECKPOINT_PREFIX_LEN as u64)?;
    let head_len = Checkpoint::head_len(&prefix).map_err(of_format)?;
    let bytes = repository.io().get_range(&key, 0..head_len)?;
    let checkpoint = Checkpoint::decode(&bytes).map_err(of_format)?;
    let signed = Checkpoint::signed_part(&bytes).map_err(of_format)?;
    let is_signed =
        verify(&checkpoint.public, SIGNATURE_CONTEXT, signed, &checkpoint.signature).is_ok();
    let blocks: Vec<Value> = checkpoint
        .blocks
        .iter()
        .map(|block| {
            json!({
                "section": block.section,
                "count": block.count,
                "offset": block.offset,
                "length": block.length,
                "hash": block.hash,
            })
        })
        .collect();
    Ok(json!({
        "log": checkpoint.log,
        "number": checkpoint.number,
        "entry": checkpoint.entry,
        "blocks": blocks,
        "author": checkpoint.public,
        "roles": roles(repository.config().roles(&checkpoint.public)),
        "signature_valid": is_signed,
    }))
}

fn roles(roles: &[SigningRole]) -> Value {
    to_value(&roles)
}
