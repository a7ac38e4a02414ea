//! The dialect of Amazon S3: single puts, ranged reads, lists of version 2, deletions, copies, locks.
//!
//! Uploads of several parts and version 1 of lists are refused: ours must not need them.

mod checksum;
mod delete;
mod lock;
mod sign;

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Server;
use super::answer::Answer;
use super::behaviour::{Behaviour, Policy};
use super::bucket::{Bucket, is_etag, no_such_key};
use super::host::Dialect;
use super::list;
use super::objects::Object;
use super::request::{Head, Operation, decode};

/// A server of S3 that stops when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    server: Server,
}

/// What a server of S3 is like.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The name of its only bucket.
    pub bucket: String,
    /// The port of the loopback; 0 for any that is free.
    pub port: u16,
    /// Where its objects outlive it; without, they are in memory.
    pub directory: Option<PathBuf>,
    /// What it always does; it can be changed later.
    pub behaviour: Behaviour,
    /// Whose signatures (version 4) are accepted; without, every request is.
    pub access_key: Option<AccessKey>,
    /// Other keys, and what each may do besides what all may.
    pub others: Vec<(AccessKey, Policy)>,
    /// Whether a deletion only hides an object, and locks are kept. In memory only.
    pub object_lock: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            bucket: "bucket".to_owned(),
            port: 0,
            directory: None,
            behaviour: Behaviour::default(),
            access_key: None,
            others: Vec::new(),
            object_lock: false,
        }
    }
}

/// Who may sign requests.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// `AWS_ACCESS_KEY_ID`
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret: String,
    /// `AWS_SESSION_TOKEN`, if requests must have one.
    pub token: Option<String>,
}

impl AccessKey {
    /// The one that tests use: `test`, `test`.
    pub fn test() -> Self {
        Self { id: "test".to_owned(), secret: "test".to_owned(), token: None }
    }
}

impl S3Server {
    /// Starts a server.
    ///
    /// # Panics
    /// When its port is not free, or its directory can't be used: a test can't go on without.
    pub fn start(options: S3Options) -> Self {
        let S3Options { bucket, port, directory, behaviour, access_key, others, object_lock } =
            options;
        assert!(!(object_lock && directory.is_some()), "a directory keeps no versions");
        let bucket = Bucket::open(bucket, directory, behaviour)
            .expect("the server's directory can be read and written");
        let dialect = S3 { access_key, others, locks: object_lock.then(lock::Locks::default) };
        Self { server: Server::start(bucket, Box::new(dialect), port) }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }
}

#[derive(Debug)]
struct S3 {
    access_key: Option<AccessKey>,
    others: Vec<(AccessKey, Policy)>,
    locks: Option<lock::Locks>,
}

impl Dialect for S3 {
    fn answer(&self, bucket: &Bucket, head: &Head, content: &Bytes) -> Answer {
        let refused = self
            .stranger(head)
            .or_else(|| bucket.refusal(head))
            .or_else(|| checksum::refusal(head, content));
        if let Some(refusal) = refused {
            return refusal;
        }
        match head.operation() {
            Operation::Put => self.put(bucket, head, content),
            Operation::Copy => self.copy(bucket, head),
            Operation::Get if head.parameter("versionId").is_some() => {
                self.get_version(bucket, head)
            }
            Operation::Get | Operation::Head => bucket.read(head, |object| self.described(object)),
            Operation::List if head.parameter("list-type") == Some("2") => list::page(bucket, head),
            Operation::Delete => self.delete(bucket, head),
            Operation::DeleteMany => self.delete_many(bucket, head, content),
            Operation::Other | Operation::List => self.other(bucket, head, content),
        }
    }
}

impl S3 {
    /// The refusal of who has not signed, or may not do this.
    fn stranger(&self, head: &Head) -> Option<Answer> {
        let other = self.others.iter().find(|(key, _)| sign::is_by(key, head));
        match (other, &self.access_key) {
            (Some((key, policy)), _) => sign::refusal(key, head).or_else(|| {
                let denied =
                    || Answer::error(403, "AccessDenied", "the policy of this key forbids it");
                policy.refuses(head.operation(), head.creates()).then(denied)
            }),
            (None, Some(key)) => sign::refusal(key, head),
            (None, None) => None,
        }
    }

    fn described(&self, object: &Object) -> Vec<(String, String)> {
        let version = || ("x-amz-version-id".to_owned(), lock::id(object));
        let mut headers = described(object);
        headers.extend(self.locks.is_some().then(version));
        headers
    }

    fn put(&self, bucket: &Bucket, head: &Head, content: &Bytes) -> Answer {
        if head.query.contains_key("partNumber") {
            return unsupported();
        }
        if head.headers.contains_key("x-amz-object-lock-mode") {
            if self.locks.is_none() {
                let message = "Bucket is missing Object Lock Configuration";
                return Answer::error(400, "InvalidRequest", message);
            }
            if !checksum::is_there(head) {
                let message = "Content-MD5 or x-amz-checksum- HTTP header is required for Put \
                               Object requests with Object Lock parameters";
                return Answer::error(400, "InvalidRequest", message);
            }
        }
        self.put_version(bucket, head, kept_headers(head), content.clone())
    }

