//! A calendar: a row for each month, with a sign for each day that has a snapshot.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lifeboat_format::time::Time;

/// The days of months, above all rows.
const HEADING: &str = "         1   5    10   15   20   25   30";
const LEGEND: &str = "         # kept, - goes, + some are kept and some go";

/// What is kept, and what goes, by days.
pub(crate) struct Calendar {
    zone: TimeZone,
    /// By year and month, the signs of the days.
    months: BTreeMap<(i16, i8), [char; 31]>,
}

impl Calendar {
    /// One whose days begin in this zone.
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone, months: BTreeMap::new() }
    }

    /// Notes that there is a snapshot of this time, and whether it is kept. What no calendar has is left out.
    pub(crate) fn mark(&mut self, time: Time, is_kept: bool) {
        let Ok(stamp) = Timestamp::from_second(time.secs) else { return };
        let date = stamp.to_zoned(self.zone.clone()).date();
        let month = self.months.entry((date.year(), date.month())).or_insert(['.'; 31]);
        let sign = &mut month[usize::try_from(date.day() - 1).expect("days count from 1")];
        *sign = match (*sign, is_kept) {
            ('.' | '#', true) => '#',
            ('.' | '-', false) => '-',
            _ => '+',
        };
    }

    /// The rows, without months that have no snapshot.
    pub(crate) fn lines(&self) -> Vec<String> {
        let row = |((year, month), signs): (&(i16, i8), &[char; 31])| {
            format!("{year:04}-{month:02}  {}", signs.iter().collect::<String>())
        };
        let mut lines = vec![HEADING.to_owned()];
        lines.extend(self.months.iter().map(row));
        lines.push(LEGEND.to_owned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};
    use lifeboat_format::time::Time;

    use super::Calendar;

    #[test]
    fn days_have_signs() {
        let mut calendar = Calendar::new(TimeZone::fixed(offset(1)));
        let day = 86_400;
        // 2026-11-20T23:30:00Z is the next day there.
        let noon = 1_795_176_000;
        for (secs, is_kept) in [
            (noon + 41_400, true),
            (noon, false),
            (noon - day, true),
            (noon - day - 60, false),
            (noon - 30 * day, true),
            (i64::MAX, true),
        ] {
            calendar.mark(Time { secs, nanos: 0 }, is_kept);
        }
        assert_eq!(
            calendar.lines(),
            [
                "         1   5    10   15   20   25   30",
                "2026-10  ....................#..........",
                "2026-11  ..................+-#..........",
                "         # kept, - goes, + some are kept and some go",
            ]
        );
    }
}
