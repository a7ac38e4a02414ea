//! What a failed call means: one table from answers to kinds of errors.
//!
//! Decides by the answer itself, never by the error that `object_store` made of it: that has no
//! status, and its text may hold a URL with a secret.

use http::StatusCode;

use super::answer::{Answer, Trouble};
use super::call::Seen;
use super::traffic::RequestClass;
use crate::{Error, ErrorKind};

/// The error of a call of `class` that failed.
pub(super) fn error(class: RequestClass, operation: &'static str, key: &str, seen: Seen) -> Error {
    // Trouble comes last: a body that broke has had a good head.
    if let Some(trouble) = seen.trouble {
        let (kind, advice) = of_trouble(&trouble);
        let error = Error::new(kind, operation, key).with_detail(format!("{trouble}{advice}"));
        let slow = matches!(trouble, Trouble::Stuck(_) | Trouble::Slow(_));
        return if slow { error.with_throttled() } else { error };
    }
    let Some(answer) = seen.answer else {
        return Error::new(ErrorKind::Other, operation, key)
            .with_detail("the request could not be made of this key and these settings");
    };
    let meaning = of_answer(class, &answer);
    let detail = match (meaning.kind, meaning.advice) {
        // The kind says it all.
        (ErrorKind::NotFound | ErrorKind::AlreadyExists, "") => None,
        (ErrorKind::Range, _) => answer.object_bytes.map(|bytes| {
            format!("the object has {bytes} bytes: it is truncated or not what was written")
        }),
        (_, "") => Some(answer.text()),
        (_, advice) => Some(format!("{}: {advice}", answer.text())),
    };
    let mut error = Error::new(meaning.kind, operation, key);
    if let Some(detail) = detail {
        error = error.with_detail(match (&answer.region, meaning.regional) {
            (Some(region), true) => format!("{detail} (the bucket's region is {region})"),
            _ => detail,
        });
    }
    match answer.retry_after {
        _ if meaning.kind != ErrorKind::Unavailable => error,
        Some(pause) => error.with_retry_after(pause),
        None if asks_for_less(&answer) => error.with_throttled(),
        None => error,
    }
}

/// Whether the service says that it is asked too much.
fn asks_for_less(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 408 | 429 | 503 | 504 | 509)
        || matches!(answer.code.as_deref(), Some("SlowDown" | "ServerBusy" | "OperationTimedOut"))
}

fn of_trouble(trouble: &Trouble) -> (ErrorKind, &'static str) {
    match trouble {
        Trouble::Stuck(_) | Trouble::Slow(_) | Trouble::Connect(_) | Trouble::Broken(_) => {
            (ErrorKind::Unavailable, "")
        }
        Trouble::Tls(_) => (
            ErrorKind::Invalid,
            "; if its authority is your own, name the file with its certificate, else check the \
             endpoint",
        ),
        Trouble::Credentials { status: Some(status), .. } if is_transient(*status) => {
            (ErrorKind::Unavailable, "")
        }
        Trouble::Credentials { status: Some(_), .. } => {
            (ErrorKind::Denied, "; check the role or account that is asked for them")
        }
        Trouble::Credentials { status: None, .. } => (
            ErrorKind::Denied,
            "; if this machine has no identity of its own, give credentials (in the variables of \
             the cloud, or in its files)",
        ),
        Trouble::Request(_) => (ErrorKind::Other, ""),
    }
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) kind: ErrorKind,
    advice: &'static str,
    /// Whether the region is what is wrong.
    regional: bool,
}

impl Meaning {
    fn plain(kind: ErrorKind) -> Self {
        Self { kind, advice: "", regional: false }
    }

    fn with(kind: ErrorKind, advice: &'static str) -> Self {
        Self { kind, advice, regional: false }
    }
}

const NO_BUCKET: &str = "there is no such bucket or container; create it, or check its name, the \
                         account and the endpoint";
const WRONG_REGION: &str = "the bucket is in another region; set the region";

