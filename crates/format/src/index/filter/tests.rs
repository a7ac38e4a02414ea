use proptest::prelude::*;

use super::*;

fn id(number: u32) -> ChunkId {
    ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

#[test]
fn about_one_in_a_hundred_absent_ids_passes() {
    let ids: Vec<ChunkId> = (0..1024).map(id).collect();
    let filter = Filter::build(ids.iter());
    assert_eq!(filter.as_bytes().len(), 1280);
    assert!(ids.iter().all(|id| filter.may_have(id)));
    let passed = (1024..101_024).filter(|number| filter.may_have(&id(*number))).count();
    assert!((500..1500).contains(&passed), "{passed}");
}

#[test]
fn positions_by_hand() {
    let mut bytes = [0; 32];
    bytes[8] = 3;
    bytes[16] = 10;
    // start 3, step 11, 64 bits: 3 14 25 36 47 58 69=5
    let filter = Filter::build([ChunkId(bytes)].iter());
    let expected: u64 = [3, 14, 25, 36, 47, 58, 5].iter().map(|place| 1_u64 << place).sum();
    assert_eq!(filter.as_bytes(), expected.to_le_bytes());
}

#[test]
fn lengths() {
    for (count, len) in [(0, 0), (1, 8), (6, 8), (7, 16), (1024, 1280)] {
        assert_eq!(Filter::len_for(count), len);
    }
    assert!(Filter::decode(&[0; 9], 1).is_err());
    assert!(Filter::decode(&[0; 16], 1).is_err());
    assert!(Filter::decode(&vec![0; Filter::len_for(1025)], 1025).is_err());
    let empty = Filter::decode(&[], 0).unwrap();
    assert!(!empty.may_have(&id(0)));
}

proptest! {
    #[test]
    fn nothing_present_is_denied(ids in prop::collection::vec(any::<[u8; 32]>(), 0..100)) {
        let ids: Vec<ChunkId> = ids.into_iter().map(ChunkId).collect();
        let filter = Filter::build(ids.iter());
        let count = u32::try_from(ids.len()).unwrap();
        prop_assert_eq!(Filter::decode(filter.as_bytes(), count), Ok(filter.clone()));
        for id in &ids {
            prop_assert!(filter.may_have(id));
        }
    }
}
