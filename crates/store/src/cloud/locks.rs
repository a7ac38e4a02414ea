//! Locks and versions of S3 and its like.
//!
//! Makes its own requests with the store's client, as `settings` does. Each call is one attempt.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::checksum::Checksum;
use super::failure;
use super::policy::{self, Policy};
use super::settings::{Ask, Settings, encoded};
use super::traffic::RequestClass;
use crate::locking::{Locking, Version, VersionMark, VersionPage};
use crate::options::{Now, ObjectLock};
use crate::{Error, ErrorKind, Payload, Result, validate_key, validate_prefix};

/// The locks of one bucket.
#[derive(Debug)]
pub(super) struct S3Locks {
    settings: Settings,
    policy: Policy,
    now: NowOf,
}

/// A clock that can be shown.
struct NowOf(Now);

impl std::fmt::Debug for NowOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

impl S3Locks {
    pub(super) fn new(settings: Settings, policy: Policy, now: Now) -> Self {
        Self { settings, policy, now: NowOf(now) }
    }

    async fn send(
        &self,
        class: RequestClass,
        operation: &'static str,
        key: &str,
        ask: Ask<'_>,
    ) -> Result<Bytes> {
        let sent = self.settings.send(class, operation, key, ask).await?;
        sent.map_err(|seen| failure::error(class, operation, key, seen))
    }
}

#[async_trait]
impl Locking for S3Locks {
    fn lock_new(&self, lock: Option<ObjectLock>) {
        self.policy.lock_new(lock);
    }

    async fn locked_until(&self, key: &str) -> Result<Option<SystemTime>> {
        let retention = self.settings.retention(key).await?;
        Ok(retention.map(|retention| retention.until))
    }

