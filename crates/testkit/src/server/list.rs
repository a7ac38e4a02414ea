//! A page of a list of objects, as both dialects write it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use quick_xml::escape::escape;

use super::answer::Answer;
use super::bucket::Bucket;
use super::objects::{Look, Object};
use super::request::Head;

/// Answers a request for a page.
pub(super) fn page(bucket: &Bucket, head: &Head) -> Answer {
    let behaviour = bucket.behaviour();
    let prefix = head.parameter("prefix").unwrap_or_default();
    let delimiter = head.parameter("delimiter").filter(|text| !text.is_empty());
    let after = match head.parameter("continuation-token") {
        None => head.parameter("start-after").unwrap_or_default().to_owned(),
        Some(token) => match untoken(token) {
            Some(after) => after,
            None => return Answer::error(400, "InvalidArgument", "no such continuation token"),
        },
    };
    let asked = head.parameter("max-keys").and_then(|text| text.parse().ok());
    let most = asked.unwrap_or(behaviour.keys_per_page).min(behaviour.keys_per_page);
    let mut entries: Vec<Entry> = Vec::new();
    let mut next = None;
    let mut objects = bucket.objects();
    for (key, object) in objects.below(prefix, &after) {
        if !object.is_seen(Look::List, behaviour.stale_list) {
            continue;
        }
        let folder = delimiter.and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter)?;
            Some(&key[..prefix.len() + at + delimiter.len()])
        });
        if let Some(folder) = folder {
            let again = entries.last().is_some_and(|last| last.name() == folder);
            // A page may have ended with it.
            if again || after.starts_with(folder) {
                continue;
            }
        }
        if entries.len() == most {
            next = entries.last().map(|last| token(last.name()));
            break;
        }
        entries.push(match folder {
            Some(folder) => Entry::Folder(folder.to_owned()),
            None => Entry::Object(key.clone(), object.clone()),
        });
    }
    drop(objects);
    Answer::xml(200, document(bucket.name(), prefix, &entries, next))
}

enum Entry {
    Object(String, Object),
    Folder(String),
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Folder(name) => name,
        }
    }
}

fn document(bucket: &str, prefix: &str, entries: &[Entry], next: Option<String>) -> String {
    let mut text = format!(
        "<ListBucketResult><Name>{}</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount>\
         <IsTruncated>{}</IsTruncated>",
        escape(bucket),
        escape(prefix),
        entries.len(),
        next.is_some()
    );
    if let Some(next) = next {
        text += &format!("<NextContinuationToken>{next}</NextContinuationToken>");
    }
    for entry in entries {
        let name = escape(entry.name());
        text += &match entry {
            Entry::Folder(_) => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            Entry::Object(_, object) => format!(
                "<Contents><Key>{name}</Key><LastModified>{}</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                object.modified.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
                escape(object.etag()),
                object.bytes
            ),
        };
    }
    text + "</ListBucketResult>"
}

/// What a page ended with, as a text that says nothing to a client.
fn token(last: &str) -> String {
    URL_SAFE.encode(last)
}

fn untoken(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE.decode(token).ok()?).ok()
}
