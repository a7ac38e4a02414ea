use lifeboat_codec::compress::Level;
use lifeboat_codec::hash::object_hash;
use lifeboat_format::Codec;
use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::index::{GENERATION, INDEX_TAIL_LEN, PackKind};
use lifeboat_format::key::ObjectName;
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{Payload, Verb, mem};
use proptest::prelude::*;

use super::marks::Marks;
use super::write::SegmentDraft;
use super::*;
use crate::io::Io;
use crate::open::init;
use crate::open::testing::{init_options, new};

/// Ids are drawn from so many, so that segments share some.
const IDS: u64 = 4000;

fn id(number: u64) -> ChunkId {
    ChunkId(object_hash(&number.to_le_bytes()).0)
}

fn pack(number: u64) -> PackRecord {
    let name =
        ObjectName { hash: object_hash(&number.to_le_bytes()), upload: number.to_le_bytes() };
    let kind = if number.is_multiple_of(3) { PackKind::Tree } else { PackKind::Data };
    PackRecord { name, size: 1000 + number % 1_000_000, kind }
}

/// A record of `id` that could be, made of the numbers in `dice`.
fn record(id: ChunkId, packs: u32, dice: u64) -> IndexRecord {
    let mut rest = dice;
    let mut below = |end: u32| {
        rest = rest.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((rest >> 33) % u64::from(end)).unwrap()
    };
    let frame_raw_len = 2 + below(1 << 20);
    let length = 1 + below(frame_raw_len);
    let frame_codec = if below(2) == 0 { Codec::Stored } else { Codec::Zstd };
    let packed =
        if frame_codec == Codec::Stored { frame_raw_len } else { 1 + below(frame_raw_len - 1) };
    IndexRecord {
        id,
        pack: below(packs),
        frame: below(1 << 16),
        frame_offset: u32::try_from(PREAMBLE_LEN).unwrap() + below(1 << 30),
        frame_sealed_len: packed + 16,
        frame_raw_len,
        offset: below(frame_raw_len - length + 1),
        length,
        frame_codec,
        generation: GENERATION,
    }
}

/// A segment of so many records (some of the same id) in so many packs.
fn draft(seed: u64, count: u64, packs: u32) -> SegmentDraft {
    let drawn =
        |number: u64| u64::from_le_bytes(id(seed << 32 | number).0[..8].try_into().unwrap());
    SegmentDraft {
        packs: (0..u64::from(packs)).map(|number| pack(seed << 20 | number)).collect(),
        records: (0..count)
            .map(|number| record(id(drawn(number) % IDS), packs, drawn(number)))
            .collect(),
    }
}

/// Where the segment should find its chunks: of several records of an id the first.
fn expected(draft: &SegmentDraft) -> HashMap<ChunkId, Location> {
    let mut places = HashMap::new();
    for record in &draft.records {
        let pack = &draft.packs[record.pack as usize];
        places.entry(record.id).or_insert_with(|| location(record, pack));
    }
    places
}

/// Puts the segment; its key and size.
fn put(repository: &Repository, draft: SegmentDraft, level: Level) -> (ObjectKey, u64) {
    let sealed = draft.seal(repository, level).unwrap();
    let size = sealed.bytes.len() as u64;
    assert_eq!(sealed.object.size, size);
    repository.io().put_new(&sealed.key, Payload::from(sealed.bytes)).unwrap();
    (sealed.key, size)
}

