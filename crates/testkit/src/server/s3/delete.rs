//! Deletions, one by one or many in a request.

use quick_xml::escape::escape;
use quick_xml::events::Event;

use super::{S3, checksum};
use crate::server::answer::Answer;
use crate::server::bucket::Bucket;
use crate::server::request::Head;

/// The most objects that one request may name.
const KEYS_MAX: usize = 1000;

impl S3 {
    /// Answers a deletion; that there is no such object is no error.
    pub(super) fn delete(&self, bucket: &Bucket, head: &Head) -> Answer {
        match self.remove(bucket, &head.key, head.parameter("versionId")) {
            Ok(()) => Answer::new(204),
            Err(refusal) => refusal,
        }
    }

    /// Answers a deletion of many: each has its own result in the document.
    pub(super) fn delete_many(&self, bucket: &Bucket, head: &Head, content: &[u8]) -> Answer {
        if !checksum::is_there(head) {
            let message = "Missing required header for this request: Content-MD5";
            return Answer::error(400, "InvalidRequest", message);
        }
        let Some(asked) = Asked::parse(content).filter(|asked| asked.keys.len() <= KEYS_MAX) else {
            return Answer::error(400, "MalformedXML", "not a list of at most 1000 objects");
        };
        let mut text = "<DeleteResult>".to_owned();
        for key in &asked.keys {
            let name = escape(key.as_str());
            match self.remove(bucket, key, None) {
                Ok(()) if asked.quiet => {}
                Ok(()) => text += &format!("<Deleted><Key>{name}</Key></Deleted>"),
                Err(_) => {
                    text += &format!(
                        "<Error><Key>{name}</Key><Code>AccessDenied</Code>\
                         <Message>Access Denied</Message></Error>"
                    );
                }
            }
        }
        Answer::xml(200, text + "</DeleteResult>")
    }

    fn remove(&self, bucket: &Bucket, key: &str, version: Option<&str>) -> Result<(), Answer> {
        if !bucket.can_delete(key) {
            return Err(Answer::error(403, "AccessDenied", "Access Denied"));
        }
        if let Some(locks) = &self.locks {
            return locks.remove(bucket, key, version);
        }
        let removed = bucket.objects().remove(key);
        removed.map(drop).map_err(|error| Answer::error(500, "InternalError", &error.to_string()))
    }
}

/// What a request for many deletions says.
#[derive(Default)]
struct Asked {
    keys: Vec<String>,
    quiet: bool,
}

impl Asked {
    fn parse(content: &[u8]) -> Option<Self> {
        let mut asked = Self::default();
        let mut reader = quick_xml::Reader::from_reader(content);
        let (mut inside, mut text) = (Vec::new(), String::new());
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    inside.push(start.local_name().as_ref().to_vec());
                    text.clear();
                }
                Event::Text(part) => text += &part.decode().ok()?,
                Event::GeneralRef(part) => {
                    let name = part.decode().ok()?;
                    text += &quick_xml::escape::unescape(&format!("&{name};")).ok()?;
                }
                Event::End(_) => match inside.pop()?.as_slice() {
                    b"Key" => asked.keys.push(std::mem::take(&mut text)),
                    b"Quiet" => asked.quiet = text == "true",
                    _ => {}
                },
                Event::Eof => return inside.is_empty().then_some(asked),
                _ => {}
            }
        }
    }
}
