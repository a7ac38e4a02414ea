use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use lifeboat_codec::hash::object_hash;
use lifeboat_format::Codec;
use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::id::ChunkId;
use lifeboat_format::index::{GENERATION, IndexRecord, PackKind, PackRecord};
use lifeboat_format::key::{INDEX, ObjectName};
use lifeboat_store::layer::record::RecordStore;
use lifeboat_store::{ErrorKind, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;
use crate::io::Io;
use crate::log::{checkpoint, commit};
use crate::open::init;
use crate::open::testing::{init_options, new};
use crate::reader::{Locate as _, Location};

const RUN: RunId = RunId([3; 16]);
/// Some two thousand records.
const TARGET: u64 = 80_000;

fn options() -> MergeOptions {
    MergeOptions { level: Level::DEFAULT, target: TARGET, merges_max: 100, cancel: Cancel::new() }
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
fn commit_segment(
    repository: &Repository,
    fold: &mut Fold,
    pack: u64,
    chunks: Range<u64>,
) -> ObjectKey {
    let name = ObjectName { hash: object_hash(&pack.to_le_bytes()), upload: [1; 8] };
    let pack = PackRecord { name, size: 1000 + pack, kind: PackKind::Data };
    commit_records(repository, fold, pack, chunks.map(record).collect())
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

/// How many records each segment has.
fn counts(index: &Index) -> Vec<u64> {
    let table = index.table();
    table.slots().iter().map(|slot| index.segment(slot).unwrap().record_count()).collect()
}

fn keys(index: &Index) -> Vec<ObjectKey> {
    index.table().slots().iter().map(|slot| slot.key).collect()
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
    assert_eq!(merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap(), 0);
    commit_segment(&repository, &mut fold, 15, 150..170);
    let (mut fold, index) = load(&repository);
    let before = answers(&index, 0..200);
    assert_eq!((before.len(), before[&15], before[&25]), (170, 1000, 1001));
    assert_eq!(merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
    // The second one has the second copies.
    assert_eq!(fold.segments().len(), 2);
    let entry = fold.head().unwrap().number;
    checkpoint::write(&repository, &fold).unwrap();
    // From the entries, and from a checkpoint.
    for fold in [Fold::load_all(&repository).unwrap(), Fold::load(&repository).unwrap()] {
        let [LiveSegment { key: merged, object, .. }, _] = fold.segments()[..] else {
            panic!("two segments")
        };
        assert_eq!((object.entry, fold.parts(&merged).len()), (entry, 16));
        assert!(fold.parts(&merged).iter().all(|part| fold.is_merged(&part.key)));
        let index = Index::load(&repository, &fold).unwrap();
        assert_eq!(counts(&index), [170, 150]);
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
    assert_eq!(merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
    // The large one before, and behind it up to four copies of a chunk, also of what came after the index was
    // opened.
    assert_eq!(fold.segments().len(), 5);
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
    merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap();
    let before = answers(&index, 0..200);
    let merged = fold.segments()[0].key;
    let part = fold.parts(&merged)[4].key;
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
    assert_eq!(merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap(), 1);
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
    merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap();
    let LiveSegment { key: merged, object, .. } = fold.segments()[0];
    // The directory and all behind it stay whole: a bit of a record is another one.
    fault.add(Rule::on(Verb::GetRange).below(&merged.to_string()).forever().flips(8 * 400));
    let index = Index::load(&repository, &fold).unwrap();
    assert!(keys(&index).contains(&merged), "it opens, of {} bytes", object.size);
    // Of a chunk with two copies the other one may answer now.
    assert!(answers(&index, 0..2000).keys().eq(before.keys()));
    assert!(!index.contains(&id(5000)).unwrap());
    assert!(keys(&index).len() > 16, "the parts are open");
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
    while merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap() > 0 {}
    let left: Vec<ObjectKey> = fold.segments().into_iter().map(|segment| segment.key).collect();
    assert!(left.contains(&strange) && left.len() < 10, "{left:?}");
    assert!(!left.contains(&other), "it fits as soon as it is not merged with the other");
    let (_, index) = load(&repository);
    assert_eq!(answers(&index, 0..4000), before);
}

/// What only a damaged entry had named does not come to count again by a merge.
#[test]
fn a_merge_of_what_does_not_count_any_more_does_not_count() {
    let (store, repository) = new(1);
    commit_segments(&repository, 16, 10, 10);
    let (mut fold, index) = load(&repository);
    merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap();
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
    assert_eq!(merge_segments(&repository, &mut ahead, &index, RUN, &options()).unwrap(), 1);
    let (_, index) = load(&repository);
    // This one does not know what was merged meanwhile, nor has it opened that.
    let (late, _) = (Index::load(&repository, &behind).unwrap(), index);
    assert_eq!(merge_segments(&repository, &mut behind, &late, RUN, &options()).unwrap(), 0);
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
            let merged = merge_segments(&repository, &mut fold, &index, RUN, &options());
            calls = calls.max(fault.all_calls() - begun);
            fault.heal();
            failed += u64::from(merged.is_err());
            let (mut fold, index) = load(&repository);
            assert_eq!(answers(&index, 0..200), before, "call {call}, {moment:?}");
            merge_segments(&repository, &mut fold, &index, RUN, &options()).unwrap();
            let (fold, index) = load(&repository);
            // First and second copies.
            assert_eq!(fold.segments().len(), 2, "call {call}, {moment:?}");
            assert_eq!(answers(&index, 0..200), before, "call {call}, {moment:?}");
        }
        call += 1;
    }
    assert!(calls >= 4 && failed >= 4, "{failed} of {calls}");
}

/// Merges with a target so small that a few hundred records are large.
fn dividing() -> MergeOptions {
    MergeOptions { target: 8_000, ..options() }
}

/// Commits so many segments of 80 chunks, of which half are in the one before, too, and merges after each.
fn commit_and_divide(repository: &Repository, count: u64) -> (Fold, Index) {
    let mut fold = Fold::load(repository).unwrap();
    let index = Index::load(repository, &fold).unwrap();
    for number in 0..count {
        commit_segment(repository, &mut fold, number, number * 40..number * 40 + 80);
        merge_segments(repository, &mut fold, &index, RUN, &dividing()).unwrap();
    }
    (fold, index)
}

fn copies_of(index: &Index, chunks: Range<u64>) -> Vec<Vec<u64>> {
    let copies = |number| index.copies(&id(number)).unwrap();
    let sizes = |found: Vec<Location>| found.iter().map(|found| found.frame.pack_size).collect();
    chunks.map(|number| sizes(copies(number))).collect()
}

/// What [`commit_and_divide`] commits: each chunk is in the pack of its number, and in the one before.
fn expected_copies(count: u64) -> Vec<Vec<u64>> {
    let of = |chunk: u64| {
        let packs = (chunk / 40).saturating_sub(1)..=chunk / 40;
        let there =
            packs.filter(|pack| *pack < count && (pack * 40..pack * 40 + 80).contains(&chunk));
        there.map(|pack| 1000 + pack).collect()
    };
    (0..count * 40 + 60).map(of).collect()
}

#[test]
fn large_segments_are_divided_and_answer_the_same() {
    const COUNT: u64 = 120;
    let (_store, repository) = new(1);
    let (fold, running) = commit_and_divide(&repository, COUNT);
    let bits: std::collections::BTreeSet<u8> =
        fold.segments().iter().map(|segment| segment.prefix.bits()).collect();
    assert!(bits.iter().max() >= Some(&4), "divided again: {bits:?}");
    checkpoint::write(&repository, &fold).unwrap();
    let expected = expected_copies(COUNT);
    let all = 0..expected.len() as u64;
    let assert_copies = |index: &Index, who: &str| {
        for (number, expected) in all.clone().zip(&expected) {
            assert_eq!(copies_of(index, number..number + 1), [&expected[..]], "{number}: {who}");
        }
    };
    assert_copies(&running, "who has merged goes on");
    for fold in [Fold::load_all(&repository).unwrap(), Fold::load(&repository).unwrap()] {
        let index = Index::load(&repository, &fold).unwrap();
        assert_copies(&index, "who comes later");
        // Few are asked for one id, and fewer are opened before any is.
        let table = index.table();
        let open = table.slots().iter().filter(|slot| slot.pinned.get().is_some()).count();
        assert!(open <= 24 && table.slots().len() > 40, "{open} of {}", table.slots().len());
        let asked = table.places_of(&id(7), 0).len();
        assert!(asked < table.slots().len() / 2, "{asked} of {}", table.slots().len());
        // And all records are there, each once.
        let mut records = 0;
        index
            .for_each(|_, _, _| {
                records += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(records, COUNT * 80);
    }
    assert_eq!(Fold::load(&repository).unwrap().entries_read(), 0);
}

/// A lost piece gives way to what was divided, and where that is lost to what it was made of.
#[test]
fn a_lost_piece_gives_way_to_its_parts_and_theirs() {
    const COUNT: u64 = 60;
    let (fault, repository) = faulty();
    let (fold, _) = commit_and_divide(&repository, COUNT);
    let is_deep = |segment: &&LiveSegment| {
        let parts = fold.parts(&segment.key);
        parts.iter().any(|part| !fold.parts(&part.key).is_empty())
    };
    let deep = fold.segments().iter().find(is_deep).copied().expect("merged twice");
    let parts = fold.parts(&deep.key);
    let part = parts.iter().find(|part| !fold.parts(&part.key).is_empty()).unwrap();
    let expected = expected_copies(COUNT);
    let all = 0..expected.len() as u64;
    for (lost, is_deep_lost) in [(deep.key, false), (part.key, true)] {
        let rule = Rule::on(Verb::GetRange).below(&lost.to_string()).forever();
        fault.add(rule.fails(ErrorKind::NotFound, Moment::Before));
        let index = Index::load(&repository, &fold).unwrap();
        // Copies may be told in another order, and more than once.
        for (number, expected) in all.clone().zip(&expected) {
            let mut found = copies_of(&index, number..number + 1).remove(0);
            found.sort_unstable();
            found.dedup();
            assert_eq!(found, *expected, "chunk {number}");
        }
        // That it is lost is found out once.
        let begun = fault.all_calls();
        assert!(all.clone().all(|number| index.contains(&id(number)).unwrap() == (number < 2440)));
        assert_eq!(fault.all_calls(), begun);
        let index = Index::load(&repository, &fold).unwrap();
        let mut told = Vec::new();
        index.open_all(|lost| told.push((lost.key, lost.is_replaced)));
        let expected = [(deep.key, true), (part.key, true)];
        assert_eq!(told, expected[..1 + usize::from(is_deep_lost)]);
    }
}

/// Ids that somebody made up so that they begin alike.
#[test]
fn ids_that_begin_alike_end_no_merging_but_their_own() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let alike = |number: u64| {
        let mut record = record(number);
        record.id.0[..5].fill(7);
        record
    };
    for number in 0..8 {
        let name = ObjectName { hash: object_hash(&[number]), upload: [1; 8] };
        let pack = PackRecord { name, size: 500, kind: PackKind::Data };
        let chunks = u64::from(number) * 100..u64::from(number) * 100 + 100;
        commit_records(&repository, &mut fold, pack, chunks.map(alike).collect());
    }
    let index = Index::load(&repository, &fold).unwrap();
    while merge_segments(&repository, &mut fold, &index, RUN, &dividing()).unwrap() > 0 {}
    for number in 0..40 {
        commit_segment(&repository, &mut fold, number, number * 80..number * 80 + 80);
    }
    while merge_segments(&repository, &mut fold, &index, RUN, &dividing()).unwrap() > 0 {}
    assert!(fold.segments().iter().any(|segment| segment.prefix.bits() > 0));
    let (_, index) = load(&repository);
    assert_eq!(answers(&index, 0..3200).len(), 3200);
    assert!((0..800).all(|number| index.contains(&alike(number).id).unwrap()));
}

/// Who reads an entry that says other ids than the segment has must not find less and say nothing.
#[test]
fn a_segment_of_other_ids_than_was_said_is_damaged() {
    let (_store, repository) = new(1);
    let (fold, _) = commit_and_divide(&repository, 30);
    let piece = fold.segments().into_iter().find(|segment| segment.prefix.bits() > 0).unwrap();
    let index = Index::empty(&repository);
    let quarters = piece.prefix.quarters().unwrap();
    let wrong = LiveSegment { prefix: quarters[3], ..piece };
    let error = index.segment(&index.slot(&wrong)).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("other ids"), "{error}");
}

/// The objects below `index/`, and those of them that the log names.
fn index_objects(repository: &Repository, fold: &Fold) -> (usize, usize) {
    let (mut all, mut named) = (0, 0);
    let list = repository.io().list(INDEX, |listed| {
        all += 1;
        named += usize::from(fold.object(&listed.key.parse().unwrap()).is_some());
        Ok(())
    });
    list.unwrap();
    (all, named)
}

/// One that can't be merged stands before all others, and each run finds that out anew.
#[test]
fn one_that_does_not_fit_keeps_nobody_from_dividing_the_others() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let name = ObjectName { hash: object_hash(b"pack"), upload: [1; 8] };
    let pack = PackRecord { name, size: 900, kind: PackKind::Data };
    let strange = (90_000..90_080).map(|number| IndexRecord {
        generation: if number == 90_070 { GENERATION + 1 } else { GENERATION },
        ..record(number)
    });
    commit_records(&repository, &mut fold, pack, strange.collect());
    let (fold, index) = commit_and_divide(&repository, 60);
    let asked = fold.segments().iter().filter(|one| one.prefix.has(&id(7))).count();
    assert!(asked < 25 && fold.segments().iter().any(|one| one.prefix.bits() > 2), "{asked}");
    let (all, named) = index_objects(&repository, &fold);
    assert_eq!(all, named, "nothing was put for nothing");
    let expected = expected_copies(60);
    assert_eq!(copies_of(&index, 0..2000), expected[..2000]);
}

/// As the other matrix, where segments are divided.
#[test]
fn a_failure_anywhere_in_a_division_harms_nothing() {
    let expected = expected_copies(8);
    let all = 0..expected.len() as u64;
    let (mut calls, mut call, mut failed) = (0, 0, 0);
    while call <= calls {
        for moment in [Moment::Before, Moment::After] {
            let (fault, repository) = faulty();
            let mut fold = Fold::load(&repository).unwrap();
            for number in 0..8 {
                commit_segment(&repository, &mut fold, number, number * 40..number * 40 + 80);
            }
            let index = Index::load(&repository, &fold).unwrap();
            let begun = fault.all_calls();
            if call > 0 {
                fault.add(Rule::any().call(call).fails(ErrorKind::Unavailable, moment));
            }
            let merged = merge_segments(&repository, &mut fold, &index, RUN, &dividing());
            calls = calls.max(fault.all_calls() - begun);
            fault.heal();
            failed += u64::from(merged.is_err());
            assert_eq!(copies_of(&index, all.clone()), expected, "call {call}, {moment:?}");
            let (mut fold, index) = load(&repository);
            assert_eq!(copies_of(&index, all.clone()), expected, "call {call}, {moment:?}");
            merge_segments(&repository, &mut fold, &index, RUN, &dividing()).unwrap();
            let (fold, index) = load(&repository);
            assert!(fold.segments().iter().any(|one| one.prefix.bits() > 0));
            assert_eq!(copies_of(&index, all.clone()), expected, "call {call}, {moment:?}");
        }
        call += 1;
    }
    assert!(calls >= 8 && failed >= 8, "{failed} of {calls}");
}

#[test]
fn who_looks_up_while_others_merge_finds_everything() {
    let (_store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let index = Index::load(&repository, &fold).unwrap();
    let there = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut number = 0;
                while there.load(std::sync::atomic::Ordering::Acquire) < 40 * 40 {
                    let chunks = there.load(std::sync::atomic::Ordering::Acquire).max(1);
                    number = (number + 7919) % chunks;
                    let found = index.locate(&id(number)).unwrap();
                    assert!(found.is_some() || chunks == 1, "chunk {number} of {chunks}");
                }
            });
        }
        for number in 0..40 {
            let chunks = number * 40..number * 40 + 80;
            let key = commit_segment(&repository, &mut fold, number, chunks);
            let size = fold.object(&key).unwrap().size;
            index.add(key, size).unwrap();
            there.store(number * 40 + 40, std::sync::atomic::Ordering::Release);
            merge_segments(&repository, &mut fold, &index, RUN, &dividing()).unwrap();
        }
    });
    assert!(fold.segments().iter().any(|one| one.prefix.bits() > 0));
}

