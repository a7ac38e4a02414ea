//! Large files: all workers together find what one alone would.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use lifeboat::Context;
use lifeboat::backup::{BackupOptions, BackupReport, Detect, backup};
use lifeboat::repository::{Repository, View};
use lifeboat_format::id::ChunkId;
use lifeboat_testkit::tree::Scratch;
use proptest::prelude::*;

use crate::world::{
    assert_clean, assert_complete, assert_restores, mem_repository, options_of, snapshot,
};

/// 128 of the longest chunks, which have 16 KiB here.
const WINDOW: usize = 2 << 20;

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    crate::world::noise(seed, bytes as u64)
}

fn run_with(repository: &Repository, root: &Path, threads: usize) -> BackupReport {
    let options = BackupOptions { detect: Detect::Full, ..options_of(root) };
    let report = backup(repository, &options, &Context { threads, ..Context::default() }).unwrap();
    assert_complete(&report);
    report
}

fn tree(repository: &Repository, report: &BackupReport) -> ChunkId {
    let view = View::load(repository).unwrap();
    snapshot(&view, report.snapshot.unwrap()).roots[0].tree.unwrap()
}

/// The tree says everything of the files: their maps with every cut, and their hashes.
fn assert_same_by_one_and_by_all(root: &Path) {
    let repository = mem_repository();
    let alone = run_with(&repository, root, 1);
    for threads in [2, 5] {
        let all = run_with(&repository, root, threads);
        assert_eq!(tree(&repository, &all), tree(&repository, &alone), "by {threads}");
        assert_eq!(all.stats.read_bytes, alone.stats.read_bytes, "by {threads}");
        assert_eq!((all.stats.files, all.stats.bytes), (alone.stats.files, alone.stats.bytes));
    }
    // And the other way round: what all have stored is what one would have.
    let repository = mem_repository();
    let all = run_with(&repository, root, 3);
    assert_restores(&repository, all.snapshot.unwrap(), &[root.to_owned()]);
    assert_eq!(run_with(&repository, root, 1).stats.new_chunks, 0);
    assert_clean(&repository);
}

#[test]
fn a_large_file_is_cut_by_all_as_by_one() {
    let scratch = Scratch::new().unwrap();
    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    let period: Vec<u8> = noise(7, 5000);
    for (name, content) in [
        ("noise", noise(1, 5 * WINDOW + 12_345)),
        ("two windows", noise(2, 2 * WINDOW)),
        ("a byte more", noise(3, 2 * WINDOW + 1)),
        // Cuts that never meet: all are made anew, one after the other.
        ("one byte again and again", vec![7; 4 * WINDOW + 99]),
        ("zeros", vec![0; 3 * WINDOW + 5]),
        ("a period", period.iter().copied().cycle().take(3 * WINDOW + 777).collect()),
        ("lines", b"the same line again and again\n".repeat(WINDOW / 7)),
        (
            "noise between zeros",
            [noise(4, WINDOW - 100), vec![0; WINDOW + 300], noise(5, 2 * WINDOW)].concat(),
        ),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    assert_same_by_one_and_by_all(&root);
}

/// Data and holes in turn; data first if `begins` says so.
fn sparse(path: &Path, begins: bool, lengths: &[usize]) {
    let mut file = File::create(path).unwrap();
    let mut is_data = begins;
    for (number, length) in (0..).zip(lengths) {
        if is_data {
            file.write_all(&noise(number, *length)).unwrap();
        } else {
            file.seek(SeekFrom::Current(i64::try_from(*length).unwrap())).unwrap();
        }
        is_data = !is_data;
    }
    let end = file.stream_position().unwrap();
    file.set_len(end).unwrap();
}

#[test]
fn holes_anywhere_stay_where_they_are() {
    let scratch = Scratch::new().unwrap();
    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    let page = 4096;
    for (name, begins, lengths) in [
        ("ends in a hole", true, vec![3 * WINDOW, WINDOW / 2]),
        ("begins with one", false, vec![3 * WINDOW + page, 2 * WINDOW]),
        ("around borders", true, vec![2 * WINDOW - page, page, page, page, 2 * WINDOW]),
        ("nothing else", false, vec![7 * WINDOW]),
        ("a few bytes first", true, vec![100, 2 * WINDOW - 100, page, 9 * WINDOW, 3 * page]),
        ("many", true, [page, 3 * page].repeat(1500)),
    ] {
        sparse(&root.join(name), begins, &lengths);
    }
    assert_same_by_one_and_by_all(&root);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_file(
        begins: bool,
        lengths in prop::collection::vec(prop_oneof![1..20_000_usize, 1..WINDOW, WINDOW..3 * WINDOW], 1..8),
    ) {
        let scratch = Scratch::new().unwrap();
        let root = scratch.join("root");
        fs::create_dir(&root).unwrap();
        sparse(&root.join("file"), begins, &lengths);
        assert_same_by_one_and_by_all(&root);
    }
}

/// A file on which several work can be left in the middle, and a checkpoint need not wait for its end.
#[test]
fn a_run_can_be_stopped_within_a_large_file() {
    let scratch = Scratch::new().unwrap();
    let root = scratch.join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a"), "before").unwrap();
    fs::write(root.join("large"), noise(1, 12 * WINDOW)).unwrap();
    let repository = mem_repository();
    let stop = crate::world::StopAfter::bytes(5 * WINDOW as u64).with_threads(3);
    let report = stop.run(&repository, &options_of(&root));
    assert_eq!(report.outcome, lifeboat::backup::Outcome::Interrupted);
    assert_clean(&repository);
    let report = run_with(&repository, &root, 3);
    assert_restores(&repository, report.snapshot.unwrap(), &[root]);
}
