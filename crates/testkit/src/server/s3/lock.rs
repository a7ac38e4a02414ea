//! Object lock: what is deleted is only hidden, and what is retained can't be removed for good.
//!
//! As far as tests need it: a version is named by the tag of its put, and a governing lock is as hard
//! as one of compliance.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use quick_xml::escape::escape;

use crate::server::answer::Answer;
use crate::server::bucket::{Bucket, no_such_key};
use crate::server::guard;
use crate::server::objects::Object;
use crate::server::request::Head;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// All versions but those that reads see, by key, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Locks {
    hidden: Mutex<BTreeMap<String, Vec<Hidden>>>,
}

/// What a read does not see.
#[derive(Clone, Debug)]
enum Hidden {
    Object(Object),
    /// A deletion, by its number.
    Marker(u64, Timestamp),
}

impl Hidden {
    fn id(&self) -> String {
        match self {
            Self::Object(object) => id(object),
            Self::Marker(generation, _) => format!("{generation:032x}"),
        }
    }
}

/// The version's name.
pub(super) fn id(object: &Object) -> String {
    object.etag().trim_matches('"').to_owned()
}

impl Locks {
    /// Keeps what a put has replaced.
    pub(super) fn replaced(&self, key: &str, object: Object) {
        guard(&self.hidden).entry(key.to_owned()).or_default().push(Hidden::Object(object));
    }

    /// Hides the object, or removes the version for good unless it is retained.
    pub(super) fn remove(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&str>,
    ) -> Result<(), Answer> {
        let mut objects = bucket.objects();
        let broken =
            |error: std::io::Error| Answer::error(500, "InternalError", &error.to_string());
        let mut hidden = guard(&self.hidden);
        let of_key = hidden.entry(key.to_owned()).or_default();
        let Some(version) = version else {
            of_key.extend(objects.get(key).cloned().map(Hidden::Object));
            objects.remove(key).map_err(broken)?;
            of_key.push(Hidden::Marker(objects.next_generation(), objects.now()));
            return Ok(());
        };
        let (now, is_lax) = (objects.now(), bucket.behaviour().lax_locks);
        let is_kept =
            |object: &Object| id(object) == version && is_retained(object, now) && !is_lax;
        let is_kept_below =
            |hidden: &Hidden| matches!(hidden, Hidden::Object(object) if is_kept(object));
        if objects.get(key).is_some_and(is_kept) || of_key.iter().any(is_kept_below) {
            let message = "Access Denied because object protected by object lock";
            return Err(Answer::error(403, "AccessDenied", message));
        }
        of_key.retain(|hidden| hidden.id() != version);
        if objects.get(key).is_some_and(|object| id(object) == version) {
            objects.remove(key).map_err(broken)?;
        }
        // What was below is seen again.
        if objects.get(key).is_none()
            && let Some(Hidden::Object(object)) =
                of_key.pop_if(|last| matches!(last, Hidden::Object(_)))
        {
            objects.insert(key, object);
        }
        Ok(())
    }

    /// The version of this name.
    pub(super) fn version(&self, bucket: &Bucket, key: &str, version: &str) -> Option<Object> {
        let seen = bucket.objects().get(key).cloned().filter(|object| id(object) == version);
        seen.or_else(|| {
            guard(&self.hidden).get(key)?.iter().find_map(|hidden| match hidden {
                Hidden::Object(object) if id(object) == version => Some(object.clone()),
                _ => None,
            })
        })
    }

