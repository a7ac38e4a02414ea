//! Replays all corpora and thousands of mutations of them through the targets, as ordinary tests.
//!
//! The seeds are the known answers of the format (`crates/format/fixtures/vectors.json`), as each target wants them;
//! `regenerate_fixtures` (`cargo xtask fixtures`) writes them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::TARGETS;
use lifeboat_codec::compress::{Compressor, Level};
use lifeboat_format::hex;
use serde_json::Value;

/// Mutations of each target's seeds in one run.
const MUTATIONS: u32 = 3000;

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn every_corpus_is_answered_and_every_seed_accepted() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.keys().any(|file| file.starts_with("seed-")), "{name} has no seed");
        for (file, input) in corpus {
            let accepted = target(&input);
            assert!(accepted || !file.starts_with("seed-"), "{name}: {file} is refused");
        }
    }
}

#[test]
fn mutations_are_answered() {
    for (name, target) in TARGETS {
        let corpus: Vec<Vec<u8>> = corpus(name).into_values().collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ name.len() as u64);
        for _ in 0..MUTATIONS {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(4) {
                random.mutate(&mut input, &corpus);
            }
            let _ = target(&input);
        }
    }
}

#[test]
fn every_target_has_its_binary_and_every_corpus_its_target() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(names.is_sorted());
    let listed = |folder: &str, suffix: &str| {
        let entries = std::fs::read_dir(fuzz().join(folder)).unwrap();
        let mut found: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let stems = found.iter().map(|file| file.strip_suffix(suffix).unwrap().to_owned());
        stems.collect::<Vec<_>>()
    };
    assert_eq!(listed("corpus", ""), names);
    assert_eq!(listed("fuzz_targets", ".rs"), names);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in names {
        let source = std::fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs")));
        let wanted = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&wanted) && source.is_ok(), "{name} has no binary");
    }
}

#[test]
#[ignore = "writes the seeds; only when the format or a target is new"]
fn regenerate_fixtures() {
    for (target, seeds) in seeds() {
        let folder = fuzz().join("corpus").join(target);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}

/// The known answers by name.
fn vectors() -> BTreeMap<String, Vec<u8>> {
    let text = include_str!("../../../crates/format/fixtures/vectors.json");
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    vectors
        .iter()
        .map(|vector| {
            let bytes = match (&vector["hex"], &vector["text"]) {
                (Value::String(digits), _) => hex::decode(digits).unwrap(),
                (_, text) => text.as_str().unwrap().as_bytes().to_vec(),
            };
            (vector["name"].as_str().unwrap().to_owned(), bytes)
        })
        .collect()
}

fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let vectors = vectors();
    let vector = |name: &str| vectors[name].clone();
    let stored = |raw: &[u8]| {
        let len = u32::try_from(raw.len()).unwrap().to_le_bytes();
        [&[0, 0, 0, 0][..], &len, raw].concat()
    };
    let behind_len = |plaintext: &[u8], rest: &[u8]| {
        let len = u16::try_from(plaintext.len()).unwrap().to_le_bytes();
        [&len[..], plaintext, rest].concat()
    };
    let tail = vector("pack tail");
    let (filter, packs) = (stored(&vector("index filter")), stored(&vector("index packs")));
    let block = |section: u8, bytes: &[u8]| [&[section, 2, 0][..], bytes].concat();
    let blocks = [vector("index records"), filter.clone(), packs.clone()].concat();
    let text = b"The boats are made fast; all hands are accounted for. ".repeat(20);
    let mut zstd = Vec::new();
    let mut compressor = Compressor::new(Level::zstd(3).unwrap()).unwrap();
    compressor.compress(&text, &mut zstd).unwrap();
    let len = u32::try_from(text.len()).unwrap().to_le_bytes();
    BTreeMap::from([
        ("checkpoint", vec![vector("checkpoint")]),
        ("compress", vec![text.clone(), vector("config")]),
        ("config", vec![vector("config")]),
        ("decompress", vec![[&len[..], &zstd].concat()]),
        ("envelope", vec![sealed_envelope()]),
        (
            "index_block",
            vec![block(1, &vector("index records")), block(2, &filter), block(3, &packs)],
        ),
        ("index_directory", vec![vector("index directory")]),
        ("index_footer", vec![vector("index footer")]),
        ("key_bundle", vec![vector("key bundle")]),
        ("key_file", vec![vector("recovery sheet")]),
        ("key_slot", vec![vector("key slot")]),
        ("log_entry", vec![vector("log entry"), vector("hold entry")]),
        (
            "object_key",
            vec![
                vector("pack key"),
                b"config".to_vec(),
                b"log/000000000000001f".to_vec(),
                b"keys/02020202020202020202020202020202".to_vec(),
            ],
        ),
        ("pack_footer", vec![tail[tail.len() - 128..].to_vec()]),
        ("pack_stripes", vec![tail]),
        ("pack_trailer", vec![vector("pack trailer")]),
        ("path_key", vec![Vec::new(), b"etc".to_vec(), b"etc\0ssh\0sshd_config".to_vec()]),
        ("preamble", vec![[vector("preamble"), vec![7; 20]].concat()]),
        ("remark", vec![vector("remark")]),
        ("sealed_pack", vec![behind_len(&small_trailer(), b"boat")]),
        ("sealed_segment", vec![behind_len(&vector("index directory"), &blocks)]),
        ("snapshot", vec![vector("snapshot")]),
        (
            "time",
            vec![
                b"2026-11-20T15:04:05.123456789Z".to_vec(),
                b"1970-01-01T00:00:00Z".to_vec(),
                b"@253402300800.000000000".to_vec(),
            ],
        ),
        ("tree_entry", vec![vector("entry"), vec![0xa0]]),
        ("tree_extents", vec![vector("extents")]),
        ("tree_node", vec![vector("leaf"), vector("inner node")]),
    ])
}

