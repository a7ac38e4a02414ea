//! Rules: what each keeps, and how it is called.

use std::fmt;
use std::str::FromStr;

use super::span::Span;
use crate::{Error, Result};

/// Of which stretches of time one snapshot each is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Each snapshot for itself.
    Each,
    /// Hours of the day.
    Hour,
    /// Days.
    Day,
    /// Weeks, from Monday on.
    Week,
    /// Months.
    Month,
    /// Quarters of the year.
    Quarter,
    /// Years.
    Year,
}

/// How many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// As many as there are.
    All,
    /// So many.
    Of(u32),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One of each of the newest periods.
    Count {
        /// Of which.
        period: Period,
        /// Of how many.
        count: Count,
    },
    /// One of each period that is less old than the newest snapshot by so much.
    Within {
        /// Of which.
        period: Period,
        /// By how much.
        span: Span,
    },
    /// All that have these tags.
    Tags(Vec<String>),
}

impl Rule {
    /// Whether it can keep anything.
    #[must_use]
    pub fn keeps_something(&self) -> bool {
        match self {
            Self::Count { count, .. } => count.has_room(0),
            Self::Within { span, .. } => !span.is_zero(),
            Self::Tags(tags) => !tags.is_empty(),
        }
    }
}

impl Count {
    /// Whether one more may be kept besides `used`.
    pub(super) fn has_room(self, used: usize) -> bool {
        match self {
            Self::All => true,
            Self::Of(count) => used < count as usize,
        }
    }
}

impl Period {
    fn name(self) -> &'static str {
        match self {
            Self::Each => "last",
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Quarter => "quarterly",
            Self::Year => "yearly",
        }
    }
}

impl FromStr for Count {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if matches!(text, "-1" | "unlimited") {
            return Ok(Self::All);
        }
        text.parse().map(Self::Of).map_err(|_not_a_number| {
            Error::new(format!("{text:?} is no number; write one, or -1 or unlimited for all"))
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { period, .. } => out.write_str(period.name()),
            Self::Within { period: Period::Each, span } => write!(out, "within {span}"),
            Self::Within { period, span } => write!(out, "{} within {span}", period.name()),
            Self::Tags(tags) => write!(out, "tags {}", tags.join(",")),
        }
    }
}