/// The index answers as these maps do, the first of them first.
fn assert_answers(index: &Index, maps: &[HashMap<ChunkId, Location>]) {
    let sorted: Vec<Vec<ChunkId>> = maps
        .iter()
        .map(|map| {
            let mut ids: Vec<_> = map.keys().copied().collect();
            ids.sort_unstable();
            ids
        })
        .collect();
    for id in (0..IDS + 100).map(id) {
        let copies: Vec<Location> = maps.iter().filter_map(|map| map.get(&id).copied()).collect();
        assert_eq!(index.contains(&id).unwrap(), !copies.is_empty());
        assert_eq!(index.locate(&id).unwrap(), copies.first().copied());
        assert_eq!(index.copies(&id).unwrap(), copies);
        let segment = maps.iter().position(|map| map.contains_key(&id));
        let ordinal = segment.map(|segment| Ordinal {
            segment,
            record: sorted[segment].binary_search(&id).unwrap() as u64,
        });
        assert_eq!(index.ordinal(&id).unwrap(), ordinal);
    }
    let mut marks = Marks::new();
    let mut seen: Vec<Vec<ChunkId>> = vec![Vec::new(); maps.len()];
    index
        .for_each(|ordinal, record, pack| {
            assert_eq!(maps[ordinal.segment][&record.id], location(record, pack));
            assert!(!marks.is_set(ordinal));
            assert!(marks.set(ordinal));
            assert!(!marks.set(ordinal) && marks.is_set(ordinal));
            seen[ordinal.segment].push(record.id);
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, sorted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn an_index_answers_like_maps(
        segments in prop::collection::vec((
            1..u64::from(u16::MAX),
            prop_oneof![1..30_u64, 1000..1400_u64, 2040..2800_u64],
            prop_oneof![1..4_u32, 1020..1030_u32, 2047..2051_u32],
        ), 1..4),
    ) {
        let (_store, repository) = new(1);
        let index = Index::empty(&repository);
        let mut maps = Vec::new();
        for (place, (seed, count, packs)) in (0_u64..).zip(segments) {
            let draft = draft(place << 16 | seed, count, packs);
            maps.push(expected(&draft));
            let level = if place == 1 { Level::STORED } else { Level::DEFAULT };
            let (key, size) = put(&repository, draft, level);
            index.add(key, size).unwrap();
        }
        assert_answers(&index, &maps);
    }
}

#[test]
fn a_small_cache_gives_the_same_answers() {
    let store = RecordStore::new(mem());
    let mut options = init_options(2);
    // Three of 32 parts are for blocks, of which one takes some 70 KB.
    options.memory_bytes = 2 << 20;
    let repository = init(Io::new(Arc::new(store.clone())).unwrap(), &options).unwrap();
    let index = Index::empty(&repository);
    let drafts = [draft(1, 4000, 3), draft(2, 4000, 2000)];
    let maps = drafts.each_ref().map(expected);
    for draft in drafts {
        let (key, size) = put(&repository, draft, Level::DEFAULT);
        index.add(key, size).unwrap();
    }
    store.clear();
    assert_answers(&index, &maps);
    assert!(index.cache.weight() <= (2 << 20) / 32 * 3, "{} bytes", index.cache.weight());
    // Not everything fits, so blocks are fetched again and again; or this shows nothing.
    assert!(store.count(Verb::GetRange) > 100, "{}", store.count(Verb::GetRange));
    assert_eq!(store.count(Verb::Get), 0, "segments are never read whole");
}

#[test]
fn a_damaged_segment_is_corrupt_and_named() {
    let (_store, repository) = new(3);
    let whole = draft(9, 1500, 1030);
    let (map, sealed) = (expected(&whole), whole.seal(&repository, Level::DEFAULT).unwrap());
    let size = sealed.bytes.len();
    let mut at: Vec<usize> = (0..PREAMBLE_LEN).chain(size - INDEX_TAIL_LEN..size).collect();
    at.extend((PREAMBLE_LEN..size - INDEX_TAIL_LEN).step_by(size / 150));
    let (mut refused, mut harmless) = (0, 0);
    for (number, place) in (0_u64..).zip(at) {
        let mut bytes = sealed.bytes.to_vec();
        bytes[place] ^= 1 << (number % 8);
        let ObjectKey::Index(name) = sealed.key else { panic!("a segment") };
        let key = ObjectKey::Index(ObjectName { upload: number.to_le_bytes(), ..name });
        repository.io().put_new(&key, Payload::from(bytes)).unwrap();
        let index = Index::empty(&repository);
        let walked = index
            .add(key, size as u64)
            .and_then(|()| index.for_each(|_, _, _| Ok(())))
            .and_then(|()| map.keys().try_for_each(|id| index.locate(id).map(drop)));
        match walked {
            // One footer of two.
            Ok(()) => {
                assert!(place >= size - INDEX_TAIL_LEN, "byte {place}");
                assert_answers(&index, std::slice::from_ref(&map));
                harmless += 1;
            }
            Err(error) => {
                let kind = if (9..16).contains(&place) {
                    // A newer format, key mode or epoch: nobody can tell that from damage.
                    error.kind()
                } else {
                    Kind::Corrupt
                };
                assert_eq!(error.kind(), kind, "byte {place}: {error}");
                assert!(error.to_string().contains(&key.to_string()), "byte {place}: {error}");
                refused += 1;
            }
        }
    }
    assert!(harmless > 0 && refused > 100, "{harmless} harmless, {refused} refused");
    for size in [size - 1, size + 1, INDEX_TAIL_LEN, 10] {
        let mut bytes = sealed.bytes.to_vec();
        bytes.resize(size, 0);
        let ObjectKey::Index(name) = sealed.key else { panic!("a segment") };
        let upload = (1_000_000 + size as u64).to_le_bytes();
        let key = ObjectKey::Index(ObjectName { upload, ..name });
        repository.io().put_new(&key, Payload::from(bytes)).unwrap();
        let error = Index::empty(&repository).add(key, size as u64).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{size} bytes: {error}");
        assert!(error.to_string().contains(&key.to_string()), "{error}");
    }
}

#[test]
fn a_look_up_takes_a_request_however_many_segments_there_are() {
    const SEGMENTS: u64 = 20;
    let store = RecordStore::new(mem());
    let repository = init(Io::new(Arc::new(store.clone())).unwrap(), &init_options(4)).unwrap();
    let index = Index::empty(&repository);
    let mut maps = Vec::new();
    for seed in 0..SEGMENTS {
        let draft = draft(seed, 2000, 3);
        maps.push(expected(&draft));
        let (key, size) = put(&repository, draft, Level::DEFAULT);
        assert!(size > 64 << 10, "or it is read whole");
        index.add(key, size).unwrap();
    }
    // Beginning and end of each, whatever is asked.
    assert_eq!(store.count(Verb::GetRange) as u64, 2 * SEGMENTS);
    store.clear();
    assert_eq!(index.locate(&id(IDS + 50)).unwrap(), None);
    // A filter may be wrong once in a hundred times.
    assert!(store.count(Verb::GetRange) <= 2, "{} for none", store.count(Verb::GetRange));
    store.clear();
    let last = maps
        .last()
        .unwrap()
        .keys()
        .find(|id| maps.iter().filter(|map| map.contains_key(id)).count() == 1);
    if let Some(last) = last {
        assert!(index.locate(last).unwrap().is_some());
        assert!(store.count(Verb::GetRange) <= 3, "{} for one", store.count(Verb::GetRange));
    }
    // Whoever asks for all of a segment gets its two blocks.
    store.clear();
    for id in maps[0].keys() {
        assert!(index.contains(id).unwrap());
    }
    assert!(store.count(Verb::GetRange) <= 4, "{} for all", store.count(Verb::GetRange));
    // One request for some blocks where all are wanted.
    store.clear();
    index.for_each(|_, _, _| Ok(())).unwrap();
    assert_eq!(store.count(Verb::GetRange) as u64, SEGMENTS);
}

/// A look-up goes by the directory, and a merge by the blocks: a writer that lets them differ would hide
/// chunks from one of them.
#[test]
fn a_directory_that_says_other_ids_than_its_blocks_is_damage() {
    let (_store, repository) = new(1);
    // One bit off.
    let sealed = draft(5, 1500, 3).seal_as(&repository, Level::DEFAULT, |block| {
        let mut id = block[0].id;
        id.0[31] ^= 1;
        id
    });
    let sealed = sealed.unwrap();
    let size = sealed.bytes.len() as u64;
    repository.io().put_new(&sealed.key, Payload::from(sealed.bytes)).unwrap();
    let index = Index::empty(&repository);
    index.add(sealed.key, size).unwrap();
    let error = index.for_each(|_, _, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("other ids than its directory"), "{error}");
    let error = index.contains(&sealed.ids[3]).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
}
