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

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// The objects that deletions have hidden, by key.
#[derive(Debug, Default)]
pub(super) struct Locks {
    hidden: Mutex<BTreeMap<String, Vec<Object>>>,
}

impl Locks {
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
        let Some(version) = version else {
            if let Some(object) = objects.get(key).cloned() {
                hidden.entry(key.to_owned()).or_default().push(object);
                objects.remove(key).map_err(broken)?;
            }
            return Ok(());
        };
        let is_meant = |object: &Object| object.etag().trim_matches('"') == version;
        let now = objects.now();
        let of_key = hidden.entry(key.to_owned()).or_default();
        let meant = objects.get(key).into_iter().chain(&*of_key).find(|object| is_meant(object));
        if meant.is_some_and(|object| is_retained(object, now)) {
            let message = "Access Denied because object protected by object lock";
            return Err(Answer::error(403, "AccessDenied", message));
        }
        of_key.retain(|object| !is_meant(object));
        if objects.get(key).is_some_and(is_meant) {
            objects.remove(key).map_err(broken)?;
        }
        Ok(())
    }
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
    let Some(object) = objects.get_mut(key) else { return no_such_key() };
    object.headers.retain(|(name, _)| name != MODE && name != UNTIL);
    object.headers.push((MODE.to_owned(), mode));
    object.headers.push((UNTIL.to_owned(), until));
    Answer::new(200)
}
