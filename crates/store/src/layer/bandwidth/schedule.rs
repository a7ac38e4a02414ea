//! A timetable of limits, and how people write it.
//!
//! Knows days of the week and minutes; reads no clock, and no time zone: the local time is given.
//! The text is a list of entries, separated by semicolons:
//!
//! ```text
//! timetable := entry (";" entry)*
//! entry     := limit                          at every other time
//!            | [days] from "-" to "=" limit   from and to are local times, 00:00 to 24:00
//! days      := day ["-" day] ("," day ["-" day])*
//! day       := "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun"
//! limit     := number [unit] | "off"          bytes a second; "off" for no limit
//! unit      := "K" | "M" | "G" | "KiB" | "MiB" | "GiB"     powers of 1024
//!            | "KB" | "MB" | "GB"                          powers of 1000
//! ```
//!
//! Without days every day is meant. A stretch whose end is not after its begin goes on past
//! midnight and belongs to the day on which it begins. The first entry that covers a moment counts;
//! at other times the limit without a time does, and without one there is none.

use std::num::NonZeroU64;

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// As the program's other sizes.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

const MINUTES_PER_DAY: u16 = 24 * 60;

/// A minute of the week, by the local clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    day: u8,
    minute: u16,
}

/// Limits by the time of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    entries: Vec<Entry>,
    otherwise: Option<NonZeroU64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// From Monday on.
    days: [bool; 7],
    from: u16,
    to: u16,
    limit: Option<NonZeroU64>,
}

impl Moment {
    /// Monday, 00:00.
    pub const MIDNIGHT: Self = Self { day: 0, minute: 0 };

    /// `day` counts from 0 for Monday, `minute` from midnight; what lies beyond a week or a day
    /// is taken as their last.
    pub fn new(day: u8, minute: u16) -> Self {
        Self { day: day.min(6), minute: minute.min(MINUTES_PER_DAY - 1) }
    }
}

impl Schedule {
    /// One limit at all times.
    pub fn always(bytes_per_second: NonZeroU64) -> Self {
        Self { entries: Vec::new(), otherwise: Some(bytes_per_second) }
    }

    /// Understands a timetable such as `10M` or `22:00-06:00=off; mon-fri 08:00-18:00=5M; 20M`.
    ///
    /// # Errors
    /// A sentence on what is wrong with which part.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut schedule = Self { entries: Vec::new(), otherwise: None };
        let mut default_given = false;
        for part in text.split(';').map(str::trim) {
            match part.rsplit_once('=') {
                Some((when, limit)) => {
                    let limit = parse_limit(limit.trim())?;
                    schedule.entries.push(parse_when(when.trim(), limit)?);
                }
                None if part.is_empty() => {
                    return Err("an entry of the timetable is empty; write 10M, off, or \
                                mon-fri 08:00-18:00=5M"
                        .to_owned());
                }
                None if default_given => {
                    return Err(format!("{part:?} is a second limit for every other time"));
                }
                None => {
                    schedule.otherwise = parse_limit(part)?;
                    default_given = true;
                }
            }
        }
        Ok(schedule)
    }

    /// The limit at that moment, in bytes a second; `None` for no limit.
    pub fn limit_at(&self, moment: Moment) -> Option<NonZeroU64> {
        let entry = self.entries.iter().find(|entry| entry.covers(moment));
        entry.map_or(self.otherwise, |entry| entry.limit)
    }

    /// The lowest limit of the week, in bytes a second; `None` if nothing is ever limited.
    pub fn slowest(&self) -> Option<NonZeroU64> {
        self.entries.iter().filter_map(|entry| entry.limit).chain(self.otherwise).min()
    }
}

impl Entry {
    fn covers(&self, moment: Moment) -> bool {
        let today = self.days[usize::from(moment.day)];
        if self.from < self.to {
            return today && (self.from..self.to).contains(&moment.minute);
        }
        let yesterday = self.days[usize::from((moment.day + 6) % 7)];
        (today && moment.minute >= self.from) || (yesterday && moment.minute < self.to)
    }
}

fn parse_when(when: &str, limit: Option<NonZeroU64>) -> Result<Entry, String> {
    let (days, times) = match when.rsplit_once(char::is_whitespace) {
        Some((days, times)) => (parse_days(days.trim())?, times),
        None => ([true; 7], when),
    };
    let (from, to) = times
        .split_once('-')
        .ok_or_else(|| format!("{times:?} is not a stretch of time; write 08:00-18:00"))?;
    let (from, to) = (parse_time(from)?, parse_time(to)?);
    if from == to || from == MINUTES_PER_DAY {
        return Err(format!("{times:?} is empty; the whole day is 00:00-24:00"));
    }
    Ok(Entry { days, from, to, limit })
}

fn parse_days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        // fri-mon goes round the end of the week.
        let mut day = first;
        days[day] = true;
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<usize, String> {
    let name = text.trim().to_ascii_lowercase();
    DAY_NAMES
        .iter()
        .position(|day| *day == name)
        .ok_or_else(|| format!("{text:?} is not a day; write {}", DAY_NAMES.join(", ")))
}

fn parse_time(text: &str) -> Result<u16, String> {
    let text = text.trim();
    let digits = |part: &str, most: u16| {
        let plain = !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|number: &u16| plain && *number <= most)
    };
    let parsed = text
        .split_once(':')
        .and_then(|(hours, minutes)| Some(digits(hours, 24)? * 60 + digits(minutes, 59)?));
    parsed
        .filter(|minute| *minute <= MINUTES_PER_DAY)
        .ok_or_else(|| format!("{text:?} is not a time of day; write 00:00 to 24:00"))
}

fn parse_limit(text: &str) -> Result<Option<NonZeroU64>, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let bad = || format!("{text:?} is not a limit; write 500K, 10M or 1G (bytes a second), or off");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(bad)?.1;
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    let bytes = NonZeroU64::new(bytes.ok_or_else(bad)?);
    // A limit of nothing would only look like a hang.
    bytes.map(Some).ok_or_else(|| format!("{text:?} lets nothing pass; write off for no limit"))
}

#[cfg(test)]
mod tests;
