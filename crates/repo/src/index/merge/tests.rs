use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_codec::hash::object_hash;
use lifeboat_format::Codec;
use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::index::PackKind;
use lifeboat_store::{ErrorKind, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};
use proptest::prelude::*;

use super::*;
use crate::io::Io;
use crate::log::{checkpoint, commit};
use crate::open::init;
use crate::open::testing::{init_options, new};
use crate::reader::Locate as _;

const RUN: RunId = RunId([3; 16]);

fn options() -> MergeOptions {
    MergeOptions { level: Level::DEFAULT, records_max: 2000, cancel: Cancel::new() }
}

fn id(number: u64) -> ChunkId {
    ChunkId(object_hash(&number.to_le_bytes()).0)
}

fn record(number: u64) -> IndexRecord {
    IndexRecord {
        id: id(number),
        pack: 0,
        frame: 0,
        frame_offset: u32::try_from(PREAMBLE_LEN).unwrap(),
        frame_sealed_len: 116,
        frame_raw_len: 100,
        offset: 0,
        length: 100,
        frame_codec: Codec::Stored,
        generation: GENERATION,
    }
}

/// A repository in memory whose store can be made to fail.
fn faulty() -> (FaultStore, Repository) {
    let fault = FaultStore::new(mem());
    let io = Io::new(Arc::new(fault.clone())).unwrap();
    (fault, init(io, &init_options(1)).unwrap())
}

/// Commits a segment of these records of one pack.
fn commit_records(
    repository: &Repository,
    fold: &mut Fold,
    pack: PackRecord,
    records: Vec<IndexRecord>,
) -> ObjectKey {
    let draft = SegmentDraft { packs: vec![pack], records };
    let sealed = draft.seal(repository, Level::DEFAULT).unwrap();
    repository.io().put_new(&sealed.key, Payload::from(sealed.bytes)).unwrap();
    commit(repository, fold, RUN, vec![sealed.object], Vec::new()).unwrap();
    sealed.key
}

/// Commits a segment of these chunks, all in the pack number `pack`.
fn commit_segment(repository: &Repository, fold: &mut Fold, pack: u64, chunks: Range<u64>) {
    let name = ObjectName { hash: object_hash(&pack.to_le_bytes()), upload: [1; 8] };
    let pack = PackRecord { name, size: 1000 + pack, kind: PackKind::Data };
    commit_records(repository, fold, pack, chunks.map(record).collect());
}

/// Commits so many segments, the first of the chunks from 0 to `length`, each further one `step` later.
fn commit_segments(repository: &Repository, count: u64, step: u64, length: u64) -> Fold {
    let mut fold = Fold::load(repository).unwrap();
    for number in 0..count {
        commit_segment(repository, &mut fold, number, number * step..number * step + length);
    }
    fold
}

/// Which pack (by its size) each of these chunks is found in.
fn answers(index: &Index, chunks: Range<u64>) -> BTreeMap<u64, u64> {
    chunks
        .filter_map(|number| Some((number, index.locate(&id(number)).unwrap()?.frame.pack_size)))
        .collect()
}

fn load(repository: &Repository) -> (Fold, Index) {
    let fold = Fold::load(repository).unwrap();
    let index = Index::load(repository, &fold).unwrap();
    (fold, index)
}

#[test]
fn many_small_segments_become_one_and_answer_the_same() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    // Neighbours share half of their chunks: the earlier one answers for these.
    for number in 0..15 {
        commit_segment(&repository, &mut fold, number, number * 10..number * 10 + 20);
    }
    let index = Index::load(&repository, &fold).unwrap();
    assert_eq!(merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap(), 0);
    commit_segment(&repository, &mut fold, 15, 150..170);
    let (mut fold, index) = load(&repository);
    let before = answers(&index, 0..200);
    assert_eq!((before.len(), before[&15], before[&25]), (170, 1000, 1001));
    assert_eq!(merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
    // The second one has the second copies.
    assert_eq!(fold.segments().len(), 2);
    let entry = fold.head().unwrap().number;
    checkpoint::write(&repository, &fold).unwrap();
    // From the entries, and from a checkpoint.
    for fold in [Fold::load_all(&repository).unwrap(), Fold::load(&repository).unwrap()] {
        let [(merged, object), _] = fold.segments()[..] else { panic!("two segments") };
        assert_eq!((object.entry, fold.parts(&merged).len()), (entry, 16));
        assert!(fold.parts(&merged).iter().all(|(part, _)| fold.is_merged(part)));
        let index = Index::load(&repository, &fold).unwrap();
        assert_eq!(index.record_counts(), [170, 150]);
        assert_eq!(answers(&index, 0..200), before);
    }
    assert_eq!(Fold::load(&repository).unwrap().entries_read(), 0);
}

