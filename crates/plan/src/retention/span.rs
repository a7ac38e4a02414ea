//! Lengths of time as rules have them: `2y5m7d3h`, counted by the calendar.
//!
//! Invariant: a span is not negative.

use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, Zoned};

use crate::{Error, Result};

/// Years, months, weeks, days and hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    numbers: [u16; 5],
}

/// The units, in the order in which they are written.
const UNITS: [char; 5] = ['y', 'm', 'w', 'd', 'h'];

impl Span {
    /// Whether it is of no length.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.numbers == [0; 5]
    }

    /// The time after `start` by this much; none where no calendar has it.
    #[must_use]
    pub fn after(&self, start: &Zoned) -> Option<Zoned> {
        start.checked_add(self.of_calendar()?).ok()
    }

    /// The time before `end` by this much; none where no calendar has it.
    pub(super) fn before(&self, end: &Zoned) -> Option<Timestamp> {
        end.checked_sub(self.of_calendar()?).ok().map(|start| start.timestamp())
    }

    fn of_calendar(&self) -> Option<jiff::Span> {
        let [years, months, weeks, days, hours] = self.numbers.map(i64::from);
        let span = jiff::Span::new()
            .try_years(years)
            .and_then(|span| span.try_months(months))
            .and_then(|span| span.try_weeks(weeks))
            .and_then(|span| span.try_days(days))
            .and_then(|span| span.try_hours(hours));
        span.ok()
    }
}

impl FromStr for Span {
    type Err = Error;

    /// Each unit at most once, the longer before the shorter.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!(
                "{text:?} is no length of time; write one like 2y5m7d3h (years, months, weeks 'w', days, hours)"
            ))
        };
        let mut span = Self::default();
        let (mut rest, mut from) = (text, 0);
        while !rest.is_empty() {
            let end = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, after) = rest.split_at(end);
            let unit = after.chars().next().ok_or_else(wrong)?;
            let place = UNITS[from..].iter().position(|known| *known == unit).ok_or_else(wrong)?;
            span.numbers[from + place] = number.parse().map_err(|_not_a_number| wrong())?;
            from += place + 1;
            rest = &after[unit.len_utf8()..];
        }
        if text.is_empty() { Err(wrong()) } else { Ok(span) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return out.write_str("0h");
        }
        for (number, unit) in self.numbers.iter().zip(UNITS).filter(|(number, _)| **number > 0) {
            write!(out, "{number}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
