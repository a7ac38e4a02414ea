//! Signatures of version 4, computed again from what arrived.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;

use super::AccessKey;
use super::checksum::{hex, hex_sha256};
use crate::server::answer::Answer;
use crate::server::request::Head;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is not encoded in a canonical query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The refusal of a request that this key has not signed as it is.
pub(super) fn refusal(key: &AccessKey, head: &Head) -> Option<Answer> {
    let Some(signed) = head.header("authorization").and_then(Signed::parse) else {
        let message = "there is no signature of version 4";
        return Some(Answer::error(403, "AccessDenied", message));
    };
    if signed.key != key.id {
        let message = "the access key id does not exist in our records";
        return Some(Answer::error(403, "InvalidAccessKeyId", message));
    }
    if key.token.is_some() && head.header("x-amz-security-token") != key.token.as_deref() {
        return Some(Answer::error(400, "InvalidToken", "the session token is not valid"));
    }
    let matches =
        signature(key, head, &signed).is_some_and(|computed| computed == signed.signature);
    let message = "the request signature we calculated does not match the one you provided";
    (!matches).then(|| Answer::error(403, "SignatureDoesNotMatch", message))
}

/// Whether a request says that this key has signed it.
pub(super) fn is_by(key: &AccessKey, head: &Head) -> bool {
    head.header("authorization").and_then(Signed::parse).is_some_and(|signed| signed.key == key.id)
}

/// The parts of an Authorization header.
struct Signed<'a> {
    key: &'a str,
    /// Day, region, service and the word at the end.
    scope: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let parts = header.strip_prefix(ALGORITHM)?;
        let part = |name: &str| {
            let found = parts.split(',').find_map(|part| part.trim().strip_prefix(name));
            found.and_then(|rest| rest.strip_prefix('='))
        };
        let (key, scope) = part("Credential")?.split_once('/')?;
        Some(Self { key, scope, headers: part("SignedHeaders")?, signature: part("Signature")? })
    }
}

fn signature(key: &AccessKey, head: &Head, signed: &Signed<'_>) -> Option<String> {
    let date = head.header("x-amz-date")?;
    let [day, region, service, end] = signed.scope.split('/').collect::<Vec<_>>()[..] else {
        return None;
    };
    if !date.starts_with(day) || (service, end) != ("s3", "aws4_request") {
        return None;
    }
    // Whoever leaves these out could change them on the way.
    let names: Vec<_> = signed.headers.split(';').collect();
    let must = |name: &str| name == "host" || name.starts_with("x-amz-");
    let forgotten =
        head.headers.keys().any(|name| must(name.as_str()) && !names.contains(&name.as_str()));
    if forgotten || !names.contains(&"host") {
        return None;
    }
    let request = canonical(head, &names)?;
    let text = format!("{ALGORITHM}\n{date}\n{}\n{}", signed.scope, hex_sha256(request.as_bytes()));
    let secret = format!("AWS4{}", key.secret);
    let steps = [day, region, service, end];
    let derived = steps.iter().fold(secret.into_bytes(), |key, step| mac(&key, step));
    Some(hex(&mac(&derived, &text)))
}

/// The request as it is signed.
fn canonical(head: &Head, names: &[&str]) -> Option<String> {
    let encode = |text: &String| utf8_percent_encode(text, ENCODED).to_string();
    let mut pairs: Vec<_> =
        head.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in names {
        let values: Vec<_> =
            head.headers.get_all(*name).iter().map(|value| value.to_str()).collect();
        let values: Vec<_> = values.into_iter().collect::<Result<_, _>>().ok()?;
        headers +=
            &format!("{name}:{}\n", values.iter().map(|v| v.trim()).collect::<Vec<_>>().join(","));
    }
    Some(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        head.method,
        head.raw_path,
        pairs.join("&"),
        names.join(";"),
        head.header("x-amz-content-sha256")?
    ))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}
