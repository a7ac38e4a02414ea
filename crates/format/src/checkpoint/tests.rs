use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::entry::tests::name;

fn object(kind: ObjectKind, first: u8) -> ObjectFact {
    let object = ListedObject { kind, name: name(first), size: 1000 };
    ObjectFact { number: u64::from(first), object }
}

fn snapshot() -> SnapshotFact {
    SnapshotFact {
        number: 3,
        author: PublicKey([4; 32]),
        id: SnapshotId([5; 16]),
        sealed: vec![6; 40],
    }
}

fn blocks() -> Vec<(u8, u32, Vec<u8>)> {
    let packs = [object(ObjectKind::Pack, 2), object(ObjectKind::Tree, 3)];
    vec![
        (SECTION_SEGMENTS, 1, encode_objects(&[object(ObjectKind::Index, 1)])),
        (SECTION_SNAPSHOTS, 1, encode_snapshots(&[snapshot()])),
        (SECTION_PACKS, 2, encode_objects(&packs)),
    ]
}

fn checkpoint() -> Vec<u8> {
    let entry = ObjectHash([8; 32]);
    let mut bytes =
        Checkpoint::unsigned(&LogId([7; 16]), 9, &entry, &blocks(), &PublicKey([4; 32]));
    bytes.extend([3; 64]);
    bytes.extend(blocks().into_iter().flat_map(|(_, _, bytes)| bytes));
    bytes
}

#[test]
fn checkpoints_come_back() {
    let bytes = checkpoint();
    let decoded = Checkpoint::decode(&bytes).unwrap();
    assert_eq!((decoded.log, decoded.number), (LogId([7; 16]), 9));
    assert_eq!((decoded.entry, decoded.public), (ObjectHash([8; 32]), PublicKey([4; 32])));
    assert_eq!(decoded.signature, [3; 64]);
    let head_len = usize::try_from(Checkpoint::head_len(&bytes[..16]).unwrap()).unwrap();
    assert_eq!(Checkpoint::signed_part(&bytes).unwrap().len(), head_len - 64);
    assert!(Checkpoint::message(b"x").ends_with(b"checkpointx"));
    assert_eq!(Checkpoint::decode(&bytes[..head_len]), Ok(decoded.clone()));

    let range = |block: &CheckpointBlock| {
        let start = head_len + usize::try_from(block.offset).unwrap();
        &bytes[start..start + usize::try_from(block.length).unwrap()]
    };
    for block in &decoded.blocks {
        assert_eq!(block.verify(range(block)), Ok(()));
        assert!(block.verify(&range(block)[1..]).is_err());
    }
    let [segments, snapshots, packs] = &decoded.blocks[..] else { panic!("three blocks") };
    let found = decode_objects(range(segments), segments).unwrap();
    assert_eq!(found, [object(ObjectKind::Index, 1)]);
    assert_eq!(decode_snapshots(range(snapshots), snapshots).unwrap(), [snapshot()]);
    let found = decode_objects(range(packs), packs).unwrap();
    assert_eq!(found, [object(ObjectKind::Pack, 2), object(ObjectKind::Tree, 3)]);
    let error =
        decode_objects(range(packs), &CheckpointBlock { section: 1, ..*packs }).unwrap_err();
    assert!(error.to_string().ends_with("Pack in section 1"));
    let error = decode_objects(range(packs), &CheckpointBlock { count: 3, ..*packs }).unwrap_err();
    assert!(error.to_string().ends_with("expected 3 facts, found 2"));
}

#[test]
fn refusals() {
    let good = checkpoint();
    let changed = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        Checkpoint::decode(&bytes).unwrap_err()
    };
    assert_eq!(changed(0, 0).kind(), Kind::Corrupt);
    assert_eq!(changed(8, 2).kind(), Kind::Unsupported);
    assert_eq!(changed(8, 0).kind(), Kind::Corrupt);
    assert!(changed(15, 0xff).to_string().contains("16777216 bytes of header"));
    assert!(changed(16, 0xa3).to_string().ends_with("less than four fields"));
    assert!(changed(17, 1).to_string().ends_with("expected field 0, found 1"));
    let head_len = usize::try_from(Checkpoint::head_len(&good).unwrap()).unwrap();
    assert!(Checkpoint::decode(&good[..head_len - 1]).is_err());
    assert!(Checkpoint::signed_part(&good[..30]).is_err());
    assert!(Checkpoint::head_len(&good[..15]).is_err());
}

fn keeping_block(count: u32) -> CheckpointBlock {
    let hash = ObjectHash([0; 32]);
    CheckpointBlock { section: SECTION_KEEPING, count, offset: 0, length: 0, hash }
}

