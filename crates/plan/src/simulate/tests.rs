use super::*;
use crate::retention::{Count, Period, Rule};

fn zoned(text: &str) -> Zoned {
    text.parse().unwrap()
}

fn policy(rules: &[(Period, u32)]) -> Policy {
    let rule =
        |(period, count): &(Period, u32)| Rule::Count { period: *period, count: Count::Of(*count) };
    Policy::new(rules.iter().map(rule).collect()).unwrap()
}

#[test]
fn a_year_of_nights_under_a_usual_policy() {
    let start = zoned("2026-01-01T12:00[UTC]");
    let end = zoned("2027-01-01T12:00[UTC]");
    let nightly = Schedule::parse("0 2 * * *").unwrap();
    let usual = policy(&[(Period::Day, 7), (Period::Week, 4), (Period::Month, 12)]);
    let outcome = simulate(&[], &usual, &nightly, &TimeZone::UTC, (&start, &end)).unwrap();
    // Seven days, two of four weeks and ten of twelve months that are not among them.
    assert_eq!((outcome.runs, outcome.kept.len()), (365, 19));
    assert!((20..=23).contains(&outcome.snapshots_max), "{}", outcome.snapshots_max);
    assert!(outcome.kept.iter().all(Verdict::is_kept));
    let newest = outcome.kept[0].time;
    assert_eq!(newest.to_string(), "2027-01-01T02:00:00Z");
}

#[test]
fn what_is_there_counts_and_is_let_go() {
    let start = zoned("2026-01-01T12:00[UTC]");
    let old = Candidate { is_held: true, ..run(7_000_000, Time { secs: 100, nanos: 0 }) };
    let gone = run(7_000_001, Time { secs: 200, nanos: 0 });
    let end = zoned("2026-01-11T12:00[UTC]");
    let nightly = Schedule::parse("0 2 * * *").unwrap();
    let days = policy(&[(Period::Day, 3)]);
    let there = [old.clone(), gone];
    let outcome = simulate(&there, &days, &nightly, &TimeZone::UTC, (&start, &end)).unwrap();
    assert_eq!((outcome.runs, outcome.kept.len()), (10, 4));
    assert_eq!(outcome.kept.last().unwrap().id, old.id);
}

#[test]
fn no_run_and_too_many_are_refused() {
    let start = zoned("2026-01-01T12:00[UTC]");
    let days = policy(&[(Period::Day, 3)]);
    let refused = |schedule: &str, end: &str| {
        let schedule = Schedule::parse(schedule).unwrap();
        let end = zoned(end);
        let error = simulate(&[], &days, &schedule, &TimeZone::UTC, (&start, &end)).unwrap_err();
        error.to_string()
    };
    assert!(refused("0 2 * * *", "2026-01-01T13:00[UTC]").contains("no run until"));
    let often = refused("* * * * *", "2026-03-01T13:00[UTC]");
    assert!(often.contains("more than 60000 runs"), "{often}");
}

#[test]
fn what_grew_stays_and_what_was_replaced_stays_with_its_snapshot() {
    let growth = Growth { stored_bytes: 1000, added_bytes: 10, grown_bytes: 4 };
    assert_eq!(growth.after(100, 20), 1000 + 400 + 120);
    assert_eq!(growth.after(0, 0), 1000);
    let only_grown = Growth { grown_bytes: 99, ..growth };
    assert_eq!(only_grown.after(100, 20), 2000);
    let huge = Growth { stored_bytes: u64::MAX, added_bytes: u64::MAX, grown_bytes: 1 };
    assert_eq!(huge.after(5, 5), u64::MAX);
}

#[test]
fn growth_is_what_the_later_ones_added() {
    let measured = |bytes, new_bytes, stored_bytes| Measured { bytes, new_bytes, stored_bytes };
    let first = measured(1000, 1000, 500);
    assert_eq!(Growth::measured(&[]), None);
    assert_eq!(Growth::measured(&[first]), None);
    // It grows by 20 each time, of which half is left, and 60 are changed.
    let later = [measured(1020, 80, 40), measured(1040, 80, 40)];
    let growth = Growth::measured(&[first, later[0], later[1]]).unwrap();
    assert_eq!(growth, Growth { stored_bytes: 580, added_bytes: 40, grown_bytes: 10 });
    // One that shrinks adds only what takes the place of something.
    let growth = Growth::measured(&[first, measured(900, 10, 5)]).unwrap();
    assert_eq!((growth.added_bytes, growth.grown_bytes), (5, 0));
    let huge = measured(u64::MAX, 0, u64::MAX);
    assert!(Growth::measured(&[measured(0, 0, u64::MAX), huge]).is_some());
}
