use proptest::prelude::*;

use super::*;

#[test]
fn known_texts() {
    for (secs, nanos, text) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
        (951_782_400, 0, "2000-02-29T00:00:00Z"),
        (1_795_187_045, 123_456_789, "2026-11-20T15:04:05.123456789Z"),
        (*TEXT_RANGE.start(), 0, "0000-01-01T00:00:00Z"),
        (*TEXT_RANGE.end(), 1, "9999-12-31T23:59:59.000000001Z"),
        (*TEXT_RANGE.end() + 1, 0, "@253402300800.000000000"),
        (i64::MIN, 5, "@-9223372036854775808.000000005"),
    ] {
        let time = Time { secs, nanos };
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse::<Time>(), Ok(time));
    }
    assert_eq!("2026-11-20T15:04:05.5Z".parse::<Time>().unwrap().nanos, 500_000_000);
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "now",
        "2026-11-20",
        "2026-11-20T15:04:05",
        "2026-11-20T15:04:05+00:00",
        "2026-11-20 15:04:05Z",
        "2026-13-20T15:04:05Z",
        "2025-02-29T15:04:05Z",
        "2026-11-20T24:04:05Z",
        "2026-11-20T15:04:60Z",
        "2026-11-20T15:04:05.Z",
        "2026-11-20T15:04:05.1234567890Z",
        "2026-11-20T15:04:05.+1Z",
        "@0.000000000",
        "@253402300800.0",
        "@253402300800",
        "\u{661}026-11-20T15:04:05Z",
    ] {
        assert!(text.parse::<Time>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn every_time_comes_back(secs: i64, nanos in 0..NANOS_PER_SEC) {
        let time = Time { secs, nanos };
        prop_assert_eq!(time.to_string().parse::<Time>(), Ok(time));
    }

    #[test]
    fn every_time_of_the_calendar_comes_back(secs in TEXT_RANGE, nanos in 0..NANOS_PER_SEC) {
        let time = Time { secs, nanos };
        prop_assert_eq!(time.to_string().parse::<Time>(), Ok(time));
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,40}") {
        drop(text.parse::<Time>());
    }
}
