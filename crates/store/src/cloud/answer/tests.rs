use http::HeaderValue;

use super::*;

const NOW: u64 = 1_792_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    Answer::new(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes(), now())
}

#[test]
fn an_errors_document_is_understood() {
    let body = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please &lt;slow&gt; \
                down</Message><Resource>x</Resource></Error>";
    let found = answer(503, &[("retry-after", "7")], body);
    assert_eq!(found.code.as_deref(), Some("SlowDown"));
    assert_eq!(found.message.as_deref(), Some("Please <slow> down"));
    assert_eq!(found.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(found.text(), "it answered 503 SlowDown (Please <slow> down)");
}

#[test]
fn the_first_of_two_counts_at_whatever_depth() {
    let body = "<ErrorResponse><Error><Code>one</Code></Error><Code>two</Code></ErrorResponse>";
    assert_eq!(answer(403, &[], body).code.as_deref(), Some("one"));
    let header = [("x-ms-error-code", "ServerBusy")];
    assert_eq!(answer(503, &header, body).code.as_deref(), Some("ServerBusy"));
}

#[test]
fn what_is_no_document_is_no_error() {
    for body in ["", "<", "<Error><Code>", "{\"error\": 1}", "\0\0", "<a><b></a>", "&"] {
        let found = answer(500, &[], body);
        assert_eq!((found.code, found.message), (None, None), "{body}");
    }
    assert_eq!(answer(599, &[], "").text(), "it answered 599");
}

#[test]
fn a_pause_can_be_a_date() {
    let date = jiff::Timestamp::from_second(i64::try_from(NOW).unwrap() + 90).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_str(&date.unwrap()).unwrap());
    let found = Answer::new(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", now());
    assert_eq!(found.retry_after, Some(Duration::from_secs(90)));
    assert_eq!(answer(503, &[("retry-after", "soon")], "").retry_after, None);
    let past = [("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")];
    assert_eq!(answer(503, &past, "").retry_after, Some(Duration::ZERO));
}

#[test]
fn no_secret_of_a_url_is_repeated_and_nothing_long() {
    let body =
        "<Error><Message>see https://host/c/blob?sv=1&amp;sig=SECRET now\nmore</Message></Error>";
    let text = answer(403, &[], body).text();
    assert!(text.ends_with("(see https://host/c/blob now)"), "{text}");
    let long = format!("<Error><Message>{}</Message></Error>", "x".repeat(5000));
    assert!(answer(403, &[], &long).text().len() < 400);
}

#[test]
fn the_whole_size_is_in_an_answer_to_a_range() {
    assert_eq!(answer(416, &[("content-range", "bytes */10")], "").object_bytes, Some(10));
    assert_eq!(answer(206, &[("content-range", "bytes 0-4/10")], "").object_bytes, Some(10));
    assert_eq!(answer(206, &[("content-range", "bytes 0-4/*")], "").object_bytes, None);
}

#[test]
fn versions_and_locks_are_seen() {
    let guard = |headers: &[(&'static str, &'static str)]| answer(200, headers, "").guard;
    assert_eq!(guard(&[]), Guard::default());
    assert!(!guard(&[("x-amz-version-id", "null")]).is_version);
    assert!(guard(&[("x-amz-version-id", "3sL4kqtJlcpXroDTDmJ")]).is_version);
    let until = guard(&[("x-amz-object-lock-retain-until-date", "2026-12-01T00:00:00Z")]);
    let until = until.locked_until.unwrap();
    let expected: jiff::Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    assert_eq!(until, SystemTime::from(expected));
    assert_eq!(guard(&[("x-amz-object-lock-retain-until-date", "soon")]), Guard::default());
}
