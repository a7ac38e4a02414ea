use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;
/// 2026-11-20T12:00:00Z, a Friday.
const NOON: i64 = 1_795_176_000;

fn candidate(number: u32, secs: i64) -> Candidate {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    Candidate {
        id: SnapshotId(id),
        time: Time { secs, nanos: 0 },
        tags: Vec::new(),
        is_partial: false,
        is_held: false,
    }
}

/// One each day at noon, the oldest first; those of which `is_partial` says so are partial.
fn days(count: u32, is_partial: impl Fn(u32) -> bool) -> Vec<Candidate> {
    (0..count)
        .map(|day| Candidate {
            is_partial: is_partial(day),
            ..candidate(day, NOON - DAY * i64::from(count - 1 - day))
        })
        .collect()
}

fn count(period: Period, count: u32) -> Rule {
    Rule::Count { period, count: Count::Of(count) }
}

fn within(period: Period, span: &str) -> Rule {
    Rule::Within { period, span: span.parse().unwrap() }
}

fn decide(rules: &[Rule], group: &[Candidate], zone: &TimeZone) -> Vec<Verdict> {
    let now = Time { secs: NOON, nanos: 0 };
    Policy::new(rules.to_vec()).unwrap().decide(group, zone, now)
}

/// The numbers of those that are kept, the newest first.
fn kept(rules: &[Rule], group: &[Candidate]) -> Vec<u32> {
    let verdicts = decide(rules, group, &TimeZone::UTC);
    verdicts.iter().filter(|verdict| verdict.is_kept()).map(number).collect()
}

fn number(verdict: &Verdict) -> u32 {
    u32::from_le_bytes(*verdict.id.0.first_chunk().unwrap())
}

#[test]
fn each_period_has_its_newest() {
    let all = days(100, |_| false);
    assert_eq!(kept(&[count(Period::Each, 3)], &all), [99, 98, 97]);
    assert_eq!(kept(&[count(Period::Day, 3)], &all), [99, 98, 97]);
    // Friday; the Sundays before, November 15 and 8.
    assert_eq!(kept(&[count(Period::Week, 3)], &all), [99, 94, 87]);
    // October 31, September 30.
    assert_eq!(kept(&[count(Period::Month, 3)], &all), [99, 79, 48]);
    assert_eq!(kept(&[count(Period::Quarter, 2)], &all), [99, 48]);
    let hours: Vec<_> =
        (0..10).map(|half| candidate(half, NOON - 1800 * i64::from(9 - half))).collect();
    assert_eq!(kept(&[count(Period::Hour, 3)], &hours), [9, 8, 6]);
}

#[test]
fn while_some_of_the_number_is_left_the_oldest_stays() {
    let all = days(100, |_| false);
    assert_eq!(kept(&[count(Period::Year, 3)], &all), [99, 0]);
    assert_eq!(kept(&[count(Period::Quarter, 9)], &all), [99, 48, 0]);
    let verdicts = decide(&[count(Period::Year, 3)], &all, &TimeZone::UTC);
    assert_eq!(verdicts[99].reasons[0].to_string(), "oldest (yearly)");
    let all_years = Rule::Count { period: Period::Year, count: Count::All };
    assert_eq!(kept(&[all_years], &all), [99, 0]);
    // Used up: it goes.
    assert_eq!(kept(&[count(Period::Year, 1)], &all), [99]);
}

#[test]
fn within_is_from_the_newest_on() {
    let all = days(100, |_| false);
    assert_eq!(kept(&[within(Period::Each, "3d")], &all), [99, 98, 97]);
    assert_eq!(kept(&[within(Period::Week, "2w")], &all), [99, 94, 87, 86]);
    assert_eq!(kept(&[within(Period::Month, "1m")], &all), [99, 79, 69]);
    // Nobody came for a month: what there is stays.
    let old = &all[..60];
    assert_eq!(kept(&[within(Period::Each, "2d")], old), [59, 58]);
}

