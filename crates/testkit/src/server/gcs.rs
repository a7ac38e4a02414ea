//! The dialect of Google Cloud Storage's XML side, as far as object stores for both clouds speak it.
//!
//! Uploads of several parts are refused: ours must not need them.

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;

use super::Server;
use super::answer::Answer;
use super::behaviour::Behaviour;
use super::bucket::{Bucket, no_such_key};
use super::host::Dialect;
use super::list;
use super::objects::Object;
use super::request::{Head, Operation};

/// A server of Google Cloud Storage that stops when it is dropped.
#[derive(Debug)]
pub struct GcsServer {
    server: Server,
}

/// What a server of Google Cloud Storage is like.
#[derive(Clone, Debug)]
pub struct GcsOptions {
    /// The name of its only bucket.
    pub bucket: String,
    /// The port of the loopback; 0 for any that is free.
    pub port: u16,
    /// Where its objects outlive it; without, they are in memory.
    pub directory: Option<PathBuf>,
    /// What it always does; it can be changed later.
    pub behaviour: Behaviour,
    /// The token that requests must bear; without, none is needed.
    pub token: Option<String>,
}

impl Default for GcsOptions {
    fn default() -> Self {
        let bucket = "bucket".to_owned();
        Self { bucket, port: 0, directory: None, behaviour: Behaviour::default(), token: None }
    }
}

impl GcsServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When its port is not free, or its directory can't be used: a test can't go on without.
    pub fn start(options: GcsOptions) -> Self {
        let GcsOptions { bucket, port, directory, behaviour, token } = options;
        let bucket = Bucket::open(bucket, directory, behaviour)
            .expect("the server's directory can be read and written");
        Self { server: Server::start(bucket, Box::new(Gcs { token }), port) }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A service account's key file with which a client finds this server and needs no token.
    pub fn key_file(&self) -> String {
        let endpoint = self.server.endpoint();
        format!(
            r#"{{"type": "service_account", "gcs_base_url": "{endpoint}", "disable_oauth": true,
"client_email": "", "private_key": "", "private_key_id": ""}}"#
        )
    }
}

#[derive(Debug)]
struct Gcs {
    token: Option<String>,
}

impl Dialect for Gcs {
    fn answer(&self, bucket: &Bucket, head: &Head, content: &Bytes) -> Answer {
        if let Some(refusal) = self.stranger(head).or_else(|| bucket.refusal(head)) {
            return refusal;
        }
        match head.operation() {
            Operation::Put if head.query.contains_key("partNumber") => unsupported(),
            Operation::Put => put(bucket, head, kept_headers(head), content.clone()),
            Operation::Copy => copy(bucket, head),
            Operation::Get | Operation::Head => bucket.read(head, described),
            Operation::List => list::page(bucket, head),
            Operation::Delete => delete(bucket, &head.key),
            Operation::Other if head.key.is_empty() && head.method == Method::HEAD => {
                Answer::new(200)
            }
            Operation::DeleteMany | Operation::Other => unsupported(),
        }
    }
}

impl Gcs {
    fn stranger(&self, head: &Head) -> Option<Answer> {
        let token = self.token.as_ref()?;
        let known = head.header("authorization") == Some(&format!("Bearer {token}"));
        let message = "the request lacks a token that is known";
        (!known).then(|| Answer::error(401, "AuthenticationRequired", message))
    }
}

fn put(bucket: &Bucket, head: &Head, headers: Vec<(String, String)>, content: Bytes) -> Answer {
    // The generation of what is not there is 0.
    let wanted = head.header("x-goog-if-generation-match");
    let allows = |there: Option<&Object>| {
        let generation = there.map_or(0, |object| object.generation).to_string();
        wanted.is_none_or(|wanted| wanted == generation)
    };
    match bucket.put(&head.key, headers, content, allows) {
        Ok(object) => Answer::new(200)
            .with("etag", object.etag())
            .with("x-goog-generation", object.generation.to_string()),
        Err(refusal) => refusal,
    }
}

fn copy(bucket: &Bucket, head: &Head) -> Answer {
    let source = head.header("x-goog-copy-source").unwrap_or_default();
    match bucket.source(source) {
        Ok((object, content)) => put(bucket, head, object.headers, content),
        Err(refusal) => refusal,
    }
}

fn delete(bucket: &Bucket, key: &str) -> Answer {
    if !bucket.can_delete(key) {
        return Answer::error(403, "AccessDenied", "the object can't be deleted");
    }
    match bucket.objects().remove(key) {
        Ok(true) => Answer::new(204),
        Ok(false) => no_such_key(),
        Err(error) => Answer::error(500, "InternalError", &error.to_string()),
    }
}

/// The headers of a put that say something about its object.
fn kept_headers(head: &Head) -> Vec<(String, String)> {
    let about = |name: &str| {
        name.starts_with("x-goog-") && name != "x-goog-if-generation-match"
            || matches!(name, "content-type" | "content-encoding" | "cache-control")
    };
    let kept = head.headers.iter().filter(|(name, _)| about(name.as_str()));
    kept.map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    })
    .collect()
}

/// The headers that reading an object returns.
fn described(object: &Object) -> Vec<(String, String)> {
    let mut headers = object.headers.clone();
    headers.push(("x-goog-generation".to_owned(), object.generation.to_string()));
    headers
}

fn unsupported() -> Answer {
    Answer::error(501, "NotImplemented", "the tests' own server does not do this")
}
