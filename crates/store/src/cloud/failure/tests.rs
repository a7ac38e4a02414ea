use std::time::Duration;

use super::*;

fn answer(status: u16, code: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        code: (!code.is_empty()).then(|| code.to_owned()),
        message: None,
        retry_after: None,
        region: None,
        object_bytes: None,
        copy_pending: false,
        guard: crate::Guard::default(),
    }
}

fn failed(class: RequestClass, answer: Answer) -> Error {
    error(class, "put", "packs/a", Seen { answer: Some(answer), trouble: None })
}

#[test]
fn every_answer_has_its_kind() {
    use ErrorKind as Kind;
    let table = [
        (Kind::Unavailable, &[408, 429, 500, 502, 503, 504, 509, 520, 307, 409][..], ""),
        (Kind::Denied, &[401, 403], ""),
        (Kind::AlreadyExists, &[412, 304], ""),
        (Kind::Unsupported, &[405, 411, 501], ""),
        (Kind::NoSpace, &[507], ""),
        (Kind::Range, &[416], ""),
        (Kind::Invalid, &[301, 308, 413], ""),
        (Kind::Other, &[400, 418, 200], ""),
        (Kind::Denied, &[403], "RequestTimeTooSkewed"),
        (Kind::Denied, &[400], "ExpiredToken"),
        (Kind::Denied, &[403], "InvalidObjectState"),
        (Kind::NoSpace, &[403], "QuotaExceeded"),
        (Kind::Unavailable, &[409], "ConditionalRequestConflict"),
        (Kind::Unavailable, &[409], "OperationAborted"),
        (Kind::Unavailable, &[400], "BadDigest"),
        (Kind::Unavailable, &[400], "RequestTimeout"),
        (Kind::AlreadyExists, &[409], "BlobAlreadyExists"),
        (Kind::Invalid, &[404], "NoSuchBucket"),
        (Kind::Invalid, &[404], "ContainerNotFound"),
        (Kind::Invalid, &[400], "AuthorizationHeaderMalformed"),
        (Kind::Unsupported, &[400], "NotImplemented"),
    ];
    for (kind, statuses, code) in table {
        for status in statuses {
            let meaning = of_answer(RequestClass::Get, &answer(*status, code));
            assert_eq!(meaning.kind, kind, "{status} {code}");
        }
    }
}

#[test]
fn what_is_not_found_by_a_put_is_the_bucket() {
    assert_eq!(failed(RequestClass::Get, answer(404, "NoSuchKey")).kind(), ErrorKind::NotFound);
    assert_eq!(failed(RequestClass::Put, answer(404, "")).kind(), ErrorKind::Invalid);
}

#[test]
fn a_pause_is_passed_on_where_repeating_helps() {
    let pause = Some(Duration::from_secs(3));
    let with = |status| Answer { retry_after: pause, ..answer(status, "") };
    assert_eq!(failed(RequestClass::Put, with(503)).retry_after(), pause);
    assert_eq!(failed(RequestClass::Put, with(403)).retry_after(), None);
}

#[test]
fn the_text_says_what_was_answered_and_what_to_do() {
    let text = |answer| failed(RequestClass::Put, answer).to_string();
    assert_eq!(
        text(answer(403, "RequestTimeTooSkewed")),
        "put packs/a: it answered 403 RequestTimeTooSkewed: this machine's clock and the service's \
         differ by too much; set the clock"
    );
    let elsewhere = Answer { region: Some("eu-central-1".to_owned()), ..answer(301, "") };
    assert!(text(elsewhere).ends_with("set the region (the bucket's region is eu-central-1)"));
    assert_eq!(text(answer(412, "")), "put packs/a: it exists already");
    assert_eq!(text(answer(418, "")), "put packs/a: it answered 418 I'm a teapot");
}

#[test]
fn trouble_comes_before_an_answer_that_began_well() {
    let trouble = |trouble| {
        let seen = Seen { answer: Some(answer(200, "")), trouble: Some(trouble) };
        error(RequestClass::Get, "get", "packs/a", seen)
    };
    let credentials = |status: Option<u16>| Trouble::Credentials {
        host: "169.254.169.254".to_owned(),
        status: status.map(|status| StatusCode::from_u16(status).unwrap()),
        what: String::new(),
    };
    let kinds = [
        (Trouble::Stuck(Duration::from_secs(30)), ErrorKind::Unavailable),
        (Trouble::Slow(Duration::from_secs(90)), ErrorKind::Unavailable),
        (Trouble::Connect(String::new()), ErrorKind::Unavailable),
        (Trouble::Broken(String::new()), ErrorKind::Unavailable),
        (Trouble::Tls(String::new()), ErrorKind::Invalid),
        (credentials(None), ErrorKind::Denied),
        (credentials(Some(400)), ErrorKind::Denied),
        (credentials(Some(503)), ErrorKind::Unavailable),
        (Trouble::Request(String::new()), ErrorKind::Other),
    ];
    for (what, kind) in kinds {
        let error = trouble(what.clone());
        assert_eq!(error.kind(), kind, "{what:?}");
    }
    let text = trouble(Trouble::Stuck(Duration::from_secs(30))).to_string();
    assert_eq!(text, "get packs/a: stuck: no byte moved for 30 s");
}