/// With room for few open segments they are opened again and again, and answer the same.
#[test]
fn segments_for_some_ids_are_let_go_when_there_are_many() {
    let store = RecordStore::new(mem());
    let mut options = init_options(1);
    options.memory_bytes = 256 << 10;
    let repository = init(Io::new(Arc::new(store.clone())).unwrap(), &options).unwrap();
    let (fold, _) = commit_and_divide(&repository, 120);
    let index = Index::load(&repository, &fold).unwrap();
    let pieces = fold.segments().iter().filter(|one| one.prefix.bits() > 0).count();
    store.clear();
    let expected = expected_copies(120);
    for _twice in 0..2 {
        assert_eq!(copies_of(&index, 0..expected.len() as u64), expected);
    }
    let opened = store.count(Verb::GetRange);
    assert!(opened > 4 * pieces, "{opened} reads of {pieces} pieces");
}

/// What a list does not show is lost, and replaced where what it was made of is there.
#[test]
fn lost_pieces_are_told_without_opening_any() {
    let (store, repository) = new(1);
    let (fold, _) = commit_and_divide(&repository, 30);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let delete = |key: &ObjectKey| runtime.block_on(store.delete(&key.to_string())).unwrap();
    let told = || {
        let mut told = Vec::new();
        let index = Index::load(&repository, &fold).unwrap();
        index.look_for_pieces(|lost| told.push((lost.key, lost.is_replaced))).unwrap();
        told
    };
    assert_eq!(told(), []);
    let piece = fold.segments().into_iter().find(|one| one.prefix.bits() > 0).unwrap();
    delete(&piece.key);
    assert_eq!(told(), [(piece.key, true)]);
    let part = fold.parts(&piece.key)[0];
    delete(&part.key);
    let has_parts = !fold.parts(&part.key).is_empty();
    assert_eq!(told(), [(piece.key, has_parts)]);
}
