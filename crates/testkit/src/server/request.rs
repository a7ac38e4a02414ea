//! Requests as they arrived: what they ask for, and what a test can see of them afterwards.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// What a request asks for, in either dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// To store an object.
    Put,
    /// To store an object with the content of another.
    Copy,
    /// To read an object or a part of it.
    Get,
    /// To look at an object.
    Head,
    /// To list objects, a page at a time.
    List,
    /// To delete an object.
    Delete,
    /// To delete several objects.
    DeleteMany,
    /// Something about the bucket or the settings of an object.
    Other,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asked for.
    pub operation: Operation,
    /// Its method.
    pub method: String,
    /// Its path, decoded.
    pub path: String,
    /// The key of its object, or the prefix of a list.
    pub key: String,
    /// Its parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// Its headers, by names in lower case.
    pub headers: Vec<(String, String)>,
    /// The answer's status; `None` if there was no answer, or not yet.
    pub status: Option<u16>,
    /// How many bytes its content had, as far as it was read.
    pub received_bytes: u64,
    /// How many bytes the answer's content had, as far as it was meant to be sent.
    pub sent_bytes: u64,
    /// Whether a fault other than a delay was done to it.
    pub faulty: bool,
}

impl Request {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What comes before the content of a request.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    /// The path as it was sent: what a signature is about.
    pub(super) raw_path: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
}

impl Head {
    pub(super) fn new(parts: Parts) -> Self {
        let raw_path = parts.uri.path().to_owned();
        let path = raw_path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let (bucket, key) = (decode(bucket), decode(key));
        let pairs =
            parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        });
        let query = query.collect();
        Self { method: parts.method, raw_path, bucket, key, query, headers: parts.headers }
    }

    /// The header, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Whether it is to replace nothing.
    pub(super) fn creates(&self) -> bool {
        self.header("if-none-match") == Some("*")
            || self.header("x-goog-if-generation-match") == Some("0")
    }

    pub(super) fn operation(&self) -> Operation {
        let copies = ["x-amz-copy-source", "x-goog-copy-source"];
        let aside = [
            "versioning",
            "versions",
            "retention",
            "object-lock",
            "legal-hold",
            "location",
            "uploads",
        ];
        if aside.iter().any(|name| self.query.contains_key(*name)) {
            return Operation::Other;
        }
        match (&self.method, self.key.is_empty()) {
            (&Method::GET, true) => Operation::List,
            (&Method::POST, true) if self.query.contains_key("delete") => Operation::DeleteMany,
            (_, true) => Operation::Other,
            (&Method::GET, _) => Operation::Get,
            (&Method::HEAD, _) => Operation::Head,
            (&Method::DELETE, _) => Operation::Delete,
            (&Method::PUT, _) if copies.iter().any(|name| self.headers.contains_key(*name)) => {
                Operation::Copy
            }
            (&Method::PUT, _) => Operation::Put,
            _ => Operation::Other,
        }
    }

    /// The key, or what a list's keys begin with.
    pub(super) fn subject(&self) -> &str {
        if self.key.is_empty() { self.parameter("prefix").unwrap_or_default() } else { &self.key }
    }

    /// What is written down of it.
    pub(super) fn entry(&self) -> Request {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Request {
            operation: self.operation(),
            method: self.method.to_string(),
            path: decode(&self.raw_path),
            key: self.subject().to_owned(),
            query: self.query.clone(),
            headers: self.headers.iter().map(header).collect(),
            status: None,
            received_bytes: 0,
            sent_bytes: 0,
            faulty: false,
        }
    }
}

pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
