use super::*;

/// A store that listed in ascending order and does so no more may hide what was not told yet.
#[test]
fn an_order_that_was_relied_on_must_stay() {
    let mut skip = Skip::UpTo { told: "d".to_owned(), at: String::new() };
    assert!(!skip.is_new("b").unwrap());
    assert!(!skip.is_new("d").unwrap());
    assert!(skip.is_new("e").unwrap());
    let error = skip.is_new("c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("another order"), "{error}");
}
