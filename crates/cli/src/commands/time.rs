//! Points in time as people and scripts write them in options.

use anyhow::Result;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lifeboat_format::entry::Until;
use lifeboat_format::time::Time;

use crate::args::Period;
use crate::exit::Usage;

/// RFC 3339 with an offset, a time with a zone in brackets, or a date and time in the local zone.
///
/// # Errors
/// [`Usage`], which names the option.
pub(crate) fn parse(option: &str, text: &str) -> Result<Time> {
    parse_in(option, text, &TimeZone::system())
}

/// The same, or a length of time, which is one before `now`.
///
/// # Errors
/// [`Usage`], which names the option.
pub(crate) fn parse_or_ago(option: &str, text: &str, now: Time) -> Result<Time> {
    // A number alone may be meant as anything.
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    match text.parse::<Period>() {
        Ok(Period(period)) if has_unit => {
            let secs = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
            Ok(Time { secs: now.secs.saturating_sub(secs), ..now })
        }
        _ => parse(option, text),
    }
}

/// The same, or a length of time, which is one after `now`; it has to be to come.
///
/// # Errors
/// [`Usage`], which names the option.
pub(crate) fn parse_to_come(option: &str, text: &str, now: Time) -> Result<Time> {
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    let time = match text.parse::<Period>() {
        Ok(Period(period)) if has_unit => {
            let secs = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
            Time { secs: now.secs.saturating_add(secs), ..now }
        }
        _ => parse(option, text)?,
    };
    if time <= now {
        return Err(Usage(format!("{option} {text}: that time is over; name one to come")).into());
    }
    Ok(time)
}

/// A zone by its name, or this machine's.
///
/// # Errors
/// [`Usage`] for one that nobody knows.
pub(crate) fn zone(name: Option<&str>) -> Result<TimeZone> {
    let Some(name) = name else { return Ok(TimeZone::system()) };
    TimeZone::get(name).map_err(|error| {
        Usage(format!("--time-zone {name:?}: {error}; write one like Europe/Berlin or UTC")).into()
    })
}

/// Until when something is held, in UTC.
pub(crate) fn until_text(until: Until) -> String {
    match until {
        Until::Released => "released".to_owned(),
        Until::Time(secs) => {
            Time { secs: i64::try_from(secs).unwrap_or(i64::MAX), nanos: 0 }.to_string()
        }
        Until::Forever => "forever".to_owned(),
    }
}

fn parse_in(option: &str, text: &str, local: &TimeZone) -> Result<Time> {
    let stamp = if text.contains('[') {
        text.parse::<Zoned>().map(|zoned| zoned.timestamp())
    } else if let Ok(stamp) = text.parse::<Timestamp>() {
        Ok(stamp)
    } else {
        // In the hour that is there twice the earlier one is meant.
        text.parse::<DateTime>()
            .and_then(|date| date.to_zoned(local.clone()))
            .map(|zoned| zoned.timestamp())
    };
    let stamp = stamp.map_err(|error| {
        let form = "write 2026-11-20T15:04:05Z, '2026-11-20 15:04' or 2026-11-20";
        Usage(format!("{option} {text:?} is not a time ({error}); {form}"))
    })?;
    Ok(from_nanos(stamp.as_nanosecond()))
}

fn from_nanos(nanos: i128) -> Time {
    const SECOND: i128 = 1_000_000_000;
    let secs = i64::try_from(nanos.div_euclid(SECOND)).expect("jiff knows the years to 9999 only");
    let nanos = u32::try_from(nanos.rem_euclid(SECOND)).expect("less than a second");
    Time { secs, nanos }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};

    fn parse(text: &str) -> Option<String> {
        let local = TimeZone::fixed(offset(2));
        super::parse_in("--time", text, &local).ok().map(|time| time.to_string())
    }

    #[test]
    fn forms() {
        let at_three = Some("2026-11-20T15:04:00Z".to_owned());
        assert_eq!(parse("2026-11-20T15:04:00Z"), at_three);
        assert_eq!(parse("2026-11-20T17:04:00+02:00"), at_three);
        assert_eq!(parse("2026-11-20 17:04"), at_three);
        assert_eq!(parse("2026-11-20T16:04:00[Europe/Berlin]"), at_three);
        assert_eq!(parse("2026-11-20").as_deref(), Some("2026-11-19T22:00:00Z"));
        assert_eq!(
            parse("1969-12-31T23:59:59.5Z").as_deref(),
            Some("1969-12-31T23:59:59.500000000Z")
        );
        for bad in ["", "yesterday", "2026-13-01", "17:04"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