#[test]
fn a_merge_answers_in_the_place_of_its_parts() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    commit_segment(&repository, &mut fold, 99, 0..1500);
    for number in 0..18 {
        commit_segment(&repository, &mut fold, number, 1490 + number * 5..1510 + number * 5);
    }
    let (mut fold, index) = load(&repository);
    commit_segment(&repository, &mut fold, 50, 1580..1600);
    assert_eq!(merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
    // The large one before, what came after the index was opened behind.
    // Between them up to four copies of a chunk.
    assert_eq!(fold.segments().len(), 6);
    let (_, index) = load(&repository);
    let found = answers(&index, 1489..1700);
    assert_eq!((found[&1495], found[&1502], found[&1507]), (1099, 1000, 1000));
    assert_eq!((found[&1585], found[&1595], found.len()), (1016, 1050, 111));
}

#[test]
fn a_lost_merge_gives_way_to_its_parts() {
    let (fault, repository) = faulty();
    commit_segments(&repository, 16, 10, 10);
    let (mut fold, index) = load(&repository);
    merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap();
    let before = answers(&index, 0..200);
    let (merged, _) = fold.segments()[0];
    let (part, _) = fold.parts(&merged)[4];
    fault.add(
        Rule::on(Verb::GetRange)
            .below(&merged.to_string())
            .forever()
            .fails(ErrorKind::NotFound, Moment::Before),
    );
    let index = Index::load(&repository, &fold).unwrap();
    assert_eq!(answers(&index, 0..200), before);
    fault.add(
        Rule::on(Verb::GetRange)
            .below(&part.to_string())
            .forever()
            .fails(ErrorKind::NotFound, Moment::Before),
    );
    let mut lost = Vec::new();
    let index = Index::load_what_is_there(&repository, &fold, |segment| {
        lost.push((segment.key, segment.is_replaced));
    });
    assert_eq!(lost, [(merged, true), (part, false)]);
    assert_eq!(answers(&index, 0..200).len(), 150);
    assert!(Index::load(&repository, &fold).is_err());
}

/// A reader tries another copy of a chunk when the first one is bad, so a merge must not lose any.
#[test]
fn all_copies_of_a_chunk_stay() {
    let (_store, repository) = new(1);
    let mut fold = commit_segments(&repository, 16, 10, 20);
    commit_segment(&repository, &mut fold, 16, 15..17);
    let (mut fold, index) = load(&repository);
    let copies = |index: &Index, number: u64| -> Vec<u64> {
        let found = index.copies(&id(number)).unwrap();
        found.into_iter().map(|location| location.frame.pack_size).collect()
    };
    assert_eq!(copies(&index, 15), [1000, 1001, 1016]);
    let before: Vec<_> = (0..200).map(|number| copies(&index, number)).collect();
    assert_eq!(merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
    // One for the first copies, one for the second, one for the third.
    assert_eq!(fold.segments().len(), 3);
    checkpoint::write(&repository, &fold).unwrap();
    for fold in [Fold::load_all(&repository).unwrap(), Fold::load(&repository).unwrap()] {
        let index = Index::load(&repository, &fold).unwrap();
        let after: Vec<_> = (0..200).map(|number| copies(&index, number)).collect();
        assert_eq!(after, before);
    }
}

/// A merged segment opens, and a block in it is damaged.
#[test]
fn where_a_block_of_a_merge_is_damaged_its_parts_answer() {
    let (fault, repository) = faulty();
    let mut fold = Fold::load(&repository).unwrap();
    for number in 0..16 {
        // Larger than what is read with the end of a segment.
        commit_segment(&repository, &mut fold, number, number * 100..number * 100 + 110);
    }
    let (mut fold, index) = load(&repository);
    let before = answers(&index, 0..2000);
    merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap();
    let (merged, object) = fold.segments()[0];
    // The directory and all behind it stay whole: a bit of a record is another one.
    fault.add(Rule::on(Verb::GetRange).below(&merged.to_string()).forever().flips(8 * 400));
    let index = Index::load(&repository, &fold).unwrap();
    assert!(index.by_key().contains_key(&merged), "it opens, of {} bytes", object.size);
    // Of a chunk with two copies the other one may answer now.
    assert!(answers(&index, 0..2000).keys().eq(before.keys()));
    assert!(!index.contains(&id(5000)).unwrap());
    assert!(index.by_key().len() > 16, "the parts are open");
}

/// What a part says must not change what others say when they are put together.
#[test]
fn a_part_that_does_not_fit_is_left_out_and_the_others_are_merged() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let pack = |size| PackRecord {
        name: ObjectName { hash: object_hash(b"pack"), upload: [1; 8] },
        size,
        kind: PackKind::Data,
    };
    let newer = IndexRecord { generation: GENERATION + 1, ..record(3000) };
    commit_records(&repository, &mut fold, pack(1000), vec![record(2999)]);
    let strange = commit_records(&repository, &mut fold, pack(900), vec![newer, record(3001)]);
    for number in 0..16 {
        commit_segment(&repository, &mut fold, number, number * 10..number * 10 + 10);
    }
    let other = commit_records(&repository, &mut fold, pack(990), vec![record(3002)]);
    commit_segment(&repository, &mut fold, 17, 3000..3001);
    let (mut fold, index) = load(&repository);
    let before = answers(&index, 0..4000);
    assert!(before.contains_key(&3000), "the one of this generation");
    while merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap() > 0 {}
    let left: Vec<ObjectKey> = fold.segments().into_iter().map(|(key, _)| key).collect();
    assert!(left.contains(&strange) && left.len() < 10, "{left:?}");
    assert!(!left.contains(&other) || left.len() < 10);
    let (_, index) = load(&repository);
    assert_eq!(answers(&index, 0..4000), before);
}

