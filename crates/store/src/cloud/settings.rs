//! How a bucket and its objects are set up, as far as `object_store` can't ask: S3's versions and
//! locks.
//!
//! Makes its own requests with the store's client, which signs and counts them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use object_store::client::{HttpClient, HttpRequestBody};

use super::answer::first_texts;
use super::call::{Call, Seen};
use super::client::Service;
use super::failure;
use super::traffic::RequestClass;
use crate::options::LockMode;
use crate::url::{Bucket, Provider};
use crate::{Error, ErrorKind, Result, validate_key};

/// Whether a bucket keeps what is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    Off,
    /// Every object that is deleted stays as a version.
    Enabled,
    /// It did, and has kept those versions.
    Suspended,
}

/// Until when an object can't be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Who may still delete it.
    pub mode: LockMode,
    /// The end of the lock.
    pub until: SystemTime,
}

/// How services say that an object has no lock, or a bucket none at all.
const NOT_SET_UP: [&str; 3] =
    ["NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"];

/// A request of our own.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The object's key; empty for the bucket.
    pub(super) key: &'a str,
    /// As it is sent.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, key: &'a str) -> Self {
        let (query, headers, body) = (String::new(), HeaderMap::new(), Bytes::new());
        Self { method, key, query, headers, body }
    }
}

/// Asks for settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    client: HttpClient,
    base: Uri,
    bucket: Bucket,
}

impl Settings {
    pub(super) fn new(bucket: &Bucket, base: Uri, service: &Service) -> Self {
        Self { client: HttpClient::new(service.clone()), base, bucket: bucket.clone() }
    }

    pub(super) async fn versioning(&self) -> Result<Versioning> {
        const OPERATION: &str = "versions of";
        let place = self.bucket.to_string();
        self.must_be_s3(OPERATION, &place)?;
        let body = self.ask(OPERATION, &place, "", "versioning").await?.unwrap_or_default();
        let [status] = first_texts(&body, ["Status"]);
        match status.as_deref() {
            None => Ok(Versioning::Off),
            Some("Enabled") => Ok(Versioning::Enabled),
            Some("Suspended") => Ok(Versioning::Suspended),
            Some(other) => Err(unknown(OPERATION, &place, other)),
        }
    }

    pub(super) async fn retention(&self, key: &str) -> Result<Option<Retention>> {
        const OPERATION: &str = "lock of";
        validate_key(OPERATION, key)?;
        self.must_be_s3(OPERATION, key)?;
        let Some(body) = self.ask(OPERATION, key, key, "retention").await? else {
            return Ok(None);
        };
        let [mode, until] = first_texts(&body, ["Mode", "RetainUntilDate"]);
        let (Some(mode), Some(until)) = (mode, until) else { return Ok(None) };
        let mode = match mode.as_str() {
            "GOVERNANCE" => LockMode::Governance,
            "COMPLIANCE" => LockMode::Compliance,
            other => return Err(unknown(OPERATION, key, other)),
        };
        let end: jiff::Timestamp =
            until.parse().map_err(|_error| unknown(OPERATION, key, &until))?;
        Ok(Some(Retention { mode, until: SystemTime::from(end) }))
    }

    /// The answer's body; none if the service says that nothing of the kind is set up.
    async fn ask(
        &self,
        operation: &'static str,
        about: &str,
        key: &str,
        query: &str,
    ) -> Result<Option<Bytes>> {
        let ask = Ask { query: query.to_owned(), ..Ask::new(Method::GET, key) };
        match self.send(RequestClass::Settings, operation, about, ask).await? {
            Ok(body) => Ok(Some(body)),
            Err(seen) => {
                let code = seen.answer.as_ref().and_then(|answer| answer.code.as_deref());
                if code.is_some_and(|code| NOT_SET_UP.contains(&code)) {
                    return Ok(None);
                }
                Err(failure::error(RequestClass::Settings, operation, about, seen))
            }
        }
    }

    /// The answer's body, or what came instead of it.
    pub(super) async fn send(
        &self,
        class: RequestClass,
        operation: &'static str,
        about: &str,
        ask: Ask<'_>,
    ) -> Result<Result<Bytes, Seen>> {
        let Ask { method, key, query, headers, body } = ask;
        let mut uri = self.base.to_string().trim_end_matches('/').to_owned();
        if !key.is_empty() {
            uri = format!("{uri}/{}", encoded(&self.whole(key)));
        } else if self.base.path() == "/" {
            uri.push('/');
        }
        if !query.is_empty() {
            uri = format!("{uri}?{query}");
        }
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(HttpRequestBody::from(body))
            .map_err(|_error| {
                Error::new(ErrorKind::Other, operation, about)
                    .with_detail("its address can't be written")
            })?;
        let mut call = Call::new(class);
        call.headers = headers;
        let call = Arc::new(call);
        let asked = call.run(async {
            let answer = self.client.execute(request).await?;
            let status = answer.status();
            let body = answer.into_body().bytes().await?;
            Ok::<_, object_store::client::HttpError>((status, body))
        });
        Ok(match asked.await {
            Ok((status, body)) if status.is_success() => Ok(body),
            Ok(_) | Err(_) => Err(call.seen()),
        })
    }

    /// The bucket that is asked.
    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The key as the bucket has it.
    pub(super) fn whole(&self, key: &str) -> String {
        let prefix = self.bucket.prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{prefix}{slash}{key}")
    }

    fn must_be_s3(&self, operation: &'static str, about: &str) -> Result<()> {
        if self.bucket.provider == Provider::S3 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, operation, about)
            .with_detail("this is asked of S3 and its like only; look at the provider's console"))
    }
}

/// A path as SigV4 wants it: all but letters, digits and a few marks escaped.
pub(super) fn encoded(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _always_fits = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn unknown(operation: &'static str, about: &str, what: &str) -> Error {
    Error::new(ErrorKind::Other, operation, about)
        .with_detail(format!("the service's answer is not understood: {what}"))
}
