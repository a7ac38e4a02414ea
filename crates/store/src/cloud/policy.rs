//! What new objects are given besides their bytes: storage class, encryption, lock, tags.
//!
//! Translates the options into each service's headers once, when the store is opened, and refuses
//! there what a service can't do: a lock that was asked for and isn't there would be found out too
//! late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::form_urlencoded;

use crate::options::{CloudOptions, Encryption, LockMode, ObjectLock};
use crate::url::{Bucket, Provider};
use crate::{Error, ErrorKind, Result};

/// The headers of new objects.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Of every object.
    always: HeaderMap,
    class_header: HeaderName,
    /// By the beginning of keys.
    classes: BTreeMap<String, HeaderValue>,
    lock: Option<ObjectLock>,
    /// What is said of locks later on, by whoever knows what is kept in the store.
    said_lock: Arc<Mutex<Option<ObjectLock>>>,
    /// What a copy has besides.
    copies: HeaderMap,
}

impl Policy {
    /// Understands `options` for the service of `bucket`.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for what the service can't do,
    /// [`Invalid`](ErrorKind::Invalid) for values that can't be sent.
    pub(super) fn new(bucket: &Bucket, options: &CloudOptions) -> Result<Self> {
        let class_header = HeaderName::from_static(match bucket.provider {
            Provider::S3 => "x-amz-storage-class",
            Provider::Gcs => "x-goog-storage-class",
            Provider::Azure => "x-ms-access-tier",
        });
        let mut policy = Self {
            always: HeaderMap::new(),
            class_header,
            classes: BTreeMap::new(),
            lock: options.object_lock,
            said_lock: Arc::default(),
            copies: HeaderMap::new(),
        };
        for (beginning, class) in &options.storage_class {
            let class = value(bucket, "storage class", class)?;
            policy.classes.insert(beginning.clone(), class);
        }
        if let Some(encryption) = &options.encryption {
            policy.encrypt(bucket, encryption)?;
        }
        if options.object_lock.is_some() && bucket.provider != Provider::S3 {
            return Err(unsupported(
                bucket,
                "locks on single objects are only made on S3 and its like; set a retention policy \
                 on the bucket or container itself, and leave the option out",
            ));
        }
        if !options.tags.is_empty() {
            policy.tag(bucket, &options.tags)?;
        }
        Ok(policy)
    }

    /// What the object `key` is put with at the time `now`.
    pub(super) fn of_put(&self, key: &str, now: SystemTime) -> Result<HeaderMap> {
        let mut headers = self.always.clone();
        let begins = |(beginning, _): &(&String, &HeaderValue)| key.starts_with(beginning.as_str());
        let longest =
            self.classes.iter().filter(begins).max_by_key(|(beginning, _)| beginning.len());
        if let Some((_, class)) = longest {
            headers.insert(self.class_header.clone(), class.clone());
        }
        let said = *self.said_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = said.or(self.lock) {
            let mode = HeaderValue::from_static(mode(lock));
            headers.insert("x-amz-object-lock-mode", mode);
            headers.insert("x-amz-object-lock-retain-until-date", until(key, lock, now)?);
        }
        Ok(headers)
    }

    /// Locks all objects to come like this, whatever the options say; or as they say.
    pub(super) fn lock_new(&self, lock: Option<ObjectLock>) {
        *self.said_lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
    }

    /// What the object `key` is made with from a copy at the time `now`.
    pub(super) fn of_copy(&self, key: &str, now: SystemTime) -> Result<HeaderMap> {
        let mut headers = self.of_put(key, now)?;
        headers.extend(self.copies.clone());
        Ok(headers)
    }

    fn encrypt(&mut self, bucket: &Bucket, encryption: &Encryption) -> Result<()> {
        let key = match encryption {
            Encryption::Kms { key } => key.as_deref(),
            Encryption::Service => None,
        };
        let key = key.map(|key| value(bucket, "encryption key", key)).transpose()?;
        match (bucket.provider, encryption, key) {
            (Provider::S3, Encryption::Service, _) => {
                let algorithm = HeaderValue::from_static("AES256");
                self.always.insert("x-amz-server-side-encryption", algorithm);
            }
            (Provider::S3, Encryption::Kms { .. }, key) => {
                let algorithm = HeaderValue::from_static("aws:kms");
                self.always.insert("x-amz-server-side-encryption", algorithm);
                if let Some(key) = key {
                    self.always.insert("x-amz-server-side-encryption-aws-kms-key-id", key);
                }
            }
            // What they do anyhow.
            (Provider::Gcs | Provider::Azure, Encryption::Service, _) => {}
            (Provider::Gcs, Encryption::Kms { .. }, Some(key)) => {
                self.always.insert("x-goog-encryption-kms-key-name", key);
            }
            (Provider::Azure, Encryption::Kms { .. }, Some(scope)) => {
                self.always.insert("x-ms-encryption-scope", scope);
            }
            (Provider::Gcs | Provider::Azure, Encryption::Kms { .. }, None) => {
                return Err(unsupported(
                    bucket,
                    "encryption with a key of its key management needs the key's name here (on \
                     Azure: the name of an encryption scope)",
                ));
            }
        }
        Ok(())
    }

    fn tag(&mut self, bucket: &Bucket, tags: &BTreeMap<String, String>) -> Result<()> {
        let encoded: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(tags).finish();
        let encoded = value(bucket, "tags", &encoded)?;
        match bucket.provider {
            Provider::S3 => {
                self.always.insert("x-amz-tagging", encoded);
                self.copies.insert("x-amz-tagging-directive", HeaderValue::from_static("REPLACE"));
            }
            Provider::Azure => {
                self.always.insert("x-ms-tags", encoded);
            }
            Provider::Gcs => {
                return Err(unsupported(bucket, "Google Cloud Storage has no tags on objects"));
            }
        }
        Ok(())
    }
}

/// What the service calls the mode.
pub(super) fn mode(lock: ObjectLock) -> &'static str {
    match lock.mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    }
}

/// The date until which a lock holds, to whole seconds.
fn until(key: &str, lock: ObjectLock, now: SystemTime) -> Result<HeaderValue> {
    let date = now.checked_add(lock.period).and_then(date);
    date.and_then(|date| HeaderValue::from_str(&date).ok()).ok_or_else(|| {
        let days = lock.period.as_secs() / (24 * 60 * 60);
        Error::new(ErrorKind::Invalid, "put", key)
            .with_detail(format!("{days} days from now are beyond the calendar"))
    })
}

/// A time as the service writes it, to whole seconds.
pub(super) fn date(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.round(jiff::Unit::Second).ok()?.to_string())
}

fn value(bucket: &Bucket, what: &str, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "open", bucket.to_string())
            .with_detail(format!("the {what} is empty or has characters that can't be sent"))
    })
}

fn unsupported(bucket: &Bucket, rule: &str) -> Error {
    Error::new(ErrorKind::Unsupported, "open", bucket.to_string()).with_detail(rule)
}

#[cfg(test)]
mod tests;
