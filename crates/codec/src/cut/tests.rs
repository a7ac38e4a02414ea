//! Properties of cutting, and the cut points that format 1 has promised.

use lifeboat_format::keys::Secret32;
use proptest::prelude::*;

use super::{Cutter, Params};
use crate::error::Kind;
use crate::vectors;

fn cutter() -> Cutter {
    Cutter::new(&Params::new(64, 256, 1024).unwrap(), &Secret32::new([3; 32]))
}

/// Bytes that look random and depend on `seed` alone.
fn stream(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn cut_whole(cutter: &Cutter, data: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = data;
    while let Some(length) = cutter.next(rest, true) {
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

/// Feeds `data` in pieces of the given lengths, over and over, as a reader with a buffer would.
fn cut_fed(cutter: &Cutter, data: &[u8], pieces: &[usize]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut buffer = Vec::new();
    let mut unread = data;
    let mut pieces = pieces.iter().copied().cycle();
    loop {
        match cutter.next(&buffer, unread.is_empty()) {
            Some(length) => {
                lengths.push(length);
                buffer.drain(..length);
            }
            None if unread.is_empty() => return lengths,
            None => {
                let (now, later) = unread.split_at(pieces.next().unwrap().min(unread.len()));
                buffer.extend_from_slice(now);
                unread = later;
            }
        }
    }
}

proptest! {
    #[test]
    fn chunks_are_the_input_and_within_their_bounds(
        length in 0_usize..40_000, repeat in 1_usize..40_000, seed in "[a-z]{4}",
    ) {
        let data: Vec<u8> =
            stream(&seed, repeat).into_iter().cycle().take(length).collect();
        let lengths = cut_whole(&cutter(), &data);
        prop_assert_eq!(lengths.iter().sum::<usize>(), data.len());
        prop_assert!(lengths.iter().all(|&length| length <= 1024));
        let but_the_last = &lengths[..lengths.len().saturating_sub(1)];
        prop_assert!(but_the_last.iter().all(|&length| length >= 64));
    }

    #[test]
    fn cuts_do_not_depend_on_how_bytes_arrive(
        length in 0_usize..20_000,
        pieces in prop::collection::vec(1_usize..3_000, 1..8),
        seed in "[a-z]{4}",
    ) {
        let data = stream(&seed, length);
        prop_assert_eq!(cut_fed(&cutter(), &data, &pieces), cut_whole(&cutter(), &data));
    }

    #[test]
    fn an_edited_byte_moves_few_cuts(at in 0_usize..100_000, seed in "[a-z]{4}") {
        let before = stream(&seed, 100_000);
        let mut after = before.clone();
        after[at] ^= 0x55;
        let ends = |data: &[u8]| -> std::collections::BTreeSet<usize> {
            let mut end = 0;
            let lengths = cut_whole(&cutter(), data);
            lengths.into_iter().map(|length| { end += length; end }).collect()
        };
        let moved = ends(&before).symmetric_difference(&ends(&after)).count();
        // About 350 cuts are there; most often none or two of them move.
        prop_assert!(moved <= 40, "{moved} cuts moved");
    }
}

#[test]
fn nothing_is_decided_before_a_whole_chunk_can_be_seen() {
    let data = stream("early", 1024);
    assert_eq!(cutter().next(&data[..1023], false), None);
    assert!(cutter().next(&data, false).is_some());
    assert!(cutter().next(&data[..1023], true).is_some());
    assert_eq!(cutter().next(&[], true), None);
}

#[test]
fn another_key_cuts_elsewhere() {
    let data = stream("keyed", 50_000);
    let other = Cutter::new(&Params::new(64, 256, 1024).unwrap(), &Secret32::new([4; 32]));
    assert_ne!(cut_whole(&cutter(), &data), cut_whole(&other, &data));
}

#[test]
fn senseless_lengths_are_refused() {
    for (min, avg, max) in [
        (62, 256, 1024),
        (64, 64, 1024),
        (64, 256, 256),
        (65, 256, 1024),
        (64, 257, 1024),
        (64, 256, 1025),
        (64, 256, 16 * 1024 * 1024 + 2),
    ] {
        assert_eq!(Params::new(min, avg, max).unwrap_err().kind(), Kind::Invalid);
    }
    assert!(Params::new(64, 256, 16 * 1024 * 1024).is_ok());
}

/// The cuts of 4 MiB under the default lengths never change: they decide what deduplicates.
#[test]
fn golden_cuts() {
    let vector = vectors::section("cut");
    let number = |member| u32::try_from(vectors::number(&vector, member)).unwrap();
    let params = Params::new(number("min"), number("avg"), number("max")).unwrap();
    let cutter = Cutter::new(&params, &Secret32::new(vectors::array(&vector, "cut_key")));
    assert_eq!(format!("{:016x}", cutter.gear[0]), vectors::text(&vector, "gear_first"));
    assert_eq!(format!("{:016x}", cutter.gear[255]), vectors::text(&vector, "gear_last"));
    let data = stream(vectors::text(&vector, "stream"), number("stream_bytes") as usize);
    let lengths = serde_json::to_value(cut_whole(&cutter, &data)).unwrap();
    assert_eq!(lengths, vector["lengths"]);
}
