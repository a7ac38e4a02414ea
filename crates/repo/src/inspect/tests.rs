use lifeboat_format::id::RunId;
use lifeboat_format::keys::Secret32;

use super::*;
use crate::log::testing::{object, snapshot};
use crate::log::{Fold, checkpoint, commit};
use crate::open::testing::new;
use crate::slots::{NewSlot, SlotSecret, add};
use crate::snapshots::seal;

fn shown(repository: &Repository, key: ObjectKey) -> Value {
    inspect(repository, key).unwrap()["content"].clone()
}

#[test]
fn the_small_objects_are_shown() {
    let (_, repository) = new(1);
    let config = shown(&repository, ObjectKey::Config);
    assert_eq!(config["repository"], repository.id().to_string());
    assert_eq!(config["signature"].as_str().unwrap().len(), 128);

    let secret = SlotSecret::KeyFile(Secret32::new([7; 32]));
    let id = add(&repository, &NewSlot { label: "file".to_owned(), secret }).unwrap();
    let slot = shown(&repository, ObjectKey::Slot(id));
    assert_eq!((&slot["kind"], &slot["label"]), (&json!("key-file"), &json!("file")));
    let slot = shown(&repository, ObjectKey::Slot(repository.opened_by().slot));
    assert_eq!(slot["kdf"]["memory_kib"], 8);
    assert!(slot.get("sealed").is_none());
}

#[test]
fn the_log_is_shown() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let sealed = seal(&repository, &snapshot(1, "a", 10)).unwrap();
    let mut damaged = seal(&repository, &snapshot(2, "a", 10)).unwrap();
    damaged.sealed.pop();
    let run = RunId([3; 16]);
    commit(&repository, &mut fold, run, vec![object(5)], vec![sealed, damaged]).unwrap();
    let entry = shown(&repository, ObjectKey::Log(0));
    assert_eq!((&entry["kind"], &entry["signature_valid"]), (&json!("commit"), &json!(true)));
    assert_eq!(entry["objects"][0]["size"], 5);
    assert_eq!(entry["snapshots"][0]["source_key"], "a");
    assert!(entry["snapshots"][1]["error"].is_string());
    assert!(checkpoint::write(&repository, &fold).unwrap());
    let checkpoint = shown(&repository, ObjectKey::Checkpoint(0));
    assert_eq!(checkpoint["signature_valid"], true);
    assert_eq!(checkpoint["blocks"].as_array().unwrap().len(), 2);
    let missing = inspect(&repository, ObjectKey::Log(1)).unwrap_err();
    assert_eq!(missing.kind(), crate::Kind::NotFound);
}
