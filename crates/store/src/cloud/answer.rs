//! What a service answered, or why it didn't, reduced to what decides about an error.
//!
//! Knows HTTP and the XML in which all three services describe errors. Nothing here holds a URL's
//! query, which may be a secret.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use crate::Guard;

/// The longest explanation of a service that is repeated in an error.
const MESSAGE_CHARS_MAX: usize = 300;

/// A service's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The service's own name of the error: `SlowDown`.
    pub(super) code: Option<String>,
    /// The service's explanation.
    pub(super) message: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// The region that the bucket is in, where the answer says so.
    pub(super) region: Option<String>,
    /// The object's whole size, where the answer to a range says so.
    pub(super) object_bytes: Option<u64>,
    /// Whether a copy goes on after this answer.
    pub(super) copy_pending: bool,
    /// How the object is kept.
    pub(super) guard: Guard,
}

/// Why there is no answer, or only a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No byte moved for so long.
    Stuck(Duration),
    /// It took so long in all, which is too long for its size.
    Slow(Duration),
    /// No connection could be made.
    Connect(String),
    /// The other side's certificate is not trusted, or it does not speak TLS.
    Tls(String),
    /// The connection broke.
    Broken(String),
    /// Another service did not give credentials; with its status if it answered.
    Credentials { host: String, status: Option<StatusCode>, what: String },
    /// The request could not be made.
    Request(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stuck(after) => write!(f, "stuck: no byte moved for {} s", after.as_secs()),
            Self::Slow(after) => {
                write!(f, "too slow: not done after {} s, given up", after.as_secs())
            }
            Self::Connect(what) => write!(f, "no connection: {what}"),
            Self::Tls(what) => write!(f, "no secure connection: {what}"),
            Self::Broken(what) => write!(f, "the connection broke: {what}"),
            Self::Credentials { host, status: Some(status), what } => {
                write!(f, "{host} gave no credentials: it answered {status}{what}")
            }
            Self::Credentials { host, status: None, what } => {
                write!(f, "{host} gave no credentials: {what}")
            }
            Self::Request(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Trouble {}

impl Answer {
    /// Understands an answer; `body` is empty unless it is an error's, and `now` is for dates.
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let [code, message, region] = first_texts(body, ["Code", "Message", "Region"]);
        let text = |text: Option<String>| text.as_deref().map(clean);
        let size = header("content-range").and_then(|range| range.rsplit_once('/'));
        Self {
            status,
            code: header("x-ms-error-code").map(clean).or(text(code)),
            message: text(message),
            retry_after: header("retry-after").and_then(|text| retry_after(text, now)),
            region: header("x-amz-bucket-region").map(clean).or(text(region)),
            object_bytes: size.and_then(|(_, size)| size.trim().parse().ok()),
            copy_pending: header("x-ms-copy-status") == Some("pending"),
            guard: guard(header),
        }
    }

    /// The answer as an error repeats it.
    pub(super) fn text(&self) -> String {
        let mut text = format!("it answered {}", self.status.as_u16());
        match (&self.code, self.status.canonical_reason()) {
            (Some(code), _) => text = format!("{text} {code}"),
            (None, Some(reason)) => text = format!("{text} {reason}"),
            (None, None) => {}
        }
        match &self.message {
            Some(message) => format!("{text} ({message})"),
            None => text,
        }
    }
}

/// A bucket without versions gives none, or the one called null.
fn guard<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Guard {
    let version = header("x-amz-version-id").or(header("x-ms-version-id"));
    let until = header("x-amz-object-lock-retain-until-date");
    let until = until.and_then(|until| until.parse::<jiff::Timestamp>().ok());
    Guard {
        is_version: version.is_some_and(|version| version != "null"),
        locked_until: until.map(SystemTime::from),
    }
}

/// The text of the first element of each name in an XML document, at whatever depth; what comes
/// before an error in it counts.
pub(super) fn first_texts<const N: usize>(xml: &[u8], names: [&str; N]) -> [Option<String>; N] {
    let mut found = [const { None::<String> }; N];
    let mut inside = None;
    let mut reader = quick_xml::Reader::from_reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let name = start.local_name();
                let known = names.iter().position(|known| known.as_bytes() == name.as_ref());
                inside = known.filter(|&at| found[at].is_none());
            }
            Ok(Event::End(_)) => inside = None,
            Ok(Event::Text(text)) => add(&mut found, inside, text.decode().ok().as_deref()),
            Ok(Event::GeneralRef(name)) => {
                let letter = name.decode().ok().and_then(|name| resolve_predefined_entity(&name));
                add(&mut found, inside, letter);
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn add(found: &mut [Option<String>], at: Option<usize>, text: Option<&str>) {
    if let (Some(at), Some(text)) = (at, text) {
        found[at].get_or_insert_default().push_str(text);
    }
}

/// One short line without control characters and without what stands behind a `?` in a URL.
fn clean(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words = line.split_whitespace().map(|word| match word.split_once("://") {
        Some(_) => word.split('?').next().unwrap_or_default(),
        None => word,
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}

/// Seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    let until = SystemTime::from(until.timestamp());
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
