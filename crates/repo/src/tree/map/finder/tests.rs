use lifeboat_format::id::ChunkId;
use proptest::prelude::*;

use super::*;
use crate::tree::map::{ContentMap, MapBuilder};
use crate::tree::testing::{Keys, MemChunks};

fn chunk(number: u64) -> Extent {
    // Scattered as ids are, so that one in 256 begins with a zero byte and ends its piece.
    let mut id = [0x11; 32];
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id[..8].copy_from_slice(&mixed.swap_bytes().to_le_bytes());
    Extent::Chunk { id: ChunkId(id), offset: 0, length: 64 << 10 }
}

fn entry(extents: impl IntoIterator<Item = Extent>, sink: &mut MemChunks) -> Entry {
    let keys = Keys::new();
    let mut builder = MapBuilder::new(&keys.ids, sink);
    extents.into_iter().for_each(|extent| builder.push(extent).unwrap());
    let ContentMap { content, depth, size } = builder.finish().unwrap();
    Entry { content, content_depth: depth, size, ..Entry::default() }
}

fn extent_at(finder: &MapFinder, chunks: &MemChunks, offset: u64) -> Option<(u64, Extent)> {
    let stretch = finder.find(chunks, offset).unwrap()?;
    let (start, extent) = stretch.since(offset).next().unwrap();
    Some((start, extent.clone()))
}

#[test]
fn what_was_passed_once_is_found_at_once() {
    const CHUNKS: u64 = 400_000;
    let mut chunks = MemChunks::default();
    let entry = entry((0..CHUNKS).map(chunk), &mut chunks);
    assert!(entry.content_depth >= 2, "{}", entry.content_depth);
    let finder = MapFinder::new(&entry);
    let length = 64 << 10;
    assert_eq!(extent_at(&finder, &chunks, entry.size - 1).unwrap().1, chunk(CHUNKS - 1));
    let pieces = chunks.fetches();
    assert!(pieces > 1000, "{pieces}");
    for place in [0, 17, CHUNKS / 2, CHUNKS / 3, CHUNKS - 2, 5] {
        chunks.forget_fetches();
        let found = extent_at(&finder, &chunks, place * length + 5);
        assert_eq!(found, Some((place * length, chunk(place))));
        assert!(chunks.fetches() <= 2 + usize::from(entry.content_depth), "{}", chunks.fetches());
    }
    // The same place again costs nothing.
    chunks.forget_fetches();
    assert!(extent_at(&finder, &chunks, 5 * length).is_some());
    assert_eq!(chunks.fetches(), 0);
    assert_eq!(extent_at(&finder, &chunks, entry.size), None);
    assert_eq!(extent_at(&finder, &chunks, u64::MAX), None);
}

#[test]
fn notes_stay_few_and_spread_over_the_file() {
    let mut notes = Notes::default();
    let count = 10 * NOTES_MAX as u64;
    for number in 0..count {
        notes.add(Note { start: number * 1000, way: vec![0] });
    }
    assert!(notes.known.len() <= NOTES_MAX, "{}", notes.known.len());
    assert!(notes.known.len() >= NOTES_MAX / 4, "{}", notes.known.len());
    for offset in (0..count * 1000).step_by(777_777) {
        let before = notes.before(offset).unwrap().start;
        assert!(before <= offset && offset - before <= 40_000, "{before} for {offset}");
    }
}

#[test]
fn a_map_that_does_not_fit_the_file_is_refused() {
    let mut chunks = MemChunks::default();
    let good = entry((0..1000).map(chunk), &mut chunks);
    for (size, offset) in [(good.size + 1, good.size), (good.size - 1, good.size - 2)] {
        let finder = MapFinder::new(&Entry { size, ..good.clone() });
        let error = finder.find(&chunks, offset).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Corrupt, "{error}");
    }
}

#[test]
fn a_lost_piece_is_an_error_for_what_is_behind_it() {
    let mut chunks = MemChunks::default();
    let entry = entry((0..5000).map(chunk), &mut chunks);
    let Extent::Chunk { id, .. } = entry.content[2] else { panic!("a moved-out map") };
    chunks.lost.insert(id);
    let finder = MapFinder::new(&entry);
    assert!(finder.find(&chunks, 0).is_ok());
    assert!(finder.find(&chunks, entry.size - 1).is_err());
    assert!(finder.find(&chunks, 1).is_ok());
}

fn extents() -> impl Strategy<Value = Vec<Extent>> {
    let extent = prop_oneof![
        (1_u64..100_000).prop_map(Extent::Hole),
        (1_u64..100_000).prop_map(Extent::Zeros),
        prop::collection::vec(any::<u8>(), 1..50).prop_map(Extent::Inline),
        any::<u64>().prop_map(chunk),
    ];
    prop::collection::vec(extent, 0..2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_agrees_with_a_walk(list in extents(), places in prop::collection::vec(any::<u64>(), 20)) {
        let mut chunks = MemChunks::default();
        let entry = entry(list, &mut chunks);
        let walked: Vec<Extent> =
            crate::tree::map::MapReader::new(&chunks, &entry).map(Result::unwrap).collect();
        let finder = MapFinder::new(&entry);
        for place in places {
            let offset = place.checked_rem(entry.size).unwrap_or(0);
            let mut start = 0;
            let expected = walked.iter().find_map(|extent| {
                start += extent.len();
                (start > offset).then(|| (start - extent.len(), extent.clone()))
            });
            prop_assert_eq!(extent_at(&finder, &chunks, offset), expected);
        }
    }
}
