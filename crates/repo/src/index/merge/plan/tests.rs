use lifeboat_format::id::ChunkId;
use proptest::prelude::*;

use super::*;

const TARGET: u64 = 2000;

fn whole(size: u64) -> Candidate {
    Candidate { prefix: IdPrefix::WHOLE, size, is_fit: true }
}

fn all_whole(sizes: &[u64]) -> Vec<Candidate> {
    sizes.iter().copied().map(whole).collect()
}

fn places(candidates: &[Candidate]) -> Option<(How, Vec<usize>)> {
    plan(candidates, TARGET).map(|plan| (plan.how, plan.parts))
}

/// What becomes of the candidates, and how much is written.
fn carry_out(candidates: &mut Vec<Candidate>, plan: &Plan) -> u64 {
    let sum: u64 = plan.parts.iter().map(|place| candidates[*place].size).sum();
    let mut made = Vec::new();
    let mut left = match plan.how {
        How::Together => vec![(plan.prefix, sum)],
        How::Divided => plan.prefix.quarters().unwrap().map(|quarter| (quarter, sum / 4)).to_vec(),
    };
    while let Some((prefix, size)) = left.pop() {
        if size <= TARGET {
            made.push(Candidate { prefix, size, is_fit: true });
        } else {
            left.extend(prefix.quarters().unwrap().map(|quarter| (quarter, size / 4)));
        }
    }
    let first = plan.parts[0];
    let mut place = 0;
    candidates.retain(|_| {
        place += 1;
        !plan.parts[1..].contains(&(place - 1))
    });
    candidates.splice(first..=first, made);
    sum
}

/// Runs backups of these sizes, and looks after each at the sizes of the segments that may have the id, by
/// the lengths of their prefixes. How much was written for one byte.
fn run(
    sizes: &[u64],
    id: ChunkId,
    mut look: impl FnMut(&BTreeMap<u8, Vec<u64>>) -> Result<(), TestCaseError>,
) -> Result<u64, TestCaseError> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut written = 0;
    for size in sizes {
        candidates.push(whole(*size));
        while let Some(plan) = plan(&candidates, TARGET) {
            prop_assert!(plan.parts.len() >= 2);
            written += carry_out(&mut candidates, &plan);
        }
        let mut of_id: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for candidate in candidates.iter().filter(|one| one.prefix.has(&id)) {
            of_id.entry(candidate.prefix.bits()).or_default().push(candidate.size);
        }
        look(&of_id)?;
    }
    Ok(written / sizes.iter().sum::<u64>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 50, ..ProptestConfig::default() })]
    /// However large backups are, a look-up asks few segments, few are opened at first, and a record is
    /// not written anew much more often than their number doubles.
    #[test]
    fn segments_stay_few(
        sizes in prop::collection::vec(prop_oneof![1..5_u64, 1..200_u64, 1..2000_u64, 1900..2000_u64], 1..400),
        id: [u8; 32],
    ) {
        let written = run(&sizes, ChunkId(id), |of_id| {
            prop_assert!(of_id.len() <= 6, "{of_id:?}");
            for (bits, sizes) in of_id {
                let heavy = sizes.iter().filter(|size| **size > TARGET / 4).count();
                prop_assert!(heavy < 2 * HEAVY_MIN, "{bits}: {sizes:?}");
                prop_assert!(sizes.len() <= SMALL_MAX + 2 * heavy, "{bits}: {sizes:?}");
                // What was divided is heavy, but for what rounding took.
                prop_assert!(*bits == 0 || sizes.iter().all(|size| *size >= TARGET / 4 - 8), "{bits}: {sizes:?}");
            }
            Ok(())
        })?;
        prop_assert!(written <= 20, "{written} times");
    }

    /// Segments that are larger than any merge would make them come from writers of before.
    #[test]
    fn segments_that_are_too_large_are_divided_too(
        sizes in prop::collection::vec(prop_oneof![1..200_u64, 1000..2000_u64, 2000..20_000_u64], 1..200),
        id: [u8; 32],
    ) {
        let written = run(&sizes, ChunkId(id), |of_id| {
            let asked: usize = of_id.values().map(Vec::len).sum();
            prop_assert!(asked <= 60, "{of_id:?}");
            Ok(())
        })?;
        prop_assert!(written <= 20, "{written} times");
    }
}