    async fn extend(&self, key: &str, lock: ObjectLock, until: SystemTime) -> Result<()> {
        const OPERATION: &str = "extend the lock of";
        validate_key(OPERATION, key)?;
        let date = policy::date(until).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, OPERATION, key)
                .with_detail("the end of the lock is beyond the calendar")
        })?;
        let mode = policy::mode(lock);
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{date}</RetainUntilDate></Retention>"
        );
        let body = Bytes::from(body);
        let mut ask = Ask { query: "retention".to_owned(), body, ..Ask::new(Method::PUT, key) };
        // Every service takes this one here, and some no other.
        let (name, value) =
            Checksum::Md5.compute(&Payload::from(ask.body.clone()), false).await.header;
        ask.headers.insert(name, value);
        self.send(RequestClass::Settings, OPERATION, key, ask).await.map(drop)
    }

    async fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage> {
        const OPERATION: &str = "list versions";
        validate_prefix(OPERATION, prefix)?;
        let escape = |text: &str| encoded(text).replace('/', "%2F");
        let mut query = String::new();
        if let Some(VersionMark { key, id }) = after {
            query = format!("key-marker={}&", escape(&self.settings.whole(key)));
            query = format!("{query}prefix={}", escape(&self.settings.whole(prefix)));
            query = format!("{query}&version-id-marker={}", escape(id));
        } else {
            query.push_str("prefix=");
            query.push_str(&escape(&self.settings.whole(prefix)));
        }
        query.push_str("&versions=");
        let ask = Ask { query, ..Ask::new(Method::GET, "") };
        let body = self.send(RequestClass::List, OPERATION, prefix, ask).await?;
        let page = Listing::parse(&body).and_then(|listing| listing.page(&self.settings.whole("")));
        page.ok_or_else(|| {
            Error::new(ErrorKind::Other, OPERATION, prefix)
                .with_detail("the service's answer is not understood")
        })
    }

    async fn get_version(&self, key: &str, id: &str) -> Result<Bytes> {
        const OPERATION: &str = "get a version of";
        validate_key(OPERATION, key)?;
        let query = format!("versionId={}", encoded(id).replace('/', "%2F"));
        let ask = Ask { query, ..Ask::new(Method::GET, key) };
        self.send(RequestClass::Get, OPERATION, key, ask).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<()> {
        const OPERATION: &str = "delete a version of";
        validate_key(OPERATION, key)?;
        let query = format!("versionId={}", encoded(id).replace('/', "%2F"));
        let ask = Ask { query, ..Ask::new(Method::DELETE, key) };
        match self.send(RequestClass::Delete, OPERATION, key, ask).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    async fn bring_back(&self, key: &str, id: &str) -> Result<()> {
        const OPERATION: &str = "bring back";
        validate_key(OPERATION, key)?;
        let mut ask = Ask::new(Method::PUT, key);
        ask.headers = self.policy.of_copy(key, (self.now.0)())?;
        let bucket = &self.settings.bucket().name;
        let source =
            format!("/{bucket}/{}?versionId={}", encoded(&self.settings.whole(key)), encoded(id));
        let source = HeaderValue::try_from(source).map_err(|_error| {
            Error::new(ErrorKind::Invalid, OPERATION, key).with_detail("the version can't be named")
        })?;
        ask.headers.insert("x-amz-copy-source", source);
        self.send(RequestClass::Copy, OPERATION, key, ask).await.map(drop)
    }
}

/// A page of versions as the service tells it.
#[derive(Debug, Default)]
struct Listing {
    versions: Vec<Told>,
    next_key: String,
    next_id: String,
    is_truncated: bool,
}

#[derive(Debug, Default)]
struct Told {
    is_marker: bool,
    key: String,
    id: String,
    is_latest: bool,
    size: String,
    modified: String,
}

impl Listing {
    fn parse(xml: &[u8]) -> Option<Self> {
        let mut listing = Self::default();
        let mut told: Option<Told> = None;
        let mut text = String::new();
        let mut reader = quick_xml::Reader::from_reader(xml);
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    text.clear();
                    match start.local_name().as_ref() {
                        b"Version" => told = Some(Told::default()),
                        b"DeleteMarker" => told = Some(Told { is_marker: true, ..Told::default() }),
                        _ => {}
                    }
                }
                Event::Text(part) => text.push_str(&part.decode().ok()?),
                Event::GeneralRef(name) => match name.resolve_char_ref() {
                    Ok(Some(letter)) => text.push(letter),
                    _ => text.push_str(resolve_predefined_entity(&name.decode().ok()?)?),
                },
                Event::End(end) => {
                    let value = std::mem::take(&mut text);
                    match (end.local_name().as_ref(), told.as_mut()) {
                        (b"Version" | b"DeleteMarker", _) => listing.versions.extend(told.take()),
                        (name, Some(told)) => told.take(name, value),
                        (b"NextKeyMarker", None) => listing.next_key = value,
                        (b"NextVersionIdMarker", None) => listing.next_id = value,
                        (b"IsTruncated", None) => listing.is_truncated = value == "true",
                        _ => {}
                    }
                }
                Event::Eof => return Some(listing),
                _ => {}
            }
        }
    }

    /// The page, of the keys below the prefix of the store.
    fn page(self, prefix: &str) -> Option<VersionPage> {
        let ours = |key: &str| key.strip_prefix(prefix).map(str::to_owned);
        let next = match self.is_truncated {
            true => Some(VersionMark { key: ours(&self.next_key)?, id: self.next_id }),
            false => None,
        };
        let versions: Option<Vec<Version>> =
            self.versions.into_iter().map(|told| told.version(prefix)).collect();
        Some(VersionPage { versions: versions?, next })
    }
}

impl Told {
    fn take(&mut self, name: &[u8], value: String) {
        match name {
            b"Key" => self.key = value,
            b"VersionId" => self.id = value,
            b"IsLatest" => self.is_latest = value == "true",
            b"Size" => self.size = value,
            b"LastModified" => self.modified = value,
            _ => {}
        }
    }

    fn version(self, prefix: &str) -> Option<Version> {
        let modified: jiff::Timestamp = self.modified.parse().ok()?;
        Some(Version {
            key: self.key.strip_prefix(prefix)?.to_owned(),
            id: self.id,
            is_marker: self.is_marker,
            is_latest: self.is_latest,
            size: if self.is_marker { 0 } else { self.size.parse().ok()? },
            modified: modified.into(),
        })
    }
}

#[cfg(test)]
mod tests;