#[test]
fn tags_and_holds_and_what_is_to_come() {
    let mut all = days(5, |_| false);
    all[0].tags = vec!["a".to_owned(), "b".to_owned()];
    all[1].tags = vec!["a".to_owned()];
    all[2].is_held = true;
    all[4].time.secs = NOON + 1;
    let both = Rule::Tags(vec!["b".to_owned(), "a".to_owned()]);
    assert_eq!(kept(std::slice::from_ref(&both), &all), [4, 2, 0]);
    // What is of a time to come does not count as the last.
    assert_eq!(kept(&[both, count(Period::Each, 1)], &all), [4, 3, 2, 0]);
    let verdicts = decide(&[count(Period::Each, 3)], &all, &TimeZone::UTC);
    let reasons: Vec<Vec<String>> = verdicts
        .iter()
        .map(|verdict| verdict.reasons.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(reasons[0], ["of a time to come"]);
    assert_eq!(reasons[1], ["last"]);
    assert_eq!(reasons[2], ["held", "last"]);
}

#[test]
fn the_day_is_that_of_the_zone() {
    // 23:30 and 00:30 in Berlin, where it is one hour later.
    let pair = [candidate(0, NOON - 13 * 3600 - 1800), candidate(1, NOON - 12 * 3600 - 1800)];
    let days = [count(Period::Day, 2)];
    let reasons = |zone: &TimeZone| -> Vec<usize> {
        decide(&days, &pair, zone).iter().map(|verdict| verdict.reasons.len()).collect()
    };
    let oldest = decide(&days, &pair, &TimeZone::UTC);
    assert_eq!(oldest[1].reasons[0].to_string(), "oldest (daily)");
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    assert_eq!(reasons(&berlin), [1, 1]);
    assert_eq!(decide(&days, &pair, &berlin)[1].reasons[0].to_string(), "daily");
}

/// A night in which something could not be read must not push out a good one.
#[test]
fn partial_snapshots_displace_no_complete_one() {
    let all = days(20, |day| day >= 15);
    let daily = [count(Period::Day, 7)];
    assert_eq!(kept(&daily, &all), [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8]);
    assert_eq!(kept(&[count(Period::Each, 2)], &all), [19, 18, 14, 13]);
    assert_eq!(kept(&[within(Period::Each, "3d")], &all), [19, 18, 17, 14, 13, 12]);
    // One good night among them: it stands for its week, although it is older.
    let sunday = days(20, |day| day != 14);
    assert_eq!(kept(&[count(Period::Week, 2)], &sunday), [19, 14]);
    // Where nothing is ever complete the rules are for what there is.
    let none = days(100, |_| true);
    assert_eq!(kept(&[count(Period::Week, 3)], &none), [99, 94, 87]);
    assert_eq!(kept(&[count(Period::Year, 3)], &none), [99, 0]);
}

#[test]
fn rules_that_keep_nothing_are_refused() {
    let nothing = [
        vec![],
        vec![count(Period::Day, 0)],
        vec![within(Period::Each, "0d"), Rule::Tags(Vec::new())],
    ];
    for rules in nothing {
        assert!(Policy::new(rules).unwrap_err().to_string().contains("--keep-daily"));
    }
    assert_eq!("-1".parse(), Ok(Count::All));
    assert_eq!("unlimited".parse(), Ok(Count::All));
    assert_eq!("7".parse(), Ok(Count::Of(7)));
    for bad in ["", "-2", "7.5", "all"] {
        assert!(bad.parse::<Count>().is_err(), "{bad}");
    }
}

#[test]
fn times_that_no_calendar_has_are_answered() {
    let all = [candidate(0, i64::MIN), candidate(1, -1), candidate(2, i64::MAX)];
    let rules = [count(Period::Week, 9), within(Period::Hour, "9999y")];
    let now = Time { secs: i64::MAX, nanos: 0 };
    let zone = TimeZone::get("America/St_Johns").unwrap();
    let verdicts = Policy::new(rules.to_vec()).unwrap().decide(&all, &zone, now);
    assert!(verdicts.iter().all(Verdict::is_kept));
}

prop_compose! {
    fn groups()(
        facts in prop::collection::vec((0..700_i64, 0..4_i64, any::<bool>(), 0..20_u8), 0..60),
    ) -> Vec<Candidate> {
        (0..).zip(facts).map(|(number, (day, hour, is_partial, marks))| Candidate {
            tags: (marks < 3).then(|| "t".to_owned()).into_iter().collect(),
            is_held: marks == 3,
            is_partial,
            ..candidate(number, NOON + DAY - day * DAY - hour * 3600)
        }).collect()
    }
}

fn rules() -> impl Strategy<Value = Rule> {
    let period = prop::sample::select(vec![
        Period::Each,
        Period::Hour,
        Period::Day,
        Period::Week,
        Period::Month,
        Period::Quarter,
        Period::Year,
    ]);
    let spans = prop::sample::select(vec!["5h", "3d", "2w", "1m3d", "1y"]);
    prop_oneof![
        4 => (period.clone(), 1..9_u32).prop_map(|(period, number)| count(period, number)),
        1 => period.clone().prop_map(|period| Rule::Count { period, count: Count::All }),
        2 => (period, spans).prop_map(|(period, span)| within(period, span)),
        1 => Just(Rule::Tags(vec!["t".to_owned()])),
    ]
}

proptest! {
    #[test]
    fn all_together_keep_what_each_keeps_alone(
        group in groups(), rules in prop::collection::vec(rules(), 1..5),
    ) {
        let together = kept(&rules, &group);
        let mut alone: Vec<u32> =
            rules.iter().flat_map(|rule| kept(std::slice::from_ref(rule), &group)).collect();
        let mut sorted = together;
        alone.sort_unstable();
        alone.dedup();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, alone);
    }

    #[test]
    fn what_is_left_is_kept(group in groups(), rules in prop::collection::vec(rules(), 1..5)) {
        let first = kept(&rules, &group);
        let left: Vec<Candidate> = group
            .into_iter()
            .filter(|candidate| first.contains(&u32::from_le_bytes(*candidate.id.0.first_chunk().unwrap())))
            .collect();
        prop_assert_eq!(kept(&rules, &left), first);
    }

    #[test]
    fn the_order_does_not_matter(
        (group, shuffled) in groups().prop_flat_map(|group| (Just(group.clone()), Just(group).prop_shuffle())),
        rules in prop::collection::vec(rules(), 1..4),
    ) {
        prop_assert_eq!(kept(&rules, &group), kept(&rules, &shuffled));
    }

    #[test]
    fn without_partial_ones_the_same_complete_ones_are_kept(
        group in groups(), rules in prop::collection::vec(rules(), 1..4),
    ) {
        let complete: Vec<Candidate> =
            group.iter().filter(|candidate| !candidate.is_partial).cloned().collect();
        let of_complete = kept(&rules, &complete);
        let of_all = kept(&rules, &group);
        prop_assert!(of_complete.iter().all(|number| of_all.contains(number)));
    }
}