#[test]
fn what_is_neither_hidden_nor_held_has_no_place() {
    let fact = |hidden, hold| KeepingFact { id: SnapshotId([1; 16]), hidden, hold };
    let held = fact(None, Some((4, Until::Forever)));
    let facts = [fact(Some(3), None), held, fact(Some(9), Some((4, Until::Time(5))))];
    assert_eq!(decode_keeping(&encode_keeping(&facts), &keeping_block(3)).unwrap(), facts);
    for (bad, reason) in [
        (encode_keeping(&[fact(None, None)]), "neither hidden nor held"),
        (encode_keeping(&[fact(None, Some((4, Until::Released)))]), "neither hidden nor held"),
        ([&[0x81, 0x83, 0x50][..], &[1; 16], &[0x82, 1, 1, 0x80]].concat(), "hidden by 2 entries"),
        ([&[0x81, 0x83, 0x50][..], &[1; 16], &[0x80, 0x81, 1]].concat(), "a hold of 1 fields"),
        ([&[0x81, 0x83, 0x50][..], &[1; 16], &[0x81, 1, 0x80, 0]].concat(), "1 more bytes"),
    ] {
        let error = decode_keeping(&bad, &keeping_block(1)).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(decode_keeping(&encode_keeping(&[held]), &keeping_block(2)).is_err());
}

proptest! {
    #[test]
    fn damaged_checkpoints_are_answered(place: prop::sample::Index, bits: u8) {
        let mut bytes = checkpoint();
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        drop(Checkpoint::decode(&bytes));
        drop(Checkpoint::decode(&bytes[..place]));
    }

    #[test]
    fn any_block_is_answered(mut bytes: Vec<u8>, section in 1..7_u8, count in 0..3_u32) {
        let hash = ObjectHash([0; 32]);
        let block = CheckpointBlock { section, count, offset: 0, length: 0, hash };
        drop(decode_objects(&bytes, &block));
        drop(decode_snapshots(&bytes, &block));
        drop(decode_merges(&bytes, &block));
        drop(decode_keeping(&bytes, &block));
        bytes.insert(0, 0x81);
        drop(decode_objects(&bytes, &block));
    }

    #[test]
    fn merges_come_back(facts in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..3), prop::collection::vec(any::<u8>(), 0..4), any::<Option<u8>>()), 0..4)) {
        let facts: Vec<MergeFact> = facts
            .into_iter()
            .map(|(number, into, of, prefix)| MergeFact {
                number,
                prefixes: prefix.map_or(Vec::new(), |value| vec![IdPrefix::new(8, value.into()).unwrap(); into.len()]),
                into: into.into_iter().map(name).collect(),
                of: of.into_iter().map(name).collect(),
            })
            .collect();
        let count = u32::try_from(facts.len()).unwrap();
        let block = CheckpointBlock { section: SECTION_MERGES, count, offset: 0, length: 0, hash: ObjectHash([0; 32]) };
        prop_assert_eq!(decode_merges(&encode_merges(&facts), &block), Ok(facts));
    }

    #[test]
    fn hidden_and_held_come_back(facts in prop::collection::vec(any::<([u8; 16], Option<u64>, u64, u64)>(), 0..5)) {
        let facts: Vec<KeepingFact> = facts
            .into_iter()
            .map(|(id, hidden, number, until)| KeepingFact {
                id: SnapshotId(id),
                hidden,
                hold: Some((number, Until::from_number(until))).filter(|_| hidden.is_none() || number % 2 == 0),
            })
            .filter(|fact| fact.hidden.is_some() || fact.hold.is_some_and(|(_, until)| until != Until::Released))
            .collect();
        let count = u32::try_from(facts.len()).unwrap();
        prop_assert_eq!(decode_keeping(&encode_keeping(&facts), &keeping_block(count)), Ok(facts));
    }

    #[test]
    fn facts_come_back(numbers: Vec<u64>, sealed: Vec<u8>) {
        let count = u32::try_from(numbers.len()).unwrap();
        let hash = ObjectHash([0; 32]);
        let block = CheckpointBlock { section: 3, count, offset: 0, length: 0, hash };
        let objects: Vec<ObjectFact> = numbers
            .iter()
            .map(|number| ObjectFact { number: *number, ..object(ObjectKind::Pack, 1) })
            .collect();
        prop_assert_eq!(decode_objects(&encode_objects(&objects), &block), Ok(objects));
        let snapshots: Vec<SnapshotFact> = numbers
            .iter()
            .map(|number| SnapshotFact { number: *number, sealed: sealed.clone(), ..snapshot() })
            .collect();
        prop_assert_eq!(decode_snapshots(&encode_snapshots(&snapshots), &block), Ok(snapshots));
    }
}
