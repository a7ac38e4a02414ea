//! How the process gives way to others: options, environment and configuration file made into values,
//! each with where it comes from.
//!
//! What the file says of a repository holds when that one is used. Knows how values are written; what
//! they do is `priority`'s and `yielding`'s.

use std::fmt;

use anyhow::Result;

use super::place::{Given, Place, Said};
use crate::args::PoliteArgs;
use crate::exit::Usage;
use crate::priority::IoClass;

/// The values in force; all are left as they are by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Polite {
    /// The niceness of all threads.
    pub(crate) nice: Option<Valued<i32>>,
    /// How soon the disk serves the process.
    pub(crate) io_class: Option<Valued<IoClass>>,
    /// How long others may be kept waiting, in percent of the time; 0 for as long as it takes.
    pub(crate) yield_to_load: Option<Valued<u8>>,
}

/// A value, and where it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Valued<T> {
    pub(crate) value: T,
    pub(crate) origin: String,
}

/// What options and the environment say, whichever repository is used.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoliteSettings {
    nice: Option<Given>,
    io_class: Option<Given>,
    yield_to_load: Option<Given>,
}

impl PoliteSettings {
    /// What options say, then the environment.
    pub(super) fn new(args: &PoliteArgs) -> Result<Self> {
        let given = Given::first;
        Ok(Self {
            nice: given(args.nice.as_ref(), "--nice", "LIFEBOAT_NICE")?,
            io_class: given(args.io_class.as_ref(), "--io-class", "LIFEBOAT_IO_CLASS")?,
            yield_to_load: given(
                args.yield_to_load.as_ref(),
                "--yield-to-load",
                "LIFEBOAT_YIELD_TO_LOAD",
            )?,
        })
    }

    /// The values in force for this repository.
    ///
    /// # Errors
    /// [`Usage`] for what makes no sense, naming where it was said.
    pub(crate) fn of(&self, place: Option<&Place>) -> Result<Polite> {
        let entry = place.and_then(|place| place.entry.as_ref()).map(|(entry, _)| entry);
        let nice = entry.and_then(|entry| Some(entry.nice?.to_string()));
        let io_class = entry.and_then(|entry| entry.io_class.clone());
        let load = entry.and_then(|entry| Some(entry.yield_to_load?.to_string()));
        let nice = Given::or_of_file(self.nice.as_ref(), nice, place);
        let io_class = Given::or_of_file(self.io_class.as_ref(), io_class, place);
        let load = Given::or_of_file(self.yield_to_load.as_ref(), load, place);
        Ok(Polite {
            nice: valued("nice", nice, niceness)?,
            io_class: valued("io-class", io_class, |text| text.parse())?,
            yield_to_load: valued("yield-to-load", load, percent)?,
        })
    }
}

impl Polite {
    /// What was said, for people.
    pub(crate) fn said(&self) -> Vec<Said> {
        fn said<T: fmt::Display>(member: &'static str, valued: Option<&Valued<T>>) -> Option<Said> {
            let Valued { value, origin } = valued?;
            Some(Said { member, value: value.to_string(), origin: origin.clone() })
        }
        let all = [
            said("nice", self.nice.as_ref()),
            said("io-class", self.io_class.as_ref()),
            said("yield-to-load", self.yield_to_load.as_ref()),
        ];
        all.into_iter().flatten().collect()
    }
}

fn valued<T>(
    member: &str,
    said: Option<(String, String)>,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<Option<Valued<T>>> {
    let Some((text, origin)) = said else { return Ok(None) };
    let value = parse(&text).map_err(|error| Usage(format!("{member} ({origin}): {error}")))?;
    Ok(Some(Valued { value, origin }))
}

fn niceness(text: &str) -> std::result::Result<i32, String> {
    let number = text.parse().ok().filter(|number| (-20..=19).contains(number));
    number.ok_or_else(|| format!("{text:?} is no niceness; write a number from -20 to 19 (last)"))
}

fn percent(text: &str) -> std::result::Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|number| *number < 100);
    number.ok_or_else(|| format!("{text:?} is no percentage; write 1 to 99, or 0 for never"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Purpose;

    fn given(value: &str, origin: &'static str) -> Option<Given> {
        Some(Given { value: value.to_owned(), origin })
    }

    fn place(entry: &str) -> Place {
        let entry = toml::from_str(entry).unwrap();
        Place {
            name: Some("prod".to_owned()),
            text: "dir".to_owned(),
            directory: "/etc".into(),
            purpose: Purpose::Ordinary,
            entry: Some((entry, "/etc/config.toml".into())),
        }
    }

    #[test]
    fn options_go_before_the_file() {
        let place = place("url = 'x'\nnice = 10\nio-class = 'idle'\nyield-to-load = 5\n");
        let file = "/etc/config.toml".to_owned();
        let polite = PoliteSettings::default().of(Some(&place)).unwrap();
        assert_eq!(polite.nice, Some(Valued { value: 10, origin: file.clone() }));
        assert_eq!(polite.io_class, Some(Valued { value: IoClass::Idle, origin: file.clone() }));
        assert_eq!(polite.yield_to_load, Some(Valued { value: 5, origin: file }));
        let said: Vec<_> =
            polite.said().into_iter().map(|said| (said.member, said.value)).collect();
        let values = ["10", "idle", "5"].map(str::to_owned);
        assert_eq!(
            said,
            Vec::from_iter(["nice", "io-class", "yield-to-load"].into_iter().zip(values))
        );

        let settings = PoliteSettings {
            nice: given("-1", "--nice"),
            io_class: given("best-effort", "LIFEBOAT_IO_CLASS"),
            yield_to_load: given("0", "--yield-to-load"),
        };
        let polite = settings.of(Some(&place)).unwrap();
        assert_eq!(polite.nice, Some(Valued { value: -1, origin: "--nice".to_owned() }));
        assert_eq!(polite.io_class.unwrap().value, IoClass::BestEffort(4));
        assert_eq!(polite.yield_to_load.unwrap().value, 0);
        assert_eq!(PoliteSettings::default().of(None).unwrap(), Polite::default());
    }

    #[test]
    fn errors_say_where_it_was_said() {
        let nice = |text| {
            let settings = PoliteSettings { nice: given(text, "--nice"), ..Default::default() };
            settings.of(None).map(|polite| polite.nice.unwrap().value)
        };
        assert_eq!((nice("-20").unwrap(), nice("19").unwrap()), (-20, 19));
        for wrong in ["20", "-21", "ten", "1.5"] {
            let error = nice(wrong).unwrap_err().to_string();
            assert!(error.starts_with("nice (--nice): "), "{error}");
        }
        let load = |text| {
            let yield_to_load = given(text, "LIFEBOAT_YIELD_TO_LOAD");
            let settings = PoliteSettings { yield_to_load, ..Default::default() };
            settings.of(None).map(|polite| polite.yield_to_load.unwrap().value)
        };
        assert_eq!((load("1").unwrap(), load("99%").unwrap()), (1, 99));
        for wrong in ["100", "-1", "much", "%"] {
            let error = load(wrong).unwrap_err().to_string();
            assert!(error.starts_with("yield-to-load (LIFEBOAT_YIELD_TO_LOAD): "), "{error}");
        }
        let class = PoliteSettings::default().of(Some(&place("url = 'x'\nio-class = 'last'\n")));
        let class = class.unwrap_err().to_string();
        assert!(class.starts_with("io-class (/etc/config.toml): "), "{class}");
    }
}