/// What an answer means that is no success.
pub(super) fn of_answer(class: RequestClass, answer: &Answer) -> Meaning {
    if let Some(meaning) = answer.code.as_deref().and_then(of_code) {
        return meaning;
    }
    match answer.status.as_u16() {
        200..=299 => Meaning::with(ErrorKind::Other, "but the answer can't be understood"),
        301 | 302 | 303 | 308 => {
            Meaning { kind: ErrorKind::Invalid, advice: WRONG_REGION, regional: true }
        }
        // Said of buckets that are so new that the name service doesn't know yet.
        307 => Meaning::with(ErrorKind::Unavailable, "the bucket is not reachable there yet"),
        304 | 412 => Meaning::plain(ErrorKind::AlreadyExists),
        401 | 403 => Meaning::with(ErrorKind::Denied, "check credentials and permissions"),
        // Nothing is looked up by a put: it is the place that isn't there.
        404 if class == RequestClass::Put => Meaning::with(ErrorKind::Invalid, NO_BUCKET),
        404 => Meaning::plain(ErrorKind::NotFound),
        405 | 411 | 501 => Meaning::with(ErrorKind::Unsupported, "the service can't do that"),
        // Two at once: which won is found out by asking again.
        409 => Meaning::plain(ErrorKind::Unavailable),
        413 => Meaning::with(ErrorKind::Invalid, "the object is too large for the service"),
        416 => Meaning::plain(ErrorKind::Range),
        507 => Meaning::with(ErrorKind::NoSpace, "free some space or raise the quota"),
        _ if is_transient(answer.status) => Meaning::plain(ErrorKind::Unavailable),
        _ => Meaning::plain(ErrorKind::Other),
    }
}

/// Errors whose name says more than their status does.
fn of_code(code: &str) -> Option<Meaning> {
    use ErrorKind as Kind;
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" | "AccountNotFound" | "InvalidBucketName" => {
            Meaning::with(Kind::Invalid, NO_BUCKET)
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            Meaning { kind: Kind::Invalid, advice: WRONG_REGION, regional: true }
        }
        "BlobAlreadyExists" | "ConditionNotMet" | "PreconditionFailed" => {
            Meaning::plain(Kind::AlreadyExists)
        }
        // Another create of this key is under way, or was; which won is found out by asking again.
        "ConditionalRequestConflict" | "OperationAborted" | "ContainerBeingDeleted" => {
            Meaning::plain(Kind::Unavailable)
        }
        "RequestTimeTooSkewed" => Meaning::with(
            Kind::Denied,
            "this machine's clock and the service's differ by too much; set the clock",
        ),
        "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" | "RequestExpired" => {
            Meaning::with(Kind::Denied, "the credentials have expired; get new ones")
        }
        "InvalidAccessKeyId" => Meaning::with(Kind::Denied, "the service does not know this key"),
        "SignatureDoesNotMatch" => Meaning::with(
            Kind::Denied,
            "the secret key is wrong, or something on the way changes requests",
        ),
        "InvalidObjectState" | "BlobArchived" => Meaning::with(
            Kind::Denied,
            "the object is archived; restore it to a class that can be read, then try again",
        ),
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "StorageFull" => {
            Meaning::with(Kind::NoSpace, "free some space or raise the quota")
        }
        // What arrived was not what was sent, or not all of it: another try may be better.
        "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "Md5Mismatch"
        | "Crc64Mismatch"
        | "IncompleteBody"
        | "RequestTimeout"
        | "SlowDown"
        | "InternalError"
        | "ServerBusy"
        | "OperationTimedOut" => Meaning::plain(Kind::Unavailable),
        "NotImplemented" | "InvalidStorageClass" => {
            Meaning::with(Kind::Unsupported, "the service can't do that")
        }
        "BlobImmutableDueToPolicy" => {
            Meaning::with(Kind::Denied, "a policy keeps the object from being deleted")
        }
        "InvalidRange" => Meaning::plain(Kind::Range),
        _ => return None,
    })
}

/// Whether a later request may go better, by its status alone.
fn is_transient(status: StatusCode) -> bool {
    // Those above 509 are of proxies and load balancers.
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 509 | 520..=530)
}

#[cfg(test)]
mod tests;
