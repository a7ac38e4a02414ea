use proptest::prelude::*;

use super::*;
use crate::vectors::section;

fn stripes(value: &serde_json::Value) -> Vec<Vec<u8>> {
    let stripes = value.as_array().unwrap().iter();
    stripes.map(|text| lifeboat_format::hex::decode(text.as_str().unwrap()).unwrap()).collect()
}

/// A body and its parity, all in one column.
fn coded(code: Code, seed: u8) -> Vec<Vec<u8>> {
    let mut column = Column::new(code).unwrap();
    column.begin(code.stripe_bytes).unwrap();
    for stripe in 0..code.body {
        let hash =
            blake3::Hasher::new_keyed(&[seed; 32]).update(&stripe.to_le_bytes()).finalize_xof();
        let mut hash = hash;
        hash.fill(column.stripe_mut(stripe));
    }
    column.make_parity().unwrap();
    (0..code.stripes()).map(|stripe| column.stripe(stripe).to_vec()).collect()
}

/// The stripes made again from those that are not damaged, column by column.
fn rebuilt(code: Code, all: &[Vec<u8>], damaged: &[usize], memory: usize) -> Vec<Vec<u8>> {
    let mut column = Column::new(code).unwrap();
    let mut made = vec![Vec::new(); damaged.len()];
    for range in code.columns(memory) {
        column.begin(range.len()).unwrap();
        for stripe in (0..all.len()).filter(|stripe| !damaged.contains(stripe)) {
            column.stripe_mut(stripe).copy_from_slice(&all[stripe][range.clone()]);
        }
        column.rebuild(damaged).unwrap();
        for (made, stripe) in made.iter_mut().zip(damaged) {
            made.extend_from_slice(column.stripe(*stripe));
        }
    }
    made
}

#[test]
fn another_implementation_makes_the_same_parity() {
    let vector = section("parity");
    let (body, wanted) = (stripes(&vector["body"]), stripes(&vector["parity"]));
    let code = Code::new(body.len(), wanted.len(), body[0].len()).unwrap();
    let mut column = Column::new(code).unwrap();
    column.begin(128).unwrap();
    for (at, stripe) in body.iter().enumerate() {
        column.stripe_mut(at).copy_from_slice(stripe);
    }
    column.make_parity().unwrap();
    for (at, stripe) in wanted.iter().enumerate() {
        assert_eq!(column.stripe(body.len() + at), stripe, "parity stripe {at}");
    }
}

#[test]
fn one_stripe_and_its_parity() {
    let code = Code::new(1, 1, 64).unwrap();
    let all = coded(code, 1);
    assert_eq!(rebuilt(code, &all, &[0], 1)[0], all[0]);
    assert_eq!(rebuilt(code, &all, &[1], 1)[0], all[1]);
}

#[test]
fn every_set_of_as_many_as_there_is_parity_comes_back() {
    let code = Code::new(5, 2, 192).unwrap();
    let all = coded(code, 2);
    for one in 0..code.stripes() {
        for other in one + 1..code.stripes() {
            let made = rebuilt(code, &all, &[one, other], 7 * 64);
            assert_eq!(made, [all[one].clone(), all[other].clone()], "{one} and {other}");
        }
    }
}

#[test]
fn one_more_is_refused() {
    let code = Code::new(5, 2, 64).unwrap();
    let mut column = Column::new(code).unwrap();
    column.begin(64).unwrap();
    assert_eq!(column.rebuild(&[0, 3, 6]).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(column.rebuild(&[7]).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(column.begin(63).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn codes_that_there_are_not() {
    for (body, parity, bytes) in
        [(0, 1, 64), (1, 0, 64), (1, 1, 0), (1, 1, 63), (2, 3, 64), (60_000, 8000, 64)]
    {
        let error = Code::new(body, parity, bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{body} {parity} {bytes}");
    }
    assert!(Code::new(4096, 4096, 64).is_ok());
}

#[test]
fn columns_are_all_of_a_stripe() {
    let code = Code::new(3, 1, 64 * 5).unwrap();
    assert_eq!(code.columns(0).collect::<Vec<_>>(), [0..64, 64..128, 128..192, 192..256, 256..320]);
    assert_eq!(code.columns(4 * 128 + 9).collect::<Vec<_>>(), [0..128, 128..256, 256..320]);
    let mut whole = code.columns(usize::MAX);
    assert_eq!((whole.next(), whole.next()), (Some(0..320), None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_is_damaged_comes_back(
        body in 1_usize..70,
        parity in 1_usize..9,
        units in 1_usize..4,
        places in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        memory in 0_usize..20_000,
        seed: u8,
    ) {
        let parity = parity.min(body);
        let code = Code::new(body, parity, units * UNIT_BYTES).unwrap();
        let all = coded(code, seed);
        let mut damaged: Vec<usize> =
            places.iter().take(parity).map(|place| place.index(code.stripes())).collect();
        damaged.sort_unstable();
        damaged.dedup();
        let made = rebuilt(code, &all, &damaged, memory);
        for (made, stripe) in made.iter().zip(&damaged) {
            prop_assert_eq!(made, &all[*stripe]);
        }
    }
}
