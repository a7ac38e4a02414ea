use std::error::Error as _;

use super::*;

#[test]
fn the_text_names_operation_key_cause_and_advice() {
    let error = Error::new(ErrorKind::NotFound, "get", "log/1");
    assert_eq!(error.to_string(), "get log/1: it does not exist");
    let error = Error::new(ErrorKind::NoSpace, "put", "packs/x");
    assert_eq!(
        error.to_string(),
        "put packs/x: no space is left in the store; free some space or raise the quota, then run \
         again"
    );
    let error = error.with_detail("/srv: full").with_attempts(3);
    assert_eq!(error.to_string(), "put packs/x: /srv: full (tried 3 times)");
    assert_eq!(
        (error.kind(), error.operation(), error.key()),
        (ErrorKind::NoSpace, "put", "packs/x")
    );
}

#[test]
fn the_cause_is_chained_and_not_repeated() {
    let error = Error::new(ErrorKind::Other, "get", "x").with_source("the cable is out");
    assert!(!error.to_string().contains("cable"));
    assert_eq!(error.source().unwrap().to_string(), "the cable is out");
    assert!(Error::new(ErrorKind::Other, "get", "x").source().is_none());
}

#[test]
fn only_what_passes_by_itself_is_retried() {
    for kind in [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::NoSpace, ErrorKind::Other] {
        assert!(!Error::new(kind, "get", "x").is_retryable());
    }
    assert!(Error::new(ErrorKind::Unavailable, "get", "x").is_retryable());
}
