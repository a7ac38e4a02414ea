use lifeboat_format::id::ChunkId;
use proptest::prelude::*;

use super::*;
use crate::tree::testing::{Keys, MemChunks};

fn chunk(number: u64) -> Extent {
    // Scattered as ids are, so that one in 256 begins with a zero byte: a multiplication mixes the
    // highest byte best.
    let mut id = [0x11; 32];
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id[..8].copy_from_slice(&mixed.swap_bytes().to_le_bytes());
    Extent::Chunk { id: ChunkId(id), offset: 0, length: 128 << 10 }
}

fn build(extents: impl IntoIterator<Item = Extent>, sink: &mut MemChunks) -> ContentMap {
    let keys = Keys::new();
    let mut builder = MapBuilder::new(&keys.ids, sink);
    for extent in extents {
        builder.push(extent).unwrap();
    }
    builder.finish().unwrap()
}

fn entry(map: ContentMap) -> Entry {
    let ContentMap { content, depth, size } = map;
    Entry { content, content_depth: depth, size, ..Entry::default() }
}

fn read(source: &MemChunks, entry: &Entry) -> Vec<Extent> {
    MapReader::new(source, entry).map(Result::unwrap).collect()
}

#[test]
fn an_empty_file_has_an_empty_map() {
    let map = build([Extent::Hole(0), Extent::Inline(Vec::new())], &mut MemChunks::default());
    assert_eq!(map, ContentMap::default());
    assert_eq!(read(&MemChunks::default(), &entry(map)), []);
}

#[test]
fn neighbours_of_one_kind_become_one() {
    let range = |offset, length| Extent::Chunk { id: ChunkId([7; 32]), offset, length };
    let map = build(
        [
            Extent::Hole(10),
            Extent::Hole(5),
            Extent::Zeros(1),
            Extent::Zeros(2),
            Extent::Hole(1),
            range(0, 100),
            range(100, 50),
            range(151, 9),
            range(0, 3),
            range(0, 3),
        ],
        &mut MemChunks::default(),
    );
    let expected = [
        Extent::Hole(15),
        Extent::Zeros(3),
        Extent::Hole(1),
        range(0, 150),
        range(151, 9),
        range(0, 3),
        range(0, 3),
    ];
    assert_eq!(map.content, expected);
    assert_eq!((map.depth, map.size), (0, 15 + 3 + 1 + 150 + 9 + 6));
}

#[test]
fn a_short_list_stays_in_the_entry_and_a_long_one_leaves_it() {
    let mut chunks = MemChunks::default();
    let short = build((0..100).map(chunk), &mut chunks);
    assert_eq!((short.depth, short.content.len(), chunks.chunks.len()), (0, 100, 0));
    let long = build((0..200).map(chunk), &mut chunks);
    assert_eq!(long.depth, 1);
    assert_eq!(long.size, 200 * (128 << 10));
    assert!(!chunks.chunks.is_empty());
    let entry = entry(long);
    entry.check().unwrap();
    assert_eq!(read(&chunks, &entry), (0..200).map(chunk).collect::<Vec<_>>());
}

#[test]
fn a_file_of_terabytes_takes_as_little_memory_as_a_small_one() {
    struct Nothing;
    impl NodeSink for Nothing {
        fn put_node(&mut self, _: ChunkId, bytes: Vec<u8>) -> Result<()> {
            assert!(bytes.len() < 64 << 10);
            Ok(())
        }
    }
    let keys = Keys::new();
    let mut builder = MapBuilder::new(&keys.ids, Nothing);
    let mut held_max = 0;
    // 10 TiB in chunks of 4 MiB.
    for number in 0..10 << 18 {
        builder.push(resize(chunk(number), 4 << 20)).unwrap();
        if number % 65_536 == 0 {
            let held: usize = builder
                .levels
                .iter()
                .map(|level| level.piece.capacity() + level.kept.capacity() * 64)
                .sum();
            held_max = held_max.max(held);
        }
    }
    assert_eq!(builder.size(), 10 << 40);
    assert!(held_max < 256 << 10, "{held_max}");
    let map = builder.finish().unwrap();
    assert!((2..=4).contains(&map.depth), "{}", map.depth);
    entry(map).check().unwrap();
}

