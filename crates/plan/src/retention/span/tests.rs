use super::*;

#[test]
fn spans_are_read_and_written() {
    for text in ["2y5m7d3h", "1w", "30d", "12h", "1y2m3w4d5h"] {
        assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
    }
    assert_eq!("0d".parse::<Span>().unwrap().to_string(), "0h");
    assert!("0y0h".parse::<Span>().unwrap().is_zero());
    for bad in ["", "7", "d", "7x", "-1d", "1d2y", "1d1d", "99999d", "7 d", "1é"] {
        let error = bad.parse::<Span>().unwrap_err();
        assert!(error.to_string().contains("2y5m7d3h"), "{bad}: {error}");
    }
}

#[test]
fn months_are_those_of_the_calendar() {
    let end: Zoned = "2026-03-31T12:00[Europe/Berlin]".parse().unwrap();
    let before = |text: &str| {
        let start = text.parse::<Span>().unwrap().before(&end).unwrap();
        start.to_zoned(end.time_zone().clone()).strftime("%F %H:%M").to_string()
    };
    assert_eq!(before("1m"), "2026-02-28 12:00");
    assert_eq!(before("1y1w"), "2025-03-24 12:00");
    // Over the change to summer time: a day is one of the calendar, an hour is an hour.
    assert_eq!(before("3d"), "2026-03-28 12:00");
    assert_eq!(before("72h"), "2026-03-28 11:00");
    assert_eq!("65535y".parse::<Span>().unwrap().before(&end), None);
}
