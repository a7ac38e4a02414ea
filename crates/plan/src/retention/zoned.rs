//! Times in a zone, and the periods that they fall into there.
//!
//! Knows the calendar only. Times that no calendar has are taken as its ends.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lifeboat_format::Time;

use super::rule;
use super::span::Span;

/// A point in time as a calendar sees it.
pub(super) struct Moment(Zoned);

/// A period of some length, or one snapshot alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Period {
    Alone(usize),
    Of([i16; 4]),
}

impl Moment {
    pub(super) fn of(time: Time, zone: &TimeZone) -> Self {
        let nanos = i32::try_from(time.nanos).unwrap_or(0);
        let stamp = Timestamp::new(time.secs, nanos).unwrap_or(if time.secs < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        Self(stamp.to_zoned(zone.clone()))
    }

    /// The period of this length that it is in; `place` says which snapshot it is of.
    pub(super) fn period(&self, period: rule::Period, place: usize) -> Period {
        let date = self.0.date();
        let (year, month, day) = (date.year(), i16::from(date.month()), i16::from(date.day()));
        Period::Of(match period {
            rule::Period::Each => return Period::Alone(place),
            rule::Period::Hour => [year, month, day, i16::from(self.0.hour())],
            rule::Period::Day => [year, month, day, 0],
            rule::Period::Week => {
                // The weeks of ISO 8601 begin on Mondays, and the first of a year is the one with its first Thursday.
                let week = date.iso_week_date();
                [week.year(), i16::from(week.week()), 0, 0]
            }
            rule::Period::Month => [year, month, 0, 0],
            rule::Period::Quarter => [year, (month - 1) / 3, 0, 0],
            rule::Period::Year => [year, 0, 0, 0],
        })
    }

    /// The time before this one by so much, or the first of all.
    pub(super) fn before(&self, span: &Span) -> Timestamp {
        span.before(&self.0).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn is_after(&self, start: Timestamp) -> bool {
        self.0.timestamp() > start
    }
}