    fn other(&self, bucket: &Bucket, head: &Head, content: &Bytes) -> Answer {
        let has = |name: &str| head.query.contains_key(name);
        match (&head.method, head.key.is_empty()) {
            (&Method::HEAD, true) => Answer::new(200),
            // It is there already.
            (&Method::PUT, true) if head.query.is_empty() => Answer::new(200),
            (&Method::GET, true) if has("versioning") => lock::versioning(self.locks.is_some()),
            (&Method::GET, true) if has("object-lock") => lock::configuration(self.locks.is_some()),
            (&Method::GET, true) if has("location") => {
                Answer::xml(200, "<LocationConstraint/>".to_owned())
            }
            (&Method::GET, true) if has("versions") => match &self.locks {
                Some(locks) => locks.page(bucket, head),
                None => unsupported(),
            },
            (&Method::GET, false) if has("retention") => lock::retention(bucket, &head.key),
            (&Method::PUT, false) if has("retention") && self.locks.is_some() => {
                lock::retain(bucket, &head.key, content)
            }
            _ => unsupported(),
        }
    }

    /// Puts, and keeps what was there where versions are kept.
    fn put_version(
        &self,
        bucket: &Bucket,
        head: &Head,
        headers: Vec<(String, String)>,
        content: Bytes,
    ) -> Answer {
        let before = bucket.objects().get(&head.key).cloned();
        let answer = put(bucket, head, headers, content);
        if let (Some(locks), Some(before), 200) = (&self.locks, before, answer.status) {
            locks.replaced(&head.key, before);
        }
        answer
    }

    /// All bytes of a version.
    fn get_version(&self, bucket: &Bucket, head: &Head) -> Answer {
        let name = format!("{}/{}", head.bucket, utf8_percent_encode(&head.key, NON_ALPHANUMERIC));
        match self.version(bucket, &name, head.parameter("versionId").unwrap_or_default()) {
            Ok((_, content)) => Answer { content, ..Answer::new(200) },
            Err(refusal) => refusal,
        }
    }

    /// A version that a copy is made of.
    fn version(
        &self,
        bucket: &Bucket,
        name: &str,
        version: &str,
    ) -> Result<(Object, Bytes), Answer> {
        let name = decode(name.trim_start_matches('/'));
        let key = name.split_once('/').map(|(_, key)| key).unwrap_or_default();
        let object = self.locks.as_ref().and_then(|locks| locks.version(bucket, key, version));
        let object = object.ok_or_else(no_such_key)?;
        let content = object.read(0, object.bytes);
        let content =
            content.map_err(|error| Answer::error(500, "InternalError", &error.to_string()))?;
        Ok((object, content))
    }

    fn copy(&self, bucket: &Bucket, head: &Head) -> Answer {
        let source = head.header("x-amz-copy-source").unwrap_or_default();
        let found = match source.split_once("?versionId=") {
            Some((name, version)) => self.version(bucket, name, version),
            None => bucket.source(source),
        };
        let (object, content) = match found {
            Ok(found) => found,
            Err(refusal) => return refusal,
        };
        let mut headers = kept_headers(head);
        headers.retain(|(name, _)| name != "x-amz-copy-source");
        for (name, value) in object.headers {
            if !headers.iter().any(|(known, _)| *known == name) && !name.contains("object-lock") {
                headers.push((name, value));
            }
        }
        let answer = self.put_version(bucket, head, headers, content);
        if answer.status != 200 {
            return answer;
        }
        let etag = answer.headers.iter().find(|(name, _)| name == "etag").map(|(_, etag)| etag);
        let etag = quick_xml::escape::escape(etag.map_or("", String::as_str));
        Answer::xml(200, format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>"))
    }
}

fn put(bucket: &Bucket, head: &Head, headers: Vec<(String, String)>, content: Bytes) -> Answer {
    let allows = |there: Option<&Object>| match (head.header("if-none-match"), there) {
        (Some(_), Some(_)) => false,
        _ => head
            .header("if-match")
            .is_none_or(|tags| there.is_some_and(|object| is_etag(tags, &object.etag()))),
    };
    match bucket.put(&head.key, headers, content, allows) {
        Ok(object) => Answer::new(200).with("etag", object.etag()),
        Err(refusal) => refusal,
    }
}

/// The headers of a put that say something about its object.
fn kept_headers(head: &Head) -> Vec<(String, String)> {
    const OURS: [&str; 4] =
        ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-request-payer"];
    let about = |name: &str| {
        name.starts_with("x-amz-") && !OURS.contains(&name)
            || matches!(name, "content-type" | "content-encoding" | "cache-control")
    };
    let kept = head.headers.iter().filter(|(name, _)| about(name.as_str()));
    kept.map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    })
    .collect()
}

/// The headers that reading an object returns of those.
fn described(object: &Object) -> Vec<(String, String)> {
    const RETURNED: [&str; 4] = [
        "x-amz-meta-",
        "x-amz-server-side-encryption",
        "x-amz-storage-class",
        "x-amz-object-lock-",
    ];
    let returned = |name: &str| {
        !name.starts_with("x-amz-") || RETURNED.iter().any(|begin| name.starts_with(begin))
    };
    object.headers.iter().filter(|(name, _)| returned(name)).cloned().collect()
}

fn unsupported() -> Answer {
    Answer::error(501, "NotImplemented", "the tests' own server does not do this")
}
