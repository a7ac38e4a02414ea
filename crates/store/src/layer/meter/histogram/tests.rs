use proptest::prelude::*;

use super::*;

fn of(micros: &[u64]) -> Histogram {
    let counts = Counts::default();
    for time in micros {
        counts.add(Duration::from_micros(*time));
    }
    counts.snapshot()
}

#[test]
fn nothing_has_no_percentiles() {
    assert_eq!(of(&[]).percentile(50), None);
    assert_eq!(of(&[]), Histogram::default());
}

#[test]
fn buckets_join_without_gaps() {
    let mut before = None;
    for bucket in 0..BUCKETS {
        let upper = upper_bound(bucket);
        assert_eq!(bucket_of(upper), bucket);
        assert!(before.is_none_or(|before: u64| bucket_of(before + 1) == bucket), "{bucket}");
        before = Some(upper);
    }
    assert_eq!(upper_bound(BUCKETS - 1), (1 << MICROS_BITS) - 1);
    assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
}

#[test]
fn what_came_later_can_be_told() {
    let counts = Counts::default();
    counts.add(Duration::from_millis(900));
    let before = counts.snapshot();
    counts.add(Duration::from_micros(7));
    let later = counts.snapshot().since(&before);
    assert_eq!(later, of(&[7]));
    assert_eq!(later.sum(), Duration::from_micros(7));
    assert_eq!(later.buckets().collect::<Vec<_>>(), [(Duration::from_micros(7), 1)]);
}

proptest! {
    #[test]
    fn percentiles_are_those_of_the_sorted_times(
        mut micros in prop::collection::vec(0_u64..1 << 36, 1..300),
        percent in 0_u8..=100,
    ) {
        let histogram = of(&micros);
        micros.sort_unstable();
        let rank = (micros.len() * usize::from(percent)).div_ceil(100).max(1);
        let exact = micros[rank - 1];
        let found = u64::try_from(histogram.percentile(percent).unwrap().as_micros()).unwrap();
        prop_assert!(exact <= found && found <= exact + exact / STEPS, "{exact} {found}");
        prop_assert_eq!(histogram.count(), micros.len() as u64);
        prop_assert_eq!(histogram.sum(), Duration::from_micros(micros.iter().sum()));
    }
}