fn resize(extent: Extent, length: u32) -> Extent {
    match extent {
        Extent::Chunk { id, offset, .. } => Extent::Chunk { id, offset, length },
        other => other,
    }
}

#[test]
fn an_insertion_changes_a_few_pieces_only() {
    let mut chunks = MemChunks::default();
    let before: Vec<_> = (0..50_000).map(chunk).collect();
    let first = build(before.clone(), &mut chunks);
    let mut after = before;
    after.splice(20_000..20_010, (900_000..900_020).map(chunk));
    let all = chunks.new.0;
    chunks.new = (0, 0);
    let second = build(after.clone(), &mut chunks);
    assert_ne!(first, second);
    assert!(all > 150, "{all}");
    assert!(chunks.new.0 <= 6, "{:?}", chunks.new);
    assert_eq!(read(&chunks, &entry(second)), after);
}

#[test]
fn a_chunk_that_repeats_without_end_still_makes_a_map() {
    // Its id ends a piece each time, whatever the list.
    let same = Extent::Chunk { id: ChunkId([0; 32]), offset: 0, length: 1000 };
    let mut chunks = MemChunks::default();
    let map = build(std::iter::repeat_n(same.clone(), 100_000), &mut chunks);
    let entry = entry(map);
    entry.check().unwrap();
    assert_eq!(read(&chunks, &entry), vec![same; 100_000]);
}

#[test]
fn a_lost_piece_is_one_error_and_the_end() {
    let mut chunks = MemChunks::default();
    let entry = entry(build((0..20_000).map(chunk), &mut chunks));
    let victim = *chunks.chunks.keys().next().unwrap();
    chunks.lost.insert(victim);
    let items: Vec<_> = MapReader::new(&chunks, &entry).collect();
    assert!(items.last().unwrap().is_err());
    assert_eq!(items.iter().filter(|item| item.is_err()).count(), 1);
}

#[test]
fn a_map_that_does_not_fit_the_file_is_refused() {
    let mut chunks = MemChunks::default();
    let entry = entry(build((0..1000).map(chunk), &mut chunks));
    for size in [entry.size - 1, entry.size + 1, 0] {
        let wrong = Entry { size, ..entry.clone() };
        let error = MapReader::new(&chunks, &wrong).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains("the file's size"), "{error}");
    }
    let deeper = Entry { content_depth: entry.content_depth + 1, ..entry.clone() };
    assert!(MapReader::new(&chunks, &deeper).any(|item| item.is_err()));
    let hole = Entry { content_depth: 1, content: vec![Extent::Hole(5)], ..entry };
    assert!(MapReader::new(&chunks, &hole).any(|item| item.is_err()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_read_is_what_was_pushed(
        parts in prop::collection::vec((0_u8..4, 1_u32..100_000, 1_u64..64), 0..400),
        times in 1_u64..40,
    ) {
        let mut flat = Vec::new();
        for time in 0..times {
            flat.extend(parts.iter().map(|(kind, number, len)| match kind {
                0 => Extent::Hole(*len),
                1 => Extent::Zeros(*len),
                2 => Extent::Inline(vec![7; usize::try_from(*len).unwrap()]),
                _ => chunk(u64::from(*number) + (time << 20)),
            }));
        }
        let mut chunks = MemChunks::default();
        let map = build(flat.clone(), &mut chunks);
        prop_assert_eq!(map.size, flat.iter().map(Extent::len).sum::<u64>());
        let entry = entry(map);
        prop_assert!(entry.check().is_ok());
        let mut merged: Vec<Extent> = Vec::new();
        for extent in flat {
            if !merged.last_mut().is_some_and(|last| lengthen(last, &extent)) {
                merged.push(extent);
            }
        }
        prop_assert_eq!(read(&chunks, &entry), merged);
    }
}
