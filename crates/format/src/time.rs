//! Points in time, to the nanosecond, and their RFC 3339 text.
//!
//! Has no clock and no time zones: texts are UTC. Invariant: `nanos` is below 1,000,000,000.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// Nanoseconds in a second.
pub const NANOS_PER_SEC: u32 = 1_000_000_000;

const SECS_PER_DAY: i64 = 86_400;
/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what RFC 3339 can say.
const TEXT_RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// A point in time: seconds since 1970-01-01T00:00:00Z without leap seconds, and nanoseconds after that second.
///
/// Its text is RFC 3339 in UTC (`2026-11-20T15:04:05.123456789Z`, the fraction left out when zero), or, outside the
/// years 0 to 9999 that files may bear all the same, `@<secs>.<nine digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Seconds since the Unix epoch, rounded down.
    pub secs: i64,
    /// Nanoseconds after `secs`, below 1,000,000,000.
    pub nanos: u32,
}

impl Time {
    /// A time from seconds and nanoseconds; `None` when `nanos` is a second or more.
    #[must_use]
    pub fn new(secs: i64, nanos: u32) -> Option<Self> {
        (nanos < NANOS_PER_SEC).then_some(Self { secs, nanos })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !TEXT_RANGE.contains(&self.secs) {
            return write!(f, "@{}.{:09}", self.secs, self.nanos);
        }
        let (year, month, day) = date_of_day(self.secs.div_euclid(SECS_PER_DAY));
        let second = self.secs.rem_euclid(SECS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos != 0 {
            write!(f, ".{:09}", self.nanos)?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let form = "a time in UTC like 2026-11-20T15:04:05Z";
            Error::invalid("time", format!("expected {form}, found {text:?}"))
        })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn parse(text: &str) -> Option<Time> {
    if let Some(raw) = text.strip_prefix('@') {
        let (secs, nanos) = raw.split_once('.')?;
        let time = Time { secs: secs.parse().ok()?, nanos: fraction(nanos)? };
        // One time has one text, so what has an RFC 3339 text or another spelling is refused here.
        return (time.to_string() == text).then_some(time);
    }
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(place, sign)| bytes[*place] != *sign) {
        return None;
    }
    let year = number(&bytes[..4])?;
    let (month, day) = (number(&bytes[5..7])?, number(&bytes[8..10])?);
    let (hour, minute, second) =
        (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let nanos = match text[19..].strip_suffix('Z')? {
        "" => 0,
        rest => fraction(rest.strip_prefix('.')?)?,
    };
    let secs = day_of_date(year, month, day) * SECS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(Time { secs, nanos })
}

/// One to nine digits after the point, as nanoseconds.
fn fraction(digits: &str) -> Option<u32> {
    let value = number(digits.as_bytes())?;
    let missing = 9_usize.checked_sub(digits.len())?;
    u32::try_from(value * 10_i64.pow(u32::try_from(missing).ok()?)).ok()
}

fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date, by counting years from March in eras of 400 years.
fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse of [`day_of_date`].
fn date_of_day(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests;
