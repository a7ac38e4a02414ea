use proptest::prelude::*;

use super::*;
use crate::browse::testing::Shop;

/// What a file consists of, and what it then reads as.
#[derive(Clone, Debug)]
enum Piece {
    Hole(u32),
    Zeros(u32),
    Inline(Vec<u8>),
    /// A range of a chunk of so many bytes of noise.
    Chunk {
        seed: u8,
        bytes: u16,
        from: u16,
    },
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        (1_u32..200_000).prop_map(Piece::Hole),
        (1_u32..100_000).prop_map(Piece::Zeros),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(Piece::Inline),
        (any::<u8>(), 2_u16..5000, any::<u16>()).prop_map(|(seed, bytes, from)| Piece::Chunk {
            seed,
            bytes,
            from
        }),
    ];
    // Often more than an entry holds, so that the map is moved out.
    prop::collection::vec(piece, 0..400)
}

fn noise(seed: u8, bytes: u16) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..bytes).map(step).collect()
}

fn build(shop: &Shop, pieces: &[Piece]) -> (Vec<Extent>, Vec<u8>) {
    let (mut extents, mut bytes) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Hole(length) | Piece::Zeros(length) => {
                bytes.resize(bytes.len() + *length as usize, 0);
                let length = u64::from(*length);
                let is_hole = matches!(piece, Piece::Hole(_));
                extents.push(if is_hole { Extent::Hole(length) } else { Extent::Zeros(length) });
            }
            Piece::Inline(inline) => {
                bytes.extend_from_slice(inline);
                extents.push(Extent::Inline(inline.clone()));
            }
            Piece::Chunk { seed, bytes: length, from } => {
                let chunk = noise(*seed, *length);
                let offset = from % length;
                bytes.extend_from_slice(&chunk[usize::from(offset)..]);
                let Extent::Chunk { id, length, .. } = shop.chunk(&chunk) else { unreachable!() };
                let offset = u32::from(offset);
                extents.push(Extent::Chunk { id, offset, length: length - offset });
            }
        }
    }
    (extents, bytes)
}

fn open(shop: &Shop, extents: &[Extent]) -> (Chunks, OpenFile) {
    let content = Arc::new(Content::new(&shop.file(extents)));
    (Chunks::new(shop.reader()), OpenFile::new(content, b"/file".to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_from_anywhere(
        pieces in pieces(),
        reads in prop::collection::vec((any::<u32>(), 0_u32..300_000), 30),
    ) {
        let shop = Shop::new();
        let (extents, bytes) = build(&shop, &pieces);
        let (chunks, file) = open(&shop, &extents);
        let length = bytes.len() as u64;
        for (place, count) in reads {
            let offset = u64::from(place) % (length + 1000);
            let from = usize::try_from(offset.min(length)).unwrap();
            let until = usize::try_from((offset + u64::from(count)).min(length)).unwrap();
            let found = file.read(&chunks, offset, count).unwrap();
            prop_assert!(found == bytes[from..until.max(from)], "{count} bytes at {offset}");
        }
        // And all of it in order, with what comes next announced.
        let mut all = Vec::new();
        while all.len() < bytes.len() {
            all.extend(file.read(&chunks, all.len() as u64, 70_001).unwrap());
        }
        prop_assert!(all == bytes);
        prop_assert!(file.read(&chunks, u64::MAX, u32::MAX).unwrap().is_empty());
    }

    #[test]
    fn holes_are_where_they_were(pieces in pieces(), places in prop::collection::vec(any::<u32>(), 20)) {
        let shop = Shop::new();
        let (extents, bytes) = build(&shop, &pieces);
        let (chunks, file) = open(&shop, &extents);
        let mut is_hole = Vec::with_capacity(bytes.len() + 1);
        for extent in &extents {
            let hole = matches!(extent, Extent::Hole(_));
            is_hole.resize(is_hole.len() + usize::try_from(extent.len()).unwrap(), hole);
        }
        for place in places {
            let offset = usize::try_from(u64::from(place) % (bytes.len() as u64 + 10)).unwrap();
            let first = |hole| (offset..is_hole.len()).find(|at| is_hole[*at] == hole);
            let inside = offset < bytes.len();
            let data = first(false).filter(|_| inside).map(|at| at as u64);
            let hole = first(true).unwrap_or(bytes.len());
            let hole = inside.then_some(hole as u64);
            prop_assert_eq!(file.seek(&chunks, offset as u64, Seek::Data).unwrap(), data);
            prop_assert_eq!(file.seek(&chunks, offset as u64, Seek::Hole).unwrap(), hole);
        }
    }
}

#[test]
fn a_lost_chunk_spoils_the_reads_that_need_it_only() {
    let shop = Shop::new();
    let extents: Vec<Extent> = (0..8).map(|seed| shop.chunk(&noise(seed, 1000))).collect();
    shop.lose(&extents[3]);
    let (chunks, file) = open(&shop, &extents);
    assert_eq!(file.read(&chunks, 0, 3000).unwrap().len(), 3000);
    assert_eq!(file.read(&chunks, 4000, 9999).unwrap().len(), 4000);
    for (offset, length) in [(0, 3001), (3500, 10), (3999, 1)] {
        assert!(file.read(&chunks, offset, length).is_err(), "{length} at {offset}");
    }
    assert_eq!(file.read(&chunks, 3000, 0).unwrap().len(), 0);
}

#[test]
fn a_map_that_points_beyond_a_chunk_is_damage() {
    let shop = Shop::new();
    let Extent::Chunk { id, .. } = shop.chunk(&noise(1, 100)) else { unreachable!() };
    let (chunks, file) = open(&shop, &[Extent::Chunk { id, offset: 90, length: 20 }]);
    assert_eq!(file.read(&chunks, 0, 10).unwrap(), &noise(1, 100)[90..]);
    assert_eq!(file.read(&chunks, 0, 11).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn reading_on_is_told_from_jumping_about() {
    let shop = Shop::new();
    let (_, file) = open(&shop, &[Extent::Hole(100 << 20)]);
    const STEP: u64 = 128 << 10;
    assert_eq!(file.announce_from(0, STEP), None);
    assert_eq!(file.announce_from(STEP, 2 * STEP), Some(2 * STEP));
    // A neighbour that comes earlier than its turn is no jump.
    assert_eq!(file.announce_from(3 * STEP, 4 * STEP), Some(4 * STEP));
    assert_eq!(file.announce_from(2 * STEP, 3 * STEP), Some(4 * STEP));
    for place in [50, 10, 90, 30] {
        assert_eq!(file.announce_from(place << 20, (place << 20) + STEP), None);
    }
}
