use proptest::prelude::*;

use super::*;

const MON: u8 = 0;
const FRI: u8 = 4;
const SAT: u8 = 5;

fn limit(schedule: &Schedule, day: u8, hour: u16, minute: u16) -> Option<u64> {
    schedule.limit_at(Moment::new(day, hour * 60 + minute)).map(NonZeroU64::get)
}

#[test]
fn one_limit_is_for_all_times() {
    for (text, bytes) in [
        ("1", 1),
        ("512B", 512),
        ("64KiB", 65_536),
        ("10M", 10 << 20),
        ("2g", 2 << 30),
        ("3MB", 3_000_000),
    ] {
        let schedule = Schedule::parse(text).unwrap();
        assert_eq!(limit(&schedule, MON, 0, 0), Some(bytes), "{text}");
        assert_eq!(schedule.slowest().map(NonZeroU64::get), Some(bytes));
    }
    let off = Schedule::parse("off").unwrap();
    assert_eq!(limit(&off, SAT, 12, 0), None);
    assert_eq!(off.slowest(), None);
}

#[test]
fn the_first_entry_that_covers_a_moment_counts() {
    let schedule = Schedule::parse("22:00-06:00=off; mon-fri 08:00-18:00=5M; 20M").unwrap();
    let (five, twenty) = (Some(5 << 20), Some(20 << 20));
    assert_eq!(limit(&schedule, MON, 7, 59), twenty);
    assert_eq!(limit(&schedule, MON, 8, 0), five);
    assert_eq!(limit(&schedule, FRI, 17, 59), five);
    assert_eq!(limit(&schedule, FRI, 18, 0), twenty);
    assert_eq!(limit(&schedule, SAT, 12, 0), twenty);
    assert_eq!(limit(&schedule, SAT, 22, 0), None);
    assert_eq!(limit(&schedule, MON, 5, 59), None);
    assert_eq!(limit(&schedule, MON, 6, 0), twenty);
    assert_eq!(schedule.slowest().map(NonZeroU64::get), five);
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let schedule = Schedule::parse("sun 22:00-06:00=1K").unwrap();
    let sun = 6;
    assert_eq!(limit(&schedule, sun, 21, 59), None);
    assert_eq!(limit(&schedule, sun, 22, 0), Some(1024));
    assert_eq!(limit(&schedule, MON, 5, 59), Some(1024));
    assert_eq!(limit(&schedule, MON, 6, 0), None);
    assert_eq!(limit(&schedule, sun, 5, 0), None);
}

#[test]
fn days_are_lists_and_go_round_the_week() {
    let schedule = Schedule::parse("fri-mon,wed 00:00-24:00=1").unwrap();
    let limited: Vec<bool> = (0..7).map(|day| limit(&schedule, day, 23, 59).is_some()).collect();
    assert_eq!(limited, [true, false, true, false, true, true, true]);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, part) in [
        ("", "empty"),
        ("10M;", "empty"),
        ("10", ""),
        ("10X", "10X"),
        ("M", "not a limit"),
        ("+1M", "+1M"),
        ("1.5M", "1.5M"),
        ("0", "lets nothing pass"),
        ("99999999999G", "not a limit"),
        ("1M; 2M", "second limit"),
        ("8-18=1M", "time of day"),
        ("08:00=1M", "stretch"),
        ("08:00-08:00=1M", "empty"),
        ("24:00-06:00=1M", "empty"),
        ("08:00-24:01=1M", "24:01"),
        ("08:60-09:00=1M", "08:60"),
        ("montag 08:00-09:00=1M", "montag"),
        ("mon- 08:00-09:00=1M", "not a day"),
    ] {
        match Schedule::parse(text) {
            Ok(schedule) => assert!(part.is_empty(), "{text:?} became {schedule:?}"),
            Err(error) => assert!(!part.is_empty() && error.contains(part), "{text:?}: {error}"),
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,40}", day: u8, minute: u16) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let limit = schedule.limit_at(Moment::new(day, minute));
            prop_assert!(limit >= schedule.slowest().filter(|_| limit.is_some()));
        }
    }

    /// Of two stretches that share their ends, one covers each moment of every day.
    #[test]
    fn a_stretch_and_its_rest_make_a_day(a in 0_u16..1440, b in 0_u16..1440, day in 0_u8..7, now in 0_u16..1440) {
        prop_assume!(a != b);
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let text = format!("{}-{}=1; {1}-{0}=2", time(a), time(b));
        let limit = Schedule::parse(&text).unwrap().limit_at(Moment::new(day, now));
        let first = if a < b { (a..b).contains(&now) } else { now >= a || now < b };
        prop_assert_eq!(limit.map(NonZeroU64::get), Some(if first { 1 } else { 2 }));
    }
}
