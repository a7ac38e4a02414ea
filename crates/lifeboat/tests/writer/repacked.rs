//! What a collection copies: frames of which all is used go over as they are, others are made anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use lifeboat::repository::{Repository, View};
use lifeboat_codec::compress::{Compression, Level};
use lifeboat_format::id::ChunkId;
use lifeboat_repo::gc::{GcOptions, Unused, collect};
use lifeboat_testkit::tree::Scratch;

use crate::collected::forget_one;
use crate::world::{assert_clean, assert_restores, mem_repository, noise, options_of, run, settle};

/// Frames by what is in them: how long each is compressed.
type Frames = BTreeMap<Vec<ChunkId>, u32>;

fn frames(repository: &Repository) -> Frames {
    let mut by_place = BTreeMap::new();
    let view = View::load(repository).unwrap();
    view.index
        .for_each(|_, record, pack| {
            let place = (pack.key(), record.frame_offset);
            let (chunks, _, unused) = by_place.entry(place).or_insert((
                Vec::new(),
                record.frame_sealed_len,
                record.frame_raw_len,
            ));
            chunks.push((record.offset, record.id));
            *unused -= record.length;
            Ok(())
        })
        .unwrap();
    let of_frame = |(mut chunks, len, unused): (Vec<(u32, ChunkId)>, u32, u32)| {
        assert_eq!(unused, 0, "bytes of a frame are of no chunk");
        chunks.sort_unstable();
        (chunks.into_iter().map(|(_, id)| id).collect(), len)
    };
    by_place.into_values().map(of_frame).collect()
}

/// Compresses to about half.
fn write(root: &Path, number: u64, seed: u64) {
    let text: String = noise(seed, 30_000).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(root.join(format!("file{number:02}")), text).unwrap();
}

#[test]
fn frames_of_which_all_is_used_stay_as_they_are() {
    let (source, repository) = (Scratch::new().unwrap(), mem_repository());
    (0..24).for_each(|number| write(source.path(), number, number));
    settle();
    let mut options = options_of(source.path());
    options.compression = Compression::Fixed(Level::zstd(19).unwrap());
    let first = run(&repository, &options).snapshot.unwrap();
    (0..24).step_by(3).for_each(|number| write(source.path(), number, 100 + number));
    settle();
    let second = run(&repository, &options).snapshot.unwrap();
    let before = frames(&repository);
    forget_one(&repository, first);
    let report = collect(
        &repository,
        &GcOptions {
            delay: Duration::ZERO,
            trash_period: Duration::ZERO,
            max_unused: Unused::Bytes(0),
            // Frames that are made anew are longer.
            compression: Compression::Fixed(Level::zstd(1).unwrap()),
            threads: 2,
            ..GcOptions::default()
        },
    )
    .unwrap();
    assert!(report.repacked.objects > 3, "{report:?}");
    assert_clean(&repository);
    assert_restores(&repository, second, &[source.path().to_owned()]);
    let after = frames(&repository);
    let (same, others): (Vec<_>, Vec<_>) =
        after.iter().partition(|(chunks, len)| before.get(*chunks) == Some(*len));
    let known: usize = before.keys().filter(|chunks| after.contains_key(*chunks)).count();
    assert_eq!(same.len(), known, "frames of the same chunks have other lengths");
    assert!(same.len() > 3 * others.len(), "{} stayed, {} were made", same.len(), others.len());
    assert!(!others.is_empty());
    let again = collect(
        &repository,
        &GcOptions {
            trash_period: Duration::ZERO,
            max_unused: Unused::Bytes(0),
            ..GcOptions::default()
        },
    );
    assert_eq!(again.unwrap().repacked.objects, 0);
}