    /// Answers with a page of versions.
    pub(super) fn page(&self, bucket: &Bucket, head: &Head) -> Answer {
        let prefix = head.parameter("prefix").unwrap_or_default();
        let most = bucket.behaviour().keys_per_page;
        let mut all: BTreeMap<String, Vec<Hidden>> = guard(&self.hidden).clone();
        let mut objects = bucket.objects();
        for (key, object) in objects.below(prefix, "") {
            all.entry(key.clone()).or_default().push(Hidden::Object(object.clone()));
        }
        let told =
            all.iter().filter(|(key, _)| key.starts_with(prefix)).flat_map(|(key, of_key)| {
                let newest_first = of_key.iter().rev().enumerate();
                newest_first.map(move |(place, hidden)| (key, hidden, place == 0))
            });
        let mark = head
            .parameter("key-marker")
            .map(|key| (key, head.parameter("version-id-marker").unwrap_or_default()));
        let mut is_behind = mark.is_none();
        let mut text = String::new();
        let (mut count, mut last, mut is_truncated) = (0, None, false);
        for (key, hidden, is_latest) in told {
            if !is_behind {
                is_behind = mark.is_some_and(|(marked, id)| *key == marked && hidden.id() == id);
                continue;
            }
            if count == most {
                is_truncated = true;
                break;
            }
            (count, last) = (count + 1, Some((key, hidden.id())));
            text += &element(key, hidden, is_latest);
        }
        let next = last.filter(|_| is_truncated).map_or(String::new(), |(key, id)| {
            let key = escape(key);
            format!("<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{id}</NextVersionIdMarker>")
        });
        Answer::xml(
            200,
            format!(
                "<ListVersionsResult><IsTruncated>{is_truncated}</IsTruncated>{next}{text}\
                 </ListVersionsResult>"
            ),
        )
    }
}

fn element(key: &str, hidden: &Hidden, is_latest: bool) -> String {
    let (name, modified, size) = match hidden {
        Hidden::Object(object) => {
            ("Version", object.modified, format!("<Size>{}</Size>", object.bytes))
        }
        Hidden::Marker(_, made) => ("DeleteMarker", *made, String::new()),
    };
    let (key, id) = (escape(key), hidden.id());
    format!(
        "<{name}><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{is_latest}</IsLatest>\
         <LastModified>{modified}</LastModified>{size}</{name}>"
    )
}

fn is_retained(object: &Object, now: Timestamp) -> bool {
    let until = object.header(UNTIL).and_then(|text| text.parse::<Timestamp>().ok());
    until.is_some_and(|until| until > now)
}

/// Answers whether the bucket keeps versions.
pub(super) fn versioning(enabled: bool) -> Answer {
    let status = if enabled { "<Status>Enabled</Status>" } else { "" };
    Answer::xml(200, format!("<VersioningConfiguration>{status}</VersioningConfiguration>"))
}

/// Answers whether the bucket knows locks.
pub(super) fn configuration(enabled: bool) -> Answer {
    if !enabled {
        let code = "ObjectLockConfigurationNotFoundError";
        return Answer::error(404, code, "there is no such configuration for this bucket");
    }
    let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    Answer::xml(200, format!("<ObjectLockConfiguration>{enabled}</ObjectLockConfiguration>"))
}

/// Answers how long an object is retained.
pub(super) fn retention(bucket: &Bucket, key: &str) -> Answer {
    let objects = bucket.objects();
    let Some(object) = objects.get(key) else { return no_such_key() };
    let (Some(mode), Some(until)) = (object.header(MODE), object.header(UNTIL)) else {
        let code = "NoSuchObjectLockConfiguration";
        return Answer::error(404, code, "the object has no lock");
    };
    let (mode, until) = (escape(mode), escape(until));
    let retain = format!("<Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>");
    Answer::xml(200, format!("<Retention>{retain}</Retention>"))
}

/// Retains an object that is there, as a document says.
pub(super) fn retain(bucket: &Bucket, key: &str, content: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(content);
    let value = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(value, _)| value.to_owned())
    };
    let (Some(mode), Some(until)) = (value("Mode"), value("RetainUntilDate")) else {
        return Answer::error(400, "MalformedXML", "not a retention");
    };
    let mut objects = bucket.objects();
    let (now, is_lax) = (objects.now(), bucket.behaviour().lax_locks);
    let Some(object) = objects.get_mut(key) else { return no_such_key() };
    let is_shorter = object.header(UNTIL).is_some_and(|there| there > until.as_str());
    if !is_lax && is_retained(object, now) && (is_shorter || object.header(MODE) != Some(&mode)) {
        return Answer::error(403, "AccessDenied", "a lock can only be extended");
    }
    object.headers.retain(|(name, _)| name != MODE && name != UNTIL);
    object.headers.push((MODE.to_owned(), mode));
    object.headers.push((UNTIL.to_owned(), until));
    Answer::new(200)
}
