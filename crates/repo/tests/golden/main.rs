//! Golden repositories: every version of the format that was ever written is read, and the newest is
//! written again byte for byte from its seed.
//!
//! They lie in `fixtures/`; docs/format.md says what is in them. They are never edited: `SUMS` has the
//! BLAKE3 of each file. `cargo xtask fixtures` writes those that are not there.

mod expected;
mod folder;
mod late;
mod model;
mod python;
mod read;
mod write;

use std::fs;
use std::sync::Arc;

use lifeboat_codec::compress::Level;
use lifeboat_store::mem;

use crate::expected::Expected;
use crate::folder::{FIXTURES, Files, Fixture, SUMS, files_below, fixtures, sums};
use crate::late::LateStore;
use crate::read::{Secret, check, check_damaged, is_compressed, read};
use crate::write::{PASSPHRASE, golden};

/// What the fixture says that a reader must find.
fn expected(fixture: Fixture) -> Expected {
    let text = fs::read(fixtures().join(fixture.name).join("expected.json"))
        .expect("each fixture says what it holds");
    serde_json::from_slice(&text).expect("it is JSON as it was written")
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    for fixture in stored() {
        assert_as_kept(fixture, &golden(fixture.level, fixture.parity, mem()).unwrap());
    }
}

#[test]
fn what_is_written_does_not_depend_on_the_order_of_the_stores_answers() {
    for fixture in stored() {
        let late = Arc::new(LateStore::new());
        assert_as_kept(fixture, &golden(fixture.level, fixture.parity, late).unwrap());
    }
}

/// Those that are written anew.
fn stored() -> impl Iterator<Item = Fixture> {
    FIXTURES.into_iter().filter(|fixture| fixture.level == Level::STORED)
}

fn assert_as_kept(fixture: Fixture, made: &Files) {
    let kept = files_below(&fixtures().join(fixture.name)).expect("its files can be read");
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    for (path, bytes) in made {
        let name = fixture.name;
        assert!(*bytes == kept[path], "{name}/{path} is written otherwise than it was");
    }
}

#[test]
fn every_fixture_opens_with_each_of_its_secrets() {
    for fixture in FIXTURES {
        let expected = expected(fixture);
        for secret in Secret::ALL {
            let found = read(fixture, secret);
            for (found, expected) in found.snapshots.iter().zip(&expected.snapshots) {
                assert_eq!(found, expected, "{}", fixture.name);
            }
            for (id, entries) in &expected.trees {
                for (found, expected) in found.trees[id].iter().zip(entries) {
                    assert_eq!(found, expected, "{}, tree {id}", fixture.name);
                }
            }
            assert!(found == expected, "{} holds more, or less, than it should", fixture.name);
        }
    }
}

#[test]
fn every_fixture_is_free_of_problems() {
    for fixture in FIXTURES {
        check(fixture);
    }
}

#[test]
fn every_pack_with_parity_is_made_whole_again() {
    let fixture = FIXTURES.into_iter().find(|fixture| !fixture.parity.is_none());
    let fixture = fixture.expect("one fixture has parity");
    let (packs, chunks, problems) = check_damaged(fixture, 0..0);
    assert!(packs > 2 && problems.is_empty(), "{problems:#?}");
    let (damaged, verified, problems) = check_damaged(fixture, 4..104);
    assert_eq!((damaged, verified, problems.len() as u64), (packs, chunks, packs));
    for problem in problems {
        assert!(problem.contains("stripe 0 ") && problem.contains("whole again"), "{problem}");
    }
}

#[test]
fn a_fixture_holds_what_it_is_for() {
    for fixture in FIXTURES {
        assert_eq!(is_compressed(fixture), fixture.level != Level::STORED, "{}", fixture.name);
        let expected = expected(fixture);
        let mut standings: Vec<&str> =
            expected.snapshots.iter().map(|of| of.standing.as_str()).collect();
        standings.sort_unstable();
        assert_eq!(standings, ["live", "live", "live", "replaced", "superseded"]);
        let level = expected.snapshots[0].snapshot.roots[0].level;
        assert!(level >= 1, "the large tree is a single leaf");
        let entries = || expected.trees.values().flatten();
        for kind in ["file", "dir", "symlink", "fifo", "socket", "char", "block"] {
            assert!(entries().any(|entry| entry.kind == kind), "there is no {kind}");
        }
        for depth in 0..3 {
            let has_depth = entries()
                .any(|entry| entry.content.as_ref().is_some_and(|content| content.depth == depth));
            assert!(has_depth, "there is no content map of depth {depth}");
        }
    }
}

#[test]
fn no_fixture_is_forgotten_or_edited() {
    let mut names: Vec<_> = FIXTURES.iter().map(|fixture| fixture.name.to_owned()).collect();
    let mut lines: Vec<_> = names
        .iter()
        .flat_map(|name| sums(name, &files_below(&fixtures().join(name)).unwrap()))
        .collect();
    lines.sort_by(|a, b| a[64..].cmp(&b[64..]));
    let kept = fs::read_to_string(fixtures().join(SUMS)).unwrap();
    for (found, kept) in lines.iter().zip(kept.lines()) {
        assert_eq!(found, kept, "fixtures are never edited");
    }
    assert_eq!(lines.len(), kept.lines().count());
    names.extend(["LIST".to_owned(), SUMS.to_owned()]);
    names.sort();
    let mut found: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names, "each fixture has its tests, and nothing else lies there");
}

#[test]
fn the_secrets_lie_beside_the_repositories() {
    for fixture in FIXTURES {
        let text = fs::read_to_string(fixtures().join(fixture.name).join("passphrase")).unwrap();
        assert_eq!(text.trim_end(), PASSPHRASE);
    }
}
