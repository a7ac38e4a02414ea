//! What both dialects do with objects: read them, put them on a condition, refuse by policy.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::guard;
use super::objects::{Look, Object, Objects};
use super::request::{Head, Operation};

/// A bucket with its objects.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    objects: Mutex<Objects>,
    behaviour: Mutex<Behaviour>,
}

/// A range of an object that was asked for.
enum Range {
    Whole,
    Part { start: u64, end: u64 },
    Beyond,
}

impl Bucket {
    pub(super) fn open(
        name: String,
        directory: Option<PathBuf>,
        behaviour: Behaviour,
    ) -> io::Result<Self> {
        let objects = Mutex::new(Objects::open(directory)?);
        Ok(Self { name, objects, behaviour: Mutex::new(behaviour) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        guard(&self.objects)
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        *guard(&self.behaviour) = behaviour;
    }

    pub(super) fn behaviour(&self) -> Behaviour {
        guard(&self.behaviour).clone()
    }

    pub(super) fn plant(&self, key: &str, content: Bytes) {
        let planted = self.objects().put(key, Vec::new(), content);
        planted.expect("the server's directory can be written");
    }

    /// What the policy says to a request; `None` lets it pass.
    pub(super) fn refusal(&self, head: &Head) -> Option<Answer> {
        let denied = || Answer::error(403, "AccessDenied", "the policy of this bucket forbids it");
        if head.bucket != self.name {
            let message = "the specified bucket does not exist";
            return Some(Answer::error(404, "NoSuchBucket", message));
        }
        self.behaviour().policy.refuses(head.operation(), head.creates()).then(denied)
    }

    /// Whether an object of this key can be deleted at all.
    pub(super) fn can_delete(&self, key: &str) -> bool {
        !self.behaviour().undeletable.is_some_and(|text| key.contains(&text))
    }

    /// Answers a GET or HEAD; `describe` gives the headers of the dialect.
    pub(super) fn read(
        &self,
        head: &Head,
        describe: impl Fn(&Object) -> Vec<(String, String)>,
    ) -> Answer {
        let lag = self.behaviour().late_read;
        let object = {
            let mut objects = self.objects();
            let object = objects.get_mut(&head.key);
            object.and_then(|object| object.is_seen(Look::Read, lag).then(|| object.clone()))
        };
        let Some(object) = object else { return no_such_key() };
        let names = |header: &str| is_etag(header, &object.etag());
        if head.header("if-match").is_some_and(|header| !names(header)) {
            return precondition_failed();
        }
        if head.header("if-none-match").is_some_and(names) {
            return Answer::new(304).with("etag", object.etag());
        }
        let (status, start, end) = match range(head.header("range"), object.bytes) {
            Range::Whole => (200, 0, object.bytes),
            Range::Part { start, end } => (206, start, end),
            Range::Beyond => {
                let answer = Answer::error(416, "InvalidRange", "it lies beyond the object");
                return answer.with("content-range", format!("bytes */{}", object.bytes));
            }
        };
        let mut answer = Answer::new(status)
            .with("etag", object.etag())
            .with("accept-ranges", "bytes")
            .with("last-modified", http_date(object.modified));
        answer.headers.extend(describe(&object));
        if status == 206 {
            let last = end - 1;
            let range = format!("bytes {start}-{last}/{}", object.bytes);
            answer = answer.with("content-range", range);
        }
        if head.operation() == Operation::Head {
            answer.named_bytes = Some(end - start);
            return answer;
        }
        match object.read(start, end) {
            Ok(content) => answer.content = content,
            Err(error) => return Answer::error(500, "InternalError", &error.to_string()),
        }
        answer
    }

    /// Answers a put of `content`, or the refusal of its condition.
    pub(super) fn put(
        &self,
        key: &str,
        headers: Vec<(String, String)>,
        content: Bytes,
        allows: impl Fn(Option<&Object>) -> bool,
    ) -> Result<Object, Answer> {
        let conditions = self.behaviour().conditions;
        let mut objects = self.objects();
        if conditions && !allows(objects.get(key)) {
            return Err(precondition_failed());
        }
        let put = objects.put(key, headers, content);
        put.map_err(|error| Answer::error(500, "InternalError", &error.to_string()))
    }

    /// The object that a copy is made of, named `/bucket/key` or `bucket/key`, percent-encoded.
    pub(super) fn source(&self, name: &str) -> Result<(Object, Bytes), Answer> {
        let name = super::request::decode(name.trim_start_matches('/'));
        let key = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('/'));
        let object =
            key.and_then(|key| self.objects().get(key).cloned()).ok_or_else(no_such_key)?;
        match object.read(0, object.bytes) {
            Ok(content) => Ok((object, content)),
            Err(error) => Err(Answer::error(500, "InternalError", &error.to_string())),
        }
    }
}

pub(super) fn no_such_key() -> Answer {
    Answer::error(404, "NoSuchKey", "the specified key does not exist")
}

pub(super) fn precondition_failed() -> Answer {
    let message = "at least one of the preconditions you specified did not hold";
    Answer::error(412, "PreconditionFailed", message)
}

/// Whether a header of tags names this one.
pub(super) fn is_etag(header: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_matches('"').to_owned();
    header.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(etag))
}

fn range(header: Option<&str>, bytes: u64) -> Range {
    let parsed = || {
        let (first, last) = header?.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| text.parse::<u64>().ok();
        Some(match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => {
                (start, last.saturating_add(1).min(bytes))
            }
            (Some(start), None) if last.is_empty() => (start, bytes),
            (None, Some(count)) if first.is_empty() => (bytes - count.min(bytes), bytes),
            _ => return None,
        })
    };
    match parsed() {
        // What can't be understood is ignored, as the services do.
        None => Range::Whole,
        Some((start, end)) if start >= end => Range::Beyond,
        Some((start, end)) => Range::Part { start, end },
    }
}

fn http_date(time: jiff::Timestamp) -> String {
    let printed = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    printed.expect("the year has four digits")
}
