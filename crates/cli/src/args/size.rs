//! Sizes, periods and shares as people type them: `256MiB`, `5m`, `3%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a size; write 4096, 64KiB, 256MiB or 2GiB");
        let (number, unit) = split(text).ok_or_else(bad)?;
        let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (_, factor) = factor.ok_or_else(bad)?;
        number.checked_mul(*factor).map(Self).ok_or_else(|| format!("{text:?} is too large"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a length of time; write 30s, 5m, 2h or 1d");
        let (number, unit) = split(text).ok_or_else(bad)?;
        let seconds = match unit {
            "s" | "" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(bad()),
        };
        number.checked_mul(seconds).map(Duration::from_secs).map(Self).ok_or_else(bad)
    }
}

/// A part of something, in thousandths: `3%`, `0.5%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Percent(u16);

impl Percent {
    /// The thousandths; 1000 at most.
    pub(crate) fn permille(self) -> u16 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no percentage; write 3%, 0.5% or 0%, 100% at most");
        let number = text.trim().strip_suffix('%').ok_or_else(bad)?.trim_end();
        let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        if !is_digits(whole) || !is_digits(tenths) || tenths.len() != 1 {
            return Err(bad());
        }
        let permille = format!("{whole}{tenths}").parse().ok().filter(|permille| *permille <= 1000);
        permille.map(Self).ok_or_else(bad)
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ByteSize, Percent, Period};

    #[test]
    fn sizes() {
        assert_eq!("256MiB".parse(), Ok(ByteSize(256 << 20)));
        assert_eq!("64 k".parse(), Ok(ByteSize(64 << 10)));
        assert_eq!("5GB".parse(), Ok(ByteSize(5_000_000_000)));
        assert!("12 apples".parse::<ByteSize>().is_err());
        assert!("".parse::<ByteSize>().is_err());
        assert!("99999999999TiB".parse::<ByteSize>().is_err());
    }

    #[test]
    fn periods() {
        assert_eq!("5m".parse(), Ok(Period(Duration::from_secs(300))));
        assert_eq!("90".parse(), Ok(Period(Duration::from_secs(90))));
        assert!("5 weeks".parse::<Period>().is_err());
    }

    #[test]
    fn percentages() {
        for (text, permille) in
            [("3%", 30), ("0%", 0), ("0.5%", 5), ("12.3 %", 123), ("100%", 1000)]
        {
            assert_eq!(text.parse::<Percent>().unwrap().permille(), permille, "{text}");
        }
        for text in ["", "%", "3", ".5%", "3.%", "0.55%", "100.1%", "-1%", "+3%", "99999999%"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }
}