/// The trailer of a pack of one stored frame with one chunk: the compressed frame of the known answer can't be made by
/// filling.
fn small_trailer() -> Vec<u8> {
    hex::decode(concat!(
        "01000000",
        "01000000",
        "01000000",
        "00000000",
        "3d000000",
        "00000000",
        "68000000",
        "14000000",
        "04000000",
        "00",
        "0909090909090909090909090909090909090909090909090909090909090909",
        "00000000",
        "00000000",
        "04000000"
    ))
    .unwrap()
}

/// An envelope under the harness's key.
fn sealed_envelope() -> Vec<u8> {
    use lifeboat_codec::Entropy;
    use lifeboat_codec::seal::{NO_EXTRA, Subject, seal_envelope};
    use lifeboat_format::envelope::ObjectType;
    use lifeboat_format::id::RepositoryId;
    use lifeboat_format::keys::Secret32;

    let repository = RepositoryId([1; 16]);
    let subject = Subject { object_type: ObjectType::Snapshot, epoch: 0, repository };
    let key = Secret32::new([2; 32]);
    seal_envelope(&key, &subject, &NO_EXTRA, b"{}", &Entropy::os()).unwrap()
}

/// A small generator (splitmix64), so that a failure comes back.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        let edges = [0, 1, 0x17, 0x18, 0x7f, 0x80, 0xff, b'"', b'-', b'/'];
        let [byte, choice, ..] = self.next().to_le_bytes();
        if choice < 128 { edges[usize::from(byte) % edges.len()] } else { byte }
    }

    fn mutate(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = self.below(input.len());
        let end = (place + 1 + self.below(16)).min(input.len());
        match self.below(6) {
            0 if !input.is_empty() => input[place] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[place] = self.byte(),
            2 => input.truncate(place),
            3 => input.insert(place, self.byte()),
            4 if place < end => input.extend_from_within(place..end),
            5 if place < end => drop(input.drain(place..end)),
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                input.truncate(place);
                input.extend(&other[from..]);
            }
        }
    }
}