#[test]
fn what_is_divided_is_divided_again() {
    let (mut candidates, mut written) = (Vec::new(), 0);
    for _ in 0..1000 {
        candidates.push(whole(1800));
        while let Some(plan) = plan(&candidates, TARGET) {
            written += carry_out(&mut candidates, &plan);
        }
    }
    assert!(written <= 6 * 1000 * 1800, "each about once a level: {written}");
    let deepest = candidates.iter().map(|candidate| candidate.prefix.bits()).max();
    assert_eq!(deepest, Some(8), "4 levels of 4");
    assert!(candidates.len() < 1500, "{}", candidates.len());
    let zero = ChunkId([0; 32]);
    let asked = candidates.iter().filter(|candidate| candidate.prefix.has(&zero)).count();
    assert!(asked <= 5 * 3, "{asked}");
}

#[test]
fn one_that_does_not_fit_is_left_alone() {
    let mut candidates = all_whole(&[1; 16]);
    assert_eq!(places(&candidates), Some((How::Together, (0..16).collect())));
    candidates[10].is_fit = false;
    assert_eq!(places(&candidates), None);
    candidates.extend(all_whole(&[1; 10]));
    assert_eq!(places(&candidates), Some((How::Together, (11..26).collect())));
    // Large ones stand between the small ones, and those are not merged across them.
    let mixed = all_whole(&[1100, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(places(&mixed[..17]), None);
    assert_eq!(places(&mixed[..18]), Some((How::Together, (1..18).collect())));
}

#[test]
fn large_ones_are_divided_with_the_small_ones_between_them() {
    let sizes = [3, 1500, 1, 1, 1500, 1, 1500, 4, 1500, 1, 1];
    let mut candidates = all_whole(&sizes);
    assert_eq!(places(&candidates), Some((How::Divided, (0..9).collect())));
    assert_eq!(places(&candidates[..8]), None);
    // No more than needed.
    candidates.push(whole(1500));
    assert_eq!(places(&candidates), Some((How::Divided, (0..9).collect())));
    // Not across one that can't be merged, however many there are.
    candidates[5].is_fit = false;
    assert_eq!(places(&candidates), None);
    candidates.extend(all_whole(&[1500; 2]));
    assert_eq!(places(&candidates), Some((How::Divided, (6..13).collect())));
    // Four that are light together are not worth it.
    assert_eq!(places(&all_whole(&[600, 600, 600])), None);
    assert_eq!(places(&all_whole(&[600; 6])), None);
    assert_eq!(places(&all_whole(&[600; 7])), Some((How::Divided, (0..7).collect())));
}

/// One that can't be divided, as is found out each time anew, stands before what others have become.
#[test]
fn what_was_divided_before_is_not_all_divided_again() {
    let piece = |quarter: usize| Candidate {
        prefix: IdPrefix::WHOLE.quarters().unwrap()[quarter],
        size: 1900,
        is_fit: true,
    };
    let mut candidates = all_whole(&[1500]);
    candidates.extend((0..8).map(|at| piece(at % 4)));
    candidates.extend(all_whole(&[1500; 4]));
    // A few may be, and then the first is tried.
    assert_eq!(places(&candidates), Some((How::Divided, (0..12).collect())));
    candidates.splice(1..1, (0..4).map(piece));
    assert_eq!(places(&candidates), Some((How::Divided, (13..17).collect())));
    // However many there are.
    candidates.splice(1..1, (0..400).map(|at| piece(at % 4)));
    let found = plan(&candidates[..], TARGET).unwrap();
    assert_eq!(found.parts.len(), 4, "{found:?}");
}

#[test]
fn only_neighbours_for_the_same_ids_are_merged() {
    let quarters = IdPrefix::WHOLE.quarters().unwrap();
    let of = |quarter: usize| Candidate { prefix: quarters[quarter], size: 1500, is_fit: true };
    // Others for other ids do not matter.
    let mut candidates = vec![of(0), of(1), of(0), of(2), of(0), of(1), of(3), of(0), whole(5)];
    let divided =
        |candidates: &[Candidate]| plan(candidates, TARGET).map(|plan| (plan.prefix, plan.parts));
    assert_eq!(divided(&candidates), Some((quarters[0], vec![0, 2, 4, 7])));
    // One for more ids does; one for fewer is divided with them.
    candidates.insert(3, whole(1));
    assert_eq!(divided(&candidates), None);
    candidates[3].prefix = quarters[0].quarters().unwrap()[2];
    assert_eq!(divided(&candidates), Some((quarters[0], vec![0, 2, 3, 5, 8])));
    // A prefix that can't be longer.
    let longest = IdPrefix::new(IdPrefix::BITS_MAX, 1).unwrap();
    let alike = [Candidate { prefix: longest, size: 1500, is_fit: true }; 8];
    assert_eq!(divided(&alike), None);
}