/// What only a damaged entry had named does not come to count again by a merge.
#[test]
fn a_merge_of_what_does_not_count_any_more_does_not_count() {
    let (store, repository) = new(1);
    commit_segments(&repository, 16, 10, 10);
    let (mut fold, index) = load(&repository);
    merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap();
    let key = ObjectKey::Log(3);
    let mut bytes = repository.io().get(&key).unwrap().to_vec();
    bytes[60] ^= 1;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        store.delete(&key.to_string()).await.unwrap();
        store.put_new(&key.to_string(), bytes.into()).await.unwrap();
    });
    let fold = Fold::load_all(&repository).unwrap();
    assert_eq!(fold.segments().len(), 15);
    let index = Index::load(&repository, &fold).unwrap();
    let found = answers(&index, 0..200);
    assert_eq!(found.len(), 150);
    assert!(!found.contains_key(&35), "its pack is named by nobody");
}

/// Two that merge the same segments at the same time.
#[test]
fn of_two_merges_of_the_same_segments_the_first_counts() {
    let (_store, repository) = new(1);
    commit_segments(&repository, 16, 10, 10);
    let (mut ahead, index) = load(&repository);
    let mut behind = ahead.clone();
    assert_eq!(merge_small(&repository, &mut ahead, &index, RUN, &options()).unwrap(), 1);
    let (_, index) = load(&repository);
    // This one does not know what was merged meanwhile, nor has it opened that.
    let (late, _) = (Index::load(&repository, &behind).unwrap(), index);
    assert_eq!(merge_small(&repository, &mut behind, &late, RUN, &options()).unwrap(), 0);
    assert_eq!(behind.head(), ahead.head());
    assert_eq!(behind.segments(), ahead.segments());
}

/// Every call of a merge fails once, before or after its effect: it says so or is right all the same,
/// what counted is found as before, and the next merge does it.
#[test]
fn a_failure_anywhere_in_a_merge_harms_nothing() {
    // None fails at first, which says how many there are.
    let (mut calls, mut call, mut failed) = (0, 0, 0);
    while call <= calls {
        for moment in [Moment::Before, Moment::After] {
            let (fault, repository) = faulty();
            commit_segments(&repository, 16, 10, 20);
            let (mut fold, index) = load(&repository);
            let before = answers(&index, 0..200);
            let begun = fault.all_calls();
            if call > 0 {
                fault.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment));
            }
            let merged = merge_small(&repository, &mut fold, &index, RUN, &options());
            calls = calls.max(fault.all_calls() - begun);
            fault.heal();
            failed += u64::from(merged.is_err());
            let (mut fold, index) = load(&repository);
            assert_eq!(answers(&index, 0..200), before, "call {call}, {moment:?}");
            merge_small(&repository, &mut fold, &index, RUN, &options()).unwrap();
            let (fold, index) = load(&repository);
            // First and second copies.
            assert_eq!(fold.segments().len(), 2, "call {call}, {moment:?}");
            assert_eq!(answers(&index, 0..200), before, "call {call}, {moment:?}");
        }
        call += 1;
    }
    assert!(calls >= 4 && failed >= 4, "{failed} of {calls}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// However large backups are, there are few small segments, and a record is not written anew much
    /// more often than their number doubles.
    #[test]
    fn segments_stay_few(sizes in prop::collection::vec(prop_oneof![1..5_u64, 1..200_u64, 1..2000_u64], 1..400)) {
        let mut counts: Vec<Option<u64>> = Vec::new();
        let (mut total, mut written) = (0, 0);
        for size in sizes {
            counts.push(Some(size));
            total += size;
            while let Some(range) = plan(&counts, 2000) {
                let sum: u64 = counts[range.clone()].iter().flatten().sum();
                prop_assert!(range.len() >= 2 && sum <= 2000);
                written += sum;
                counts.splice(range, [Some(sum)]);
            }
            let large = counts.iter().filter(|count| count.unwrap() > 1000).count();
            prop_assert!(counts.len() < SMALL_MAX + 2 * large + 1, "{counts:?}");
        }
        prop_assert!(written <= total * 16, "{written} of {total}");
    }
}

#[test]
fn a_segment_that_is_not_open_is_left_alone() {
    let mut counts = vec![Some(1); 16];
    assert_eq!(plan(&counts, 2000), Some(0..16));
    counts[10] = None;
    assert_eq!(plan(&counts, 2000), None);
    counts.extend([Some(1); 10]);
    assert_eq!(plan(&counts, 2000), Some(11..26));
    // Between large ones, too, when there are enough of them.
    let mut mixed = [Some(2000), Some(1), Some(1)].repeat(15);
    assert_eq!(plan(&mixed, 2000), None);
    mixed.extend([Some(2000), Some(1), Some(1)]);
    assert_eq!(plan(&mixed, 2000), Some(46..48));
}
