use super::*;

fn next(schedule: &str, after: &str) -> String {
    let after: Zoned = after.parse().unwrap();
    let next = Schedule::parse(schedule).unwrap().next_after(&after).unwrap();
    next.strftime("%F %H:%M %:z").to_string()
}

#[test]
fn the_next_run_is_found_in_the_zone() {
    let at = "2026-11-20T15:04:05[Europe/Berlin]";
    assert_eq!(next("0 2 * * *", at), "2026-11-21 02:00 +01:00");
    assert_eq!(next("*/15 * * * *", at), "2026-11-20 15:15 +01:00");
    assert_eq!(next("30 3 * * sun", at), "2026-11-22 03:30 +01:00");
    assert_eq!(next("0 0 1 jan,jul *", at), "2027-01-01 00:00 +01:00");
    assert_eq!(next("@weekly", at), "2026-11-22 00:00 +01:00");
    // A run is not after itself.
    assert_eq!(next("0 2 * * *", "2026-11-21T02:00:00[UTC]"), "2026-11-22 02:00 +00:00");
}

#[test]
fn summer_time_leaves_no_day_without_a_run() {
    assert_eq!(next("30 2 * * *", "2026-03-28T12:00[Europe/Berlin]"), "2026-03-29 03:00 +02:00");
    let first = next("30 2 * * *", "2026-10-24T12:00[Europe/Berlin]");
    assert_eq!(first, "2026-10-25 02:30 +02:00");
    let second = next("30 2 * * *", "2026-10-25T02:30+02:00[Europe/Berlin]");
    assert_eq!(second, "2026-10-26 02:30 +01:00");
}

#[test]
fn what_is_none_is_refused() {
    for text in ["", "0 2 * *", "61 * * * *", "daily", "0 2 * * funday", "0 2 30 13 *"] {
        let error = Schedule::parse(text).unwrap_err();
        assert!(error.to_string().contains("0 2 * * *"), "{text}: {error}");
    }
    let never = Schedule::parse("0 0 30 2 *");
    let after: Zoned = "2026-11-20T15:04:05[UTC]".parse().unwrap();
    assert!(never.and_then(|schedule| schedule.next_after(&after)).is_err());
}
