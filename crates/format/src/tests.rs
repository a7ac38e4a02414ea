//! Known answers: every structure of docs/format.md as bytes, which no change may alter.
//!
//! `fixtures/vectors.json` holds them; `regenerate_fixtures` (`cargo xtask fixtures`) makes it anew for a new version of
//! the format.

mod samples;
mod texts;

use std::path::{Path, PathBuf};

use crate::hex;
use samples::{Sample, samples};
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn vectors_file() -> PathBuf {
    root().join("fixtures/vectors.json")
}

/// JSON structures are shown as text, all others in hex.
fn shown(sample: &Sample) -> (&'static str, String) {
    match std::str::from_utf8(&sample.bytes) {
        Ok(text) if sample.is_text => ("text", text.to_owned()),
        _ => ("hex", hex::encode(&sample.bytes)),
    }
}

fn vectors() -> Vec<Value> {
    samples()
        .iter()
        .map(|sample| {
            let (form, bytes) = shown(sample);
            json!({ "name": sample.name, "of": sample.of, form: bytes })
        })
        .collect()
}

#[test]
fn everything_is_written_as_it_ever_was() {
    let text = std::fs::read_to_string(vectors_file()).unwrap();
    let kept: Vec<Value> = serde_json::from_str(&text).unwrap();
    let made = vectors();
    let names = |list: &[Value]| -> Vec<String> {
        list.iter().map(|vector| vector["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&made), names(&kept));
    for (made, kept) in made.iter().zip(&kept) {
        assert_eq!(made, kept);
    }
}

#[test]
fn everything_is_read_as_it_was_written() {
    for sample in samples() {
        let read = sample.read;
        read(&sample.bytes).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
    }
}

#[test]
fn the_specification_shows_every_vector() {
    let spec = std::fs::read_to_string(root().join("../../docs/format.md")).unwrap();
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let spec = dense(&spec);
    for sample in samples() {
        let (_, bytes) = shown(&sample);
        let vector = dense(&format!("**{}**: {}", sample.name, sample.of));
        assert!(spec.contains(&vector), "docs/format.md does not describe {}", sample.name);
        assert!(spec.contains(&dense(&bytes)), "docs/format.md does not show {}", sample.name);
    }
}

#[test]
fn no_fixture_is_forgotten() {
    let found: Vec<_> = std::fs::read_dir(root().join("fixtures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(found, [Path::new("vectors.json").as_os_str()]);
}

#[test]
#[ignore = "writes the fixture; only for a new version of the format"]
fn regenerate_fixtures() {
    let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    std::fs::write(vectors_file(), text).unwrap();
}
